"""What a person writes of a mailbox-copy job."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

from collima.core.options import Guard, Uses
from collima.core.quantities import Amount, Duration

NINETY_DAYS = Duration(90, "day")
ONE_PERCENT = Amount(100, percent=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyGuard(Guard):
    """Words of this kind, beside the [common ones](schedules.md#guard). A percentage is of what the copy has."""

    max_mailboxes_gone: Annotated[
        Amount | None,
        "more mailboxes than that, and more than one, gone from the store at once: it is not whole, and nothing is "
        "copied; as many are deleted from the copy in one run, after `keep-gone`; by default 1%",
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the kind, checked."""

    store: Annotated[str, Uses("store"), "the connector that knows the mail store and the place of its copies"]
    mailboxes: Annotated[
        str, "what makes a mailbox, a path below the store with a star for its name; by default the connector's"
    ] = ""
    generations: Annotated[int, "how many copies are kept; 0: one, a mirror"] = 4
    keep_gone: Annotated[Duration, "how long a mailbox that left the store stays in the copy"] = NINETY_DAYS
    follow_renames: Annotated[
        bool, "flags and folders that changed are changed in the copy by renaming, where both sides are mounted"
    ] = True
    sample: Annotated[int, "so many messages, chosen at random, are compared byte by byte after each run"] = 200
    mode: Annotated[Literal["apply", "watch"], "`watch`: planned and reported, never applied"] = "apply"
    guard: Annotated[CopyGuard, "limits of this job, over `defaults`"] = field(default_factory=CopyGuard)

    @property
    def target(self) -> str:
        """What a run has for itself, and under which it is on record."""
        return self.store

    def faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """(where, what) is wrong between the options."""
        if self.generations > 1000:
            yield ("generations",), "is more than a thousand"
        if self.guard.grace is not None:
            yield ("guard", "grace"), "is not for copies: write `keep-gone`, which is for mailboxes"
