"""When a job runs, as a person writes it: `daily at 05:30`, `every 15 minutes`, a cron line, `manual`.

On the nights when clocks change there are two sorts of schedules (as crontab(5) of Debian tells them apart):

- **Times of day** come exactly once each: one that the clock skips comes at the end of the gap, one that it shows twice
  comes the first time.
- Lines that **follow the clock** (minutes that start with `*`, or every hour) come whenever the clock shows what they
  name: `every 15 minutes` has neither a gap nor a double.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_TIME = r"([01]\d|2[0-3]):([0-5]\d)"
_DAILY = re.compile(rf"daily at {_TIME}", re.ASCII)
_WEEKLY = re.compile(rf"weekly on ([a-z]+) at {_TIME}", re.ASCII)
_MONTHLY = re.compile(rf"monthly on the (\d{{1,2}})(?:st|nd|rd|th) at {_TIME}", re.ASCII)
_EVERY = re.compile(r"every (\d{1,4}) (minute|hour)s?", re.ASCII)
_CRON = re.compile(r"\S+(?: +\S+){4}")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

_SECOND, _MINUTE = timedelta(seconds=1), timedelta(minutes=1)
_SHIFT = timedelta(hours=4)  # more than any clock is changed by: 3 hours, Antarctica/Casey

FORMS = (
    "'daily at 05:30', 'weekly on sunday at 02:00', 'monthly on the 1st at 06:00', 'every 15 minutes', "
    'a cron line in quotes like "30 5 * * *", or manual'
)


@dataclass(frozen=True, slots=True)
class When:
    """A schedule in local time. Every form but `manual` is a cron line of five fields."""

    text: str  # as it was written
    cron: str = ""  # "" for manual

    @property
    def manual(self) -> bool:
        return not self.cron

    def __str__(self) -> str:
        return self.text


MANUAL = When("manual")


def following(when: When, zone: ZoneInfo, after: datetime) -> datetime | None:
    """The first slot later than `after`, in UTC; None for manual. Pure; `after` knows its zone."""
    if when.manual:
        return None
    after = after.astimezone(UTC)
    doubt, found = _doubt(after, zone), None
    for shown, slot in _slots(when, zone, _shown(after, zone) - doubt):
        if found and shown > _shown(found, zone) + doubt:
            break
        if slot > after:
            found = min(found or slot, slot)
            if not doubt:
                break
    return found


def latest(when: When, zone: ZoneInfo, now: datetime) -> datetime | None:
    """The newest slot that is not later than `now`, in UTC; None for manual. Pure; `now` knows its zone."""
    if when.manual:
        return None
    now = now.astimezone(UTC)
    doubt, found = _doubt(now, zone), None
    for shown, slot in _slots(when, zone, _shown(now, zone) + doubt + _SECOND, reverse=True):
        if found and shown < _shown(found, zone) - doubt:
            break
        if slot <= now:
            found = max(found or slot, slot)
            if not doubt:
                break
    return found


def _slots(
    when: When, zone: ZoneInfo, start: datetime, *, reverse: bool = False
) -> Iterator[tuple[datetime, datetime]]:
    """(what the clock shows, slot) from what it shows at `start`, which is not included.

    The line is matched on a clock that is never changed, and what that one shows is looked up in the zone. So slots are
    in order, but for those within four hours of a change.
    """
    line = CronSim(when.cron, start, reverse)
    moments = _each_time if _follows_the_clock(line) else _once
    for shown in line:
        for slot in sorted(moments(shown, zone), reverse=reverse):
            yield shown, slot


def _doubt(moment: datetime, zone: ZoneInfo) -> timedelta:
    """By how much slots near this moment may be out of order."""
    before, after = ((moment + shift).astimezone(zone).utcoffset() for shift in (-_SHIFT, _SHIFT))
    return timedelta() if before == after else _SHIFT


def _follows_the_clock(line: CronSim) -> bool:
    return line.parts[1].startswith("*") or line.hours == set(range(24))


def _shown(moment: datetime, zone: ZoneInfo) -> datetime:
    """What the clock shows, to the second below."""
    return moment.astimezone(zone).replace(tzinfo=None, microsecond=0, fold=0)


def _each_time(shown: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """The moments at which the clock shows this, the first one first: one, two, or none."""
    moments = [shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    return (moment for moment in sorted(set(moments)) if _shown(moment, zone) == shown)


def _once(shown: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """The first moment at which the clock shows this or, where that is skipped, anything later."""
    while (moment := next(_each_time(shown, zone), None)) is None:
        shown += _MINUTE
    yield moment


def when(text: str) -> When:
    """Raises ValueError with the cure in it."""
    words = " ".join(text.split()).lower()
    if words == "manual":
        return MANUAL
    if match := _DAILY.fullmatch(words):
        return When(text, _at(match[1], match[2], "* * *"))
    if match := _WEEKLY.fullmatch(words):
        if match[1] not in _DAYS:
            raise ValueError(f"{match[1]!r} is no day of the week; write it like 'weekly on sunday at 02:00'")
        return When(text, _at(match[2], match[3], f"* * {_DAYS.index(match[1])}"))
    if match := _MONTHLY.fullmatch(words):
        if not 1 <= int(match[1]) <= 28:
            raise ValueError(f'not every month has a day {match[1]}; the last day is the cron line "30 5 L * *"')
        return When(text, _at(match[2], match[3], f"{int(match[1])} * *"))
    if match := _EVERY.fullmatch(words):
        return When(text, _every(int(match[1]), match[2]))
    if _CRON.fullmatch(words):
        return When(text, _cron(words))
    raise ValueError(f"this is no schedule; write {FORMS}")


def _at(hour: str, minute: str, days: str) -> str:
    return f"{int(minute)} {int(hour)} {days}"


def _every(count: int, unit: str) -> str:
    """Only what divides an hour or a day evenly: the gap at the end would surprise."""
    whole = 60 if unit == "minute" else 24
    if not count or whole % count:
        steps = ", ".join(str(n) for n in range(1, whole + 1) if not whole % n)
        raise ValueError(f"{unit}s that divide {'an hour' if unit == 'minute' else 'a day'} evenly are {steps}")
    if unit == "hour":
        return f"0 */{count} * * *"
    return f"*/{count} * * * *" if count < 60 else "0 * * * *"


def _cron(line: str) -> str:
    try:
        next(CronSim(line, _EPOCH))
    except CronSimError as err:
        raise ValueError(
            f"the cron line is wrong: {str(err).lower()}; it has minute, hour, day, month, weekday"
        ) from err
    except StopIteration:
        raise ValueError("the cron line names a day that never comes") from None
    return line
