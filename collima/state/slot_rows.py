"""What is read of slots, of their runs and of locks."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Row

from collima.state.clock import maybe, moment


@dataclass(frozen=True, slots=True)
class SlotRow:
    """One due moment of a job. `state`: waiting, running, ended, missed, skipped or paused."""

    job: str
    due: datetime
    state: str
    service: str = ""  # that started it; "" while it waits
    not_before: datetime | None = None
    tries: int = 0  # after transient failures
    takeovers: int = 0  # after the death of a run
    run: str = ""  # the newest of it
    since: datetime | None = None
    ended: datetime | None = None
    cause: str = ""
    told: datetime | None = None

    @property
    def key(self) -> tuple[str, datetime]:
        return self.job, self.due


@dataclass(frozen=True, slots=True)
class SlotRun:
    """The newest run of a slot, and the process that has its locks. `state` is "" while it has no end."""

    id: str
    job: str
    due: datetime
    pid: int
    host: str
    started: datetime
    ended: datetime | None
    state: str
    cause: str
    transient: bool
    born: str = ""  # of the process; "" when it has no lock any more
    lease: datetime | None = None


@dataclass(frozen=True, slots=True)
class LockRow:
    """What a run has; `id` is the run's, `name` is job:NAME or target:NAME."""

    id: str
    name: str
    job: str
    host: str
    pid: int
    born: str
    lease: datetime


def slot_row(row: Row[Any]) -> SlotRow:
    return SlotRow(
        job=row.job,
        due=moment(row.slot),
        state=row.state,
        service=row.service,
        not_before=moment(row.not_before),
        tries=row.tries,
        takeovers=row.takeovers,
        run=row.run,
        since=moment(row.since),
        ended=maybe(row.ended),
        cause=row.cause,
        told=maybe(row.told),
    )


def slot_run(row: Row[Any]) -> SlotRun:
    return SlotRun(
        id=row.id,
        job=row.job,
        due=moment(row.slot),
        pid=row.pid,
        host=row.host,
        started=moment(row.started),
        ended=maybe(row.ended),
        state=row.state or "",
        cause=row.cause,
        transient=row.transient,
        born=row.born or "",
        lease=maybe(row.lease),
    )
