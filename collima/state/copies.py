"""`core.copies.CopyBook` over a database: of one job on one store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from collima.core.copies import Past
from collima.core.errors import StateError
from collima.state.clock import micros, moment
from collima.state.database import Database
from collima.state.keys import put
from collima.state.tables import absences, copies, runs


@dataclass(frozen=True, slots=True)
class SqlCopyBook:
    database: Database
    job: str
    target: str

    def past(self, since: datetime) -> Sequence[Past]:
        """Runs that a person cut with `--only`, and undoes, are none of these."""
        wanted = (
            select(runs.c.started, runs.c.state, copies.c.mailboxes, copies.c.messages, copies.c.size)
            .join(copies, copies.c.run == runs.c.id, isouter=True)
            .where(runs.c.job == self.job, runs.c.target == self.target, runs.c.kind == "run")
            .where(runs.c.started >= micros(since), runs.c.state.is_not(None))
            .order_by(runs.c.started, runs.c.id)
        )
        with self.database.read() as connection:
            return [
                Past(moment(row.started), row.state, row.mailboxes or 0, row.messages or 0, row.size or 0)
                for row in connection.execute(wanted)
            ]

    def missed(self) -> frozenset[str]:
        mine = absences.c.job == self.job, absences.c.target == self.target, absences.c.verb == "drop-mailbox"
        with self.database.read() as connection:
            return frozenset(connection.scalars(select(absences.c.what).where(*mine)))

    def count(self, run: str, *, mailboxes: int, messages: int, size: int) -> None:
        """Raises StateError when no run is under way."""
        with self.database.write() as connection:
            row = {"run": run or self._running(connection), "mailboxes": mailboxes, "messages": messages, "size": size}
            put(connection, copies, [row], changed=["mailboxes", "messages", "size"])

    def _running(self, connection: Connection) -> str:
        mine = runs.c.job == self.job, runs.c.target == self.target, runs.c.state.is_(None)
        if run := connection.scalar(select(runs.c.id).where(*mine).order_by(runs.c.started.desc())):
            return str(run)
        raise StateError(f"{self.job}: no run of it is under way")
