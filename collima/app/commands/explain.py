"""`collima explain ADDRESS`: for each roster in or out, why, and since when."""

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console

from collima.app import wiring
from collima.app.commands import as_json, opened
from collima.app.config import Config
from collima.app.terminal import table
from collima.core import engine
from collima.core.errors import ConfigError
from collima.core.options import address
from jobs.roster_sync import RosterSync
from jobs.roster_sync.explain import Explained
from jobs.roster_sync.explain import explain as explained
from jobs.roster_sync.sync import Sync


@dataclass(frozen=True, slots=True)
class Line:
    job: str
    told: Explained
    run: str  # that added the member; "" if it was there before, or is not in
    since: datetime | None


def explain(arguments: Namespace) -> int:
    try:
        who = address(arguments.address)
    except ValueError as err:
        raise ConfigError(f"{arguments.address!r} is {err}") from err
    with opened(arguments) as (config, journal):
        archive = journal.archive
        lines: list[Line] = []
        for name in _jobs(config, arguments.job):
            task = wiring.task(config, name, journal)
            sync = task.job
            assert isinstance(sync, Sync)
            with engine.considered(task, wiring.desk(config, journal)) as (seen, decision):
                for told in explained(sync, seen, decision.held.keys, decision.waiting, who, wiring.utc_now()):
                    since = archive.since(name, sync.target, told.roster, told.what) if told.member else None
                    lines.append(Line(name, told, *(since or ("", None))))
    if arguments.json:
        as_json(lines)
    else:
        _draw(config, lines)
    return 0


def _draw(config: Config, lines: list[Line]) -> None:
    console = Console()
    inside = [line for line in lines if line.told.state != "out"]
    if inside:
        columns = ["job", "roster", "state", "why", "stanza", "filter", "since"]
        table(console, columns, [_row(config, line) for line in inside])
    else:
        console.out("in no roster")
    outside = [(line.job, line.told.roster, line.told.why) for line in lines if line.told.state == "out"]
    if outside:
        table(console, ["job", "not in", "why"], outside)


def _row(config: Config, line: Line) -> tuple[str, ...]:
    told = line.told
    state = f"{told.state} (watch)" if told.mode == "watch" else told.state
    since = f"{line.since.astimezone(config.timezone):%Y-%m-%d %H:%M} {line.run}" if line.since else ""
    return (line.job, told.roster, state, told.why, told.stanza, told.filter, since)


def _jobs(config: Config, only: str | None) -> Iterator[str]:
    if only is not None and not isinstance(config.job(only).options, RosterSync):
        raise ConfigError(f"the job {only} has no rosters")
    for name, job in config.jobs.items():
        if isinstance(job.options, RosterSync) and only in (None, name):
            yield name
