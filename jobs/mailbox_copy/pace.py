"""How a copy goes on: by mailbox, with its rate and the time left."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from jobs.mailbox_copy.findings import left

log = logging.getLogger("collima.copy")
EVERY = 60.0  # seconds from line to line


@dataclass(slots=True)
class Pace:
    """`total`: files that are to come. Lines have counts only: a mailbox is a person."""

    total: int
    progress: Callable[[int, int], None]
    clock: Callable[[], float]  # seconds
    done: int = 0
    mailboxes: int = 0
    began: float = field(init=False)
    spoke: float = field(init=False)
    last: str = ""

    def __post_init__(self) -> None:
        self.began = self.spoke = self.clock()

    def told(self, mailbox: str) -> None:
        """One more file of this mailbox was copied."""
        self.done += 1
        if mailbox != self.last:
            self.mailboxes += 1
            self.last = mailbox
        elif self.done % 100:
            return
        now, total = self.clock(), max(self.total, self.done)
        self.progress(self.done, total)
        if now - self.spoke >= EVERY:
            self.spoke, passed = now, now - self.began
            log.info(
                "%d of %d files, mailbox %d, %.0f files a second, %s left",
                self.done,
                total,
                self.mailboxes,
                self.done / passed,
                left(self.done, total, passed),
            )
