"""Jobs that a person has paused: until when, why, and who did it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, delete, insert, select

from collima.state.clock import micros, moment
from collima.state.database import Database
from collima.state.tables import pauses

EVERY_JOB = ""


@dataclass(frozen=True, slots=True)
class Pause:
    job: str  # EVERY_JOB: all of them
    at: datetime  # since when
    until: datetime  # the first moment at which it is over
    reason: str
    who: str

    def covers(self, at: datetime) -> bool:
        return self.at <= at < self.until


@dataclass(frozen=True, slots=True)
class Pauses:
    """`journal.pauses`. One for each job, and one for all of them; one that is over stays until the next is made."""

    database: Database

    def set(self, pause: Pause) -> None:
        """Replaces the one of this job. One transaction."""
        with self.database.write() as connection:
            connection.execute(delete(pauses).where(pauses.c.job == pause.job))
            connection.execute(
                insert(pauses).values(
                    job=pause.job,
                    at=micros(pause.at),
                    until=micros(pause.until),
                    reason=pause.reason,
                    who=pause.who,
                )
            )

    def end(self, job: str, now: datetime) -> Pause | None:
        """Ends the one of this job now. Returns what it was; None: nothing was paused."""
        with self.database.write() as connection:
            row = connection.execute(select(pauses).where(pauses.c.job == job, pauses.c.until > micros(now))).first()
            if row is None:
                return None
            connection.execute(pauses.update().where(pauses.c.job == job).values(until=micros(now)))
            return _pause(row)

    def open(self, now: datetime) -> Mapping[str, Pause]:
        """Those that are not over, by job."""
        return {job: pause for job, pause in self.known().items() if now < pause.until}

    def known(self) -> Mapping[str, Pause]:
        """The newest of each job, also when it is over: a slot that was due meanwhile stays paused."""
        with self.database.read() as connection:
            return {row.job: _pause(row) for row in connection.execute(select(pauses))}


def _pause(row: Row[tuple[object, ...]]) -> Pause:
    return Pause(row.job, moment(row.at), moment(row.until), row.reason, row.who)
