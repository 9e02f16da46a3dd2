"""When a job runs, as a person writes it: `daily at 05:30`, `every 15 minutes`, a cron line, `manual`."""

import re
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
_SECOND = timedelta(seconds=1)  # cronsim looks for what is strictly earlier, in whole seconds
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

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
    """The first slot later than `after`, in UTC; None for manual. Pure; both moments know their zone."""
    if when.manual:
        return None
    return next(CronSim(when.cron, after.astimezone(zone))).astimezone(UTC)


def latest(when: When, zone: ZoneInfo, now: datetime) -> datetime | None:
    """The newest slot that is not later than `now`, in UTC; None for manual. Pure."""
    if when.manual:
        return None
    return next(CronSim(when.cron, (now.replace(microsecond=0) + _SECOND).astimezone(zone), reverse=True)).astimezone(
        UTC
    )


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
