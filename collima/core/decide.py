"""A plan, judged with what is on record: how far its sources are trusted, what waits, what is held. Writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic

from collima.core import guard
from collima.core.errors import blaming
from collima.core.model import TAKING, D, Finding, Key, Plan, Reading, Verdict
from collima.core.ports import Job, Record, S
from collima.core.result import SourceResult
from collima.core.targets import Mark, Place


@dataclass(frozen=True, slots=True)
class Task(Generic[S, D]):
    """A job, and what judges it."""

    name: str
    job: Job[S, D]
    whole: guard.Whole
    frozen: bool = False  # today removals wait (`freeze`)


@dataclass(frozen=True, slots=True)
class Decision(Generic[D]):
    """A plan, judged."""

    plan: Plan[D]  # without what waits for its grace
    waiting: tuple[Key, ...]
    held: guard.Held
    sources: tuple[SourceResult, ...]
    trusted: bool  # every source is complete, and the state knows its target
    marked: bool  # the target bears a mark
    estranged: bool  # and it is not this state's own

    @property
    def holds(self) -> frozenset[Key]:
        """What is held and can be approved: nothing of subjects that are only watched."""
        watched = {s.name for s in self.plan.subjects if s.watch}
        return frozenset(key for key in self.held.keys if key.subject not in watched)


def decide(
    task: Task[S, D], record: Record, plan: Plan[D], place: Place | None, now: datetime, *, undoing: bool = False
) -> Decision[D]:
    """Judges a plan with what is on record: pure but for reading the record and the target's mark.

    `undoing`: a way back has no source to doubt, no grace, and nothing undone to respect. Raises SourceError when the
    mark cannot be read.
    """
    sources, doubts, unproven = _weigh(plan, record, task.whole)
    with blaming(task.job.target):
        mark = place.mark() if place else None
    estranged = _estranged(mark, record)
    doubts.extend(filter(None, [*plan.doubts, estranged]))
    if plan.doubts:
        reason = "; ".join(plan.doubts)
        sources = tuple(
            replace(s, verdict="suspicious", reason=f"{s.reason}; {reason}" if s.reason else reason) for s in sources
        )
    waiting = set() if undoing else _waiting(task, plan, record, now)
    if waiting:
        plan = replace(plan, changes=tuple(c for c in plan.changes if c.key not in waiting))
    approved = record.approved()
    if estranged:  # an approval may come from the very backup that is in doubt
        approved = frozenset(key for key in approved if key.verb not in TAKING)
    held = guard.judge(
        plan,
        task.whole,
        doubts,
        unproven=unproven and not undoing,
        approved=approved,
        undone=None if undoing else record.undone(),
    )
    findings = plan.findings
    if estranged:
        findings = (*findings, Finding("warning", "", "state-in-doubt", estranged))
    return Decision(
        replace(plan, findings=findings),
        tuple(sorted(waiting)),
        held,
        sources,
        trusted=not doubts,
        marked=mark is not None,
        estranged=bool(estranged),
    )


def _weigh(plan: Plan[D], record: Record, whole: guard.Whole) -> tuple[tuple[SourceResult, ...], list[str], bool]:
    """(sources, doubts about them, whether too little is on record to judge them)."""
    sources, doubts, unproven = [], [], False
    for reading in plan.readings:
        reason = reading.doubt
        if reading.scope and whole.source_drop:
            past = record.past(reading.scope)
            unproven = unproven or len(past.entries) < guard.ON_RECORD
            reason = (
                reason
                or ("nobody was found at all" if reading.entries == 0 else "")
                or guard.doubt(reading.entries, past, whole.source_drop)
                or _stale(reading, past.csn)
            )
        verdict: Verdict = "suspicious" if reason else "complete"
        sources.append(SourceResult(reading.connector, verdict, reading.entries, reason))
        if reason:
            doubts.append(f"{reading.connector}: {reason}")
    return tuple(sources), doubts, unproven


def _stale(reading: Reading, before: Sequence[str]) -> str:
    """A replica that has not seen what the last good run saw. A CSN is time#count#server id#modification."""

    def by_server(csns: Sequence[str]) -> dict[str, str]:
        return {csn.split("#")[2]: csn for csn in csns if csn.count("#") == 3}

    now = by_server(reading.csn)
    late = [sid for sid, csn in by_server(before).items() if sid in now and now[sid] < csn]
    return f"{reading.server or 'the server'} is older than the last good run (a replica that lags)" if late else ""


def _estranged(mark: Mark | None, record: Record) -> str:
    """Why this state may not be the one that managed the target last: "" if it is, or if nobody ever did."""
    if mark is None:
        return ""
    if mark.state != record.identity():
        return "the target is managed by another state, or this one was lost: see `collima check --accept-state`"
    if not record.issued(mark):
        return "the state is older than its target (restored from a backup?): see `collima check --accept-state`"
    return ""


def _waiting(task: Task[S, D], plan: Plan[D], record: Record, now: datetime) -> set[Key]:
    """Removals that are not planned yet: on a frozen day all of them, else those within their grace."""
    if task.frozen:
        return {c.key for c in plan.changes if c.key.verb in TAKING}
    return _in_grace(plan, record, now)


def _in_grace(plan: Plan[D], record: Record, now: datetime) -> set[Key]:
    """Removals of things that were not absent for long enough, in every complete run of that time, at least two."""
    grace = {subject.name: subject.grace for subject in plan.subjects if subject.grace}
    if not grace:
        return set()
    absent = record.absent()

    def due(key: Key) -> bool:
        known = absent.get(key)
        return known is not None and known.runs >= 1 and known.since <= grace[key.subject].before(now)

    return {c.key for c in plan.changes if c.key.verb in TAKING and c.key.subject in grace and not due(c.key)}
