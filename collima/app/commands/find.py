"""`collima restore find`: messages of a copy, looked for. It needs no state, and does not wait for one."""

import logging
from argparse import Namespace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from rich.console import Console

from collima.app.commands import as_json, load
from collima.app.config import Config, Job
from collima.app.sessions import connector
from collima.app.terminal import table
from collima.core import folders
from collima.core.errors import ConfigError, blaming
from jobs.restore import Restore
from jobs.restore.find import Criteria, generations, having, search

log = logging.getLogger("collima.restore")


def find(arguments: Namespace) -> int:
    config = load(arguments)
    options, zone = restoring(config, arguments.job).options, config.timezone
    criteria = Criteria(
        folder=folders.typed(arguments.folder) if arguments.folder else None,
        author=arguments.author,
        subject=arguments.subject,
        since=_midnight(arguments.since, zone),
        until=_midnight(arguments.until, zone, later=1),
    )
    with connector(config, options.store) as copies, blaming(options.store):
        some = having(copies, generations(copies, arguments.generation), arguments.user)
        hits = sorted(search(copies, some, arguments.user, criteria, zone), key=lambda hit: hit.received)
    if arguments.json:
        as_json(hits)
        return 0
    hits, more = hits[-arguments.most :], max(0, len(hits) - arguments.most)
    columns = ["received", "from", "subject", "folder", "flags", "bytes", "generation", "message"]
    rows = [
        (f"{h.received:%Y-%m-%d %H:%M}", h.author, h.fault or h.subject, h.folder, h.flags, h.size, h.generation, h.id)
        for h in hits
    ]
    table(Console(), columns, rows)
    if more:
        log.warning("%d more that came before: narrow the search, or ask for --json", more)
    return 0


def restoring(config: Config, name: str | None) -> Job:
    """The one of the kind `restore`, or the one that is named. Raises ConfigError."""
    known = [job.name for job in config.jobs.values() if isinstance(job.options, Restore)]
    if name is None and len(known) != 1:
        raise ConfigError(
            f"{config.path} has {len(known)} jobs of the kind restore"
            + (f": name one with --job: {', '.join(known)}" if known else ": see docs/restore.md")
        )
    job = config.job(name or known[0])
    if not isinstance(job.options, Restore):
        raise ConfigError(f"--job: {job.name} is of kind {job.kind}, not restore")
    return job


def _midnight(day: date | None, zone: ZoneInfo, *, later: int = 0) -> datetime | None:
    return None if day is None else datetime.combine(day + timedelta(days=later), time(), zone)
