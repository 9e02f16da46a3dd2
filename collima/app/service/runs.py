"""The runs of one service: those that it started, and those that a dead one left."""

import logging
import os
import signal
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from collima.app.config import Config, Job
from collima.app.service.child import GRACE, Why
from collima.app.service.lives import Lives
from collima.app.service.loaded import Loaded
from collima.app.service.outcome import AGAIN, BUSY, CODES, Exit, after
from collima.app.service.output import Output
from collima.app.service.seams import Pings
from collima.core.about import about
from collima.state import SqlJournal
from collima.state.slot_rows import SlotRow, SlotRun

log = logging.getLogger(__name__)

HELD_OFF = 300.0  # seconds that a slot which was not for this machine is left to others before it is tried here again
STORED = 60.0  # seconds between two times that the log of a run is stored while it goes on

Key = tuple[str, datetime]


class Process(Protocol):
    """A run-job under way: `child.Child`."""

    pid: int
    code: int | None  # None: not over
    why: Why
    output: Output

    def end(self, why: Why) -> None: ...


Spawn = Callable[[Loaded, Job, datetime, Callable[[], None]], Process]
"""(the schedule, the job, the moment at which it was due, what to call when it is over). Raises OSError."""


@dataclass
class Running:
    slot: SlotRow  # as it is stored: running, and ours
    process: Process
    started: datetime
    run: str = ""  # its id, once it has one
    stored: int = 0  # bytes of its output that were there when its log was stored
    at: float | None = None  # when that was, by the steady clock


@dataclass
class Runs:
    journal: SqlJournal
    service: str
    lives: Lives
    spawn: Spawn
    wake: Callable[[], None]
    pings: Pings | None = None
    running: dict[Key, Running] = field(default_factory=dict)
    watched: int = 0  # runs of dead services that go on here
    _left: dict[Key, float] = field(default_factory=dict)  # slots that were not for this machine: when, steady
    _limited: dict[str, float] = field(default_factory=dict)  # runs of others that were told to end: when, steady

    def start(self, slots: Sequence[SlotRow], loaded: Loaded, now: datetime) -> int:
        """Starts those for which no other service was faster. Returns how many that were."""
        ours = self.journal.slots.start(slots, self.service)
        for slot in ours:
            with about(job=slot.job):
                self._start(slot, loaded, now)
        return len(ours)

    def _start(self, slot: SlotRow, loaded: Loaded, now: datetime) -> None:
        try:
            process = self.spawn(loaded, loaded.config.jobs[slot.job], slot.due, self.wake)
        except OSError as err:
            cause = f"no process could be started: {err.strerror}"
            log.error("%s", cause)  # noqa: TRY400 - the reason is all there is to say
            self.journal.slots.wait(slot, now + AGAIN, cause=cause)
            return
        self.running[slot.key] = Running(slot, process, now)
        log.info("started the run that was due at %s UTC, process %d", f"{slot.due:%Y-%m-%d %H:%M:%S}", process.pid)
        if self.pings:
            self.pings.started(slot.job)

    def reap(self, config: Config, now: datetime) -> None:
        """Settles what is over."""
        over = [one for one in self.running.values() if one.process.code is not None]
        if not over:
            return
        found = self.journal.slots.runs([one.slot.key for one in over])
        for one in over:
            process, key = one.process, one.slot.key
            code = process.code or 0
            gave_back = self.journal.slots.given_back(one.slot) if code == BUSY else ""
            end = Exit(process.pid, code, process.why, process.output.last_line(), gave_back)
            self._settle(one.slot, config, found.get(key), end, now, one)
            del self.running[key]

    def left(self) -> Collection[Key]:
        """Slots that other machines get the time to take: what they work on was not here a moment ago."""
        steady = self.lives.steady()
        self._left = {key: at for key, at in self._left.items() if steady - at < HELD_OFF}
        return self._left.keys()

    def watch(self, slots: Collection[SlotRow], config: Config, orphaned: Callable[[str], bool], now: datetime) -> None:
        """Looks at runs that others started: one of a dead service is ours from now on; a dead one is settled.

        A time-limit is kept here for each run of this machine whose service is gone, or is another machine's by now.
        """
        others = [slot for slot in slots if slot.state == "running" and slot.key not in self.running]
        found = self.journal.slots.runs([slot.key for slot in others]) if others else {}
        dead = {key for key, run in found.items() if not run.state and self.lives.dead(run, now)}
        under_way = {run.id for run in found.values()}
        self._limited = {run: at for run, at in self._limited.items() if run in under_way}
        self.watched = 0
        for slot in others:
            run, job = found.get(slot.key), config.jobs.get(slot.job)
            if slot.service != self.service:
                if not orphaned(slot.service) or not self.journal.slots.take_over(slot, self.service):
                    if run and not run.state:
                        self._limit_for(slot, run, job, now, dead=slot.key in dead)
                    continue
                log.warning("service %s is dead: its run of %s is watched from here", slot.service, slot.job)
                slot = replace(slot, service=self.service)  # noqa: PLW2901
            if run and not run.state and slot.key not in dead:
                self._limit(run, job, now)
                self.watched += run.host == self.lives.host
                continue
            limited = run is not None and (run.id in self._limited or _ended_by_limit(run, job))
            end = Exit(run.pid, -signal.SIGTERM, "limit") if run and limited else None
            self._settle(slot, config, run, end, now)

    def store_logs(self) -> None:
        """What running ones have printed since: the first of it soon, what follows now and then."""
        steady = self.lives.steady()
        fresh = [
            one
            for one in self.running.values()
            if (one.process.output.size > one.stored or not one.run) and (one.at is None or steady - one.at >= STORED)
        ]
        if not fresh:
            return
        unknown = [one.slot.key for one in fresh if not one.run]
        found = self.journal.slots.runs(unknown) if unknown else {}
        for one in fresh:
            run = found.get(one.slot.key)
            if not one.run and run and run.pid == one.process.pid:
                one.run, one.slot = run.id, replace(one.slot, run=run.id)
                self.journal.slots.note_run(one.slot, run.id)
            if one.run and self._store(one, one.run):
                one.at = steady

    def stop(self) -> None:
        for one in self.running.values():
            one.process.end("stop")

    def _store(self, one: Running, run: str) -> bool:
        """Returns whether there was anything new."""
        size = one.process.output.size
        if size == one.stored:
            return False
        self.journal.logs.put(run, one.process.output.text(), size)
        one.stored = size
        return True

    def _settle(
        self,
        slot: SlotRow,
        config: Config,
        run: SlotRun | None,
        end: Exit | None,
        now: datetime,
        mine: Running | None = None,
    ) -> None:
        job = config.jobs.get(slot.job)
        then = after(slot, job, run, end, now)
        if then is None:
            return
        name = run.id if run else ""
        if then.burial and run:
            burial = then.burial
            self.journal.slots.bury(run.id, burial.cause, transient=burial.transient, told=burial.told)
        if then.unbegun and end:
            name = self.journal.slots.never_began(
                slot,
                target=job.target if job else "",
                started=mine.started if mine else now,
                pid=end.pid,
                cause=then.cause,
                config=config.hash,
            )
        if mine and name and (then.unbegun or (run and run.pid == mine.process.pid)):
            self._store(mine, name)
        with about(job=slot.job, run=name):
            if then.left:
                self._left[slot.key] = self.lives.steady()
            if then.again:
                level, fate = (logging.INFO, "left to others") if then.left else (logging.WARNING, "tried again")
                due = f"{slot.due:%Y-%m-%d %H:%M}"
                log.log(level, "the run that was due at %s UTC is %s: %s", due, fate, then.cause)
                kept = self.journal.slots.wait(
                    slot, then.again, cause=then.cause, run=name, tries=then.tries, takeovers=then.takeovers
                )
            else:
                log.info("ended: %s", then.cause or (run.state if run else "done"))
                kept = self.journal.slots.end(slot, "ended", cause=then.cause, run=name)
                if self.pings:
                    self.pings.ended(
                        slot.job, mine.process.code or 0 if mine else CODES.get(run.state if run else "", 0)
                    )
            if not kept:
                log.warning("another service has taken over what was due at %s UTC", f"{slot.due:%Y-%m-%d %H:%M}")

    def _limit(self, run: SlotRun, job: Job | None, now: datetime) -> None:
        """A run that another service started has a time-limit, too, if it is on this machine: TERM, later KILL."""
        if run.host != self.lives.host or not _outlived(run, job, now):
            return
        steady = self.lives.steady()
        number = signal.SIGKILL if steady - self._limited.setdefault(run.id, steady) >= GRACE else signal.SIGTERM
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(run.pid, number)  # alive a moment ago, and born when its lock says

    def _limit_for(self, slot: SlotRow, run: SlotRun, job: Job | None, now: datetime, *, dead: bool) -> None:
        """The same for a run that a service elsewhere took over, which cannot signal it, nor know what killed it."""
        if run.host != self.lives.host or not _outlived(run, job, now):
            return
        if run.host in {row.host for row in self.journal.services.open() if row.id == slot.service}:
            return  # that one sees to it
        if not dead:
            self._limit(run, job, now)
        elif run.id in self._limited:
            then = after(slot, job, run, Exit(run.pid, -signal.SIGTERM, "limit"), now)
            if then and then.burial:
                self.journal.slots.bury(run.id, then.burial.cause, transient=False)


def _outlived(run: SlotRun, job: Job | None, at: datetime) -> bool:
    """Whether its time-limit was over at that moment."""
    return bool(job and job.time_limit and at - run.started > timedelta(seconds=job.time_limit.seconds))


def _ended_by_limit(run: SlotRun, job: Job | None) -> bool:
    """As far as its own record tells: TERM stopped it, later than its time-limit."""
    stopped = run.state == "failed" and signal.SIGTERM.name in run.cause
    return bool(stopped and run.ended and _outlived(run, job, run.ended))
