"""One run's record: `ports.Record` as transactions on the state."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from collima.core.errors import StateError
from collima.core.model import Key, Outcome, Reading
from collima.core.ports import Absence, Past, Waiting
from collima.core.targets import Mark
from collima.state import changes as _changes
from collima.state import holds as _holds
from collima.state import locks
from collima.state import marks as _marks
from collima.state import rosters as _rosters
from collima.state import sources as _sources
from collima.state.clock import micros
from collima.state.database import Database
from collima.state.keys import Ticket
from collima.state.tables import approvals, runs, undone
from collima.state.tables import holds as holds_table


@dataclass
class SqlRecord:
    """A run while it is under way, or, with an empty `run`, what a plan sees: that one writes nothing.

    Every write first makes sure that the run still has its locks: one that was believed dead by another machine, and
    whose place was taken, raises StateError and changes nothing more.
    """

    database: Database
    ticket: Ticket
    lost: bool = False  # another run has taken over

    @property
    def run(self) -> str:
        return self.ticket.run

    @property
    def _now(self) -> int:
        return micros(self.database.now())

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        assert self.run, "a plan stores nothing"
        with self.database.write() as connection:
            if self.lost or not locks.held(connection, self.ticket):
                self.lost = True
                raise StateError(f"run {self.run} was silent for too long, and another one took over: it stops here")
            yield connection

    # ---- reading

    def past(self, scope: str) -> Past:
        with self.database.read() as connection:
            return _sources.past(connection, scope)

    def approved(self) -> frozenset[Key]:
        with self.database.read() as connection:
            return _holds.approved(connection, self.ticket, self._now)

    def undone(self) -> Mapping[Key, str]:
        with self.database.read() as connection:
            return _changes.undone_keys(connection, self.ticket)

    def absent(self) -> Mapping[Key, Absence]:
        with self.database.read() as connection:
            return _changes.absent(connection, self.ticket)

    def known(self, fingerprint: str) -> frozenset[Key] | None:
        with self.database.read() as connection:
            return _holds.known(connection, self.ticket, fingerprint, self._now)

    def identity(self) -> str:
        with self.database.read() as connection:
            return _marks.identity(connection)

    def issued(self, mark: Mark) -> bool:
        with self.database.read() as connection:
            return _marks.issued(connection, self.ticket.target, mark)

    # ---- writing

    def approve(self, fingerprint: str, keys: Collection[Key], reason: str, who: str) -> None:
        with self._write() as connection:
            _holds.approve(connection, self.ticket, fingerprint, keys, reason, who, self._now)

    def hold(
        self,
        holds: Sequence[Waiting],
        fingerprint: str,
        planned: Collection[Key],
        *,
        concerns: Callable[[str], bool],
        complete: bool,
    ) -> Sequence[str]:
        with self._write() as connection:
            return _holds.hold(
                connection, self.ticket, holds, fingerprint, planned, concerns, complete=complete, now=self._now
            )

    def claim(self, target: str, stanzas: Mapping[str, str]) -> None:
        with self._write() as connection:
            _rosters.claim(connection, self.ticket.job, target, stanzas, self._now)

    def freeze(self, target: str, rosters: Collection[str]) -> None:
        with self._write() as connection:
            _rosters.freeze(connection, self.ticket.job, target, rosters, self._now)

    def rename(self, target: str, old: str, new: str) -> None:
        with self._write() as connection:
            _rosters.rename(connection, target, old, new, self._now)

    def issue(self) -> Mark:
        with self._write() as connection:
            return _marks.issue(connection, self.ticket.target, self._now)

    def intend(self, changes: Iterable[Key], weights: Mapping[Key, int]) -> None:
        with self._write() as connection:
            _changes.intend(connection, self.ticket, changes, weights, self._now)

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        with self._write() as connection:
            _changes.settle(connection, self.ticket, outcomes, self._now)

    def absences(self, absent: Collection[Key]) -> None:
        with self._write() as connection:
            started = connection.execute(select(runs.c.started).where(runs.c.id == self.run)).scalar_one()
            _changes.note_absences(connection, self.ticket, absent, started)

    def forget_undone(self, keys: Collection[Key]) -> None:
        if keys:
            with self._write() as connection:
                _changes.forget_undone(connection, self.ticket, keys)

    def protect(self, of: str, keys: Collection[Key]) -> None:
        with self._write() as connection:
            _changes.protect(connection, self.ticket, of, keys, self._now)

    def undo(self, of: str, keys: Collection[Key]) -> None:
        with self._write() as connection:
            _changes.undo(connection, self.ticket, of, keys)

    def readings(self, readings: Sequence[Reading], verdicts: Sequence[str], counts: bool) -> None:
        with self._write() as connection:
            _sources.store(connection, self.run, readings, verdicts, counts=counts)

    def accept(self, scope: str, entries: int) -> None:
        with self._write() as connection:
            _sources.accept(connection, scope, entries)

    def discard(self) -> None:
        """A plan has nothing to discard."""
        if not self.run:
            return
        with self._write() as connection:
            tried = connection.execute(select(runs.c.retries, runs.c.slot).where(runs.c.id == self.run)).first()
            for table, column in ((holds_table, "run"), (approvals, "run"), (undone, "by"), (runs, "id")):
                connection.execute(delete(table).where(table.c[column] == self.run))
            if tried and tried.retries:  # the slot is again that of the run before
                connection.execute(update(runs).where(runs.c.id == tried.retries).values(slot=tried.slot))

    def end(self, state: str, document: Mapping[str, object], *, transient: bool, cause: str) -> None:
        values = {"state": state, "document": json.dumps(document, ensure_ascii=False), "cause": cause}
        with self._write() as connection:
            connection.execute(
                update(runs).where(runs.c.id == self.run).values(**values, ended=self._now, transient=transient)
            )
