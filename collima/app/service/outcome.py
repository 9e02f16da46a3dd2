"""What becomes of a slot whose run is over: pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from collima.app.config import Job
from collima.app.service.child import Why
from collima.state.slot_rows import SlotRow, SlotRun

BUSY, USAGE = 75, 2  # exit codes of run-job
CODES = {"failed": 1, "held": 3, "partial": 4}  # by the state of a run; 0 for the others
AGAIN = timedelta(minutes=1)  # until a run that could not begin is tried again
KILLED = "killed"  # the cause of a run that died, as the journal writes it
STOPPED = "stopped with the service, which takes it up again when it starts"


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process that this service started ended."""

    pid: int
    code: int  # minus the signal that killed it
    why: Why = ""
    said: str = ""  # its last line
    gave_back: str = ""  # why it left the slot to other machines


@dataclass(frozen=True, slots=True)
class Burial:
    """A run that cannot speak for itself: it ends as failed for `cause`."""

    cause: str
    transient: bool = False
    told: bool = False  # nobody is to hear of it


@dataclass(frozen=True, slots=True)
class After:
    """The slot ends, or waits from `again` on. `unbegun`: there is no run: a failed one goes on record for `cause`.

    `left`: to other machines, which may take it at once.
    """

    cause: str = ""
    again: datetime | None = None
    tries: int = 0
    takeovers: int = 0
    burial: Burial | None = None
    unbegun: bool = False
    left: bool = False


def after(slot: SlotRow, job: Job | None, run: SlotRun | None, end: Exit | None, now: datetime) -> After | None:
    """`run`: the newest of the slot, which is over. `end`: None for one that another service had started.

    `job`: None when the schedule does not have it any more. Returns None when the slot is another process's run, which
    goes on.
    """
    if end and run and run.pid != end.pid:
        if run.id == slot.run or end.code != BUSY:
            run = None  # of an earlier try
        elif not run.state:
            return None
    if end and end.why == "limit":
        return _over_limit(job, run)
    if end and end.why == "stop" and (run is None or not run.state or (run.state == "failed" and run.transient)):
        return After(STOPPED, again=now, burial=Burial(STOPPED, transient=True, told=True) if run else None)
    if run is None:
        return _unbegun(slot, end, now)
    if not run.state or (run.state == "failed" and run.cause == KILLED):
        if slot.takeovers:
            return After(f"run {run.id} died, as the one before", burial=Burial(KILLED))
        return After(f"run {run.id} died: started again", again=now, takeovers=1, burial=Burial(KILLED, transient=True))
    if run.transient and run.state in ("failed", "partial") and job and job.retry and slot.tries < job.retry.times:
        return After(run.cause, again=now + timedelta(seconds=job.retry.every.seconds), tries=1)
    return After(run.cause)


def _over_limit(job: Job | None, run: SlotRun | None) -> After:
    limit = f" of {job.time_limit}" if job and job.time_limit else ""
    cause = f"stopped after its time-limit{limit}"
    if run is None:
        return After(cause, unbegun=True)
    if run.state not in ("", "failed"):
        return After(run.cause)  # it was just done
    return After(cause, burial=Burial(cause))


def _unbegun(slot: SlotRow, end: Exit | None, now: datetime) -> After:
    """No run is on record: it could not begin, or nobody knows whether it did."""
    if end is None:
        return After(slot.cause, again=now + AGAIN / 2)  # its service died: a run-job may be just starting
    if end.code == BUSY and end.gave_back:
        return After(end.gave_back, again=slot.not_before or slot.due, left=True)
    if end.code == BUSY:
        return After(end.said or "another run had it", again=now + AGAIN)
    how = f"killed by signal {-end.code}" if end.code < 0 else end.said or f"exit code {end.code}"
    if end.code == USAGE or slot.takeovers:
        return After(how, unbegun=True)
    return After(f"it could not begin: {how}", again=now + AGAIN, takeovers=1)
