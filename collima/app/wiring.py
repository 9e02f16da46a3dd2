"""From a configuration to tasks that can run: policies, the journal."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from importlib import import_module
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from collima.app.config import Config, Job, Reports
from collima.app.result_json import stored
from collima.app.sessions import connector
from collima.core.decide import Task
from collima.core.engine import Desk
from collima.core.errors import ConfigError
from collima.core.guard import Whole
from collima.core.ledger import Pad, Stationery
from collima.core.ports import Context, Journal
from collima.state import SqlJournal, open_state


def utc_now() -> datetime:
    return datetime.now(UTC)


def open_journal(config: Config, command: str = "collima …") -> SqlJournal:
    """A context. `command` is what was typed. Raises ConfigError for a password that is not there."""
    password = config.state_password.reveal() if config.state_password else ""
    return open_state(config.state, password=password, now=utc_now, host=socket.gethostname(), command=command)


def desk(config: Config, journal: Journal, progress: Callable[[str, int, int], None] | None = None) -> Desk:
    plain = Desk(journal=journal, clock=utc_now, document=stored, config=config.hash)
    return plain if progress is None else Desk(journal, utc_now, stored, config.hash, progress)


def task(config: Config, name: str, journal: SqlJournal) -> Task[Any, Any]:
    """Raises ConfigError for a job that the file does not have, whose kind is not built yet, or whose calendar is
    broken."""
    job = config.job(name)
    whole = Whole(job.guard.max_removals_total, job.guard.source_drop, job.guard.small_change or 0)
    return Task(name, bound(config, name, journal), whole, frozen=frozen(job, config.timezone))


def bound(config: Config, name: str, journal: SqlJournal) -> Any:
    """The job itself. Raises ConfigError, but not for its calendar."""
    return config.job(name).options.bind(context(config, name, journal))


def context(config: Config, name: str, journal: SqlJournal) -> Context:
    """What a job is given. Raises ConfigError."""
    job = config.job(name)
    return Context(
        name=name,
        timezone=config.timezone,
        guard=job.guard,
        registry=journal,
        connect=lambda of: connector(config, of),
        watch=job.mode == "watch",
        ledger=journal.ledger(name, job.target),
        stationery=Letters(config.reports.from_, config.site, config.reports.language) if config.reports else None,
        digests=journal.digests(name, job.target),
        purges=journal.purges(name, job.target),
        copies=journal.copies(name, job.target),
        post=journal.post(name),
        readers=tuple(config.reports.to) if config.reports else (),
    )


@dataclass(frozen=True, slots=True)
class Letters:
    """`core.ledger.Stationery`. With Jinja2: only a run that writes letters waits for it."""

    sender: str
    site: str
    language: str

    @property
    def _templates(self) -> Stationery:
        templates: Stationery = import_module("collima.app.stationery").Templates(self.sender, self.site, self.language)
        return templates

    def check(self, name: str, folder: Path | None) -> None:
        self._templates.check(name, folder)

    def write(self, name: str, values: Mapping[str, object], **more: Any) -> EmailMessage:
        return self._templates.write(name, values, **more)

    def pad(self, name: str, folder: Path | None, sender: str = "") -> Pad:
        return self._templates.pad(name, folder, sender)


def frozen(job: Job, zone: ZoneInfo) -> bool:
    """Whether today the job's removals wait. Raises ConfigError for a calendar that cannot be read."""
    if job.freeze is None:
        return False
    today = utc_now().astimezone(zone).date()
    if path := job.freeze.calendar:
        holidays = import_module("collima.app.holidays")  # with its parser: only who names a calendar waits for it
        try:
            if holidays.has_event(path, today, zone):
                return True
        except ConfigError as err:
            raise ConfigError(f"jobs.{job.name}.freeze.calendar: {err}") from err
    return job.freeze.covers(today)


def may_run(config: Config, name: str, *, asked: bool = False) -> None:
    """Raises ConfigError when another machine is to run this job; or when a command of its own is what asks for it."""
    if not asked and (cure := getattr(config.job(name).options, "by_hand", "")):
        raise ConfigError(f"{name} does not run by itself: {cure}")
    wanted, host = config.job(name).runs_on, socket.gethostname()
    if wanted and machine(host).isdisjoint(wanted):
        raise ConfigError(f"{name} runs on {', '.join(wanted)} only, and this is {host}")


def machine(host: str) -> frozenset[str]:
    """What a machine may be called in `runs-on`."""
    return frozenset({host, host.partition(".")[0], socket.getfqdn(host)})


def purge(config: Config, journal: SqlJournal, now: datetime) -> Mapping[str, int]:
    """Deletes what is older than `keep` says. Returns how much, by table."""
    keep = config.keep
    return journal.purge(
        keep_changes=keep.changes.before(now), keep_runs=keep.runs.before(now), keep_logs=keep.logs.before(now)
    )


def reports(config: Config) -> Reports:
    """Whom to tell, and how. Raises ConfigError when nobody is to be told."""
    if config.reports is None:
        raise ConfigError(f"{config.path}: --mail needs `reports:` with from, to and via")
    config.connector(config.reports.via)
    return config.reports
