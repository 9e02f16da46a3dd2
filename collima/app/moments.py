"""Moments as a person types them: a date, a local date and time, ISO 8601 with an offset, a duration from now."""

from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from collima.core.errors import ConfigError
from collima.core.quantities import duration

Day = TypeVar("Day", bound=date)
FORMS = "2026-11-24, '2026-11-24 05:30' or 2026-11-24T05:30+01:00"


def beginning(text: str, zone: ZoneInfo) -> datetime:
    """The moment that is meant, in UTC; of a date its first. Raises ConfigError."""
    if day := _date(text):
        return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
    return _moment(text, zone, FORMS)


def end(text: str, zone: ZoneInfo, now: datetime) -> datetime:
    """The moment at which it is over, in UTC: of a date the end of the day. Raises ConfigError, also for the past."""
    try:
        over = duration(" ".join(text.split())).after(now.astimezone(zone))
    except ValueError:
        if day := _date(text):
            over = datetime.combine(day + timedelta(days=1), time(), tzinfo=zone)
        else:
            over = _moment(text, zone, f"{FORMS}, or a duration like '3 days'")
    except OverflowError as err:
        raise ConfigError(f"{text!r} is too long") from err
    if over <= now:
        raise ConfigError(f"{text} is in the past")
    return over.astimezone(UTC)


def _date(text: str) -> date | None:
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        return None
    return _thinkable(day, text)


def _moment(text: str, zone: ZoneInfo, forms: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigError(f"{text!r} is no moment: write it like {forms}") from None
    _thinkable(moment, text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _thinkable(day: Day, text: str) -> Day:
    """At either end of the calendar there is no next day, and no other zone."""
    if not 1970 <= day.year < 9000:
        raise ConfigError(f"{text!r}: a year from 1970 to 8999 is meant")
    return day
