"""The timer: APScheduler wakes the loop at each moment at which something is due. What that means is the loop's to say.

Its store is in memory, and a wake-up that is lost, early or late does no harm: the loop looks at the rows anyway.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from collima.app.when import When, following

logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a line for each wake-up, and for each that came late


class Trigger(BaseTrigger):  # type: ignore[misc]
    """Fires at the slots of one schedule: a pure function of (previous, now).

    A clock that jumps forward over many slots fires once for them all; one that jumps back fires at them again, which
    the rows make harmless. So the previous one plays no part.
    """

    def __init__(self, when: When, zone: ZoneInfo) -> None:
        self.when = when
        self.zone = zone

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:  # noqa: ARG002 - APScheduler's
        return following(self.when, self.zone, now)


class Timer:
    """Calls `wake` at every slot of the schedules that it was last given."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": DebugExecutor()},
            job_defaults={"misfire_grace_time": None, "coalesce": True},
        )

    def schedule(self, whens: Iterable[When], zone: ZoneInfo) -> None:
        """Instead of what was scheduled before; jobs that are due together are one entry."""
        self._scheduler.remove_all_jobs()
        for when in {when.cron: when for when in whens if not when.manual}.values():
            self._scheduler.add_job(self._wake, Trigger(when, zone), id=when.cron)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._scheduler.start()
        try:
            yield
        finally:
            self._scheduler.shutdown()
