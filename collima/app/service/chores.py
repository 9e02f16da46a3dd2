"""What takes its time and must not hold up the loop: mail, figures, forgetting what is old. In a thread of its own."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib import import_module

from collima.app import wiring
from collima.app.config import Config
from collima.app.service.seams import Deliver
from collima.core.errors import CollimaError
from collima.core.ports import Clock
from collima.state import SqlJournal

log = logging.getLogger(__name__)

PAUSE = 60.0  # seconds between two rounds at most
FIGURES = timedelta(seconds=15)  # between two files of figures at least


@dataclass
class Chores:
    """`config` gives the one that is loaded now. `purged`: the day of the last purge, in the configuration's zone."""

    journal: SqlJournal
    config: Callable[[], Config]
    clock: Clock
    deliver: Deliver | None = None
    purged: date | None = None
    _again: datetime | None = None  # when mail is to be sent again
    measured: datetime | None = None
    again: datetime | None = None  # when there is mail to be sent; None: nothing waits
    _wanted: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._follow, name="chores", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._wanted.set()
            thread.join(PAUSE)

    def poke(self) -> None:
        """Something may be there to be sent."""
        self._wanted.set()

    def once(self) -> None:
        for chore in (self._mail, self._measure, self._purge):
            try:
                chore()
            except CollimaError as err:
                log.error("%s", err)  # noqa: TRY400 - what it says is all there is to say
            except Exception:
                log.exception("a fault of this program; the other chores go on")

    def _follow(self) -> None:
        while not self._over.is_set():
            self._wanted.clear()
            self.once()
            left = (self._again - self.clock()).total_seconds() if self._again else PAUSE
            self._wanted.wait(min(PAUSE, max(0.0, left)))

    def _mail(self) -> None:
        self._again = None  # whatever comes of it
        if self.deliver:
            self._again = self.deliver(self.config(), self.journal, clock=self.clock, stop=self._over.is_set)

    def _measure(self) -> None:
        """For Prometheus. Its client is loaded only where it is wanted."""
        config, now = self.config(), self.clock()
        if config.metrics is None or (self.measured and timedelta(0) <= now - self.measured < FIGURES):
            return
        import_module("collima.app.metrics").write(config.metrics.textfile, config, self.journal, now)
        self.measured = now

    def _purge(self) -> None:
        """On the first round of each day."""
        config, now = self.config(), self.clock()
        today = now.astimezone(config.timezone).date()
        if self.purged == today or self._over.is_set():
            return
        counts = wiring.purge(config, self.journal, now)
        self.purged = today
        if deleted := ", ".join(f"{count} {name}" for name, count in counts.items() if count):
            log.info("deleted what is old: %s", deleted)
