"""A small campus: people in an LDIF file, rosters in memory, the state in SQLite, and a clock to turn."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from collima.app.result_json import stored
from collima.core import engine
from collima.core.decide import Task
from collima.core.engine import Desk, Order
from collima.core.guard import Whole
from collima.core.options import BUILT_IN_GUARD, Guard
from collima.core.ports import Context
from collima.core.result import Result, SubjectResult
from collima.directory.filters import parse, template
from collima.state import open_state
from connectors.ldif import Ldif
from jobs.roster_sync import RosterSync
from jobs.roster_sync.options import Stanza
from tests.contracts.memory import MemoryRosters

TARGET, SOURCE = "lists", "people"


def person(uid: str, *, status: str = "active", mail: str | Sequence[str] | None = None, **attributes: str) -> str:
    """An LDIF record. `mail`: the values of unimoreMail; by default uid@unimore.it, and () for none."""
    addresses = [f"{uid}@unimore.it"] if mail is None else [mail] if isinstance(mail, str) else mail
    lines = [
        f"dn: uid={uid},ou=people,dc=unimore,dc=it",
        "objectClass: inetOrgPerson",
        f"uid: {uid}",
        f"cn: {uid}",
        "sn: x",
    ]
    lines += [f"unimoreMail: {a}" for a in addresses]
    lines += [f"unimoreStatus: {status}", *(f"{name}: {value}" for name, value in attributes.items())]
    return "\n".join(lines) + "\n\n"


def place(ou: str, **attributes: str) -> str:
    lines = [f"dn: ou={ou},dc=unimore,dc=it", "objectClass: organizationalUnit", f"ou: {ou}"]
    return "\n".join([*lines, *(f"{name}: {value}" for name, value in attributes.items())]) + "\n\n"


def staff(count: int, first: int = 0, **attributes: str) -> list[str]:
    return [person(f"p{n}", **attributes) for n in range(first, first + count)]


@dataclass
class Campus:
    folder: Path
    target: MemoryRosters = field(default_factory=MemoryRosters)
    now: datetime = datetime(2026, 11, 24, 5, 30, tzinfo=UTC)
    records: list[str] = field(default_factory=list)
    everybody: bool = True  # every address that people have is an account of the target

    def people(self, *records: str | list[str]) -> None:
        self.records = [r for part in records for r in (part if isinstance(part, list) else [part])]
        (self.folder / "people.ldif").write_text("".join(self.records))
        if self.everybody:
            for record in self.records:
                for line in record.splitlines():
                    if line.startswith("unimoreMail: ") and "@" in line:
                        self.account(line.removeprefix("unimoreMail: "))

    def account(self, *addresses: str, id: str = "") -> None:
        known = {a for all_ in self.target.accounts.values() for a in all_}
        if not known.intersection(addresses):
            self.target.accounts[id or f"id-{addresses[0]}"] = list(addresses)

    def pass_days(self, days: float) -> None:
        self.now += timedelta(days=days)

    def clock(self) -> datetime:
        return self.now

    # ---- running

    def job(self, *stanzas: Stanza, **options: Any) -> RosterSync:
        known: dict[str, Any] = {
            "source": SOURCE,
            "target": TARGET,
            "among": parse("(unimoreStatus=active)"),
            "address": "unimoreMail",
            "own_domains": ("unimore.it", "studenti.unimore.it"),
            "rosters": stanzas,
        }
        return RosterSync(**(known | options))

    @contextmanager
    def desk(self) -> Iterator[Desk]:
        url = f"sqlite:///{self.folder / 'collima.db'}"
        with open_state(url, now=self.clock, host="test") as journal:
            yield Desk(journal=journal, clock=self.clock, document=stored)

    def task(self, job: RosterSync, desk: Desk, name: str = "sympa-lists", *, watch: bool = False) -> Task[Any, Any]:
        guard = job.guard.over(BUILT_IN_GUARD)
        context = Context(name, ZoneInfo("Europe/Rome"), guard, desk.journal, self.connect, watch)
        return Task(
            name, job.bind(context), Whole(guard.max_removals_total, guard.source_drop, guard.small_change or 0)
        )

    def connect(self, name: str) -> AbstractContextManager[Any]:
        return Ldif(file=self.folder / "people.ldif").open() if name == SOURCE else self.target.open()

    def run(self, job: RosterSync, *, name: str = "sympa-lists", watch: bool = False, **order: Any) -> Result:
        asked = Order(**({"who": "anna", "reason": "because"} | order))
        with self.desk() as desk:
            return engine.run(self.task(job, desk, name, watch=watch), desk, asked)

    def plan(self, job: RosterSync, *, name: str = "sympa-lists", **order: Any) -> Result:
        with self.desk() as desk:
            return engine.plan(self.task(job, desk, name), desk, Order(**order))

    def undo(self, job: RosterSync, of: str, *, name: str = "sympa-lists", **order: Any) -> Result:
        asked = Order(**({"who": "anna", "reason": "because"} | order))
        with self.desk() as desk:
            return engine.undo(self.task(job, desk, name), desk, asked, of)

    def settled(self, job: RosterSync, runs: int = 3) -> None:
        """So many runs, so that a history is on record; whatever the first holds is approved."""
        for _ in range(runs):
            result = self.run(job)
            if result.fingerprint:
                self.run(job, approve=(result.fingerprint,))
            self.pass_days(1)

    def members(self, roster: str) -> list[str]:
        return sorted(self.target.accounts[i][0] for i in self.target.rosters.get(roster, ()))


def stanza(name: str = "docenti", members: str = "(employeeType=PO)", **options: Any) -> Stanza:
    return Stanza(name=name, members=template(members), **options)


def subject(result: Result, name: str = "docenti") -> SubjectResult:
    return next(s for s in result.subjects if s.name == name)


def codes(result: Result, name: str | None = None) -> list[str]:
    return [f.code for f in result.findings if name in (None, f.subject)]


def guarded(**words: Any) -> Guard:
    return replace(Guard(), **words)
