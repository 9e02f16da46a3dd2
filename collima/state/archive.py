"""What the command line shows of the past: runs and their changes, holds and approvals, since when somebody is in."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, true
from sqlalchemy.engine import Row

from collima.core.errors import ConfigError
from collima.core.model import Key
from collima.core.ports import Owned
from collima.state import locks, membership, rosters
from collima.state.clock import maybe, micros, moment
from collima.state.database import Database
from collima.state.holds import WEEK
from collima.state.tables import approval_keys, approvals, changes, fingerprints, hold_keys, holds, runs
from collima.state.tables import locks as locks_table

WELL = ("in-sync", "changed", "held")
"""States of a run in which nothing failed."""

SHORTEST = 6
"""Characters of a fingerprint or a run's id that are enough to name it, if they name one only."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run. `state` is "running" while it is under way, "failed" with the cause `killed` when it died."""

    id: str
    job: str
    target: str
    kind: str
    slot: int | None
    attempt: int
    host: str
    pid: int
    started: datetime
    ended: datetime | None
    state: str
    cause: str
    transient: bool
    config: str
    undoes: str
    document: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest of a job's whole runs (kind `run`): under way, that has ended, that did not fail in any part."""

    running: RunRow | None = None
    ended: RunRow | None = None
    well: RunRow | None = None


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change of a run. `outcome` is "done", "failed" or "unknown": it was intended, and the run died."""

    run: str
    key: Key
    weight: int
    intended: datetime
    settled: datetime | None
    outcome: str
    error: str
    undone_by: str


@dataclass(frozen=True, slots=True)
class HoldRow:
    """What of one subject waits, or waited. `ending` is "" while it is open."""

    job: str
    target: str
    subject: str
    undoes: str
    fingerprint: str
    reason: str
    run: str  # that stored it first
    since: datetime
    seen: datetime
    ended: datetime | None
    ending: str
    keys: int


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    fingerprint: str
    reason: str
    who: str
    run: str
    at: datetime
    keys: int
    left: int  # neither done nor unwanted


@dataclass(frozen=True, slots=True)
class Shown:
    """A hold as a person asks for it: of one subject, or a run's with all its subjects."""

    fingerprint: str
    holds: tuple[HoldRow, ...]
    keys: tuple[Key, ...]  # sorted
    approvals: tuple[ApprovalRow, ...]


@dataclass(frozen=True, slots=True)
class Archive:
    """Reads only. Before there is a state everything is empty."""

    database: Database
    host: str

    # ---- runs

    def history(self, job: str = "", *, limit: int | None = None) -> Iterator[RunRow]:
        """Newest first."""
        wanted = select(runs).order_by(runs.c.started.desc(), runs.c.id.desc()).limit(limit)
        with self.database.read() as connection:
            for row in connection.execute(wanted.where(runs.c.job == job) if job else wanted):
                yield self._run(connection, row)

    def latest(self, job: str) -> Latest:
        """How a job is doing. A run that died counts as ended: it failed."""
        whole = select(runs).where(runs.c.job == job, runs.c.kind == "run").order_by(runs.c.started.desc()).limit(1)
        with self.database.read() as connection:

            def newest(condition: ColumnElement[bool]) -> RunRow | None:
                row = connection.execute(whole.where(condition)).first()
                return self._run(connection, row) if row else None

            begun, ended = newest(true()), newest(runs.c.state.is_not(None))
            if begun and begun.state == "failed":
                ended = begun
            well = ended if ended is None or ended.state in WELL else newest(runs.c.state.in_(WELL))
        return Latest(begun if begun and begun.state == "running" else None, ended, well)

    def run(self, name: str) -> RunRow:
        """By its id, or the beginning of it that no other has. Raises ConfigError."""
        with self.database.read() as connection:
            found = connection.execute(select(runs).where(_named(runs.c.id, name)).limit(2)).all()
            if exact := [row for row in found if row.id == name]:
                found = exact
            if not found and len(name) < SHORTEST:
                raise ConfigError(f"{name} is too short for a run: write {SHORTEST} characters of it at least")
            if len(found) != 1:
                raise ConfigError(
                    f"{'several runs begin' if found else 'no run begins'} with {name}: `collima history` lists them"
                )
            return self._run(connection, found[0])

    def changes(self, run: str) -> Iterator[ChangeRow]:
        """Of one run, by subject."""
        wanted = select(changes).where(changes.c.run == run)
        with self.database.read() as connection:
            for row in connection.execute(wanted.order_by(changes.c.subject, changes.c.verb, changes.c.what)):
                yield change_row(row)

    def approvals(self, run: str) -> Sequence[ApprovalRow]:
        """Who let something go in this run, and why."""
        with self.database.read() as connection:
            return [approval_row(row) for row in connection.execute(approvals_of(approvals.c.run == run))]

    def outcomes(self, run: str) -> Mapping[str, int]:
        """How many changes of a run are done, failed, unknown; only what there is."""
        count = select(changes.c.outcome, func.count()).where(changes.c.run == run).group_by(changes.c.outcome)
        with self.database.read() as connection:
            return {outcome or "unknown": number for outcome, number in connection.execute(count).tuples()}

    def since(self, job: str, target: str, subject: str, what: str) -> tuple[str, datetime] | None:
        """The run, and the time, of the newest addition that was done; None: it was there before, or is forgotten."""
        newest = (
            select(changes.c.run, changes.c.settled)
            .join(runs, runs.c.id == changes.c.run)
            .where(changes.c.what == what, changes.c.subject == subject, changes.c.verb == "add")
            .where(changes.c.outcome == "done", runs.c.job == job, runs.c.target == target)
            .order_by(changes.c.settled.desc())
            .limit(1)
        )
        with self.database.read() as connection:
            row = connection.execute(newest).first()
        return (row.run, moment(row.settled)) if row else None

    # ---- holds

    def open_holds(self, job: str = "") -> tuple[HoldRow, ...]:
        """Of all jobs, or of one, by job and subject."""
        fresh = or_(holds.c.undoes == "", holds.c.seen >= self._now - WEEK)
        wanted = holds_of(holds.c.ended.is_(None) & fresh)
        with self.database.read() as connection:
            return tuple(map(hold_row, connection.execute(wanted.where(holds.c.job == job) if job else wanted)))

    def hold(self, name: str) -> Shown:
        """By a subject's fingerprint or a run's, or the beginning of it that no other has. Raises ConfigError."""
        with self.database.read() as connection:
            found = set(
                connection.scalars(
                    select(fingerprints.c.fingerprint).where(_named(fingerprints.c.fingerprint, name)).distinct()
                ).all()
            )
            if name in found:
                found = {name}
            if len(found) != 1:
                raise ConfigError(
                    f"{'several holds begin' if found else 'no hold begins'} with {name}: `collima holds` lists them"
                )
            return self._shown(connection, found.pop())

    # ---- rosters

    def managed(self, roster: str) -> Mapping[str, Owned]:
        """By target: which job manages a roster of this name there."""
        with self.database.read() as connection:
            return rosters.where(connection, roster)

    def was_in(self, target: str, roster: str, after: datetime) -> Mapping[str, bool]:
        """For each member that runs have set out to change since: whether it was in just before `after`."""
        with self.database.read() as connection:
            return membership.was_in(connection, target, roster, micros(after))

    def told_from(self, target: str, roster: str) -> datetime | None:
        """Since when every change of ours to this roster is on record; None: nothing is."""
        with self.database.read() as connection:
            return maybe(membership.told_from(connection, target, roster))

    @property
    def _now(self) -> int:
        return micros(self.database.now())

    def _run(self, connection: Connection, row: Row[Any]) -> RunRow:
        state, cause, transient = row.state or "running", row.cause, row.transient
        if row.state is None:
            lock = connection.execute(select(locks_table).where(locks_table.c.run == row.id).limit(1)).first()
            if lock is None or locks.dead(lock, self.host, self._now):
                state, cause, transient = "failed", "killed", True
        return RunRow(
            id=row.id,
            job=row.job,
            target=row.target,
            kind=row.kind,
            slot=row.slot,
            attempt=row.attempt,
            host=row.host,
            pid=row.pid,
            started=moment(row.started),
            ended=maybe(row.ended),
            state=state,
            cause=cause,
            transient=transient,
            config=row.config,
            undoes=row.undoes,
            document=json.loads(row.document) if row.document else {},
        )

    def _shown(self, connection: Connection, fingerprint: str) -> Shown:
        of = select(fingerprints.c.hold).where(fingerprints.c.fingerprint == fingerprint)
        found = tuple(map(hold_row, connection.execute(holds_of(holds.c.id.in_(of)))))
        keys = connection.execute(
            select(holds.c.subject, hold_keys.c.verb, hold_keys.c.what)
            .join(holds, holds.c.id == hold_keys.c.hold)
            .where(hold_keys.c.hold.in_(of))
        )
        mine = [fingerprint, *(hold.fingerprint for hold in found)]
        given = and_(approvals.c.fingerprint.in_(mine), approvals.c.job.in_([hold.job for hold in found]))
        return Shown(
            fingerprint=fingerprint,
            holds=found,
            keys=tuple(sorted(Key(row.subject, row.verb, row.what) for row in keys)),
            approvals=tuple(map(approval_row, connection.execute(approvals_of(given)))),
        )


def _named(column: ColumnElement[str], name: str) -> ColumnElement[bool]:
    return column.startswith(name, autoescape=True) if len(name) >= SHORTEST else column == name


def holds_of(condition: ColumnElement[bool]) -> Any:
    keys = select(func.count()).where(hold_keys.c.hold == holds.c.id).scalar_subquery().label("keys_")
    return select(holds, keys).where(condition).order_by(holds.c.job, holds.c.target, holds.c.subject, holds.c.since)


def approvals_of(condition: ColumnElement[bool]) -> Any:
    keys = select(func.count()).where(approval_keys.c.approval == approvals.c.id)
    left = keys.where(approval_keys.c.ended.is_(None))
    return (
        select(approvals, keys.scalar_subquery().label("keys_"), left.scalar_subquery().label("left_"))
        .where(condition)
        .order_by(approvals.c.at, approvals.c.id)
    )


def change_row(row: Row[Any]) -> ChangeRow:
    return ChangeRow(
        run=row.run,
        key=Key(row.subject, row.verb, row.what),
        weight=row.weight,
        intended=moment(row.intended),
        settled=maybe(row.settled),
        outcome=row.outcome or "unknown",
        error=row.error or "",
        undone_by=row.undone_by or "",
    )


def hold_row(row: Row[Any]) -> HoldRow:
    return HoldRow(
        job=row.job,
        target=row.target,
        subject=row.subject,
        undoes=row.undoes,
        fingerprint=row.fingerprint,
        reason=row.reason,
        run=row.run,
        since=moment(row.since),
        seen=moment(row.seen),
        ended=maybe(row.ended),
        ending=row.ending or "",
        keys=row.keys_,
    )


def approval_row(row: Row[Any]) -> ApprovalRow:
    return ApprovalRow(
        fingerprint=row.fingerprint,
        reason=row.reason,
        who=row.who,
        run=row.run,
        at=moment(row.at),
        keys=row.keys_,
        left=row.left_,
    )
