"""What a person writes of an archive-retention job."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from collima.core.options import Guard, Uses
from collima.core.quantities import Amount, Duration

TWO_DAYS = Duration(2, "day")
ALL, HALF = Amount(10_000, percent=True), Amount(5000, percent=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionGuard(Guard):
    """Words of this kind, with values of its own: what is kept three months loses a quarter each month."""

    max_removals: Annotated[
        Amount | None, "more of one mailbox than that waits; 100% by default: that of somebody who left runs empty"
    ] = ALL
    max_removals_total: Annotated[Amount | None, "more of the whole archive than that waits; 50% by default"] = HALF


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the kind, checked."""

    mailstore: Annotated[str, Uses("mailstore"), "the connector of the archive's own mail store"]
    keep: Annotated[Duration, "how long each message is kept, from when it came in and was saved"]
    silent: Annotated[Duration, "when no message at all was saved for so long, nothing is taken out"] = TWO_DAYS
    guard: Annotated[RetentionGuard, "limits of this job, over `defaults`"] = field(default_factory=RetentionGuard)

    @property
    def target(self) -> str:
        return self.mailstore

    def faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """(where, what) is wrong between the options."""
        if not self.keep.seconds:
            yield ("keep",), "nothing would be kept"
        if not self.silent.seconds:
            yield ("silent",), "the archive would always be silent"
        elif self.silent.seconds > self.keep.seconds:
            yield ("silent",), f"is longer than `keep` ({self.keep}): the archive would be empty before that is noticed"
