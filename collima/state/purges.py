"""`core.quarantine.Purges` over a database: of one job on one quarantine."""

from dataclasses import dataclass

from sqlalchemy import select

from collima.state.clock import micros
from collima.state.database import Database
from collima.state.keys import put
from collima.state.tables import purges


@dataclass(frozen=True, slots=True)
class SqlPurges:
    database: Database
    job: str
    target: str

    def keep(self) -> int | None:
        mine = purges.c.job == self.job, purges.c.target == self.target
        with self.database.read() as connection:
            return connection.scalar(select(purges.c.keep).where(*mine))

    def kept(self, seconds: int) -> None:
        row = {"job": self.job, "target": self.target, "keep": seconds, "at": micros(self.database.now())}
        with self.database.write() as connection:
            put(connection, purges, [row], changed=["keep", "at"])
