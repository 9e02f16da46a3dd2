"""`collima members`: who is in a roster, or was. `collima adopt`: today's rosters beside what the stanzas want."""

import sys
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from rich.console import Console

from collima.app import wiring
from collima.app.commands import as_json, opened, print_steps
from collima.app.config import Config
from collima.app.paste import Commands
from collima.app.sessions import connector
from collima.app.terminal import table
from collima.core.errors import ConfigError, SourceError, blaming
from collima.core.targets import Roster, Rosters, Step
from collima.state.archive import Archive
from jobs.roster_sync import RosterSync
from jobs.roster_sync import adopt as adopting
from jobs.roster_sync.adopt import Adopted
from jobs.roster_sync.sync import Sync


@dataclass(frozen=True, slots=True)
class Membership:
    """Who is or was in one roster, by address. `manual`: those of them who are in now by another way than a job's."""

    list: str
    target: str
    at: datetime
    members: tuple[str, ...]
    manual: tuple[str, ...]


def members(arguments: Namespace) -> int:
    with opened(arguments) as (config, journal):
        name, archive = arguments.list, journal.archive
        target = _target(config, archive, name, arguments.target)
        at = _end_of(arguments.at, config)
        with connector(config, target) as session:
            roster = _read(config, archive, session, target, name)
            now = frozenset(map(session.address, roster.members | roster.manual))
            inside = _rewound(archive, session, now, target, name, at) if at else now
            manual = inside & frozenset(map(session.address, roster.manual))
    moment = (at or wiring.utc_now()).astimezone(config.timezone)
    told = Membership(name, target, moment, tuple(sorted(inside)), tuple(sorted(manual)))
    if arguments.json:
        as_json(told)
        return 0
    for member in told.members:
        print(member)
    by_hand = f", {len(manual)} of them by another way than ours" if manual else ""
    print(f"{len(inside)} in {name} of {target}, {moment:%Y-%m-%d %H:%M}{by_hand}", file=sys.stderr)
    return 0


def _target(config: Config, archive: Archive, name: str, given: str | None) -> str:
    """Where the roster is: where a job manages one of this name, else the only target that there is."""
    holding = [c.name for c in config.connectors.values() if "rosters" in getattr(c.options, "offers", ())]
    if given:
        if given not in holding:
            config.connector(given)
            raise ConfigError(f"{given} holds no rosters: {', '.join(holding) or 'no connector'} does")
        return given
    found = [target for target in archive.managed(name) if target in holding] or holding
    if len(found) != 1:
        raise ConfigError(f"{name} may be at {', '.join(found)}: say where with --target" if found else _NOWHERE)
    return found[0]


_NOWHERE = "no connector holds rosters"


def _end_of(day: date | None, config: Config) -> datetime | None:
    """The first moment of the next day; None: now. Raises ConfigError for a day that has not come."""
    today = wiring.utc_now().astimezone(config.timezone).date()
    if day is None or day == today:
        return None
    if day > today:
        raise ConfigError(f"--at: {day} has not come yet")
    return datetime.combine(day + timedelta(days=1), time(), config.timezone)


def _read(config: Config, archive: Archive, session: Rosters, target: str, name: str) -> Roster:
    """Raises SourceError when it cannot be read, and ConfigError when there is none of this name."""
    with blaming(target):
        roster = session.read([name])[name]
        if roster.fault:
            raise SourceError(f"{name} of {target}: {roster.fault}")
    if roster.missing or not (roster.members or roster.manual or target in archive.managed(name)):
        renames = [job.options.renamed for job in config.jobs.values() if hasattr(job.options, "renamed")]
        new = next((names[name] for names in renames if name in names), "")
        raise ConfigError(f"{target} has no {name}{f': it was renamed, ask for {new}' if new else ''}")
    return roster


def _rewound(
    archive: Archive, session: Rosters, now: frozenset[str], target: str, name: str, at: datetime
) -> frozenset[str]:
    """Who was in just before `at`. Raises ConfigError for a moment of which the record does not tell."""
    since = archive.told_from(target, name)
    if since is None or at <= since:
        begins = f"it begins on {since.astimezone(at.tzinfo):%Y-%m-%d %H:%M}" if since else "there is none"
        raise ConfigError(f"--at: of that day nothing is on record of {name}: {begins}")
    came: set[str] = set()
    went: set[str] = set()
    for what, was_in in archive.was_in(target, name, at).items():
        member = session.identify(what)
        (went if was_in else came).add(what if member is None else session.address(member))
    return (now - came) | went


# ---- adopt


def adopt(arguments: Namespace) -> int:
    with opened(arguments) as (config, journal):
        if not isinstance(config.job(arguments.job).options, RosterSync):
            raise ConfigError(f"the job {arguments.job} has no rosters")
        sync = wiring.task(config, arguments.job, journal).job
        assert isinstance(sync, Sync)
        with sync.read() as seen:
            adoption = adopting.adopt(sync, seen, wiring.utc_now())
    if unknown := sorted(set(arguments.only) - {roster.name for roster in adoption.rosters}):
        raise ConfigError(f"--only: {arguments.job} has no {', '.join(unknown)}")
    commands = Commands(arguments.config or "")
    rosters = [
        replace(roster, steps=(*_run_first(roster, arguments.job, commands), *roster.steps))
        for roster in adoption.rosters
        if not arguments.only or roster.name in arguments.only
    ]
    if arguments.json:
        as_json({"job": arguments.job, "target": sync.target, "backup": adoption.backup, "rosters": rosters})
        return 0
    table(Console(), _COLUMNS, map(_row, rosters))
    if adoption.backup is None:
        print(f"\n{sync.target} has no members but ours, and those by hand: nothing is handed over, the run takes them")
    else:
        print_steps([replace(adoption.backup, told=f"The backup. {adoption.backup.told}")])
    if arguments.only:
        table(Console(), ("list", "what", "who"), (row for roster in rosters for row in _named(roster)))
        for roster in rosters:
            print_steps(roster.steps, roster.name)
    elif adoption.backup:
        print(f"\nnames, and the steps of one list: {commands.adopt(arguments.job, 'LIST')}")
    return 0


def _run_first(roster: Adopted, job: str, commands: Commands) -> Iterator[Step]:
    """As long as no run has applied it: the file comes first."""
    if not roster.steps or roster.missing or (roster.claimed and roster.mode == "apply"):
        return
    watched = f"Take `mode: watch` away from {roster.name}, and run it" if roster.mode == "watch" else "Run it"
    told = f"{watched}: it writes the file. Whoever comes or goes counts as failed until the list reads that file."
    yield Step(told, (commands.only(job, roster.name),))


_COLUMNS = (
    *("list", "mode", "today", "wanted", "new", "ours", "by hand", "other", "unwanted ours", "by hand", "other"),
    *("opted out", "to do"),
)


def _row(roster: Adopted) -> tuple[object, ...]:
    counts = (roster.today, roster.wanted, len(roster.coming))
    ways = [n for w in (roster.staying, roster.unwanted) for n in (len(w.ours), len(w.manual), w.elsewhere)]
    steps = f"{len(roster.steps)} step{'s' * (len(roster.steps) > 1)}" if roster.steps else ""
    to_do = roster.fault or ("no such list" if roster.missing else steps)
    return (roster.name, roster.mode, *counts, *ways, len(roster.opted_out), to_do)


def _named(roster: Adopted) -> Iterator[tuple[str, str, str]]:
    for what, who in _groups(roster):
        yield from ((roster.name, what, member) for member in who)


def _groups(roster: Adopted) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "wanted, not in yet", roster.coming
    for word, ways in (("wanted", roster.staying), ("not wanted", roster.unwanted)):
        yield f"{word}, by our source", ways.ours
        yield f"{word}, by hand", ways.manual
        yield from ((f"{word}, by {label}", who) for label, who in ways.others.items())
    yield "opted out", roster.opted_out
