"""When each job was due, and what came of it: a row for each (job, due moment), which exactly one process inserts.

States: waiting → running → ended; a waiting slot may end as missed, skipped or paused. A waiting slot is nobody's: the
first service with a free worker starts it, and has it from then on. Every change of a state names the state, and the
service, that it expects: of two services that decide at once one wins, and the other sees that it did not.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, or_, select, update

from collima.state import locks
from collima.state.clock import maybe, micros, moment, stamp
from collima.state.database import Database
from collima.state.faults import raced
from collima.state.keys import NAMES, batches, put
from collima.state.slot_rows import LockRow, SlotRow, SlotRun, slot_row, slot_run
from collima.state.tables import locks as locks_table
from collima.state.tables import runs, schedules, slots

OPEN = ("waiting", "running")


@dataclass(frozen=True, slots=True)
class Slots:
    database: Database
    host: str

    # ---- since when

    def first_seen(self, wanted: Mapping[str, str], *, whole: bool = True) -> Mapping[str, datetime]:
        """By job, since when it has had this schedule: there are no slots before. A new or changed one begins now.

        `wanted` is a file, by job. `whole`: nobody has another one, so what it does not name any more is forgotten.
        """
        return raced(lambda: self._first_seen(wanted, whole, micros(self.database.now())))

    def _first_seen(self, wanted: Mapping[str, str], whole: bool, now: int) -> Mapping[str, datetime]:
        with self.database.write() as connection:
            known = {row.job: row for row in connection.execute(select(schedules))}
            if whole and (gone := known.keys() - wanted.keys()):
                connection.execute(delete(schedules).where(schedules.c.job.in_(gone)))
            kept = {
                job: known[job].since for job, text in wanted.items() if job in known and known[job].schedule == text
            }
            new = [{"job": job, "schedule": text, "since": now} for job, text in wanted.items() if job not in kept]
            put(connection, schedules, new, changed=["schedule", "since"])
        return {job: moment(kept.get(job, now)) for job in wanted}

    def since(self, job: str) -> datetime | None:
        """Since when the job has had its schedule; None: no service has seen it yet."""
        with self.database.read() as connection:
            found: int | None = connection.scalar(select(schedules.c.since).where(schedules.c.job == job))
        return maybe(found)

    # ---- reading

    def open(self) -> tuple[SlotRow, ...]:
        """Those that wait or run, the oldest first."""
        wanted = select(slots).where(slots.c.state.in_(OPEN)).order_by(slots.c.slot, slots.c.job)
        with self.database.read() as connection:
            return tuple(map(slot_row, connection.execute(wanted)))

    def known(self, keys: Collection[tuple[str, datetime]]) -> frozenset[tuple[str, datetime]]:
        """Which of these (job, due moment) have a row."""
        if not keys:
            return frozenset()
        with self.database.read() as connection:
            return _known(connection, keys)

    def of(self, job: str, due: datetime) -> SlotRow | None:
        with self.database.read() as connection:
            row = connection.execute(select(slots).where(slots.c.job == job, slots.c.slot == micros(due))).first()
        return slot_row(row) if row else None

    def newest(self, job: str) -> SlotRow | None:
        """The one that was due last."""
        wanted = select(slots).where(slots.c.job == job).order_by(slots.c.slot.desc()).limit(1)
        with self.database.read() as connection:
            row = connection.execute(wanted).first()
        return slot_row(row) if row else None

    def unrun(self, jobs: Collection[str], now: datetime, *, missed: bool) -> Mapping[str, datetime]:
        """By job, since when nothing of it was run: the oldest slot that still waits or was skipped, of those after its
        newest whole run began, and after the newest one that was paused. `missed`: those that were missed count, too;
        else they are an end of it, as a pause is.
        """
        counted, ending = ("waiting", "skipped", *["missed"] * missed), ("paused", *["missed"] * (not missed))
        begun = (
            select(runs.c.job, func.max(runs.c.started).label("at"))
            .where(runs.c.job.in_(jobs), runs.c.kind == "run", runs.c.started <= micros(now))
            .group_by(runs.c.job)
            .subquery()
        )
        ended = (
            select(slots.c.job, func.max(slots.c.slot).label("at"))
            .where(slots.c.job.in_(jobs), slots.c.state.in_(ending), slots.c.slot <= micros(now))
            .group_by(slots.c.job)
            .subquery()
        )
        oldest = (
            select(slots.c.job, func.min(slots.c.slot))
            .outerjoin(begun, begun.c.job == slots.c.job)
            .outerjoin(ended, ended.c.job == slots.c.job)
            .where(slots.c.job.in_(jobs), slots.c.state.in_(counted), slots.c.run == "", slots.c.slot <= micros(now))
            .where(slots.c.slot > func.coalesce(begun.c.at, 0), slots.c.slot > func.coalesce(ended.c.at, 0))
            .group_by(slots.c.job)
        )
        with self.database.read() as connection:
            return {job: moment(due) for job, due in connection.execute(oldest).tuples()}

    def missed_untold(self) -> tuple[SlotRow, ...]:
        """Missed, and nobody has decided yet whom to tell. The oldest first."""
        wanted = select(slots).where(slots.c.state == "missed", slots.c.told.is_(None))
        with self.database.read() as connection:
            return tuple(map(slot_row, connection.execute(wanted.order_by(slots.c.slot, slots.c.job))))

    def runs(self, keys: Collection[tuple[str, datetime]]) -> Mapping[tuple[str, datetime], SlotRun]:
        """The newest run of each of these slots that has one."""
        if not keys:
            return {}
        with self.database.read() as connection:
            found = list(map(slot_run, connection.execute(_runs(or_(*_among(keys, runs.c.job, runs.c.slot))))))
        return {(run.job, run.due): run for run in found}

    def ended_well(self, jobs: Collection[str], since: datetime) -> Mapping[str, datetime]:
        """By job, when its newest whole run began that has ended and did not fail, from `since` on."""
        newest = (
            select(runs.c.job, func.max(runs.c.started))
            .where(runs.c.job.in_(jobs), runs.c.kind == "run", runs.c.started >= micros(since))
            .where(runs.c.ended.is_not(None), runs.c.state != "failed")
            .group_by(runs.c.job)
        )
        with self.database.read() as connection:
            return {job: moment(started) for job, started in connection.execute(newest).tuples()}

    def locks(self) -> tuple[LockRow, ...]:
        """What runs have now, dead ones included."""
        with self.database.read() as connection:
            return tuple(
                LockRow(row.run, row.name, row.job, row.host, row.pid, row.born, moment(row.lease))
                for row in connection.execute(select(locks_table))
            )

    # ---- changing

    def claim(self, claimed: Iterable[SlotRow]) -> int:
        """Inserts those that nobody has inserted. Returns how many: no other process counts them, too."""
        rows = [
            {
                "job": row.job,
                "slot": micros(row.due),
                "state": row.state,
                "service": "",
                "not_before": micros(row.not_before or row.due),
                "tries": 0,
                "takeovers": 0,
                "run": "",
                "since": micros(self.database.now()),
                "ended": None if row.state in OPEN else micros(self.database.now()),
                "cause": row.cause,
            }
            for row in sorted(claimed, key=lambda row: row.key)
        ]
        return raced(lambda: self._claim(rows)) if rows else 0

    def _claim(self, rows: Sequence[Mapping[str, Any]]) -> int:
        keys = [(row["job"], moment(row["slot"])) for row in rows]
        with self.database.write() as connection:
            taken = _known(connection, keys)
            new = [row for row, key in zip(rows, keys, strict=True) if key not in taken]
            for some in batches(new, NAMES):
                connection.execute(insert(slots), some)
            return len(new)

    def start(self, rows: Sequence[SlotRow], service: str) -> tuple[SlotRow, ...]:
        """Waiting slots run, and are this service's. Returns those of them for which no other one was faster."""
        if not rows:
            return ()
        ours = raced(lambda: self._start(or_(*_among([row.key for row in rows])), service))
        return tuple(replace(row, state="running", service=service, cause="") for row in rows if row.key in ours)

    def _start(self, these: Any, service: str) -> frozenset[tuple[str, datetime]]:
        with self.database.write() as connection:
            connection.execute(
                update(slots)
                .where(these, slots.c.state == "waiting")
                .values(state="running", service=service, cause="")
            )
            ours = and_(these, slots.c.state == "running", slots.c.service == service)
            found = connection.execute(select(slots.c.job, slots.c.slot).where(ours))
            return frozenset((row.job, moment(row.slot)) for row in found)

    def wait(
        self, row: SlotRow, not_before: datetime, *, cause: str, run: str = "", tries: int = 0, takeovers: int = 0
    ) -> bool:
        """It goes back into the queue. `tries`, `takeovers`: how many are added. False: it is not ours any more."""
        return self._change(
            row,
            state="waiting",
            run=run or row.run,
            service="",
            not_before=micros(not_before),
            tries=row.tries + tries,
            takeovers=row.takeovers + takeovers,
            cause=cause,
        )

    def end(self, row: SlotRow, state: str, *, cause: str, run: str = "") -> bool:
        """It is ended, missed, skipped or paused. False: it is not ours any more."""
        now = micros(self.database.now())
        return self._change(row, state=state, cause=cause, run=run or row.run, ended=now)

    def give_back(self, job: str, due: int, cause: str) -> None:
        """The run that has just been started cannot do it on this machine; its service learns it from `given_back`."""
        with self.database.write() as connection:
            ours = (slots.c.job == job, slots.c.slot == due, slots.c.state == "running")
            connection.execute(update(slots).where(*ours).values(cause=cause))

    def given_back(self, row: SlotRow) -> str:
        """Why the run of this slot gave it back; "": it did not."""
        found = self.of(*row.key)
        return found.cause if found and found.state == "running" and found.service == row.service else ""

    def note(self, causes: Collection[tuple[SlotRow, str]]) -> None:
        """Why slots wait, for whoever asks meanwhile."""
        with self.database.write() as connection:
            for row, cause in causes:
                _change(connection, row, {"cause": cause})

    def take_over(self, row: SlotRow, service: str) -> bool:
        """A running slot of a dead service is this one's. False: another one was faster."""
        return self._change(row, service=service)

    def note_run(self, row: SlotRow, run: str) -> None:
        self._change(row, run=run)

    def _change(self, row: SlotRow, **values: object) -> bool:
        def changed() -> bool:
            with self.database.write() as connection:
                return _change(connection, row, values)

        return raced(changed)

    # ---- runs that cannot speak for themselves

    def bury(self, run: str, cause: str, *, transient: bool, told: bool = False) -> None:
        """A run that is over ends as failed for this cause, whatever it said itself. `told`: nobody is told of it."""
        now = micros(self.database.now())
        values = {"state": "failed", "cause": cause, "transient": transient, "ended": func.coalesce(runs.c.ended, now)}
        with self.database.write() as connection:
            connection.execute(update(runs).where(runs.c.id == run).values(**values, **({"told": now} if told else {})))
            locks.release(connection, run)

    def never_began(self, row: SlotRow, *, target: str, started: datetime, pid: int, cause: str, config: str) -> str:
        """A failed run of this slot, for the history, where the process itself left none. Returns its id.

        Once, however often it is called for one process.
        """
        run = f"{stamp(started)}-{pid:04x}"
        with self.database.write() as connection:
            if connection.scalar(select(runs.c.id).where(runs.c.id == run)):
                return run
            connection.execute(
                insert(runs).values(
                    id=run,
                    job=row.job,
                    target=target,
                    kind="run",
                    slot=None if _taken(connection, row) else micros(row.due),
                    attempt=row.tries + row.takeovers + 1,
                    host=self.host,
                    pid=pid,
                    started=micros(started),
                    ended=micros(self.database.now()),
                    state="failed",
                    cause=cause,
                    transient=False,
                    config=config,
                    undoes="",
                    document="",
                )
            )
        return run


_CHANGE = update(slots).where(
    slots.c.job == bindparam("job_"),
    slots.c.slot == bindparam("slot_"),
    slots.c.state == bindparam("state_"),
    slots.c.service == bindparam("service_"),
)


def _change(connection: Connection, row: SlotRow, values: Mapping[str, object]) -> bool:
    """False: it is not any more as `row` says."""
    expected = {"job_": row.job, "slot_": micros(row.due), "state_": row.state, "service_": row.service}
    return connection.execute(_CHANGE, {**expected, **values}).rowcount == 1


def _known(connection: Connection, keys: Collection[tuple[str, datetime]]) -> frozenset[tuple[str, datetime]]:
    found = connection.execute(select(slots.c.job, slots.c.slot).where(or_(*_among(keys))))
    return frozenset((row.job, moment(row.slot)) for row in found)


def _taken(connection: Connection, row: SlotRow) -> bool:
    """Whether an earlier run has the slot."""
    return bool(connection.scalar(select(runs.c.id).where(runs.c.job == row.job, runs.c.slot == micros(row.due))))


def _among(keys: Collection[tuple[str, datetime]], job: Any = slots.c.job, slot: Any = slots.c.slot) -> Iterable[Any]:
    """Conditions that together name these: by moment, for many jobs are due at one."""
    by_moment: dict[datetime, list[str]] = {}
    for name, due in keys:
        by_moment.setdefault(due, []).append(name)
    for due, names in by_moment.items():
        for some in batches(names, NAMES):
            yield and_(slot == micros(due), job.in_(some))


def _runs(condition: Any) -> Any:
    of_job = and_(locks_table.c.run == runs.c.id, locks_table.c.name == "job:" + runs.c.job)
    return (
        select(runs, locks_table.c.born, locks_table.c.lease)
        .outerjoin(locks_table, of_job)
        .where(condition)
        .order_by(runs.c.started)
    )
