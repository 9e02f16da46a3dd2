"""How everything stands, read at one moment: what `collima status`, Munin and Prometheus are told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from collima.app import wiring
from collima.app.config import Config, Job
from collima.app.when import latest
from collima.state import SqlJournal
from collima.state.archive import HoldRow, Latest
from collima.state.backlog import Backlog, backlog, missed
from collima.state.pauses import EVERY_JOB, Pause
from collima.state.services import ServiceRow
from collima.state.slot_rows import SlotRow


@dataclass(frozen=True, slots=True)
class JobStanding:
    job: Job
    runs: Latest = field(default_factory=Latest)
    slot: SlotRow | None = None  # its newest
    unclaimed: datetime | None = None  # it was due then, and no service has taken notice
    unrun: datetime | None = None  # the oldest slot since its newest run that was not run, whatever came of it
    missed: bool = False  # one of those since then was
    holds: tuple[HoldRow, ...] = ()  # that are open
    pause: Pause | None = None
    here: bool = True  # whether this machine may run it


@dataclass(frozen=True, slots=True)
class Standing:
    now: datetime
    timezone: ZoneInfo
    config: str  # the hash of the file as it is now
    jobs: tuple[JobStanding, ...]
    service: ServiceRow | None = None  # that decided last, whether it lives or not; None: there never was one
    alive: tuple[ServiceRow, ...] = ()
    missed: Mapping[str, int] = field(default_factory=dict)  # by job, slots on record that were missed
    gone: tuple[str, ...] = ()  # jobs of which a slot waits or runs, and which the file does not have any more
    mails: Backlog = field(default_factory=Backlog)


def read(config: Config, journal: SqlJournal, now: datetime) -> Standing:
    """Raises StateError. Jobs of kinds that are not built yet are left out."""
    service, pauses = journal.services.newest(), journal.pauses.open(now)
    holds, machine = journal.archive.open_holds(), wiring.machine(journal.host)
    unrun = journal.slots.unrun(config.jobs, now, missed=True)
    since_missed = journal.slots.unrun(config.jobs, now, missed=False)
    jobs = []
    for name, job in config.jobs.items():
        if job.options is None:
            continue
        slot = journal.slots.newest(name)
        jobs.append(
            JobStanding(
                job=job,
                runs=journal.archive.latest(name),
                slot=slot,
                unclaimed=_unclaimed(journal, job, config.timezone, slot, now) if service else None,
                unrun=unrun.get(name),
                missed=name in unrun and unrun[name] != since_missed.get(name),
                holds=tuple(hold for hold in holds if hold.job == name),
                pause=pauses.get(name) or pauses.get(EVERY_JOB),
                here=not job.runs_on or not machine.isdisjoint(job.runs_on),
            )
        )
    return Standing(
        now=now,
        timezone=config.timezone,
        config=config.hash,
        jobs=tuple(jobs),
        service=service,
        alive=journal.services.alive(now),
        missed=missed(journal.database),
        gone=tuple(sorted({slot.job for slot in journal.slots.open()} - config.jobs.keys())),
        mails=backlog(journal.database, now),
    )


def _unclaimed(journal: SqlJournal, job: Job, zone: ZoneInfo, slot: SlotRow | None, now: datetime) -> datetime | None:
    due = latest(job.when, zone, now)
    if due is None or (slot is not None and slot.due >= due):
        return None
    since = journal.slots.since(job.name)
    return due if since is not None and since <= due else None
