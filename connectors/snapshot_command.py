"""Snapshots as a command lists them: one a line, told apart by a regular expression."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Annotated, ClassVar

from collima.core.errors import ConfigError, SourceError
from collima.core.quantities import Duration
from collima.core.targets import Snapshot
from collima.core.text import line
from connectors.programs import output
from connectors.times import TimeForm, instant

HALF_A_MINUTE = Duration(30, "second")


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotCommand:
    """Snapshots that a command lists, one a line: `ssh` to a SAN, `zfs list`, an HTTP API through `jq`.

    The command is a list of words and no text for a shell; who needs one writes `[sh, -c, "… | jq …"]`. It runs once
    for all the volumes of a job. Nothing but exit code 0, in time, and lines that can all be read counts as an answer.
    """

    offers: ClassVar[frozenset[str]] = frozenset({"snapshots"})

    command: Annotated[tuple[str, ...], "the program and its arguments, word by word"]
    pattern: Annotated[
        str, "regular expression of a line; its group `time` is the time, `volume` (if it has one) the volume"
    ]
    time: Annotated[str, "the form of the time, with strptime's words: `%Y-%m-%dT%H:%M:%S%z`; or `epoch`: seconds"]
    ignore: Annotated[str, "regular expression of lines that tell of no snapshot: a heading, other schedules"] = ""
    timeout: Annotated[Duration, "the command and all that it started is killed after this"] = HALF_A_MINUTE

    def __post_init__(self) -> None:
        if not self.command:
            raise ConfigError("command: write the program and its arguments: [ssh, san, snapshot, list]")
        if len(self.command) == 1 and " " in self.command[0] and not Path(self.command[0]).exists():
            raise ConfigError(f"command: is no text for a shell: write [{', '.join(self.command[0].split())}]")
        if "time" not in _compiled("pattern", self.pattern).groupindex:
            raise ConfigError("pattern: has no group for the time: write (?P<time>…) around it")
        _compiled("ignore", self.ignore)
        try:
            self.form()
        except ValueError as err:
            raise ConfigError(f"time: {err}; or write epoch") from err
        if not self.timeout.seconds:
            raise ConfigError("timeout: nothing ends in no time")

    def form(self) -> TimeForm:
        return TimeForm("%s" if self.time == "epoch" else self.time)

    @contextmanager
    def open(self) -> Iterator["Listing"]:
        """Runs the command. Raises SourceError."""
        pattern = re.compile(self.pattern)
        name = line(Path(self.command[0]).name, 60)
        rows = _rows(output(self.command, self.timeout), pattern, self.ignore, self.form(), name)
        yield Listing(tuple(rows), tells_volumes="volume" in pattern.groupindex)


def _compiled(option: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as err:
        raise ConfigError(f"{option}: is no regular expression: {err}") from err


def _rows(
    printed: str, pattern: re.Pattern[str], ignore: str, form: TimeForm, name: str
) -> Iterator[tuple[str, datetime]]:
    """(volume, time) of each line. Raises SourceError for one that cannot be read, and when there is none at all."""
    lines = [(number, text.rstrip("\r")) for number, text in enumerate(printed.split("\n"), 1) if text.strip()]
    if not lines:
        raise SourceError(f"{name} printed nothing, and ended with 0")
    telling = [(number, text) for number, text in lines if not (ignore and re.search(ignore, text))]
    if not telling:
        raise SourceError(f"{name} printed {len(lines)} lines, and `ignore` leaves none")
    for number, text in telling:
        if not (match := pattern.search(text)):
            raise SourceError(f"{name}: line {number} is not like `pattern`: {line(text, 80)}")
        written = match["time"] or ""
        if (moment := form.read(written)) is None:
            raise SourceError(f"{name}: line {number}: no time of the form of `time`: {line(written, 40)}")
        yield (match.groupdict().get("volume") or ""), moment


@dataclass(frozen=True, slots=True)
class Listing:
    """What one run of the command listed. Offers the Snapshots port."""

    rows: tuple[tuple[str, datetime], ...]  # (volume, time as it was written)
    tells_volumes: bool

    def check(self) -> str:
        """What is there."""
        volumes = {volume for volume, _ in self.rows}
        return f"{len(self.rows)} snapshots" + (f" of {len(volumes)} volumes" if self.tells_volumes else "")

    def read(self, volume: str, zone: tzinfo) -> Sequence[Snapshot]:
        if volume and not self.tells_volumes:
            raise SourceError("`pattern` has no group (?P<volume>…), so that no volume can be told by its name")
        return [Snapshot(of, instant(moment, zone)) for of, moment in self.rows if not volume or of == volume]
