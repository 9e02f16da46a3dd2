"""What people have been told of and is not over: one row for each job and trouble. Deciding and telling are one
transaction: with the row goes the mail into the outbox, and the run or slot is marked as told, once over all services.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select, update
from sqlalchemy.engine import Row

from collima.state import outbox
from collima.state.clock import maybe, micros, moment
from collima.state.database import Database
from collima.state.faults import raced
from collima.state.keys import NAMES, batches
from collima.state.outbox import Letter
from collima.state.tables import alerts, runs, slots

ROWS = 1_000  # runs that are looked at in one tick


@dataclass(frozen=True, slots=True)
class AlertRow:
    """Trouble of a job, or with "" of the service. `told`: the last mail about it."""

    job: str
    about: str
    since: datetime
    told: datetime
    run: str = ""
    cause: str = ""
    what: Mapping[str, Any] = field(default_factory=dict)  # what was told, to see what is new


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that is over, and of which nobody has decided yet whom to tell."""

    id: str
    job: str
    kind: str
    due: datetime | None  # the slot that it was the newest run of
    open: bool  # that slot waits for another try
    state: str
    ended: datetime


@dataclass(frozen=True, slots=True)
class Decided:
    """What becomes of a job's alerts: these are as here, those about `closed` are over, and these mails go out."""

    alerts: Sequence[AlertRow] = ()
    closed: Collection[str] = ()
    letters: Sequence[Letter] = ()


Decide = Callable[[Mapping[str, AlertRow]], Decided]
"""From a job's alerts, by what they are about, to what becomes of them. It may be asked more than once."""


@dataclass(frozen=True, slots=True)
class Alerts:
    """`journal.alerts`."""

    database: Database

    def open(self) -> tuple[AlertRow, ...]:
        """All that is not over, by job."""
        with self.database.read() as connection:
            return tuple(map(_alert, connection.execute(select(alerts).order_by(alerts.c.job, alerts.c.about))))

    def untold(self) -> tuple[Ended, ...]:
        """The runs to decide about, in the order of their ends, some at a time."""
        wanted = (
            select(
                runs.c.id, runs.c.job, runs.c.kind, runs.c.slot, runs.c.state, runs.c.ended, slots.c.state.label("of")
            )
            .outerjoin(slots, and_(slots.c.job == runs.c.job, slots.c.slot == runs.c.slot))
            .where(runs.c.told.is_(None), runs.c.ended.is_not(None))
            .order_by(runs.c.ended, runs.c.id)
            .limit(ROWS)
        )
        with self.database.read() as connection:
            return tuple(
                Ended(
                    id=row.id,
                    job=row.job,
                    kind=row.kind,
                    due=maybe(row.slot),
                    open=row.of in ("waiting", "running"),
                    state=row.state,
                    ended=moment(row.ended),
                )
                for row in connection.execute(wanted)
            )

    def taken_over(self, run: str) -> str:
        """The machine on which the run before it died, whose slot this one has; "": it was not so."""
        before = runs.alias()
        died = select(before.c.host).join(runs, runs.c.retries == before.c.id)
        with self.database.read() as connection:
            return connection.scalar(died.where(runs.c.id == run, before.c.cause == "killed")) or ""

    def pass_over(self, ended: Collection[str]) -> None:
        """Nobody is told of these runs."""
        now = micros(self.database.now())
        with self.database.write() as connection:
            for some in batches(ended, NAMES):
                connection.execute(update(runs).where(runs.c.id.in_(some), runs.c.told.is_(None)).values(told=now))

    def settle(self, job: str, decide: Decide, *, run: str = "", missed: datetime | None = None) -> bool:
        """Decides, and tells, in one transaction. False: of this run, or this missed slot, another service did."""
        return raced(lambda: self._settle(job, decide, run, missed))

    def _settle(self, job: str, decide: Decide, run: str, missed: datetime | None) -> bool:
        now = micros(self.database.now())
        with self.database.write() as connection:
            if run:
                mark = update(runs).where(runs.c.id == run, runs.c.told.is_(None)).values(told=now)
                if not connection.execute(mark).rowcount:
                    return False
            if missed is not None:
                mine = slots.c.job == job, slots.c.slot == micros(missed), slots.c.told.is_(None)
                if not connection.execute(update(slots).where(*mine).values(told=now)).rowcount:
                    return False
            found = connection.execute(select(alerts).where(alerts.c.job == job).with_for_update()).all()
            known = {row.about: _alert(row) for row in found}
            decided = decide(known)
            _store(connection, job, known, decided)
            outbox.add(connection, decided.letters, now)
        return True


def _store(connection: Connection, job: str, known: Mapping[str, AlertRow], decided: Decided) -> None:
    """A row that another transaction adds at the same moment is an IntegrityError: then all is decided again."""
    for about in decided.closed:
        connection.execute(delete(alerts).where(alerts.c.job == job, alerts.c.about == about))
    for row in decided.alerts:
        values = {
            "since": micros(row.since),
            "told": micros(row.told),
            "run": row.run,
            "cause": outbox.short(row.cause),
            "what": json.dumps(row.what),
        }
        if row.about in known:
            mine = alerts.c.job == job, alerts.c.about == row.about
            connection.execute(update(alerts).where(*mine).values(**values))
        else:
            connection.execute(insert(alerts).values(job=job, about=row.about, **values))


def _alert(row: Row[Any]) -> AlertRow:
    return AlertRow(row.job, row.about, moment(row.since), moment(row.told), row.run, row.cause, json.loads(row.what))
