"""Which of the waiting slots start now, which can no more, and why the others wait: pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from collima.app.config import Config, Job
from collima.app.service import due
from collima.state.pauses import Pause
from collima.state.slot_rows import SlotRow

FORGOTTEN = timedelta(hours=12)  # after which nobody's schedule can be about to name the job again

Fate = Literal["start", "wait", "skipped", "paused", "missed"]


@dataclass(frozen=True, slots=True)
class Queue:
    """What is looked at. `here`: the jobs that this machine may run; `locked`: names of locks whose run lives; `ended`:
    by job, when the newest run began that ended well (`journal.slots.ended_well`); `unrun`: by job, the oldest slot
    that came to nothing since its newest run, and since the last one that was missed (`journal.slots.unrun`); `left`:
    slots that were not for this machine, and are left to others for some minutes.
    """

    config: Config
    now: datetime
    here: Collection[str]
    pauses: Collection[Pause] = ()
    locked: Collection[str] = ()
    ended: Mapping[str, datetime] = field(default_factory=dict)
    unrun: Mapping[str, datetime] = field(default_factory=dict)
    left: Collection[tuple[str, datetime]] = ()

    def fates(self, slots: Collection[SlotRow]) -> Iterator[tuple[SlotRow, Fate, str]]:
        """(slot, what becomes of it, why) for each that waits, the oldest first. At most one of a job, and one of a
        target, starts.

        `slots`: all that wait or run.
        """
        waiting: dict[str, list[datetime]] = {}
        for slot in slots:
            if slot.state == "waiting":
                waiting.setdefault(slot.job, []).append(slot.due)
        taken = {name for slot in slots if slot.state == "running" for name in self._locks(slot.job)}
        taken.update(self.locked)
        unrun = dict(self.unrun)
        for slot in slots:
            if slot.state != "waiting":
                continue
            job = self.config.jobs.get(slot.job)
            if job is None or job.options is None:
                yield (slot, *self._unknown(slot))
            elif slot.due in due.superseded(waiting[slot.job], self.now):
                yield (slot, *self._superseded(slot, job, unrun.pop(slot.job, None)))
            else:
                fate, why = self._fate(slot, job, taken)
                if fate == "start":
                    taken.update(self._locks(slot.job))
                yield slot, fate, why

    def _fate(self, slot: SlotRow, job: Job, taken: Collection[str]) -> tuple[Fate, str]:
        fresh, here = _fresh(slot), job.name in self.here
        if pause := due.pausing(job.name, self.pauses, slot.due if fresh else self.now, self.now):
            return "paused" if fresh else "wait", pause.reason
        why = self._obstacle(slot, job, taken)
        if fresh and self.now > due.deadline(job, slot.due):
            return "missed", why or slot.cause or "no worker was free"
        if not fresh and slot.key in self.left and self.now > due.given_up(job, slot.not_before or slot.due):
            return "missed", slot.cause
        if not fresh and not here and self.now > due.given_up(job, slot.not_before or slot.due):
            return "missed", due.OTHERS
        return ("wait", why) if why or not here else ("start", "")

    def _superseded(self, slot: SlotRow, job: Job, unrun: datetime | None) -> tuple[Fate, str]:
        """One in a row of which none was started is missed when the row is too old: else nobody would hear of it."""
        if unrun and unrun <= slot.due and _fresh(slot) and self.now > due.deadline(job, unrun):
            since = f"{unrun.astimezone(self.config.timezone):%Y-%m-%d %H:%M}"
            return "missed", f"none was run since that of {since}: {slot.cause or 'no worker was free'}"
        return "skipped", "a newer one came while it waited"

    def _obstacle(self, slot: SlotRow, job: Job, taken: Collection[str]) -> str:
        """Why it cannot start now; "": it can. One that was started once has waited for other jobs."""
        if slot.not_before and slot.not_before > self.now:
            return slot.cause or "its time has not come"
        if slot.key in self.left:
            return slot.cause or "it is left to other machines"
        if any(name in taken for name in self._locks(job.name)):
            return "another run has the job, or its target"
        awaited = due.awaited(job, self.config.jobs, slot.due, self.config.timezone) if _fresh(slot) else {}
        if unmet := due.unmet(awaited, self.ended):
            return f"it waits for {', '.join(unmet)}"
        return ""

    def _locks(self, name: str) -> list[str]:
        job = self.config.jobs.get(name)
        target = job.target if job else ""
        return [f"job:{name}", *([f"target:{target}"] if target else [])]

    def _unknown(self, slot: SlotRow) -> tuple[Fate, str]:
        why = "the schedule does not have this job any more"
        return ("skipped" if self.now - slot.due > FORGOTTEN else "wait"), why


def _fresh(slot: SlotRow) -> bool:
    """It was never started."""
    return not slot.tries and not slot.takeovers and not slot.run
