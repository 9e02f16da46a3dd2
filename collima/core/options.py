"""The types that options have, and how a person writes them. Every parser raises ValueError with the cure in it."""

import calendar
import os
import re
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NewType, Self

from collima.core.errors import ConfigError
from collima.core.model import Amount

Address = NewType("Address", str)
"""A mail address, lower-cased, ASCII, one `@`, without white space or characters that need quoting."""

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_DURATION = re.compile(r"(\d+) (second|minute|hour|day|week|month|year)s?", re.ASCII)
_AMOUNT = re.compile(r"(\d{1,9})(?:\.(\d{1,2}))?\s?%", re.ASCII)
_LOCAL = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ADDRESS = re.compile(rf"{_LOCAL}(?:\.{_LOCAL})*@{_LABEL}(?:\.{_LABEL})+", re.ASCII)


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

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'' if self.count == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is, never the secret itself: `{file: PATH}` or `{env: NAME}`."""

    file: Path | None = None
    env: str = ""

    def reveal(self) -> str:
        """Read when it is needed, and never kept. Raises ConfigError when it is not there or others can read it."""
        if self.file is None:
            if not (value := os.environ.get(self.env, "")):
                raise ConfigError(f"the environment variable {self.env} is not set or empty")
            return value
        try:
            if self.file.stat().st_mode & 0o007:
                raise ConfigError(f"{self.file} can be read by everybody: chmod o-rwx {self.file}")
            value = self.file.read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as err:
            raise ConfigError(f"{self.file}: {getattr(err, 'strerror', None) or 'not UTF-8'}") from err
        if not value:
            raise ConfigError(f"{self.file} is empty")
        return value


@dataclass(frozen=True, slots=True)
class Person:
    """One line of `also` or `except`. `until` is the last day on which it counts."""

    address: Address
    until: date | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Uses:
    """In an `Annotated` field of a job kind: its text names a connector that offers this port (`Uses("directory")`)."""

    port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The words of `guard:`. None: not said here. A kind with words of its own extends this class."""

    max_removals: Amount | None = None
    max_additions: Amount | None = None
    small_change: int | None = None
    max_first_fill: Amount | None = None
    max_removals_total: Amount | None = None
    source_drop: Amount | None = None
    grace: Duration | None = None

    def over(self, under: "Guard") -> Self:
        """Merged key by key: what is not said here is taken from `under`."""
        known = {f.name for f in fields(under)}
        return replace(
            self,
            **{
                f.name: getattr(under, f.name)
                for f in fields(self)
                if getattr(self, f.name) is None and f.name in known
            },
        )


BUILT_IN_GUARD = Guard(
    max_removals=Amount(1000, percent=True),
    max_additions=Amount(5000, percent=True),
    small_change=3,
    max_first_fill=Amount(2500, percent=True),
    max_removals_total=Amount(500, percent=True),
    source_drop=Amount(1000, percent=True),
)
"""What holds where nobody says otherwise."""


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


def address(text: str) -> Address:
    """Lower-cased and checked. Quoted local parts and addresses that are not ASCII are refused: no list takes them."""
    folded = text.strip(" ").lower()
    if len(folded) > 254 or folded.find("@") > 64 or not _ADDRESS.fullmatch(folded):
        raise ValueError("not a plain mail address")
    return Address(folded)
