"""Read-only snapshots on btrfs, as `btrfs subvolume` tells of them (btrfs-progs 4.1 or later)."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Annotated, ClassVar

from collima.core.errors import ConfigError, SourceError
from collima.core.quantities import Duration
from collima.core.targets import Snapshot
from collima.core.text import line
from connectors.programs import output

A_MINUTE = Duration(1, "minute")
_LISTED = re.compile(r"ID \d+ .*?\botime (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) parent_uuid (\S+)\s+path .+", re.ASCII)
_UUID = re.compile(r"^\s*UUID:\s+([0-9a-f-]{36})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Btrfs:
    """The read-only snapshots of a btrfs subvolume, wherever in its filesystem they are.

    They are known by the subvolume that they were taken of, not by their names. The `volume` of a job names a
    subvolume below this one.
    """

    offers: ClassVar[frozenset[str]] = frozenset({"snapshots"})

    path: Annotated[Path, "the subvolume"]
    program: Annotated[tuple[str, ...], "for a user without the right: `[sudo, -n, /usr/bin/btrfs]`"] = ("btrfs",)
    timeout: Annotated[Duration, "the program is killed after this"] = A_MINUTE

    def __post_init__(self) -> None:
        if not self.program:
            raise ConfigError("program: write the program, like [btrfs]")
        if not self.timeout.seconds:
            raise ConfigError("timeout: nothing ends in no time")

    @contextmanager
    def open(self) -> Iterator["Filesystem"]:
        """Lists the snapshots of the whole filesystem. Raises SourceError."""
        yield Filesystem(self, tuple(_snapshots(self.ask("list", "-s", "-r", "-q", str(self.path)))))

    def ask(self, *words: str) -> str:
        """What `btrfs subvolume` prints, its times in UTC: it writes them without an offset. Raises SourceError."""
        return output([*self.program, "subvolume", *words], self.timeout, TZ="UTC")


def _snapshots(listed: str) -> Iterator[tuple[str, datetime]]:
    for text in filter(None, listed.split("\n")):
        if not (match := _LISTED.fullmatch(text)):
            raise SourceError(f"btrfs said what this version does not understand: {line(text, 80)}")
        yield match[2], datetime.strptime(f"{match[1]}+0000", "%Y-%m-%d %H:%M:%S%z")


@dataclass(frozen=True, slots=True)
class Filesystem:
    """Offers the Snapshots port. `snapshots`: (UUID of what it was taken of, when), read-only ones."""

    options: Btrfs
    snapshots: tuple[tuple[str, datetime], ...]

    def check(self) -> str:
        """What is there; raises SourceError."""
        return f"{self.options.path}: {len(self.read('', UTC))} read-only snapshots"

    def read(self, volume: str, zone: tzinfo) -> Sequence[Snapshot]:  # noqa: ARG002 - btrfs is asked for UTC
        path = self.options.path / volume
        if not (own := _UUID.search(self.options.ask("show", str(path)))):
            raise SourceError(f"{path}: btrfs tells no UUID of it")
        return [Snapshot(volume, taken) for uuid, taken in self.snapshots if uuid == own[1]]
