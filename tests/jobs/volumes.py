"""Volumes whose snapshots are held in memory, a state in SQLite, and a clock to turn."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from collima.app.result_json import stored
from collima.core import engine
from collima.core.decide import Task
from collima.core.engine import Desk, Order
from collima.core.errors import SourceError
from collima.core.guard import Whole
from collima.core.options import BUILT_IN_GUARD
from collima.core.ports import Context
from collima.core.result import Result
from collima.core.targets import Snapshot
from collima.state import open_state
from connectors.times import instant
from jobs.snapshot_check import SnapshotCheck
from jobs.snapshot_check.options import Volume

ROME = ZoneInfo("Europe/Rome")
MORNING = datetime(2026, 11, 24, 8, 0, tzinfo=ROME).astimezone(UTC)


@dataclass
class System:
    """A connector and its session. `taken`: by volume, moments or local times without a zone."""

    taken: dict[str, list[datetime]] = field(default_factory=dict)
    fault: str = ""  # why it cannot be opened
    transient: bool = False  # whether that may pass
    broken: dict[str, str] = field(default_factory=dict)  # volume -> why it cannot be read

    @contextmanager
    def open(self) -> Iterator["System"]:
        if self.fault:
            raise SourceError(self.fault, transient=self.transient)
        yield self

    def read(self, volume: str, zone: tzinfo) -> Sequence[Snapshot]:
        if volume in self.broken:
            raise SourceError(self.broken[volume], transient=self.transient)
        of = [volume] if volume else self.taken
        return [Snapshot(name, instant(moment, zone)) for name in of for moment in self.taken.get(name, ())]


@dataclass
class Storage:
    folder: Path
    systems: dict[str, System] = field(default_factory=lambda: {"san": System(), "nas": System()})
    now: datetime = MORNING
    zone: ZoneInfo = ROME

    def run(self, job: SnapshotCheck, *, watch: bool = False, plan: bool = False) -> Result:
        state = open_state(f"sqlite:///{self.folder}/state.db", now=lambda: self.now, host="here", command="test")
        with state as journal:
            context = Context(
                name="snapshots",
                timezone=self.zone,
                guard=BUILT_IN_GUARD,
                registry=journal,
                connect=lambda name: self.systems[name].open(),
                watch=watch,
            )
            task: Task[Any, Any] = Task("snapshots", job.bind(context), Whole())
            desk = Desk(journal, lambda: self.now, stored)
            return (engine.plan if plan else engine.run)(task, desk, Order())


def nightly(*days: int, at: str = "02:30", before: datetime = MORNING) -> list[datetime]:
    """So many days ago each, at a local time."""
    hour, minute = map(int, at.split(":"))
    day = before.astimezone(ROME).replace(hour=hour, minute=minute, tzinfo=None)
    return [day - timedelta(days=n) for n in days]


def job(*volumes: Volume, **options: Any) -> SnapshotCheck:
    return SnapshotCheck(volumes=volumes or (MAIL,), **options)


MAIL = Volume(name="mail", in_="san", volume="lun-mail")
HOME = Volume(name="home", in_="nas")
