"""Alumni: entries in an LDIF file, accounts in memory, the state in SQLite, and a clock to turn."""

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email import message_from_string, policy
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
from collima.core.options import BUILT_IN_GUARD
from collima.core.ports import Context
from collima.core.quantities import Duration, amount, duration
from collima.core.result import Result, SubjectResult
from collima.directory.filters import parse
from collima.state import SqlJournal, open_state
from connectors.ldif import Ldif
from jobs.account_expiry import AccountExpiry
from jobs.account_expiry.options import ExpiryGuard, Step
from tests.contracts.memory_accounts import MemoryAccounts

NAME, SOURCE, TARGET, VIA = "alumni-expiry", "people", "google", "mail"
ROME = ZoneInfo("Europe/Rome")
DOMAIN = "studenti.unimore.it"


def entry(
    number: int | str,
    graduated: str | date | tuple[str, ...] | None = None,
    *,
    person: str | None = "",
    status: str = "alumn",
    mail: str | None = "",
    **more: str,
) -> str:
    """An LDIF record. `graduated`: a day, values as they are, or None. `person`: "" is one of its own."""
    uid = str(number)
    lines = [f"dn: uid={uid},ou=people,dc=unimore,dc=it", "objectClass: inetOrgPerson", f"uid: {uid}", "cn: x", "sn: x"]
    lines.append(f"unimoreStatus: {status}")
    if mail is not None:
        lines.append(f"mail: {mail or f'{uid}@{DOMAIN}'}")
    if person is not None:
        lines.append(f"schacPersonalUniqueID: {person or f'urn:schac:personalUniqueID:it:CF:{uid}'}")
    values = (graduated,) if isinstance(graduated, str) else graduated if isinstance(graduated, tuple) else ()
    if isinstance(graduated, date):
        values = (f"{graduated:%Y%m%d}120000Z",)
    lines += [f"unimoreGraduationDate: {value}" for value in values]
    lines += [f"{name}: {value}" for name, value in more.items()]
    return "\n".join(lines) + "\n\n"


def then(*steps: tuple[str, str]) -> tuple[Step, ...]:
    return tuple(Step(**{verb: duration(wait)}) for verb, wait in steps)


@dataclass
class Alumni:
    """Today is 24 November 2026: who graduated on 24 November 2023 has the last day, and others have gone on."""

    folder: Path
    target: MemoryAccounts = field(default_factory=MemoryAccounts)
    now: datetime = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
    records: list[str] = field(default_factory=list)

    def people(self, *records: str | list[str], crowd: int = 60) -> None:
        """These, and a crowd of others who graduated last month. Each `mail` gets an account."""
        mine = [r for part in records for r in (part if isinstance(part, list) else [part])]
        recent = self.now.date() - timedelta(days=30)
        self.records = mine + [entry(900_000 + n, recent) for n in range(crowd)]
        (self.folder / "people.ldif").write_text("".join(self.records))
        have = {name for account in self.target.present.values() for name in (account.address, *account.aliases)}
        for record in self.records:
            for line in record.splitlines():
                if (address := line.removeprefix("mail: ")) != line and address not in have:
                    self.target.add(address)
                    have.add(address)

    def pass_days(self, days: float) -> None:
        self.now += timedelta(days=days)

    def clock(self) -> datetime:
        return self.now

    def job(self, **options: Any) -> AccountExpiry:
        known: dict[str, Any] = {
            "source": SOURCE,
            "target": TARGET,
            "via": VIA,
            "who": parse("(unimoreStatus=alumn)"),
            "account": "mail",
            "person": "schacPersonalUniqueID",
            "since": "unimoreGraduationDate",
            "expires_after": Duration(3, "year"),
            "unless": parse("(|(unimoreStatus=active)(unimoreRole=dottorando))"),
            "notify_also": "personalMail",
            "then": then(("suspend", "0 days"), ("delete", "60 days")),
            "mode": "apply",
            "guard": ExpiryGuard(
                max_suspensions=amount(200), max_deletions=amount(0), max_removals_total=amount("100%")
            ),
        }
        job = AccountExpiry(**(known | options))
        assert list(job.faults()) == []
        return job

    @contextmanager
    def journal(self) -> Iterator[SqlJournal]:
        with open_state(f"sqlite:///{self.folder / 'collima.db'}", now=self.clock, host="test") as journal:
            yield journal

    @contextmanager
    def desk(self, job: AccountExpiry) -> Iterator[tuple[Task[Any, Any], Desk]]:
        with self.journal() as journal:
            guard = job.guard.over(BUILT_IN_GUARD)
            context = Context(
                name=NAME,
                timezone=ROME,
                guard=guard,
                registry=journal,
                connect=self.connect,
                watch=job.mode == "watch",
                ledger=journal.ledger(NAME, TARGET),
                stationery=Templates("posta@unimore.it", "unimore.it", "it"),
            )
            whole = Whole(guard.max_removals_total, guard.source_drop, guard.small_change or 0)
            yield Task(NAME, job.bind(context), whole), Desk(journal=journal, clock=self.clock, document=stored)

    def connect(self, name: str) -> AbstractContextManager[Any]:
        return Ldif(file=self.folder / "people.ldif").open() if name == SOURCE else self.target.open()

    def run(self, job: AccountExpiry | None = None, **order: Any) -> Result:
        with self.desk(job or self.job()) as (task, desk):
            return engine.run(task, desk, Order(**({"who": "anna", "reason": "because"} | order)))

    def plan(self, job: AccountExpiry | None = None) -> Result:
        with self.desk(job or self.job()) as (task, desk):
            return engine.plan(task, desk, Order())

    def undo(self, of: str, job: AccountExpiry | None = None, **order: Any) -> Result:
        with self.desk(job or self.job()) as (task, desk):
            return engine.undo(task, desk, Order(**({"who": "anna", "reason": "because"} | order)), of)

    def post(self, *, refused: Collection[str] = ()) -> list[EmailMessage]:
        """What waits in the outbox goes out now, but to those who are refused."""
        mails = []
        with self.journal() as journal:
            for row in journal.outbox.due(VIA, 100_000):
                mail = message_from_string(journal.outbox.message(row), policy=policy.default)
                assert isinstance(mail, EmailMessage)
                if refused and not set(refused).isdisjoint(row.to):
                    journal.outbox.failed(row, "550 no such user")
                else:
                    journal.outbox.sent(row)
                    mails.append(mail)
        return mails

    def settled(self, job: AccountExpiry | None = None) -> None:
        """Three runs on the days before, so that a history is on record."""
        self.pass_days(-3)
        self.day_after_day(3, job)

    def day_after_day(self, days: int, job: AccountExpiry | None = None) -> list[Result]:
        """A run and its mail each day."""
        results = []
        for _ in range(days):
            results.append(self.run(job))
            self.post()
            self.pass_days(1)
        return results

    def states(self, *numbers: int | str) -> list[str]:
        return [self.target.state(f"{number}@{DOMAIN}") for number in numbers]


def accounts(result: Result) -> SubjectResult:
    (subject,) = result.subjects
    return subject


def planned(result: Result) -> dict[str, list[str]]:
    """By verb, without the domain; verbs with nothing are left out."""
    return {verb: [what.partition("@")[0] for what in some] for verb, some in accounts(result).planned.items() if some}


def applied(result: Result) -> dict[str, int]:
    return {verb: count for verb, count in accounts(result).applied.items() if count}


def codes(result: Result) -> dict[str, str]:
    return {f.code: f.text for f in result.findings if f.code != "ends-soon"}


def ended(days: int, today: date = date(2026, 11, 24)) -> date:
    """When somebody graduated whose last day was so many days ago (or, below 0, is to come)."""
    last = today - timedelta(days=days)
    return last.replace(year=last.year - 3)
