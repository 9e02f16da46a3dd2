"""`ports.Journal` over a database: who runs now, and what all runs left."""

import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from sqlalchemy import Connection, insert, or_, select, update

from collima.core.errors import Busy, CollimaError, ConfigError, StateError, Stopped
from collima.core.model import Key
from collima.core.ports import Clock, Owned
from collima.state import changes, locks, marks, rosters
from collima.state.clock import micros, moment, stamp
from collima.state.database import Database
from collima.state.database import database as opened
from collima.state.faults import TRIES, lost_race
from collima.state.keys import Ticket
from collima.state.record import SqlRecord
from collima.state.tables import runs

if TYPE_CHECKING:
    from collima.state.alerts import Alerts
    from collima.state.archive import Archive
    from collima.state.copies import SqlCopyBook
    from collima.state.digests import SqlDigests
    from collima.state.ledger import SqlLedger
    from collima.state.logs import Logs
    from collima.state.outbox import Outbox, Post
    from collima.state.pauses import Pauses
    from collima.state.people import Traces
    from collima.state.purges import SqlPurges
    from collima.state.recent import Recent
    from collima.state.relays import Relays
    from collima.state.services import Services
    from collima.state.slots import Slots

log = logging.getLogger(__name__)


@dataclass
class SqlJournal:
    """Close it when done, or use it as a context. What it has is loaded when it is asked for: a run needs little of it,
    and waits for all that is loaded before."""

    database: Database
    host: str
    token: Callable[[int], str]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.database.close()

    def owned(self, target: str) -> Mapping[str, Owned]:
        with self.database.read() as connection:
            return rosters.owned(connection, target)

    @property
    def archive(self) -> "Archive":
        from collima.state.archive import Archive

        return Archive(self.database, self.host)

    @property
    def pauses(self) -> "Pauses":
        from collima.state.pauses import Pauses

        return Pauses(self.database)

    @property
    def slots(self) -> "Slots":
        from collima.state.slots import Slots

        return Slots(self.database, self.host)

    @property
    def services(self) -> "Services":
        from collima.state.services import Services

        return Services(self.database, self.host)

    @property
    def logs(self) -> "Logs":
        from collima.state.logs import Logs

        return Logs(self.database)

    @property
    def recent(self) -> "Recent":
        from collima.state.recent import Recent

        return Recent(self.database)

    @property
    def alerts(self) -> "Alerts":
        from collima.state.alerts import Alerts

        return Alerts(self.database)

    @property
    def outbox(self) -> "Outbox":
        from collima.state.outbox import Outbox

        return Outbox(self.database)

    @property
    def relays(self) -> "Relays":
        from collima.state.relays import Relays

        return Relays(self.database, self.host)

    def ledger(self, job: str, target: str) -> "SqlLedger":
        from collima.state.ledger import SqlLedger

        return SqlLedger(self.database, job, target)

    def digests(self, job: str, target: str) -> "SqlDigests":
        from collima.state.digests import SqlDigests

        return SqlDigests(self.database, job, target)

    def purges(self, job: str, target: str) -> "SqlPurges":
        from collima.state.purges import SqlPurges

        return SqlPurges(self.database, job, target)

    def copies(self, job: str, target: str) -> "SqlCopyBook":
        from collima.state.copies import SqlCopyBook

        return SqlCopyBook(self.database, job, target)

    def post(self, job: str) -> "Post":
        from collima.state.outbox import Post

        return Post(self.outbox, job)

    def person(self, address: str) -> "Traces":
        from collima.state import people

        with self.database.read() as connection:
            return people.person(connection, address)

    def forget(self, address: str) -> Mapping[str, int]:
        from collima.state import people

        with self.database.write() as connection:
            return people.forget(connection, address, micros(self.database.now()))

    def purge(
        self, *, keep_changes: datetime, keep_runs: datetime, keep_logs: datetime | None = None
    ) -> Mapping[str, int]:
        from collima.state import retention

        return retention.purge(self.database, keep_changes=keep_changes, keep_runs=keep_runs, keep_logs=keep_logs)

    def retire(self, target: str, roster: str) -> bool:
        with self.database.write() as connection:
            return rosters.retire(connection, target, roster)

    def migrate(self) -> tuple[int, int]:
        return self.database.migrate()

    def look(self, job: str, target: str) -> SqlRecord:
        """Where there is no state yet a plan sees an empty one, and makes none."""
        return SqlRecord(self.database, Ticket("", job, target))

    def identity(self) -> str:
        """The id of this state; "" before there is one."""
        with self.database.read() as connection:
            return marks.identity(connection)

    def done(self, run: str) -> tuple[str, str, frozenset[Key]]:
        with self.database.read() as connection:
            row = connection.execute(select(runs.c.job, runs.c.target).where(runs.c.id == run)).first()
            if row is None:
                raise ConfigError(f"there is no run {run}: `collima history` lists them")
            return row.job, row.target, changes.done(connection, run)

    @contextmanager
    def begin(
        self, job: str, target: str, *, slot: int | None, kind: str, config: str, undoes: str = ""
    ) -> Iterator[SqlRecord]:
        """As `ports.Journal.begin`.

        A slot is run once; only a run of it that failed for a transient reason, or was killed, can be tried again.
        """
        record = self._enter(job, target, slot=slot, kind=kind, config=config, undoes=undoes)
        try:
            with self._renewed(record):
                yield record
        except BaseException as err:
            cause = f"{type(err).__name__}: {err}"
            with suppress(StateError):  # then the next run finds this one dead
                self._leave(record.run, cause, transient=isinstance(err, CollimaError | Stopped) and err.transient)
            raise
        self._leave(record.run, "it ended without a result", transient=False)

    def _enter(self, job: str, target: str, **columns: object) -> SqlRecord:
        for _ in range(TRIES):
            ticket = Ticket(f"{stamp(self.database.now())}-{self.token(2)}", job, target, str(columns["undoes"]))
            try:
                with self.database.write() as connection:
                    self._start(connection, ticket, columns)
            except StateError as err:
                if lost_race(err):
                    continue
                raise
            return SqlRecord(self.database, ticket)
        raise Busy(f"{job}: other processes take the same locks again and again")

    def _start(self, connection: Connection, ticket: Ticket, columns: Mapping[str, object]) -> None:
        now, by = micros(self.database.now()), locks.holder(self.host)
        dead = locks.take(connection, ticket, by, now)
        self._bury(connection, ticket, dead, now)
        attempt, retries = _attempt(connection, ticket.job, columns["slot"])
        connection.execute(
            insert(runs).values(
                **columns,
                id=ticket.run,
                job=ticket.job,
                target=ticket.target,
                attempt=attempt,
                retries=retries,
                host=by.host,
                pid=by.pid,
                started=now,
                cause="",
                transient=False,
                document="",
            )
        )

    def _bury(self, connection: Connection, ticket: Ticket, dead: frozenset[str], now: int) -> None:
        """Runs without an end that had our locks, or are of our job, are dead."""
        open_ = runs.c.state.is_(None) & or_(runs.c.id.in_(dead), runs.c.job == ticket.job)
        for run in connection.scalars(select(runs.c.id).where(open_)).all():
            log.warning("run %s is dead: marked as failed", run)
        connection.execute(update(runs).where(open_).values(state="failed", cause="killed", transient=True, ended=now))

    def _leave(self, run: str, cause: str, *, transient: bool) -> None:
        """Frees the locks. A run that has no end yet ends as failed."""
        with self.database.write() as connection:
            connection.execute(
                update(runs)
                .where(runs.c.id == run, runs.c.state.is_(None))
                .values(state="failed", cause=cause, transient=transient, ended=micros(self.database.now()))
            )
            locks.release(connection, run)

    @contextmanager
    def _renewed(self, record: SqlRecord) -> Iterator[None]:
        """Renews the lease in the background until the block ends."""
        over = threading.Event()

        def keep() -> None:
            while not over.wait(locks.RENEWAL.total_seconds()) and not record.lost:
                with suppress(StateError):  # asked again; the lease outlasts four failures
                    self.renew(record)

        thread = threading.Thread(target=keep, name=f"lease of {record.run}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def renew(self, record: SqlRecord) -> None:
        """A new lease for its locks; without them the record is lost."""
        with self.database.write() as connection:
            record.lost = not locks.renew(connection, record.ticket, micros(self.database.now()))


def _attempt(connection: Connection, job: str, slot: object) -> tuple[int, str | None]:
    """(which attempt at this slot it is, the run of the attempt before); takes the slot from that one."""
    if slot is None:
        return 1, None
    before = connection.execute(select(runs).where(runs.c.job == job, runs.c.slot == slot)).first()
    if before is None:
        return 1, None
    if not before.transient:
        raise Busy(f"{job}: run {before.id} has had this slot since {moment(before.started):%Y-%m-%d %H:%M:%S} UTC")
    connection.execute(update(runs).where(runs.c.id == before.id).values(slot=None))
    return before.attempt + 1, before.id


def open_state(
    url: str,
    *,
    now: Clock,
    host: str,
    password: str = "",
    command: str = "collima …",
    token: Callable[[int], str] = secrets.token_hex,
) -> SqlJournal:
    """The state at `url`: `sqlite:////PATH`, or `mysql+pymysql://USER@HOST/NAME` with its `password`.

    Opens nothing yet. `command` is what was typed, for the line that tells another user what to type; `token(n)` gives
    n random bytes in hexadecimal. Raises ConfigError for another kind of URL; what it returns raises StateError for
    everything that the database cannot do.
    """
    return SqlJournal(opened(url, now=now, password=password, command=command), host, token)
