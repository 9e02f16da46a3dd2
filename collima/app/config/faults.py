"""What is wrong in a schedules.yaml: every fault at once, each with its place and its cure."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TypeAlias

from collima.core.errors import ConfigError

LONGEST_KEY, LONGEST_MESSAGE = 80, 600  # characters that are shown

Steps: TypeAlias = tuple[str | int, ...]
"""The way from the top of the file: keys, and positions in lists counted from 0."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """`line` and `column` count from 1; line 0: the file as a whole."""

    line: int
    column: int
    where: str
    message: str

    def told(self, path: Path) -> str:
        """One line, whatever is in the file."""
        place = f"{path}:{self.line}:{self.column}" if self.line else str(path)
        return ": ".join(part for part in (place, self.where, shown(self.message, LONGEST_MESSAGE)) if part)


class Invalid(ConfigError):
    """A file with faults. The message is one line for each, in the order of the file."""

    def __init__(self, path: Path, faults: Iterable[Fault]) -> None:
        self.path = path
        self.faults = tuple(faults)
        super().__init__("\n".join(fault.told(path) for fault in self.faults))


def written(steps: Steps) -> str:
    """`jobs.sympa-lists.rosters[1].guard`."""
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f"{'.' if text else ''}{shown(step, LONGEST_KEY)}"
    return text


def shown(text: str, longest: int) -> str:
    """Text from the file on one line: cut, and its control characters escaped."""
    short = text if len(text) <= longest else f"{text[:longest]}…"
    return short if short.isprintable() else repr(short)[1:-1]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`, did you mean 'x'?`, or nothing when nothing is near."""
    near = nearest(word, known)
    return f", did you mean {near!r}?" if near else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant; "" when none is near."""
    return next(iter(get_close_matches(word.lower().replace("_", "-"), list(known), 1)), "")
