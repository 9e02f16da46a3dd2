"""`collima next`, `pause`, `resume`."""

import shlex
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

from rich.console import Console

from collima.app import wiring
from collima.app.commands import as_json, command_line, load, opened, who
from collima.app.config import Config, Job
from collima.app.moments import beginning, end
from collima.app.terminal import table
from collima.app.when import following
from collima.core.errors import ConfigError, StateError
from collima.state.pauses import EVERY_JOB, Pause


@dataclass(frozen=True, slots=True)
class Next:
    """One coming run."""

    job: str
    local: datetime  # in `timezone`
    utc: datetime


def next_runs(arguments: Namespace) -> int:
    config = load(arguments)
    start = beginning(arguments.since, config.timezone) if arguments.since else wiring.utc_now()
    jobs = [config.job(arguments.job)] if arguments.job else [job for job in config.jobs.values() if job.options]
    coming = sorted(chain.from_iterable(_coming(job, config, start, arguments.count) for job in jobs), key=_order)
    if arguments.json:
        as_json(coming)
        return 0
    console = Console()
    pauses = _pauses(config)
    rows = [(run.job, f"{run.local:%a %Y-%m-%d %H:%M}", *_told(config, run, pauses)) for run in coming]
    table(console, ["job", "next", "when", ""], rows)
    for job in jobs:
        if job.when.manual:
            console.out(f"{job.name} is run by hand", highlight=False)
    return 0


def _coming(job: Job, config: Config, start: datetime, count: int) -> Iterator[Next]:
    """The next slots, one that is due at `start` included."""
    slot: datetime | None = start - timedelta(microseconds=1)
    for _ in range(count):
        if slot is None or (slot := following(job.when, config.timezone, slot)) is None:
            return
        yield Next(job.name, slot.astimezone(config.timezone), slot)


def _order(run: Next) -> datetime:
    return run.utc


def _pauses(config: Config) -> Mapping[str, Pause]:
    """None of a state that cannot be read: when a job is due is told all the same."""
    with suppress(ConfigError, StateError), wiring.open_journal(config, command=command_line()) as journal:
        return journal.pauses.known()
    return {}


def _told(config: Config, run: Next, pauses: Mapping[str, Pause]) -> tuple[str, str]:
    """(its schedule, what else a person wants to know of it)."""
    job = config.jobs[run.job]
    notes = [f"up to {job.jitter} later"] if job.jitter else []
    notes += [f"after {', '.join(job.waits_for)}"] if job.waits_for else []
    notes += [f"on {' or '.join(job.runs_on)}"] if job.runs_on else []
    for of in (job.name, EVERY_JOB):
        if of in pauses and pauses[of].covers(run.utc):
            notes = [f"not run: paused until {_at(pauses[of].until, config.timezone)}"]
    return str(job.when), ", ".join(notes)


def pause(arguments: Namespace) -> int:
    with opened(arguments) as (config, journal):
        name = config.job(arguments.job).name if arguments.job else EVERY_JOB
        now = wiring.utc_now()
        until = end(arguments.until, config.timezone, now)
        if not arguments.reason.strip():
            raise ConfigError("--reason is empty: say why, others will ask")
        made = Pause(name, now, until, arguments.reason.strip(), who())
        before = journal.pauses.open(now).get(name)
        journal.pauses.set(made)
    if arguments.json:
        as_json(made)
        return 0
    instead = f", no longer until {_at(before.until, config.timezone)}" if before else ""
    print(f"{_called(name)} is paused until {_at(until, config.timezone)}{instead}: {made.reason}")
    print("what is due meanwhile is recorded and not run; run-job runs it by hand")
    return 0


def resume(arguments: Namespace) -> int:
    with opened(arguments) as (config, journal):
        name = config.job(arguments.job).name if arguments.job else EVERY_JOB
        now = wiring.utc_now()
        ended = journal.pauses.end(name, now)
        left = [pause for of, pause in journal.pauses.open(now).items() if EVERY_JOB in (of, name)]
    if arguments.json:
        as_json({"resumed": ended, "paused": left})
        return 0
    if ended:
        until = _at(ended.until, config.timezone)
        print(f"{_called(name)} goes on; {ended.who} had paused it until {until}: {ended.reason}")
    else:
        print(f"{_called(name)} was not paused" if name else "there was no pause of every job")
    for other in left:
        line = shlex.join(filter(None, ["collima", "resume", other.job, *_config(arguments)]))
        print(f"{_called(other.job)} is still paused until {_at(other.until, config.timezone)}: {line}")
    return 0


def _config(arguments: Namespace) -> list[str]:
    return ["--config", arguments.config] if arguments.config else []


def _called(name: str) -> str:
    return name or "every job"


def _at(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"
