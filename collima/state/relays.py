"""Who sends through which connector now, at what pace, and since when it cannot be used: one row for each connector.

One sender at a time over all processes of all machines: a rate is the relay's, whoever sends. What the row says
outlasts its sender, so that the pace goes on across batches and the next one does not knock on a door just found shut.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update

from collima.state import locks
from collima.state import outbox as _outbox
from collima.state.backlog import TO_GO
from collima.state.clock import maybe, micros, moment
from collima.state.database import Database
from collima.state.faults import raced
from collima.state.outbox import Planned
from collima.state.tables import outbox, relays

LEASE = timedelta(minutes=15)  # longer than the last answer to a mail may take


@dataclass(frozen=True, slots=True)
class Relay:
    via: str
    next: datetime  # before which its rate allows no mail
    refusals: int  # in a row, of the relay itself
    not_before: datetime  # when it is tried again
    since: datetime | None  # it cannot be used since then
    error: str


@dataclass(frozen=True, slots=True)
class Relays:
    database: Database
    host: str

    def take(self, via: str) -> Relay | None:
        """This process sends through it from now on; None: another one does. What a dead sender left is in doubt."""
        return raced(lambda: self._take(via))

    def release(self, via: str) -> None:
        """Others may send."""
        with self.database.write() as connection:
            connection.execute(update(relays).where(self._mine(via)).values(host="", lease=0))

    def handing_over(self, row: Planned, spacing: float, along: Sequence[Planned] = ()) -> bool:
        """The mail is being sent from now on, and the next one may go so many seconds later. False: it is not ours.

        `along`: those that follow at once, of mail that is always sent again: whether they were handed over or not.
        """
        now = micros(self.database.now())
        paced = {"lease": _until(now), "next": now + round(spacing * 1_000_000)}
        with self.database.write() as connection:
            held = connection.execute(update(relays).where(self._mine(row.via)).values(**paced)).rowcount
            if not held:
                return False
            ids = [row.id, *(one.id for one in along)]
            mine = outbox.c.id.in_(ids), (outbox.c.state == "planned") | (outbox.c.again == "always")
            going = update(outbox).where(*mine, outbox.c.state.in_(TO_GO)).values(state="sending")
            return connection.execute(going).rowcount == len(ids)

    def works(self, via: str) -> None:
        """The relay speaks again."""
        self._note(via, refusals=0, since=None, error="", not_before=0)

    def refused(self, relay: Relay, until: datetime, error: str) -> None:
        """It cannot be used, and is tried again then."""
        self._note(
            relay.via,
            refusals=relay.refusals + 1,
            since=micros(relay.since or self.database.now()),
            error=_outbox.short(error),
            not_before=micros(until),
        )

    def of(self, via: str) -> Relay | None:
        with self.database.read() as connection:
            row = connection.execute(select(relays).where(relays.c.via == via)).first()
        return _relay(row) if row else None

    def troubled(self) -> tuple[Relay, ...]:
        """Those that cannot be used now, the longest first."""
        wanted = select(relays).where(relays.c.since.is_not(None)).order_by(relays.c.since)
        with self.database.read() as connection:
            return tuple(map(_relay, connection.execute(wanted)))

    def _take(self, via: str) -> Relay | None:
        now, by = micros(self.database.now()), locks.holder(self.host)
        held = {"host": by.host, "pid": by.pid, "born": by.born, "lease": _until(now)}
        with self.database.write() as connection:
            row = connection.execute(select(relays).where(relays.c.via == via).with_for_update()).first()
            if row is None:
                fresh = {"via": via, "next": 0, "refusals": 0, "not_before": 0, "error": ""}
                connection.execute(insert(relays).values(**fresh, **held))
                return Relay(via, moment(0), 0, moment(0), None, "")
            ours = (row.host, row.pid, row.born) == (by.host, by.pid, by.born)
            if row.host and not ours and not locks.dead(row, self.host, now):
                return None
            connection.execute(update(relays).where(relays.c.via == via).values(**held))
            _outbox.doubt(connection, via, now)
            return _relay(row)

    def _mine(self, via: str) -> Any:
        by = locks.holder(self.host)
        return (
            (relays.c.via == via) & (relays.c.host == by.host) & (relays.c.pid == by.pid) & (relays.c.born == by.born)
        )

    def _note(self, via: str, **values: object) -> None:
        with self.database.write() as connection:
            connection.execute(update(relays).where(self._mine(via)).values(**values))


def _until(now: int) -> int:
    return now + LEASE // timedelta(microseconds=1)


def _relay(row: Any) -> Relay:
    return Relay(row.via, moment(row.next), row.refusals, moment(row.not_before), maybe(row.since), row.error)
