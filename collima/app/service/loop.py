"""The loop: one thread that decides, from rows and the clock alone, what is claimed, started, settled and told.

`tick` may come at any time and any number of times. Nothing is kept in memory that is not found again in the state, but
the processes themselves.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import collima
from collima.app.config import Config, Job
from collima.app.service import due
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
from collima.state.slot_rows import SlotRow

log = logging.getLogger(__name__)

AWAITED = timedelta(days=2)  # a day and the hours that a clock may be off: what a slot waits for is of the same day
NOTABLE = timedelta(minutes=1)  # so short an absence of the state is told to nobody
BUSY = "no worker was free"
QUIET = 3600.0  # seconds without a fault of this program, after which it counts as over
FAULTS = 20  # of a file, as many as people are told


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
    _odd: str | None = None  # what was told of services with other schedules; None: not looked yet
    _refused: frozenset[str] | None = None  # services that did not take a schedule, as last seen; None: not looked yet
    _over: set[str] = field(default_factory=lambda: {"state", "program"})  # troubles to be closed, an earlier service's
    _broken: float | None = None  # when this program last had a fault, by the steady clock

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

        Raises StateError for one that will not be usable by itself: another user's, an older version's. A fault of this
        program is told, and the next tick comes all the same; who waits for an end (`stopping`, not `patient`) gets it.
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
            self._settled.clear()
            self._lives.look_away()
        except Exception as err:
            if not self._registered or not self.patient or self.stopping:
                raise
            log.exception("a fault of this program, in a tick: the next one comes all the same")
            self._stumbled(f"a fault of this program ({type(err).__name__}): see its log", now)
        else:
            self._back(now)

    def reload(self) -> None:
        """Takes the file as it is now; or, when it has a fault, keeps what it has and says why."""
        self.fault, self._answering = "", True
        try:
            fresh = self._fresh()
        except ConfigError as err:
            self.fault = _shortened(str(err))
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
        self.journal.database.check()
        self._sign_on()
        if self._since is None:
            self._since = self._first_seen(now)
        if self._answering:
            self._answer(now)
        self.runs.reap(self.config, now)
        if not self.stopping:
            self._claim(now)
        slots = self.journal.slots.open()
        services = self._living(now)  # after the slots: who has one of them was there before it
        names = {row.id for row in services}
        self.runs.watch(slots, self.config, lambda name: name not in names, now)
        self._compare(services, now)
        self._close(services, now)
        if not self.stopping:
            self._start(slots, now)
        self.runs.store_logs()
        self._safely(self.seams.tell, now)

    def _sign_on(self) -> None:
        if self._registered and self.journal.services.tick(self.name):
            return
        self.journal.services.begin(self.name, config=self.config.hash, version=collima.__version__)
        self._registered = True
        what = f"{self.config.path}, {len(self.config.jobs)} jobs, {self.config.hash[:16]}"
        log.info("service %s on %s runs %s", self.name, self.journal.host, what)

    def _living(self, now: datetime) -> list[ServiceRow]:
        return [row for row in self.journal.services.open() if row.id == self.name or not self._lives.dead(row, now)]

    def _first_seen(self, now: datetime) -> Mapping[str, datetime]:
        """While a service with another schedule lives, the jobs that only it knows keep their past."""
        wanted = {job.name: f"{job.when.cron} {self._zone}" for job in self._scheduled()}
        alone = all(row.id == self.name or row.config == self.config.hash for row in self._living(now))
        return self.journal.slots.first_seen(wanted, whole=alone)

    def _claim(self, now: datetime) -> None:
        """Rows for what is due and has none."""
        fresh: dict[tuple[str, datetime], Job] = {}
        for job in self._scheduled():
            begin, end = self._settled.get(job.name, (now, now))
            if not begin <= now < end and (slot := latest(job.when, self._zone, now)):
                fresh[job.name, slot] = job
        if not fresh:
            return
        known, pauses = self.journal.slots.known(fresh), self.journal.pauses.known().values()
        claimed, settled = [], {}
        for (name, slot), job in fresh.items():
            have = {slot} if (name, slot) in known else ()
            since = (self._since or {})[name]
            found = due.due(job, self._zone, since=since, known=have, now=now, pauses=pauses, here=self._here(job))
            if found:
                state = "waiting" if found.fate == "run" else found.fate
                claimed.append(SlotRow(name, slot, state, not_before=due.start(job, slot), cause=found.cause))
            if found or have or slot < since:
                settled[name] = slot, following(job.when, self._zone, now) or slot
        count = self.journal.slots.claim(claimed)
        self._settled.update(settled)  # only what is in the state is settled
        if count:
            log.info("%d due", count)
            for row in claimed:
                if row.state != "waiting":
                    _log(row, row.state, row.cause)

    def _start(self, slots: Collection[SlotRow], now: datetime) -> None:
        waiting = [slot for slot in slots if slot.state == "waiting"]
        if not waiting:
            return
        jobs = self.config.jobs
        awaited = {name for slot in waiting if slot.job in jobs for name in jobs[slot.job].waits_for}
        ended = self.journal.slots.ended_well(awaited, now - AWAITED) if awaited else {}
        several = {name for name, count in Counter(slot.job for slot in waiting).items() if count > 1}
        queue = Queue(
            config=self.config,
            now=now,
            here={job.name for job in jobs.values() if self._here(job)},
            pauses=self.journal.pauses.known().values(),
            locked={lock.name for lock in self.journal.slots.locks() if not self._lives.dead(lock, now)},
            ended=ended,
            unrun=self.journal.slots.unrun(several, now, missed=False) if several else {},
            left=self.runs.left(),
        )
        fates = list(queue.fates(slots))
        for slot, fate, why in fates:
            if fate not in ("start", "wait"):
                _log(slot, fate, why)
                self.journal.slots.end(slot, fate, cause=why)
        free = max(0, self.config.workers - len(self.runs.running) - self.runs.watched)
        ready = [slot for slot, fate, _ in fates if fate == "start"]
        self.runs.start(ready[:free], self.loaded, now)
        self._note([(slot, why) for slot, fate, why in fates if fate == "wait"], ready[free:], now)

    def _note(self, waiting: Collection[tuple[SlotRow, str]], ready: Collection[SlotRow], now: datetime) -> None:
        """Why slots wait that could have been started a while ago."""
        every = [*waiting, *((slot, BUSY) for slot in ready)]
        noted = [
            (slot, why)
            for slot, why in every
            if why and why != slot.cause and not slot.run and now - (slot.not_before or slot.due) >= NOTABLE / 2
        ]
        if noted:
            self.journal.slots.note(noted)

    # ---- of itself, and of others

    def _answer(self, now: datetime) -> None:
        try:
            self.journal.services.loaded(self.name, config=self.config.hash, fault=self.fault)
        except StateError as err:
            if err.transient:
                raise
            log.error("the outcome of the reload cannot be stored: %s", err)  # noqa: TRY400 - jobs run all the same
        if self.fault:
            self._alert("reload", self.fault, now)
        self._answering = False

    def _compare(self, services: Collection[ServiceRow], now: datetime) -> None:
        """Two services with two schedules would each run its own: after a while that is no reload under way.

        Each of them comes to the same words, which are told once.
        """
        ours = next((row for row in services if row.id == self.name), None)
        others = [row for row in services if ours and row.config != ours.config]
        odd = [row for row in others if ours and min(now - row.loaded, now - ours.loaded) > locks.LEASE]
        if others and not odd:
            return  # too early to say
        every = ", ".join(sorted({f"{row.host} runs {row.config[:16]}" for row in services}))
        told = f"services have different schedules: {every}" if odd else ""
        if told != self._odd:
            self._alert("schedules", told, now)
            self._odd = told

    def _close(self, services: Collection[ServiceRow], now: datetime) -> None:
        """Trouble whose cause is gone is over, also when another service, or one before this, had told of it."""
        refused = frozenset(row.id for row in services if row.fault)
        if refused != self._refused:
            if not refused:
                self._alert("reload", "", now)
            self._refused = refused
        if self._broken is not None and self.steady() - self._broken > QUIET:
            self._broken = None
            self._over.add("program")
        for what in sorted(self._over):
            self._alert(what, "", now)
            self._over.discard(what)

    def _stumbled(self, cause: str, now: datetime) -> None:
        """Told once, however often it comes."""
        if self._broken is None:
            with suppress(StateError):
                self._alert("program", cause, now)
        self._broken = self.steady()

    def _back(self, now: datetime) -> None:
        if self._away is None:
            return
        since, cause = self._away
        self._away = None
        span = timedelta(seconds=round(abs(now - since).total_seconds()))
        log.warning("the state can be used again after %s: %s", span, cause)
        if span >= NOTABLE:
            self._over.add("state")
            with suppress(StateError):  # then the next tick closes it
                self._alert("state", f"it could not be used for {span}: {cause}", now)
                self._alert("state", "", now)
                self._over.discard("state")

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


def _shortened(fault: str) -> str:
    """The first faults of a file: it may have thousands."""
    lines = fault.splitlines()
    more = [f"and {len(lines) - FAULTS} more"] if len(lines) > FAULTS else []
    return "\n".join([*lines[:FAULTS], *more])


def _log(slot: SlotRow, fate: str, why: str) -> None:
    """That it is not run."""
    with about(job=slot.job):
        level = logging.ERROR if fate == "missed" else logging.INFO
        log.log(level, "what was due at %s UTC is %s: %s", f"{slot.due:%Y-%m-%d %H:%M}", fate, why)
