"""read → plan → guard → apply → verify → record: one sentence for every kind of job.

A dry run is a plan that nobody applies: `plan` and `run` share all but the writing.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from collima.core import guard
from collima.core.about import about
from collima.core.decide import Decision, Task, decide
from collima.core.errors import CollimaError, ConfigError, NotHere, Refused, SourceError, Stopped
from collima.core.model import TAKING, Change, D, Finding, Key, Outcome, Plan
from collima.core.outcome import Told, tell
from collima.core.ports import Bulk, Clock, Job, Journal, Mending, Paced, Record, S, Waiting
from collima.core.result import Result, SourceResult
from collima.core.targets import Place

BATCH = 1_000  # outcomes that are recorded at once


@dataclass(frozen=True, slots=True)
class Order:
    """What a person, or the service, asked of one run."""

    approve: tuple[str, ...] = ()
    reason: str = ""
    who: str = ""
    asked: bool = False  # a person asked for exactly what is planned: it goes on record as approved, with the reason
    only: tuple[str, ...] = ()
    slot: int | None = None
    shared: bool = False  # other machines may run it, too: what is not here is left to them


def _silent(phase: str, done: int, total: int) -> None:
    """For those who do not look."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What every execution needs beside its job."""

    journal: Journal
    clock: Clock
    document: Callable[[Result], Mapping[str, object]]  # what is stored of a result: counts, nobody's address
    config: str = ""  # the hash of the configuration
    progress: Callable[[str, int, int], None] = _silent  # told (phase, done, total)


@dataclass(slots=True)
class _Laps:
    """Seconds by phase."""

    seconds: dict[str, float] = field(default_factory=lambda: {"read": 0.0, "plan": 0.0, "apply": 0.0})
    since: float = field(default_factory=time.perf_counter)

    def end(self, phase: str) -> None:
        now = time.perf_counter()
        self.seconds[phase] = round(self.seconds[phase] + now - self.since, 3)
        self.since = now


@contextmanager
def considered(task: Task[S, D], desk: Desk, laps: _Laps | None = None) -> Iterator[tuple[S, Decision[D]]]:
    """What was read and what would be done now. Stores nothing. Raises SourceError."""
    laps = laps or _Laps()
    record = desk.journal.look(task.name, task.job.target)
    with task.job.read() as seen:
        laps.end("read")
        decision = decide(task, record, task.job.plan(seen, desk.clock()), task.job.place(seen), desk.clock())
        laps.end("plan")
        yield seen, decision


def plan(task: Task[S, D], desk: Desk, order: Order) -> Result:
    """What a run would do now, as a result."""
    laps = _Laps()
    try:
        with considered(task, desk, laps) as (_, decision):
            _check_only(order, decision.plan)
    except SourceError as err:
        laps.end("read")
        return _failed(task, "", err, laps)
    return _result(task, "", decision, Told(real=False, only=frozenset(order.only)), laps)


def run(task: Task[S, D], desk: Desk, order: Order) -> Result:
    """One execution. Raises Busy; and ConfigError for a fingerprint or subject that nobody knows: nothing was done.

    Of a slot that is shared it raises NotHere, and leaves no trace.
    """
    return _execute(task, desk, order, "")


def undo(task: Task[S, D], desk: Desk, order: Order, of: str) -> Result:
    """Takes back what run `of` did and is still in effect; guarded like any run. Raises as `run` does."""
    return _execute(task, desk, order, of)


def accept_state(task: Task[Any, Any], desk: Desk, place: Place, who: str) -> None:
    """A person says that this state is the one to trust: its mark replaces what the target bears. Raises Refused."""
    with desk.journal.begin(task.name, task.job.target, slot=None, kind="accept", config=desk.config) as record:
        place.leave_mark(record.issue())
        record.end("changed", {}, transient=False, cause=f"state accepted by {who}")


def _execute(task: Task[S, D], desk: Desk, order: Order, undoes: str) -> Result:
    job, clock, laps = task.job, desk.clock, _Laps()
    kind = "undo" if undoes else "only" if order.only else "run"
    originals = _originals(task, desk, undoes) if undoes else frozenset()
    begin = desk.journal.begin(task.name, job.target, slot=order.slot, kind=kind, config=desk.config, undoes=undoes)
    with begin as record, about(job=task.name, run=record.run):
        try:
            with _seen(job, clock, originals, undoes) as (seen, planned):
                laps.end("read")
                place = job.place(seen)
                decision = decide(task, record, planned, place, clock(), undoing=bool(undoes))
                try:
                    _check_only(order, decision.plan)
                    if order.asked:
                        _record(task, record, order, decision.plan)
                    if _approve(task, record, order, decision.holds):
                        decision = decide(task, record, planned, place, clock(), undoing=bool(undoes))
                except ConfigError:
                    record.discard()
                    raise
                laps.end("plan")
                told = _carry_out(task, record, seen, decision, order, desk, undoes, originals)
                laps.end("apply")
            result = _result(task, record.run, decision, told, laps)
        except SourceError as err:
            if isinstance(err, NotHere) and order.shared and order.slot is not None:
                record.discard()
                raise
            laps.end("read")
            result = _failed(task, record.run, err, laps)
        record.end(result.state, desk.document(result), transient=result.transient, cause=result.cause)
        return result


def _originals(task: Task[Any, Any], desk: Desk, run: str) -> frozenset[Key]:
    job, target, keys = desk.journal.done(run)
    if (job, target) != (task.name, task.job.target):
        raise ConfigError(f"run {run} was of {job} on {target}, which now is {task.name} on {task.job.target}")
    return keys


@contextmanager
def _seen(job: Job[S, D], clock: Clock, originals: Collection[Key], undoes: str) -> Iterator[tuple[S, Plan[D]]]:
    """What was read, and the plan: of a run, or of the way back."""
    if undoes:
        with job.invert(originals) as (seen, back):
            yield seen, back
    else:
        with job.read() as seen:
            yield seen, job.plan(seen, clock())


def _check_only(order: Order, plan: Plan[D]) -> None:
    if unknown := sorted(set(order.only) - {s.name for s in plan.subjects}):
        raise ConfigError(f"--only: this job has no {', '.join(unknown)}")


def _record(task: Task[S, D], record: Record, order: Order, plan: Plan[D]) -> None:
    """Who asked for this, and why."""
    if keys := [change.key for change in plan.changes]:
        record.approve(guard.fingerprint(task.name, task.job.target, keys), keys, order.reason, order.who)


def _approve(task: Task[S, D], record: Record, order: Order, held: frozenset[Key]) -> bool:
    """Stores the approvals that were asked for; all of them or none. Returns whether there were any."""

    wanted = {f: record.known(f) for f in order.approve}
    if not all(wanted.values()):  # a plan may have shown what no run has stored yet
        sets = [held, *_by_subject(held).values()]
        computed = {guard.fingerprint(task.name, task.job.target, keys): frozenset(keys) for keys in sets}
        wanted = {f: keys or computed.get(f) for f, keys in wanted.items()}
    if unknown := [f for f, keys in wanted.items() if keys is None]:
        raise ConfigError(
            f"no hold of {task.name} has the fingerprint {', '.join(unknown)}: `collima holds` lists them"
        )
    for fingerprint, keys in wanted.items():
        named = {key for key in keys or () if not order.only or key.subject in order.only}
        record.approve(fingerprint, named, order.reason, order.who)
    return bool(wanted)


# ---- doing


def _carry_out(
    task: Task[S, D],
    record: Record,
    seen: S,
    decision: Decision[D],
    order: Order,
    desk: Desk,
    undoes: str,
    originals: Collection[Key],
) -> Told:
    """Applies what may go, and records it. Returns what came of it. `originals`: what the undone run did."""
    job, plan = task.job, decision.plan
    watched = {s.name for s in plan.subjects if s.watch}
    failed = {f.subject for f in plan.findings if f.level == "critical"}
    named = frozenset(order.only)

    def concerns(subject: str) -> bool:
        return subject not in failed and (not named or subject in named)

    planned = {change.key for change in plan.changes}.union(decision.waiting)
    holds = {key for key in decision.holds if not named or key.subject in named}
    corrected = record.hold(
        _waiting(holds, decision.held.reasons, undoes),
        guard.fingerprint(task.name, job.target, holds),
        planned,
        concerns=concerns,
        complete=decision.trusted,
    )
    go = [
        c
        for c in plan.changes
        if c.key not in decision.held.keys and c.key.subject not in watched and (not named or c.key.subject in named)
    ]
    told = Told(real=True, only=named, self_corrected=tuple(corrected))
    place = job.place(seen)
    if place and not decision.estranged and (go or (plan.claims and not decision.marked)):
        try:  # before any claim: a target with owned subjects and no mark is not the one that it was
            place.leave_mark(record.issue())
        except Refused as err:
            told.take([Outcome(c.key, str(err), err.transient) for c in go])
            told.findings.append(Finding("warning", "", "mark-not-left", str(err)))
            return told
    if not undoes:
        _remember(task, record, decision, order)
    torn = frozenset() if undoes else plan.mends - watched - {c.key.subject for c in go}
    if isinstance(job, Paced):
        job.pace(seen, lambda done, total: desk.progress("apply", done, total))
    if go:
        by_thing = {(key.subject, key.what): key for key in originals}
        if undoes:
            record.protect(undoes, [by_thing[c.key.subject, c.key.what] for c in go])
        record.intend([c.key for c in go], {c.key: c.weight for c in go})
        for outcomes in _outcomes(job, seen, go):
            record.settle(outcomes)
            told.take(outcomes)
            desk.progress("apply", len(told.done) + len(told.failures), len(go))
        if undoes:
            record.undo(undoes, [by_thing[key.subject, key.what] for key in told.done])
        try:
            told.findings.extend(job.verify(seen, told.done))
        except SourceError as err:
            told.findings.append(Finding("warning", "", "not-verified", f"the target could not be read again: {err}"))
    told.findings.extend(_mended(job, seen, torn, named))
    return told


def _mended(job: Any, seen: S, torn: Collection[str], named: Collection[str]) -> Iterable[Finding]:
    """Puts in order what no change touches anyway. `job` is `ports.Mending` when its plan names anything torn."""
    if subjects := sorted(name for name in torn if not named or name in named):
        mending: Mending[S] = job
        try:
            yield from mending.mend(seen, subjects)
        except SourceError as err:
            yield Finding("warning", "", "not-verified", f"the target could not be read again: {err}")


def _remember(task: Task[S, D], record: Record, decision: Decision[D], order: Order) -> None:
    """What a run knows before it applies: ownership, readings, absences, and which reading a person trusts."""
    plan, target, named = decision.plan, task.job.target, frozenset(order.only)
    whole = decision.trusted and not named
    for old, new in plan.renames.items():
        if not named or new in named:
            record.rename(target, old, new)
    if claims := {s: stanza for s, stanza in plan.claims.items() if not named or s in named}:
        record.claim(target, claims)
    record.readings(plan.readings, [s.verdict for s in decision.sources], counts=whole)
    undone = record.undone().keys()
    record.forget_undone(undone & record.approved())
    if named:
        return
    watched = {s.name for s in plan.subjects if s.watch}
    removals = {c.key for c in plan.changes if c.key.verb in TAKING and c.key.subject not in watched}
    accepted = bool(order.approve) and not whole and bool(removals) and not removals & decision.held.keys
    if accepted:  # a person approved every removal that the doubt held: this reading is the measure from now on
        for reading, source in zip(plan.readings, decision.sources, strict=True):
            if source.verdict == "suspicious" and reading.scope:
                record.accept(reading.scope, reading.entries)
    if whole or accepted:
        record.freeze(target, plan.freezes)
        record.absences(removals.union(decision.waiting))
        planned = {change.key for change in plan.changes}.union(decision.waiting)
        judged = {s.name for s in plan.subjects} - {f.subject for f in plan.findings if f.level == "critical"}
        record.forget_undone([k for k in undone if k not in planned and k.subject in judged])


def _waiting(holds: Collection[Key], reasons: Mapping[str, str], undoes: str) -> list[Waiting]:
    return [
        Waiting(subject, frozenset(keys), reasons[subject], undoes)
        for subject, keys in sorted(_by_subject(holds).items())
    ]


def _by_subject(keys: Collection[Key]) -> dict[str, set[Key]]:
    grouped: dict[str, set[Key]] = {}
    for key in keys:
        grouped.setdefault(key.subject, set()).add(key)
    return grouped


def _outcomes(job: Job[S, D], seen: S, go: Sequence[Change[D]]) -> Iterator[list[Outcome]]:
    """In batches, one for each change, whatever the target does; a stop leaves the rest unknown."""
    left = {change.key for change in go}
    batch: list[Outcome] = []
    try:
        for outcome in job.apply(seen, go):
            left.discard(outcome.key)
            batch.append(outcome)
            if len(batch) >= BATCH:
                yield batch
                batch = []
        batch.extend(Outcome(key, "the target gave no answer", transient=True) for key in sorted(left))
    except Stopped:
        if batch:
            yield batch
        raise
    except CollimaError as err:
        batch.extend(Outcome(key, str(err), err.transient) for key in sorted(left))
    if batch:
        yield batch


# ---- telling


def _result(task: Task[S, D], run: str, decision: Decision[D], told: Told, laps: _Laps) -> Result:
    job = task.job
    return tell(
        task.name,
        job.target,
        job.verbs,
        run,
        decision.plan,
        decision.held,
        decision.waiting,
        decision.sources,
        told,
        laps.seconds,
        bulk=job.bulk if isinstance(job, Bulk) else frozenset(),
    )


def _failed(task: Task[S, D], run: str, err: SourceError, laps: _Laps) -> Result:
    return Result(
        job=task.name,
        run=run,
        state="failed",
        fingerprint="",
        sources=() if err.connector == task.job.target else (SourceResult(err.connector, "incomplete", 0, str(err)),),
        subjects=(),
        findings=(Finding("critical", "", "source-failed", str(err)),),
        seconds=laps.seconds,
        verbs=task.job.verbs,
        cause=str(err),
        transient=err.transient,
        exit_code=1,
    )
