"""`collima members`: who is in a roster, or was at the end of an earlier day."""

import sys
from argparse import Namespace
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from collima.app import wiring
from collima.app.commands import as_json, opened
from collima.app.config import Config
from collima.core.errors import ConfigError, SourceError, blaming
from collima.core.ports import Roster, Rosters
from collima.state.archive import Archive


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
        with wiring.connector(config, target) as session:
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
