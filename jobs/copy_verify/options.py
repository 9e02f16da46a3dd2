"""What a person writes of a copy-verify job."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from collima.core.options import Uses


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the kind, checked."""

    store: Annotated[str, Uses("copies"), "the connector of the copy"]
    messages: Annotated[int, "how many messages are read, at most"] = 200

    @property
    def target(self) -> str:
        """What a run has for itself: while it reads, no copy of the same store drops a generation."""
        return self.store

    def faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """(where, what) is wrong between the options."""
        if self.messages < 1:
            yield ("messages",), "nothing would be compared"
