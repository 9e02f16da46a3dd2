"""Amounts and lengths of time, as people write them. Parsers raise ValueError with the cure in it."""

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_DURATION = re.compile(r"(\d+) (second|minute|hour|day|week|month|year)s?", re.ASCII)
_AMOUNT = re.compile(r"(\d{1,9})(?:\.(\d{1,2}))?\s?%", re.ASCII)


@dataclass(frozen=True, slots=True)
class Amount:
    """`10%` or `25`. A percentage is kept in hundredths of a percent, so that all comparing is done in integers."""

    value: int
    percent: bool

    def exceeded_by(self, count: int, base: int) -> bool:
        """Whether `count` is more than this much of `base`."""
        return count * 10_000 > self.value * base if self.percent else count > self.value

    def __str__(self) -> str:
        if not self.percent:
            return str(self.value)
        whole, rest = divmod(self.value, 100)
        return f"{whole}{f'.{rest:02}'.rstrip('0') if rest else ''} %"


@dataclass(frozen=True, slots=True)
class Duration:
    """`26 hours`, `3 years`. Months and years are calendar ones: three years after 29 February is 28 February."""

    count: int
    unit: str

    @property
    def seconds(self) -> int:
        """Its length where a calendar plays no part; a month counts as 30 days, a year as 365."""
        return self.count * {**_UNITS, "month": 30 * 86400, "year": 365 * 86400}[self.unit]

    def before(self, moment: datetime) -> datetime:
        """`moment` minus this, by the calendar for months and years, by elapsed time for the rest."""
        if self.unit in _UNITS:
            return moment - timedelta(seconds=self.seconds)
        months = moment.year * 12 + moment.month - 1 - self.count * (12 if self.unit == "year" else 1)
        year, month = divmod(months, 12)
        return moment.replace(year=year, month=month + 1, day=min(moment.day, calendar.monthrange(year, month + 1)[1]))

    def after(self, moment: datetime) -> datetime:
        """`moment` plus this, as `before`."""
        return Duration(-self.count, self.unit).before(moment)

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'' if self.count == 1 else 's'}"


def duration(text: str) -> Duration:
    if not (match := _DURATION.fullmatch(text)):
        raise ValueError(f"{text!r} is no duration; write it like '5 seconds', '26 hours' or '3 years'")
    return Duration(int(match[1]), match[2])


def amount(text: str | int) -> Amount:
    if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        return Amount(text, percent=False)
    if isinstance(text, str) and (match := _AMOUNT.fullmatch(text)):
        return Amount(int(match[1]) * 100 + int((match[2] or "0").ljust(2, "0")), percent=True)
    raise ValueError(f"{text!r} is no amount; write a percentage like 10% or a whole number like 25")
