"""A service as a process: signals, systemd, the timer, and the pauses between two ticks."""

import logging
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType

from collima.app.service.bell import Bell
from collima.app.service.chores import Chores
from collima.app.service.loop import Service
from collima.app.service.systemd import Systemd
from collima.app.service.timer import Timer
from collima.core.text import line

log = logging.getLogger(__name__)

PAUSE = 15.0  # seconds between two ticks at most: after a suspend or a jump of the clock that is how late it is
TAIL = 30.0  # seconds that runs get to end after they were told to: TERM and KILL come within the first part of it


@dataclass
class Signals:
    """What the service was asked for. Handlers only note it, and ring."""

    bell: Bell
    stops: int = 0
    reload: bool = False

    @contextmanager
    def caught(self) -> Iterator[None]:
        before = {
            number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self.reload = True
        else:
            self.stops += 1
        self.bell.ring()


@dataclass
class Serving:
    service: Service
    bell: Bell
    chores: Chores
    systemd: Systemd

    def forever(self) -> None:
        """Until TERM or Ctrl-C: no new runs then; those under way get `stop-grace`, or are stopped by a second one."""
        service, signals = self.service, Signals(self.bell)
        timer = Timer(self.bell.ring)
        with signals.caught(), timer.running(), ExitStack() as stack:
            self._plan(timer)
            service.tick()  # what is wrong from the start is said once, before chores say it, too
            stack.enter_context(self.chores.running())
            self.systemd.ready(self._status())
            while not signals.stops:
                self.bell.wait(min(PAUSE, self.systemd.pause or PAUSE))
                if signals.reload:
                    signals.reload = False
                    self.systemd.reloading()
                    service.reload()
                    self._plan(timer)
                    service.tick()
                    self.systemd.ready(self._status())
                service.tick()
                self.chores.poke()
                self.systemd.alive(self._status())
            self._stop(signals)
        service.end()

    def once(self) -> None:
        """What is due now, to its end. What waits for another try, or for other jobs, is for the next time."""
        service, signals = self.service, Signals(self.bell)
        with signals.caught():
            service.tick()
            while service.runs.running and not signals.stops:
                self.bell.wait(PAUSE)
                service.tick()
            self._stop(signals)
            self.chores.once()
        service.end()

    def _stop(self, signals: Signals) -> None:
        service = self.service
        service.stopping = True
        self.systemd.stopping(self._status())
        grace = float(service.config.stop_grace.seconds)
        if service.runs.running:
            log.info("stopping: %d runs have %s to end", len(service.runs.running), service.config.stop_grace)
        begun, told = service.steady(), False
        while service.runs.running:
            over = service.steady() - begun
            if not told and (over >= grace or signals.stops > 1):
                told, grace = True, over
                service.runs.stop()
            if told and over > grace + TAIL:
                why = "the state cannot be used" if service.away else "they do not even end when they are killed"
                left = len(service.runs.running)
                log.error("%s: the next service finds out what became of the last %d runs", why, left)
                break
            self.systemd.alive(self._status(), longer=max(0.0, grace - over) + 2 * TAIL)
            self.bell.wait(min(PAUSE / 3, self.systemd.pause or PAUSE, max(0.1, grace - over) if not told else PAUSE))
            service.tick()

    def _plan(self, timer: Timer) -> None:
        config = self.service.config
        timer.schedule([job.when for job in config.jobs.values() if job.options is not None], config.timezone)

    def _status(self) -> str:
        service = self.service
        if service.away:
            return "the state cannot be used"
        return f"{len(service.runs.running)} runs under way{'; ' + line(service.fault, 200) if service.fault else ''}"
