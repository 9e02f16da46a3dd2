"""The types that options have, and how a person writes them. Every parser raises ValueError with the cure in it."""

import os
import re
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import NewType, Self

from collima.core.errors import ConfigError
from collima.core.quantities import Amount, Duration

Address = NewType("Address", str)
"""A mail address, lower-cased, ASCII, one `@`, without white space or characters that need quoting."""

Side = NewType("Side", str)
"""A folder: an absolute path of this machine, or `HOST:/path` of another one."""

_LOCAL = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ADDRESS = re.compile(rf"{_LOCAL}(?:\.{_LOCAL})*@{_LABEL}(?:\.{_LABEL})+", re.ASCII)


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


def address(text: str) -> Address:
    """Lower-cased and checked. Quoted local parts and addresses that are not ASCII are refused: no list takes them."""
    folded = text.strip(" ").lower()
    if len(folded) > 254 or folded.find("@") > 64 or not _ADDRESS.fullmatch(folded):
        raise ValueError("not a plain mail address")
    return Address(folded)
