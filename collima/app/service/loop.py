"""The loop: one thread that decides, from rows and the clock alone, what is claimed, started, settled and told.

`tick` may come at any time and any number of times. Nothing is kept in memory that is not found again in the state, but
the processes themselves.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import collima
from collima.app.config import Config, Job
from collima.app.service import due
from collima.app.service.due import Ran
from collima.app.service.lives import Lives
from collima.app.service.loaded import Loaded
from collima.app.service.queue import Queue
from collima.app.service.runs import Runs, Spawn
from collima.app.service.seams import Seams
from collima.app.when import following, latest
from collima.core.about import about
from collima.core.errors import CollimaError, ConfigError, StateError
from collima.core.ports import Clock
from collima.state import SqlJournal, locks
from collima.state.services import ServiceRow
from collima.state.slots import SlotRow

log = logging.getLogger(__name__)

AWAITED = timedelta(days=2)  # a day and the hours that a clock may be off: what a slot waits for is of the same day
NOTABLE = timedelta(minutes=1)  # so short an absence of the state is told to nobody


@dataclass
class Service:
    """One service. `load` reads the schedule anew, and raises ConfigError."""

    name: str  # new in the state
    journal: SqlJournal
    loaded: Loaded
    load: Callable[[], Loaded]
    machine: Collection[str]  # what this machine is called in `runs-on`
    clock: Clock
    steady: Callable[[], float]  # seconds, by a clock that nobody sets
    spawn: Spawn
    wake: Callable[[], None]
    seams: Seams
    patient: bool = True
    stopping: bool = False  # starts nothing more
    fault: str = ""  # why the schedule that it was told to load was not taken
    runs: Runs = field(init=False)
    _lives: Lives = field(init=False)
    _registered: bool = False
    _answering: bool = False  # the outcome of a reload is not in the state yet
    _since: Mapping[str, datetime] | None = None  # by job; None: not noted yet
    _settled: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)  # by job: nothing to do from, until
    _away: tuple[datetime, str] | None = None  # since when the state cannot be used, and why
    _odd: frozenset[str] = frozenset()  # other services with another schedule, as told

    def __post_init__(self) -> None:
        self._lives = Lives(self.journal.host, self.steady, self.patient)
        self.runs = Runs(self.journal, self.name, self._lives, self.spawn, self.wake)
        self._ping()

    @property
    def config(self) -> Config:
        return self.loaded.config

    @property
    def away(self) -> bool:
        """Whether the state could not be used at the last tick."""
        return self._away is not None

    def tick(self) -> None:
        """Does what is due now. Without the state it does nothing, and is well again when that is.

        Raises StateError for one that will not be usable by itself: another user's, an older version's.
        """
        now = self.clock()
        try:
            self._tick(now)
        except StateError as err:
            if not self._registered and not err.transient:
                raise
            if self._away is None:
                log.error("the state cannot be used; runs under way go on, nothing is started: %s", err)  # noqa: TRY400
                self._away = now, str(err)
            self._lives.look_away()
        else:
            self._back(now)

    def reload(self) -> None:
        """Takes the file as it is now; or, when it has a fault, keeps what it has and says why."""
        self.fault, self._answering = "", True
        try:
            fresh = self._fresh()
        except ConfigError as err:
            self.fault = str(err)
            log.error("the schedule stays as it was: %s", err)  # noqa: TRY400 - a fault of the file
            return
        before, self.loaded = self.loaded, fresh
        before.close()
        self._since = None
        self._settled.clear()
        self._ping()
        log.info("loaded %s, %d jobs, %s", self.config.path, len(self.config.jobs), self.config.hash[:16])

    def _fresh(self) -> Loaded:
        fresh = self.load()
        if (fresh.config.state, fresh.config.state_password) != (self.config.state, self.config.state_password):
            fresh.close()
            raise ConfigError(f"{self.config.path}: another `state` is taken by a restart only")
        return fresh

    def end(self) -> None:
        """Says that it stopped by itself."""
        if self.runs.pings:
            self.runs.pings.close()
        with suppress(StateError):  # then its lease tells
            self.journal.services.end(self.name)

    # ---- one tick

    def _tick(self, now: datetime) -> None:
        self._sign_on()
        if self._since is None:
            jobs = self._scheduled()
            self._since = self.journal.slots.first_seen({job.name: f"{job.when.cron} {self._zone}" for job in jobs})
        if self._answering:
            self._answer(now)
        services = self.journal.services.open()
        self._compare(services, now)
        self.runs.reap(self.config, now)
        if not self.stopping:
            self._claim(now)
        slots = self.journal.slots.open()
        dead = {row.id for row in services if row.id != self.name and self._lives.dead(row, now)}
        known = {row.id for row in services}
        self.runs.watch(slots, self.config, lambda name: name in dead or name not in known, now)
        if not self.stopping:
            self._start(slots, now)
        self.runs.store_logs(now)
        self._safely(self.seams.tell, now)

    def _sign_on(self) -> None:
        if self._registered and self.journal.services.tick(self.name):
            return
        self.journal.services.begin(self.name, config=self.config.hash, version=collima.__version__)
        self._registered = True
        what = f"{self.config.path}, {len(self.config.jobs)} jobs, {self.config.hash[:16]}"
        log.info("service %s on %s runs %s", self.name, self.journal.host, what)

    def _claim(self, now: datetime) -> bool:
        """Rows for what is due and has none."""
        fresh: dict[tuple[str, datetime], Job] = {}
        for job in self._scheduled():
            begin, end = self._settled.get(job.name, (now, now))
            if not begin <= now < end and (slot := latest(job.when, self._zone, now)):
                fresh[job.name, slot] = job
        if not fresh:
            return False
        known, pauses = self.journal.slots.known(fresh), self.journal.pauses.known().values()
        claimed = []
        for (name, slot), job in fresh.items():
            have = {slot} if (name, slot) in known else ()
            since = (self._since or {})[name]
            found = due.due(job, self._zone, since=since, known=have, now=now, pauses=pauses, here=self._here(job))
            if found:
                state = "waiting" if found.fate == "run" else found.fate
                claimed.append(SlotRow(name, slot, state, not_before=due.start(job, slot), cause=found.cause))
            if found or have or slot < since:
                self._settled[name] = slot, following(job.when, self._zone, now) or slot
        if count := self.journal.slots.claim(claimed):
            log.info("%d due", count)
            for row in claimed:
                if row.state != "waiting":
                    _log(row, row.state, row.cause)
        return bool(claimed)

    def _start(self, slots: Collection[SlotRow], now: datetime) -> bool:
        waiting = [slot for slot in slots if slot.state == "waiting"]
        if not waiting:
            return False
        jobs, changed = self.config.jobs, False
        awaited = {name for slot in waiting if slot.job in jobs for name in jobs[slot.job].waits_for}
        ended = self.journal.slots.ended_well(awaited, now - AWAITED) if awaited else {}
        queue = Queue(
            config=self.config,
            now=now,
            here={job.name for job in jobs.values() if self._here(job)},
            pauses=self.journal.pauses.known().values(),
            locked={lock.name for lock in self.journal.slots.locks() if not self._lives.dead(lock, now)},
            ran={name: [Ran(started, "in-sync")] for name, started in ended.items()},
        )
        fates = list(queue.fates(slots))
        for slot, fate, why in fates:
            if fate not in ("start", "wait"):
                _log(slot, fate, why)
                changed |= self.journal.slots.end(slot, fate, cause=why)
        free = max(0, self.config.workers - len(self.runs.running) - self.runs.watched)
        ready = [slot for slot, fate, _ in fates if fate == "start"]
        return bool(self.runs.start(ready[:free], self.loaded, now)) or changed

    # ---- of itself, and of others

    def _answer(self, now: datetime) -> None:
        self.journal.services.loaded(self.name, config=self.config.hash, fault=self.fault)
        self._answering = False
        self._alert("reload", self.fault, now)

    def _compare(self, services: Collection[ServiceRow], now: datetime) -> None:
        """Two services with two schedules would each run its own: after a while that is no reload under way."""
        ours = next((row for row in services if row.id == self.name), None)
        odd = [
            row
            for row in services
            if ours and row.config != ours.config and min(now - row.loaded, now - ours.loaded) > locks.LEASE
        ]
        alive = [row for row in odd if not self._lives.dead(row, now)]
        names = frozenset(f"{row.id} {row.config}" for row in alive)
        if names == self._odd:
            return
        self._odd = names
        every = sorted(  # each of them comes to the same words, which are told once
            {
                f"{self.journal.host} runs {self.config.hash[:16]}",
                *(f"{row.host} runs {row.config[:16]}" for row in alive),
            }
        )
        self._alert("schedules", f"services have different schedules: {', '.join(every)}" if alive else "", now)

    def _back(self, now: datetime) -> None:
        if self._away is None:
            return
        since, cause = self._away
        self._away = None
        span = timedelta(seconds=round(abs(now - since).total_seconds()))
        log.warning("the state can be used again after %s: %s", span, cause)
        if span >= NOTABLE:
            with suppress(StateError):
                self._alert("state", f"it could not be used for {span}: {cause}", now)
                self._alert("state", "", now)

    def _alert(self, what: str, cause: str, now: datetime) -> None:
        """People are told of trouble, or, with no cause, that it is over."""
        if cause:
            log.error("%s: %s", what, cause)
            self._safely(self.seams.trouble, what, cause, now)
        else:
            self._safely(self.seams.well, what, now)

    def _safely(self, say: Callable[..., None] | None, *what: object) -> None:
        """Whatever is wrong with telling, jobs run."""
        try:
            if say:
                say(self.config, self.journal, *what)
        except StateError:
            raise
        except CollimaError as err:
            log.error("nobody could be told: %s", err)  # noqa: TRY400 - what it says is all there is to say
        except Exception:
            log.exception("a fault of this program: nobody could be told")

    # ---- the schedule

    @property
    def _zone(self) -> ZoneInfo:
        return self.config.timezone

    def _scheduled(self) -> list[Job]:
        """The jobs that run by themselves."""
        return [job for job in self.config.jobs.values() if job.options is not None and not job.when.manual]

    def _here(self, job: Job) -> bool:
        return not job.runs_on or not set(self.machine).isdisjoint(job.runs_on)

    def _ping(self) -> None:
        self.runs.pings = self.seams.pings(self.config) if self.seams.pings else None


def _log(slot: SlotRow, fate: str, why: str) -> None:
    """That it is not run."""
    with about(job=slot.job):
        level = logging.ERROR if fate == "missed" else logging.INFO
        log.log(level, "what was due at %s UTC is %s: %s", f"{slot.due:%Y-%m-%d %H:%M}", fate, why)
