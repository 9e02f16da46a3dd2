"""A service without processes: its runs are played by the test, on a real state, by a clock that the test turns."""

import itertools
import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import update

from collima.app import kinds
from collima.app.config import Job
from collima.app.kinds import Family, Kinds
from collima.app.service import loaded
from collima.app.service.child import Why
from collima.app.service.loaded import Loaded
from collima.app.service.loop import Service
from collima.app.service.output import Output
from collima.app.service.seams import Seams
from collima.state import SqlJournal
from collima.state.clock import micros
from collima.state.slot_rows import SlotRow
from collima.state.tables import locks
from tests.state.conftest import State

KINDS = Kinds(Family(kinds.CONNECTORS), Family({"script": "tests.app.service.kind:Script"}))
DEAD = 2**22 + 1  # no process has this number: pid_max is lower

_names = itertools.count(1)


@dataclass
class Played:
    """A run that the service believes to have started."""

    job: str
    slot: datetime
    journal: SqlJournal
    pid: int = field(default_factory=os.getpid)
    code: int | None = None
    why: Why = ""
    output: Output = field(default_factory=Output)

    def end(self, why: Why) -> None:
        self.why = self.why or why
        self.ends("failed", transient=True, cause="Stopped: stopped by SIGTERM", code=75)

    def ends(self, state: str = "changed", *, transient: bool = False, cause: str = "", code: int = 0) -> None:
        with self.journal.begin(self.job, "", slot=micros(self.slot), kind="run", config="c0") as record:
            record.end(state, {}, transient=transient, cause=cause)
        self.code = code

    def gives_back(self, cause: str) -> None:
        """What it works on is not on its machine."""
        self.journal.slots.give_back(self.job, micros(self.slot), cause)
        self.pid, self.code = DEAD, 75  # no run on record is of its process

    def begins(self) -> str:
        """It goes on, in a process that lives."""
        return self.journal._enter(self.job, "", slot=micros(self.slot), kind="run", config="c0", undoes="").run

    def dies(self) -> None:
        """kill -9, while it runs."""
        run = self.begins()
        with self.journal.database.write() as connection:
            connection.execute(update(locks).where(locks.c.run == run).values(pid=DEAD))
        self.code = -9


@dataclass
class Stage:
    """Services over one state. `jobs` are the lines below `jobs:`."""

    state: State
    folder: Path
    played: list[Played] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)  # (about, cause) of trouble; no cause: it is over
    troubles: dict[str, str] = field(default_factory=dict)  # that are not over, as the state knows them
    odd: list[Exception] = field(default_factory=list)  # what the next starts of a process raise
    jump: timedelta = timedelta()  # how far the clock on the wall is ahead of the steady one

    @property
    def file(self) -> Path:
        return self.folder / "schedules.yaml"

    def write(self, jobs: str, more: str = "workers: 5") -> None:
        self.file.write_text(
            f"version: 1\ntimezone: Europe/Rome\nstate: sqlite:///x.db\nconnectors: {{}}\n{more}\njobs:\n{jobs}\n"
        )

    def service(self, host: str = "here", *, patient: bool = True) -> Service:
        journal = self.state.open(host)

        def spawn(schedule: Loaded, job: Job, slot: datetime, done: object) -> Played:
            if self.odd:
                raise self.odd.pop()
            self.played.append(Played(job.name, slot, journal))
            return self.played[-1]

        return Service(
            name=f"{host}-{next(_names)}",
            journal=journal,
            loaded=loaded.load(self.file, KINDS),
            load=lambda: loaded.load(self.file, KINDS),
            machine={host},
            clock=lambda: self.state.now,
            steady=self.steady,
            spawn=spawn,
            wake=lambda: None,
            seams=Seams(
                trouble=lambda config, journal, about, cause, now: self.tell(about, cause),
                well=lambda config, journal, about, now: self.tell(about, ""),
            ),
            patient=patient,
        )

    def tell(self, about: str, cause: str) -> None:
        """What is not new is told to nobody."""
        if self.troubles.get(about, "") != cause:
            self.troubles[about] = cause
            self.told.append((about, cause))

    def steady(self) -> float:
        return (self.state.now - self.jump).timestamp()

    def at(self, text: str) -> None:
        """Turns the clock to a time of the day in UTC, later than now, and the machine's steady clock with it."""
        hour, minute = map(int, text.split(":"))
        then = self.state.now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        self.state.now = then if then > self.state.now else then + timedelta(days=1)

    def set_clock(self, span: timedelta) -> None:
        """Somebody sets the clock on the wall: no time has passed."""
        self.state.now += span
        self.jump += span

    def slot(self, job: str) -> SlotRow:
        """The newest of a job, without what no test looks at."""
        found = self.state.open().slots.newest(job)
        assert found is not None
        return replace(found, since=None, ended=None)

    def states(self) -> dict[str, str]:
        """By job, the state of its newest slot."""
        journal = self.state.open()
        names = ["a", "b", "c", "d"]
        return {name: row.state for name in names if (row := journal.slots.newest(name))}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
