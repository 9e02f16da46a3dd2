"""`freeze: {calendar: FILE}`: the days that have an event in an .ics file (RFC 5545). Read anew at each run.

A file that is missing or broken, or that was cut, is an error and not a calendar without events: nobody would know that
removals no longer wait. Loaded only when a job names a calendar.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import recurring_ical_events
from icalendar import Calendar

from collima.core.errors import ConfigError
from collima.core.text import discreet, line

_DAY, _INSTANT = timedelta(days=1), timedelta(microseconds=1)
_FOLD = re.compile(r"\r?\n[ \t]")  # RFC 5545 3.1
_TOO_OFTEN = re.compile(
    r"^(?:RRULE|EXRULE)[;:].*(?:FREQ=(?:SECOND|MINUTE|HOUR)LY|BY(?:SECOND|MINUTE)=\d+,)", re.MULTILINE | re.IGNORECASE
)


def has_event(path: Path, day: date, zone: ZoneInfo) -> bool:
    """Whether an event of the file touches this day in `zone`; those that were cancelled do not count.

    An all-day event is on its dates, wherever one is; an event without a time zone is in `zone`. Raises ConfigError.
    """
    start, end = (datetime.combine(day + n * _DAY, time(), tzinfo=zone) for n in (-1, 2))
    try:
        calendars = _calendars(path)
        events = [event for one in calendars for event in recurring_ical_events.of(one).between(start, end)]
        return any(_touches(event, day, zone) for event in events)
    except OSError as err:
        raise ConfigError(f"{path}: {err.strerror}") from err
    except Exception as err:  # whatever two libraries make of a file that breaks the rules
        told = line(discreet(str(err)), 160)
        raise ConfigError(f"{path} is no calendar that can be understood, export it anew: {told}") from err


def _calendars(path: Path) -> Sequence[Calendar]:
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8") from None
    if _TOO_OFTEN.search(_FOLD.sub("", text)):  # since 2020 that is a hundred million occurrences
        raise ValueError("an event comes more than once in an hour or a day: only days count, write FREQ=DAILY")
    calendars = Calendar.from_ical(text, multiple=True)
    lines = [line.strip().upper() for line in text.splitlines() if line.strip()]
    if lines[-1:] != ["END:VCALENDAR"] or len(calendars) != lines.count("BEGIN:VCALENDAR"):
        raise ValueError("it is cut, or empty")
    for calendar in calendars:
        for event in calendar.walk("VEVENT"):
            if event.errors:
                raise ValueError("; ".join(f"{name}: {fault}" for name, fault in event.errors))
            if "DTSTART" not in event:
                raise ValueError("an event has no DTSTART")
            for name in {"DTSTART", "DTEND"} & event.keys():
                _check_zone(name, event[name])
            _check_order(event)
    return calendars


def _check_zone(name: str, value: Any) -> None:
    zone = value.params.get("TZID")
    if zone and isinstance(value.dt, datetime) and value.dt.tzinfo is None:
        raise ValueError(f"{name}: nobody knows the time zone {zone}")


def _check_order(event: Any) -> None:
    """Which days an event that ends before it begins was meant for, nobody knows."""
    start = event["DTSTART"].dt
    end = event["DTEND"].dt if "DTEND" in event else start
    length = event["DURATION"].dt if "DURATION" in event else timedelta()
    if isinstance(start, datetime) and isinstance(end, datetime):
        backwards = (start.tzinfo is None) == (end.tzinfo is None) and end < start
    else:
        backwards = type(start) is type(end) and end < start
    if backwards or length < timedelta():
        raise ValueError(f"the event of {start:%Y-%m-%d} ends before it begins")


def _touches(event: Any, day: date, zone: ZoneInfo) -> bool:
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        return False
    start, end = event["DTSTART"].dt, event["DTEND"].dt  # of each occurrence there is an end, exclusive
    if isinstance(start, datetime):
        start, end = _local(start, zone), _local(end, zone)
        return bool(start.date() <= day <= max(start, end - _INSTANT).date())
    return bool(start <= day <= max(start, end - _DAY))


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    """What the clock shows."""
    return (moment.astimezone(zone) if moment.tzinfo else moment).replace(tzinfo=None)
