"""Mornings of a quarantine: people in an LDIF file, messages in memory, the state in SQLite, and a clock to turn."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from collima.app.result_json import stored
from collima.app.stationery import Templates
from collima.core import engine
from collima.core.decide import Task
from collima.core.engine import Desk, Order
from collima.core.guard import Whole
from collima.core.options import BUILT_IN_GUARD, Address, Secret
from collima.core.ports import Context
from collima.core.result import Result, SubjectResult
from collima.directory.filters import parse
from collima.state import SqlJournal, open_state
from connectors.ldif import Ldif
from jobs.quarantine_digest import QuarantineDigest
from jobs.quarantine_digest.digest import Digesting
from jobs.quarantine_digest.options import Actions
from tests.contracts.memory_quarantine import MemoryQuarantine

NAME, SOURCE, TARGET, VIA = "quarantine-digest", "people", "quarantine", "mail"
URL = "https://posta.unimore.it/quarantena"
ROME = ZoneInfo("Europe/Rome")
DOMAIN = "unimore.it"


def person(uid: str, *more: str, asks: bool = True, language: str = "", mail: str | None = "") -> str:
    """An LDIF record. `more`: values of unimoreMail. `mail`: "" is one of its own, None is none."""
    lines = [
        f"dn: uid={uid},ou=people,dc=unimore,dc=it",
        "objectClass: inetOrgPerson",
        "objectClass: unimorePerson",
        f"uid: {uid}",
        "cn: x",
        "sn: x",
    ]
    lines += [f"unimoreDigest: {'TRUE' if asks else 'FALSE'}"]
    lines += [f"mail: {mail or f'{uid}@{DOMAIN}'}"] if mail is not None else []
    lines += [f"unimoreMail: {address}" for address in more]
    lines += [f"preferredLanguage: {language}"] if language else []
    return "\n".join(lines) + "\n\n"


class Arrived(EmailMessage):
    """A mail as its reader has it. Its bytes are those that went over the wire."""

    content = b""

    def as_bytes(self, *_: Any, **__: Any) -> bytes:
        return self.content


@dataclass
class Held:
    """It is half past six in the morning, and the ledger began long ago unless `fresh`."""

    folder: Path
    quarantine: MemoryQuarantine = field(default_factory=MemoryQuarantine)
    now: datetime = datetime(2026, 11, 24, 5, 30, tzinfo=UTC)
    fresh: bool = False

    def __post_init__(self) -> None:
        key = self.folder / "key"
        key.write_text("0123456789abcdef0123456789abcdef\n")
        key.chmod(0o600)
        if not self.fresh:
            with self.journal() as journal:
                journal.digests(NAME, TARGET).begin(self.now - timedelta(days=30))

    def people(self, *records: str) -> None:
        (self.folder / "people.ldif").write_text("".join(records) or "\n")

    def hold(self, *recipients: str, ago: float = 2, **more: Any) -> str:
        """A message that came in so many hours ago. Its first item."""
        whole = [name if "@" in name else f"{name}@{DOMAIN}" for name in recipients]
        return self.quarantine.hold(*whole, at=self.now - timedelta(hours=ago), **more)[0]

    def pass_hours(self, hours: float) -> None:
        self.now += timedelta(hours=hours)

    def clock(self) -> datetime:
        return self.now

    def job(self, **options: Any) -> QuarantineDigest:
        known: dict[str, Any] = {
            "source": SOURCE,
            "quarantine": TARGET,
            "via": VIA,
            "who": parse("(unimoreDigest=TRUE)"),
            "addresses": ("mail", "unimoreMail"),
            "from_": Address("quarantena@unimore.it"),
            "actions": Actions(url=URL, secret=Secret(file=self.folder / "key")),
        }
        job = QuarantineDigest(**(known | options))
        assert list(job.faults()) == []
        return job

    @contextmanager
    def journal(self) -> Iterator[SqlJournal]:
        with open_state(f"sqlite:///{self.folder / 'collima.db'}", now=self.clock, host="test") as journal:
            yield journal

    def bound(self, journal: SqlJournal, job: QuarantineDigest | None = None) -> Digesting:
        job = job or self.job()
        context = Context(
            name=NAME,
            timezone=ROME,
            guard=job.guard.over(BUILT_IN_GUARD),
            registry=journal,
            connect=self.connect,
            watch=job.mode == "watch",
            stationery=Templates("posta@unimore.it", DOMAIN, "it"),
            digests=journal.digests(NAME, TARGET),
            readers=[Address("posta@unimore.it")],
            clock=self.clock,
        )
        return job.bind(context)

    def connect(self, name: str) -> AbstractContextManager[Any]:
        return Ldif(file=self.folder / "people.ldif").open() if name == SOURCE else self.quarantine.open()

    @contextmanager
    def desk(self, job: QuarantineDigest | None = None) -> Iterator[tuple[Task[Any, Any], Desk]]:
        with self.journal() as journal:
            bound = self.bound(journal, job)
            guard = bound.context.guard
            whole = Whole(guard.max_removals_total, guard.source_drop, guard.small_change or 0)
            yield Task(NAME, bound, whole), Desk(journal=journal, clock=self.clock, document=stored)

    def run(self, job: QuarantineDigest | None = None, **order: Any) -> Result:
        with self.desk(job) as (task, desk):
            return engine.run(task, desk, Order(**({"who": "anna", "reason": "because"} | order)))

    def plan(self, job: QuarantineDigest | None = None) -> Result:
        with self.desk(job) as (task, desk):
            return engine.plan(task, desk, Order())

    def waiting(self) -> list[tuple[str, tuple[str, ...]]]:
        """(Message-ID, recipients) of the outbox, oldest first."""
        with self.journal() as journal:
            return [(row.message_id, tuple(row.to)) for row in journal.outbox.due(VIA, 100_000)]

    def mails(self, job: QuarantineDigest | None = None) -> dict[str, list[EmailMessage]]:
        """Every digest of the outbox as it would go out now, by its recipient; what has nothing left is not there."""
        found: dict[str, list[EmailMessage]] = {}
        letters = self.waiting()
        with self.journal() as journal, self.bound(journal, job).composing() as compose:
            for (message_id, (to,)), content in zip(letters, compose([name for name, _ in letters]), strict=True):
                if content:
                    mail = message_from_bytes(content, Arrived, policy=policy.default)
                    mail.content = content
                    assert (mail["Message-ID"], mail["To"]) == (message_id, to)
                    found.setdefault(to, []).append(mail)
        return found


def digests(result: Result) -> SubjectResult:
    (subject,) = result.subjects
    return subject


def part(mail: EmailMessage, kind: str = "plain") -> str:
    """Its text, or HTML."""
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")
