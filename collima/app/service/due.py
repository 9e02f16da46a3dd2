"""What is to be done with the schedule now: pure decisions, from rows and the clock alone.

The service asks at each tick. Nothing depends on a tick having come in time: a suspended machine, a clock that jumps
and a service that was away for a week all come to the same questions.
"""

import hashlib
from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from collima.app.config import Job
from collima.app.config.model import CATCH_UP
from collima.app.when import following, latest
from collima.core.quantities import Duration
from collima.state.clock import micros
from collima.state.pauses import EVERY_JOB, Pause

ON_TIME = timedelta(minutes=2)  # so late a start is none: a busy machine, a service that is restarted
ELSEWHERE = timedelta(minutes=5)  # after the catch-up of a job of other machines nobody can be about to take it

NOBODY = "no service ran when it was due, nor soon enough after it"
NEVER = "no service ran when it was due, and it is never caught up"
OTHERS = "none of the machines that may run it took it"


@dataclass(frozen=True, slots=True)
class Due:
    """What the newest slot of a job is to become: `run`: claim it, to start at `start` or later; else record it so."""

    slot: datetime  # UTC
    fate: Literal["run", "missed", "paused"]
    cause: str = ""  # why it is not run


def due(
    job: Job,
    zone: ZoneInfo,
    *,
    since: datetime,
    known: Container[datetime],
    now: datetime,
    pauses: Collection[Pause] = (),
    here: bool = True,
) -> Due | None:
    """What to do about the newest slot of a job that is not in the future; None: nothing.

    `since`: when this schedule was first seen; it has no slots before. `known`: the job's slots that have a row, or
    those of its last days. `pauses`: those of this job and of every job, also when they are over
    (`journal.pauses.known().values()`). `here`: whether this machine may run it.
    """
    slot = latest(job.when, zone, now)
    if slot is None or slot < since or slot in known:
        return None
    if pause := pausing(job.name, pauses, slot, now):
        return Due(slot, "paused", pause.reason)
    late = now - slot
    allowed = max(_length(job.catch_up), ON_TIME)
    if not here:
        return Due(slot, "missed", OTHERS) if late > allowed + _length(job.jitter) + ELSEWHERE else None
    if late > allowed:
        return Due(slot, "missed", NOBODY if job.catch_up else NEVER)
    return Due(slot, "run")


def start(job: Job, slot: datetime) -> datetime:
    """When a slot starts at the earliest: after its jitter, the same on every machine, in whole seconds."""
    if not job.jitter:
        return slot
    digest = hashlib.sha256(f"{job.name} {micros(slot)}".encode()).digest()
    return slot + timedelta(seconds=int.from_bytes(digest[:8]) % (job.jitter.seconds + 1))


def deadline(job: Job, slot: datetime) -> datetime:
    """A claimed slot that was never started by then is missed: it waited for other jobs, or for a free worker.

    `catch-up: never` is about nobody being there: a slot that was claimed in time waits for the built-in catch-up. Not
    for slots that wait for another try: they did run.
    """
    return start(job, slot) + max(_length(job.catch_up or CATCH_UP), ON_TIME)


def given_up(job: Job, since: datetime) -> datetime:
    """A slot that waits for another try since then is missed when none of its machines has taken it by this moment."""
    return since + max(_length(job.catch_up or CATCH_UP), ON_TIME) + ELSEWHERE


def superseded(waiting: Collection[datetime], now: datetime) -> frozenset[datetime]:
    """Of the slots of one job that wait, those that a newer one replaces: they are skipped.

    One of the future replaces none: a clock that was ahead has claimed it.
    """
    newest = max((slot for slot in waiting if slot <= now), default=now)
    return frozenset(slot for slot in waiting if slot < newest)


def pausing(job: str, pauses: Iterable[Pause], slot: datetime, now: datetime) -> Pause | None:
    """The pause for which a slot that was not started yet must not run: it was due in it, or it would start in it."""
    for pause in pauses:
        if pause.job in (job, EVERY_JOB) and (pause.covers(slot) or pause.covers(now)):
            return pause
    return None


# ---- waits-for


def awaited(job: Job, jobs: Mapping[str, Job], slot: datetime, zone: ZoneInfo) -> Mapping[str, datetime]:
    """What a slot waits for: of each job that `waits-for` names, its slot of the same local day, if it has one.

    Of several it is the last one not later than this slot, else the first one of the day.
    """
    return {
        name: theirs
        for name in job.waits_for
        if jobs[name].options is not None and (theirs := _same_day(jobs[name], slot, zone)) is not None
    }


def _same_day(job: Job, slot: datetime, zone: ZoneInfo) -> datetime | None:
    day = slot.astimezone(zone).date()
    for theirs in (latest(job.when, zone, slot), following(job.when, zone, slot)):
        if theirs is not None and theirs.astimezone(zone).date() == day:
            return theirs
    return None


def unmet(awaited: Mapping[str, datetime], ended: Mapping[str, datetime]) -> tuple[str, ...]:
    """The jobs for which a slot still waits. `ended`: by job, when its newest whole run that ended well began."""
    return tuple(name for name, slot in awaited.items() if name not in ended or ended[name] < slot)


def _length(duration: Duration | None) -> timedelta:
    return timedelta(seconds=duration.seconds) if duration else timedelta()
