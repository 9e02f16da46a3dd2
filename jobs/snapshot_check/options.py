"""What a person writes of a snapshot-check job."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from collima.core.model import Level
from collima.core.options import Uses
from collima.core.quantities import Duration

A_WEEK, A_DAY = Duration(7, "day"), Duration(1, "day")
SLACK = 2  # hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """How much each finding weighs. A critical one fails its volume."""

    unreadable: Annotated[Level, "the system did not answer, or not so that every line can be read"] = "critical"
    no_snapshots: Annotated[Level, "there is none at all"] = "critical"
    two_volumes: Annotated[Level, "snapshots of several volumes, where one was meant"] = "critical"
    in_the_future: Annotated[Level, "one is of a time that has not come"] = "critical"
    too_old: Annotated[Level, "the newest is older than `newest`"] = "critical"
    many_missing: Annotated[Level, "more than `missing` are missing between others"] = "critical"
    some_missing: Annotated[Level, "at most `missing` are missing between others"] = "warning"
    too_few: Annotated[Level, "they do not go back as far as `keep`"] = "warning"
    not_pruned: Annotated[Level, "some are older than `keep` and a day"] = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """One volume. What it does not say of `keep`, `every`, `newest` and `missing` is the job's."""

    name: Annotated[str, "as reports call it"]
    in_: Annotated[str, Uses("snapshots"), "the connector that tells of its snapshots"]
    volume: Annotated[str, "as that system calls it; left out where it has only one"] = ""
    keep: Annotated[Duration | None, "how long each snapshot is kept"] = None
    every: Annotated[Duration | None, "how often one is taken"] = None
    newest: Annotated[Duration | None, "how old the newest may be"] = None
    missing: Annotated[int | None, "so many missing are a warning; more are critical"] = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of one volume, `every` thing said."""

    keep: Duration
    every: Duration
    newest: Duration
    missing: int

    @property
    def count(self) -> int:
        """How many snapshots there should be."""
        return max(1, self.keep.seconds // max(1, self.every.seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the kind, checked."""

    volumes: Annotated[tuple[Volume, ...], "the volumes"]
    keep: Annotated[Duration, "how long each snapshot is kept"] = A_WEEK
    every: Annotated[Duration, "how often one is taken"] = A_DAY
    newest: Annotated[Duration | None, "how old the newest may be; by default `every` and two hours"] = None
    missing: Annotated[int, "so many missing are a warning; more are critical"] = 1
    levels: Annotated[Levels, "other levels than the usual ones, by code"] = field(default_factory=Levels)

    def expected(self, volume: Volume) -> Expected:
        every = volume.every or self.every
        return Expected(
            keep=volume.keep or self.keep,
            every=every,
            newest=volume.newest or self.newest or Duration(-(-every.seconds // 3600) + SLACK, "hour"),
            missing=self.missing if volume.missing is None else volume.missing,
        )

    def faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """(where, what) is wrong between the options."""
        if not self.volumes:
            yield ("volumes",), "names no volume"
        first: dict[str, int] = {}
        for at, volume in enumerate(self.volumes):
            if first.setdefault(volume.name, at) != at:
                yield ("volumes", at, "name"), f"volumes[{first[volume.name]}] has this name, too"
            for key, fault in self._times(volume):
                where = ("volumes", at, key) if getattr(volume, key) is not None else (key,)
                yield where, fault

    def _times(self, volume: Volume) -> Iterator[tuple[str, str]]:
        expected = self.expected(volume)
        if not expected.every.seconds:
            yield "every", "nothing is taken in no time"
        elif expected.keep.seconds < expected.every.seconds:
            yield "keep", f"is shorter than `every` ({expected.every})"
        if expected.newest.seconds < expected.every.seconds:
            yield "newest", f"is shorter than `every` ({expected.every}): the newest would be too old each day"
