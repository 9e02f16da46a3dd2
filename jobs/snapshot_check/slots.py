"""Which of the snapshots that should be there are: slots, counted back from the newest.

A day is no fixed length, and snapshots do not keep to the second. So none is looked for at a fixed time, nor on a fixed
date alone: what counts is how much lies between one and the next, by the clock and by the calendar, and the kinder of
the two. A system that follows the wall skips an hour in spring and repeats one in autumn; one that counts hours jumps
across midnight then; one that is late is still there. None of them has missed anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from math import ceil

from collima.core.quantities import Duration

DAY = 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a snapshot should be. `at`, local: when it was taken, or about when it should have been."""

    at: datetime
    found: bool


def slots(taken: Sequence[datetime], every: Duration, zone: tzinfo, most: int) -> list[Slot]:
    """From the newest on, to the oldest or to `most` of them. `taken`: in UTC, newest first, at least one."""
    length = timedelta(seconds=every.seconds)
    first = last = taken[0]  # `first`: of the slot that `last` is in
    found = [Slot(first.astimezone(zone), found=True)]
    for moment in taken[1:]:
        holes = range(1, min(_steps(last, moment, every, zone), most))
        if holes or _is_next(first, last, moment, every, zone):
            found += [Slot(last.astimezone(zone) - n * length, found=False) for n in holes]
            found.append(Slot(moment.astimezone(zone), found=True))
            first = moment
        if len(found) >= most:
            break
        last = moment
    return found[:most]


def apart(newer: datetime, older: datetime, zone: tzinfo) -> tuple[float, float]:
    """Seconds from one moment to another, by the clock of `zone` or as they elapsed: (the less, the more)."""
    elapsed = (newer - older).total_seconds()
    wall = (newer.astimezone(zone).replace(tzinfo=None) - older.astimezone(zone).replace(tzinfo=None)).total_seconds()
    return min(elapsed, wall), max(elapsed, wall)


def reach(now: datetime, oldest: datetime, every: Duration, zone: tzinfo) -> float:
    """Seconds back to where one more than the oldest would be, by whatever clock that is further back."""
    length = timedelta(seconds=every.seconds)
    by_the_wall = (oldest.astimezone(zone) - length).astimezone(UTC)  # arithmetic within a zone is that of its clock
    return max(apart(now, moment, zone)[1] for moment in (oldest - length, by_the_wall))


def _dates(newer: datetime, older: datetime, zone: tzinfo) -> int:
    """Seconds from one date to another."""
    return (newer.astimezone(zone).date() - older.astimezone(zone).date()).days * DAY


def _steps(newer: datetime, older: datetime, every: Duration, zone: tzinfo) -> int:
    """How many times `every` lies between one snapshot and the next: two, and one is missing."""
    less, length = apart(newer, older, zone)[0], every.seconds
    if length < DAY:
        return ceil(less / length - 0.5)  # one and a half, on an island that changes by half an hour, is not two
    return min(int(less / length + 0.75), int(_dates(newer, older, zone) / length + 0.5))


def _is_next(first: datetime, last: datetime, moment: datetime, every: Duration, zone: tzinfo) -> bool:
    """Whether a snapshot is of the next slot, and not one more of this one."""
    so_far = apart(first, moment, zone)[0] if every.seconds < DAY else _dates(first, moment, zone)
    return so_far >= every.seconds or apart(last, moment, zone)[0] >= 0.75 * every.seconds
