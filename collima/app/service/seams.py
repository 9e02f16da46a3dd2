"""What the loop calls beside its own work: telling people, mail, pings. None of it is needed to run jobs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from collima.app.config import Config
from collima.core.ports import Clock
from collima.state import SqlJournal


class Pings(Protocol):
    def started(self, job: str) -> None: ...
    def ended(self, job: str, exit_code: int) -> None: ...
    def close(self) -> None: ...


class Deliver(Protocol):
    def __call__(
        self, config: Config, journal: SqlJournal, *, clock: Clock, stop: Callable[[], bool]
    ) -> datetime | None:
        """Sends the mail that is due, until `stop` says so. Returns when to come again; None: nothing waits."""


@dataclass(frozen=True, slots=True)
class Seams:
    """Each may be left out."""

    tell: Callable[[Config, SqlJournal, datetime], None] | None = None  # of what has happened; at each tick
    trouble: Callable[[Config, SqlJournal, str, str, datetime], None] | None = None  # of the service: (about, cause)
    well: Callable[[Config, SqlJournal, str, datetime], None] | None = None  # that trouble is over: (about)
    deliver: Deliver | None = None  # in a thread of its own
    pings: Callable[[Config], Pings] | None = None  # made anew for each configuration
