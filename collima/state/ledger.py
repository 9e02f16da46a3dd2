"""`core.ledger.Ledger` over a database: of one job on one target."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from email.message import EmailMessage

from sqlalchemy import ColumnElement, Row, Table, delete, insert, select, update

from collima.core.ledger import Closure, Notice, Noticed
from collima.core.options import Address
from collima.core.targets import Id
from collima.state import outbox
from collima.state.clock import micros, moment
from collima.state.database import Database
from collima.state.keys import NAMES, batches, put
from collima.state.outbox import Letter
from collima.state.tables import closures, notices
from collima.state.tables import outbox as outbox_table

LOST = ("failed", "unknown")


@dataclass(frozen=True, slots=True)
class SqlLedger:
    """Nothing here is about another job, or another target of this one."""

    database: Database
    job: str
    target: str

    def _mine(self, table: Table) -> ColumnElement[bool]:
        return (table.c.job == self.job) & (table.c.target == self.target)

    def noticed(self) -> Sequence[Noticed]:
        """Without its row in the outbox nobody can say that a mail was taken."""
        statement = (
            select(notices, outbox_table.c.state, outbox_table.c.ended)
            .join(outbox_table, outbox_table.c.message_id == notices.c.message_id, isouter=True)
            .where(self._mine(notices))
            .order_by(notices.c.at, notices.c.message_id)
        )
        mails: dict[Notice, list[Row[tuple[object, ...]]]] = {}
        with self.database.read() as connection:
            for row in connection.execute(statement):
                ends = date.fromisoformat(row.ends)
                notice = Notice(Id(row.account), row.address, row.person, ends, row.stage)
                mails.setdefault(notice, []).append(row)
        return [_noticed(notice, rows) for notice, rows in mails.items()]

    def closures(self) -> Mapping[Id, Closure]:
        with self.database.read() as connection:
            rows = connection.execute(select(closures).where(self._mine(closures)))
            return {
                Id(row.account): Closure(
                    account=Id(row.account),
                    address=row.address,
                    person=row.person,
                    since=moment(row.since),
                    turn=row.turn,
                    at=moment(row.at),
                    done=row.done,
                )
                for row in rows
            }

    def notify(self, notices_: Iterable[tuple[Notice, Mapping[Address, EmailMessage]]], via: str) -> None:
        rows, letters = list[Mapping[str, object]](), list[Letter]()
        now = micros(self.database.now())
        for notice, mails in notices_:
            for to, message in mails.items():
                rows.append(
                    {
                        "message_id": str(message["Message-ID"]),
                        "job": self.job,
                        "target": self.target,
                        "account": notice.account,
                        "address": notice.address,
                        "person": notice.person,
                        "ends": notice.ends.isoformat(),
                        "stage": notice.stage,
                        "at": now,
                    }
                )
                letters.append(Letter(message, (to,), via, self.job))
        with self.database.write() as connection:
            known = set[str]()
            for some in batches([str(row["message_id"]) for row in rows], NAMES):
                known.update(
                    connection.scalars(select(notices.c.message_id).where(notices.c.message_id.in_(some))).all()
                )
            if new := [row for row in rows if row["message_id"] not in known]:
                connection.execute(insert(notices), new)
            outbox.add(connection, letters, now)

    def begin(self, closures_: Sequence[Closure]) -> None:
        rows = (
            {
                "job": self.job,
                "target": self.target,
                "account": one.account,
                "address": one.address,
                "person": one.person,
                "since": micros(one.since),
                "turn": one.turn,
                "at": micros(one.at),
                "done": one.done,
            }
            for one in closures_
        )
        with self.database.write() as connection:
            put(connection, closures, rows, changed=["address", "person", "since", "turn", "at", "done"])

    def settle(self, *, done: Collection[Id], forget: Collection[Id]) -> None:
        with self.database.write() as connection:
            for some in batches(sorted(done), NAMES):
                these = self._mine(closures), closures.c.account.in_(some)
                connection.execute(update(closures).where(*these).values(done=True))
            for some in batches(sorted(forget), NAMES):
                these = self._mine(closures), closures.c.account.in_(some)
                connection.execute(delete(closures).where(*these))


def _noticed(notice: Notice, rows: Sequence[Row[tuple[object, ...]]]) -> Noticed:
    taken = [row.ended for row in rows if row.state == "sent"]
    return Noticed(
        notice=notice,
        at=moment(min(row.at for row in rows)),
        taken=moment(min(taken)) if taken else None,
        lost=all(row.state in LOST for row in rows),
    )
