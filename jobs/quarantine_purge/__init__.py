"""The job kind `quarantine-purge`: what was held for long enough is deleted."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from collima.core.errors import ConfigError
from collima.core.options import Uses
from collima.core.ports import Context
from collima.core.quantities import Duration
from jobs.quarantine_purge.purge import Purging

FIVE_DAYS = Duration(5, "day")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinePurge:
    """Deletes what a quarantine has held for long enough, and rows that belong to no message any more.

    A `keep` smaller than last time waits for a person, and so does a purge that would leave nothing. It never runs
    while digests of the same quarantine are planned. See docs/quarantine.md.
    """

    quarantine: Annotated[str, Uses("quarantine"), "the connector that holds the messages"]
    keep: Annotated[Duration, "how long a message is held; what the job of digests says, too"] = FIVE_DAYS

    @property
    def target(self) -> str:
        """Its lock keeps a purge and the digests apart."""
        return self.quarantine

    def bind(self, context: Context) -> Purging:
        if context.purges is None:
            raise ConfigError(f"{context.name}: a purge needs a state")
        return Purging(self.quarantine, self.keep, context, context.purges)

    def faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """(where, what) is wrong between the options."""
        if not self.keep.count:
            yield ("keep",), "nothing would be held at all"
