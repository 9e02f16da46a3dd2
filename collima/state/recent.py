"""The last runs of a job, without what they came to in detail: for rows of cells."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from collima.state.clock import maybe, moment
from collima.state.database import Database
from collima.state.tables import runs


@dataclass(frozen=True, slots=True)
class Brief:
    """`state` is "" while it is under way, or dead and not found out yet."""

    id: str
    state: str
    started: datetime
    ended: datetime | None
    cause: str


@dataclass(frozen=True, slots=True)
class Recent:
    database: Database

    def runs(self, job: str, most: int) -> tuple[Brief, ...]:
        """The whole runs of a job, the oldest first; one that was tried again is not among them, the other try is."""
        wanted = (
            select(runs.c.id, runs.c.state, runs.c.started, runs.c.ended, runs.c.cause, runs.c.retries)
            .where(runs.c.job == job, runs.c.kind == "run")
            .order_by(runs.c.started.desc(), runs.c.id.desc())
            .limit(most * 2)
        )
        with self.database.read() as connection:
            found = connection.execute(wanted).all()
        tried_again = {row.retries for row in found}
        last = [row for row in found if row.id not in tried_again][:most]
        return tuple(
            Brief(row.id, row.state or "", moment(row.started), maybe(row.ended), row.cause) for row in reversed(last)
        )
