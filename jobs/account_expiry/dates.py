"""Since when: generalizedTime (RFC 4517 3.3.13) as a date of the calendar here."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Literal

OLDEST = date(1980, 1, 1)
"""What is said to be before is a placeholder of some program (1900-01-01, 1899-12-30, 1970-01-01), and no date."""

Fault = Literal["no-date", "bad-date", "future-date"]

_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(?:(\d\d)(\d\d)?)?(?:[.,](\d+))?(?:Z|([+-])(\d\d)(\d\d)?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Since:
    """The latest of some values, or why none can be trusted."""

    day: date | None
    fault: Fault | None = None


def moment(text: str) -> datetime:
    """Raises ValueError for what is no generalizedTime."""
    if not (match := _TIME.fullmatch(text)):
        raise ValueError("no generalizedTime")
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups()
    if int(minutes or 0) > 59:
        raise ValueError("no generalizedTime")
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    zone = timezone(-offset if sign == "-" else offset)  # ValueError beyond a day
    leap = second == "60"
    start = datetime(
        int(year), int(month), int(day), int(hour), int(minute or 0), 59 if leap else int(second or 0), tzinfo=zone
    )
    unit = 1 if second else 60 if minute else 3600
    return start + timedelta(seconds=float(f"0.{fraction or 0}") * unit)


def since(values: Iterable[str], now: datetime, zone: tzinfo) -> Since:
    """Of several the latest counts; one that is bad, or has not come, spoils them all."""
    days: list[date] = []
    for text in values:
        try:
            taken = moment(text)
            if taken > now:
                return Since(None, "future-date")
            day = taken.astimezone(zone).date()
        except (ValueError, OverflowError):
            return Since(None, "bad-date")
        if day < OLDEST:
            return Since(None, "bad-date")
        days.append(day)
    return Since(max(days)) if days else Since(None, "no-date")
