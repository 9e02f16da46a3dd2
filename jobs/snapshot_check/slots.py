"""Which of the snapshots that should be there are: slots, counted back from the newest.

A day is no fixed length, and snapshots do not keep to the second. So none is looked for at a fixed time or on a fixed
date: what counts is how much lies between one and the next, and of two clocks the one that is kinder. A system that
follows the wall skips an hour in spring and repeats one in autumn; one that counts hours jumps across midnight then.
Neither has missed anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from collima.core.quantities import Duration

DAY = 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a snapshot should be. `at`, local: when it was taken, or about when it should have been."""

    at: datetime
    found: bool


def slots(taken: Sequence[datetime], every: Duration, zone: tzinfo, most: int) -> list[Slot]:
    """From the newest on, to the oldest or to `most` of them. `taken`: in UTC, newest first, at least one."""
    last = taken[0]
    found = [Slot(last.astimezone(zone), found=True)]
    for moment in taken[1:]:
        if not (steps := _steps(last, moment, every, zone)):
            continue  # one more of the same slot
        if len(found) >= most:
            break
        holes = range(1, min(steps, most))
        found += [Slot(found[-1].at - timedelta(seconds=n * every.seconds), found=False) for n in holes]
        found.append(Slot(moment.astimezone(zone), found=True))
        last = moment
    return found[:most]


def apart(newer: datetime, older: datetime, zone: tzinfo) -> tuple[float, float]:
    """Seconds from one moment to another, by the clock of `zone` or as they elapsed: (the less, the more)."""
    elapsed = (newer - older).total_seconds()
    wall = (newer.astimezone(zone).replace(tzinfo=None) - older.astimezone(zone).replace(tzinfo=None)).total_seconds()
    return min(elapsed, wall), max(elapsed, wall)


def _steps(newer: datetime, older: datetime, every: Duration, zone: tzinfo) -> int:
    """How many slots lie from one to the other: the nearest number, but no more than there are dates between them."""
    less, _ = apart(newer, older, zone)
    nearest = max(0, int(less / every.seconds + 0.5))
    if every.seconds < DAY:
        return nearest
    days = (newer.astimezone(zone).date() - older.astimezone(zone).date()).days
    return min(nearest, -(-days * DAY // every.seconds))
