"""`collima explain ADDRESS`: for each roster in or out, why, and since when; of accounts when they end."""

import logging
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
from collima.core.errors import ConfigError, SourceError
from collima.core.options import address
from collima.state.archive import Archive
from jobs.account_expiry import AccountExpiry
from jobs.account_expiry import explain as accounts
from jobs.account_expiry.expiry import Expiry
from jobs.roster_sync import RosterSync
from jobs.roster_sync.explain import Explained
from jobs.roster_sync.explain import explain as explained
from jobs.roster_sync.sync import Sync

log = logging.getLogger("collima.explain")


@dataclass(frozen=True, slots=True)
class Line:
    job: str
    told: Explained
    run: str  # that added the member; "" if it was there before, or is not in
    since: datetime | None


@dataclass(frozen=True, slots=True)
class AccountLine:
    job: str
    told: accounts.Explained


def explain(arguments: Namespace) -> int:
    try:
        who = address(arguments.address)
    except ValueError as err:
        raise ConfigError(f"{arguments.address!r} is {err}") from err
    lines: list[Line] = []
    ending: list[AccountLine] = []
    with opened(arguments) as (config, journal):
        for name in _jobs(config, arguments.job):
            task = wiring.task(config, name, journal)
            try:
                with engine.considered(task, wiring.desk(config, journal)) as (seen, decision):
                    held, waiting, now = decision.held.keys, decision.waiting, wiring.utc_now()
                    if isinstance(task.job, Expiry):
                        of_accounts = accounts.explain(task.job, seen, held, waiting, who, now)
                        ending += [AccountLine(name, told) for told in of_accounts]
                    else:
                        assert isinstance(task.job, Sync)
                        of_rosters = explained(task.job, seen, held, waiting, who, now)
                        lines += [_line(journal.archive, name, task.job.target, told) for told in of_rosters]
            except SourceError as err:
                if arguments.job or not isinstance(task.job, Expiry):
                    raise
                log.warning("nothing is told of the accounts of %s: %s", name, err)  # the lists are not its concern
    if arguments.json:
        as_json([*lines, *ending])
        return 0
    if lines:
        _draw(config, lines)
    if ending:
        rows = [(e.job, e.told.account, e.told.state, str(e.told.last or ""), e.told.due, e.told.why) for e in ending]
        table(Console(), ["job", "account", "state", "last day", "due", "why"], rows)
    elif not lines:
        print("no account has this address")
    return 0


def _line(archive: Archive, job: str, target: str, told: Explained) -> Line:
    since = archive.since(job, target, told.roster, told.what) if told.member else None
    return Line(job, told, *(since or ("", None)))


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
    kinds = RosterSync, AccountExpiry
    if only is not None and not isinstance(config.job(only).options, kinds):
        raise ConfigError(f"the job {only} has neither rosters nor accounts")
    for name, job in config.jobs.items():
        if isinstance(job.options, kinds) and only in (None, name):
            yield name
