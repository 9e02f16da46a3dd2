"""What takes its time and must not hold up the loop: mail, figures, forgetting what is old. Each in its own thread."""

import logging
import threading
import time
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
from collima.state import SqlJournal, retention

log = logging.getLogger(__name__)

PAUSE = 60.0  # seconds between two rounds at most
FIGURES = timedelta(seconds=15)  # between two files of figures at least

Chore = Callable[[], datetime | None]
"""Returns when to come again; None: after a pause."""


@dataclass
class Chores:
    """`config` gives the one that is loaded now. `purged`: the day of the last purge, in the configuration's zone."""

    journal: SqlJournal
    config: Callable[[], Config]
    clock: Clock
    deliver: Deliver | None = None
    purged: date | None = None
    measured: datetime | None = None
    _wanted: list[threading.Event] = field(default_factory=list)  # of each thread
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def _all(self) -> tuple[Chore, ...]:
        return self._mail, self._measure, self._purge

    @contextmanager
    def running(self) -> Iterator[None]:
        self._wanted = [threading.Event() for _ in self._all]
        threads = [
            threading.Thread(target=self._follow, args=each, name="chore", daemon=True)
            for each in zip(self._all, self._wanted, strict=True)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            self.poke()
            until = time.monotonic() + PAUSE
            for thread in threads:
                thread.join(max(0.0, until - time.monotonic()))

    def poke(self) -> None:
        """Something may be there to be sent, or to be counted."""
        for wanted in self._wanted:
            wanted.set()

    def once(self) -> None:
        for chore in self._all:
            _safely(chore)

    def _follow(self, chore: Chore, wanted: threading.Event) -> None:
        while not self._over.is_set():
            wanted.clear()
            again = _safely(chore)
            left = (again - self.clock()).total_seconds() if again else PAUSE
            wanted.wait(min(PAUSE, max(0.0, left)))

    def _mail(self) -> datetime | None:
        if not self.deliver:
            return None
        return self.deliver(self.config(), self.journal, clock=self.clock, stop=self._over.is_set)

    def _measure(self) -> None:
        """For Prometheus. Its client is loaded only where it is wanted."""
        config, now = self.config(), self.clock()
        if config.metrics is None or (self.measured and timedelta(0) <= now - self.measured < FIGURES):
            return
        import_module("collima.app.metrics").write(config.metrics.textfile, config, self.journal, now)
        self.measured = now

    def _purge(self) -> None:
        """On the first round of each day, unless an earlier service has done it; not while the clock may be wrong."""
        config, now = self.config(), self.clock()
        local = now.astimezone(config.timezone)
        if self.purged == local.date() or self._over.is_set():
            return
        database, midnight = self.journal.database, local.replace(hour=0, minute=0, second=0, microsecond=0)
        if not retention.served(database, midnight, now):
            if retention.doubtful(database, now):
                log.warning(
                    "nothing old is deleted today: of the days a week ago nothing is on record, as if the clock was "
                    "wrong; if it is right, type: collima purge"
                )
            else:
                counts = wiring.purge(config, self.journal, now)
                if deleted := ", ".join(f"{count} {name}" for name, count in counts.items() if count):
                    log.info("deleted what is old: %s", deleted)
        self.purged = local.date()


def _safely(chore: Chore) -> datetime | None:
    try:
        return chore()
    except CollimaError as err:
        log.error("%s", err)  # noqa: TRY400 - what it says is all there is to say
    except Exception:
        log.exception("a fault of this program; the other chores go on")
    return None
