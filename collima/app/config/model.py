"""The file as a whole: what stands at its top, what every job may say, and what loading it comes to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar
from zoneinfo import ZoneInfo

from collima.app.config.faults import did_you_mean
from collima.app.config.ping_url import PingUrl
from collima.app.config.state_url import StateUrl
from collima.app.config.types import Count, Kept, Lasting, Raw, Version
from collima.app.when import When
from collima.core.errors import ConfigError
from collima.core.options import Address, Guard, Secret, Uses
from collima.core.quantities import Duration

Mode = Literal["apply", "watch"]
Never = Literal["never"]

CATCH_UP = Duration(12, "hour")
TWO = Count(2)
STOP_GRACE = Duration(1, "minute")
KEEP_CHANGES, KEEP_RUNS, KEEP_LOGS = Kept(Duration(400, "day")), Kept(Duration(2, "year")), Kept(Duration(30, "day"))
NO_GUARD = Guard()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Who is told, and through which connector."""

    from_: Annotated[Address, "sender of reports"]
    to: Annotated[tuple[Address, ...], "who gets them"]
    via: Annotated[str, Uses("mail"), "the connector that sends them"]
    language: Annotated[Literal["en", "it"], "language of reports"] = "en"
    digest: Annotated[When | None, "when everything that is not urgent is told, in one mail"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Another try after a transient failure."""

    times: Annotated[Count, "how often, at most"]
    every: Annotated[Duration, "how long to wait before each"]


@dataclass(frozen=True, slots=True)
class Days:
    """A day, or the days from one to another, both included."""

    first: date
    last: date

    noun: ClassVar[str] = "date"

    @classmethod
    def parse(cls, text: str) -> "Days":
        first, _, last = text.partition(" to ")
        try:
            days = cls(date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip()))
        except ValueError:
            raise ValueError("write a date like 2026-12-25, or two like 2026-12-24 to 2027-01-06") from None
        if days.last < days.first:
            raise ValueError("the first date is after the last")
        return days


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """Days on which removals wait and the rest goes on."""

    dates: Annotated[tuple[Days, ...], "single days, and spans like `2026-12-24 to 2027-01-06`"] = ()
    weekends: Annotated[bool, "every Saturday and Sunday"] = False
    calendar: Annotated[Path | None, "an .ics file: every day that has an event in it"] = None

    def covers(self, day: date) -> bool:
        """Whether removals wait on this day, calendar apart."""
        spans = (days if isinstance(days, Days) else Days(days, days) for days in self.dates)
        return (self.weekends and day.weekday() >= 5) or any(days.first <= day <= days.last for days in spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How long history is kept."""

    changes: Annotated[Kept, "who was added and removed"] = KEEP_CHANGES
    runs: Annotated[Kept, "runs and their results"] = KEEP_RUNS
    logs: Annotated[Kept, "logs of runs"] = KEEP_LOGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Figures for Prometheus, written by the service."""

    textfile: Annotated[Path, "a file `NAME.prom` in the folder that node_exporter's textfile collector reads"]

    def __post_init__(self) -> None:
        if self.textfile.suffix != ".prom":
            raise ValueError("textfile: node_exporter reads only files whose name ends in .prom")


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What holds for every job that does not say otherwise."""

    guard: Annotated[Guard, "limits beyond which changes wait for a person"] = NO_GUARD
    catch_up: Annotated[Duration | Never | None, "how late a missed run still starts"] = None
    retry: Annotated[Retry | None, "another try after a transient failure"] = None
    freeze: Annotated[Freeze | None, "days on which removals wait"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Top:
    """The keys at the top of schedules.yaml."""

    version: Annotated[Version, "of this format"]
    timezone: Annotated[ZoneInfo, "in which times and dates are meant, like Europe/Rome"]
    site: Annotated[str, "the organisation's domain, for threads of mail; by default that of `reports.from`"] = ""
    state: Annotated[StateUrl, "the database of what outlives a run"]
    state_password: Annotated[Secret | None, "the database's password"] = None
    reports: Annotated[Reports | None, "who is told"] = None
    connectors: Annotated[Mapping[str, Raw], "outside systems, by name"]
    defaults: Annotated[Defaults, "what holds for every job that does not say otherwise"] = Defaults()
    jobs: Annotated[Mapping[str, Raw], "what is done, by name"]
    workers: Annotated[Count, "runs at once, at most"] = TWO
    stop_grace: Annotated[Duration, "time that running jobs get when the service stops"] = STOP_GRACE
    keep: Annotated[Keep, "how long history is kept"] = Keep()
    metrics: Annotated[Metrics | None, "figures for Prometheus"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The one key of every connector."""

    kind: Annotated[str, "what sort of system it is"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """The keys of every job, whatever its kind."""

    kind: Annotated[str, "what sort of job it is"]
    when: Annotated[When, "when it runs"]
    jitter: Annotated[Duration | None, "start up to so much later, at random"] = None
    catch_up: Annotated[Duration | Never | None, "how late a missed run still starts; `never`: not at all"] = None
    waits_for: Annotated[tuple[str, ...], "jobs whose run of the same day must have ended"] = ()
    runs_on: Annotated[tuple[str, ...], "the only machines that run it, by host name"] = ()
    time_limit: Annotated[Lasting | None, "after this long a run is stopped"] = None
    retry: Annotated[Retry | None, "another try after a transient failure"] = None
    freeze: Annotated[Freeze | None, "days on which removals wait"] = None
    mode: Annotated[Mode | None, "`watch`: planned and reported, never applied"] = None
    ping: Annotated[PingUrl | Secret | None, "a URL that is told of each run, as healthchecks wants it"] = None
    guard: Annotated[Guard, "limits beyond which changes wait for a person"] = NO_GUARD


# ---- what loading comes to


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    name: str
    kind: str
    options: Any = None  # an instance of the kind's class; None: this kind is not built yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job with everything that `defaults` and the built-in values add."""

    name: str
    kind: str
    when: When
    options: Any = None  # an instance of the kind's class; None: this kind is not built yet
    mode: Mode = "apply"
    guard: Guard = NO_GUARD  # the job's own over `defaults` over the built-in one
    jitter: Duration | None = None
    catch_up: Duration | None = CATCH_UP  # None: never
    waits_for: tuple[str, ...] = ()
    runs_on: tuple[str, ...] = ()  # (): everywhere
    time_limit: Duration | None = None
    retry: Retry | None = None
    freeze: Freeze | None = None
    ping: PingUrl | Secret | None = None

    @property
    def target(self) -> str:
        """The connector whose subjects it changes; "" for none."""
        named: str = getattr(self.options, "target", "")
        return named


Named = TypeVar("Named", Connector, Job)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A schedules.yaml without a fault."""

    path: Path
    hash: str  # SHA-256 of the file, hexadecimal
    version: int
    timezone: ZoneInfo
    site: str
    state: StateUrl
    state_password: Secret | None
    reports: Reports | None
    connectors: Mapping[str, Connector]
    defaults: Defaults
    jobs: Mapping[str, Job]
    workers: int
    stop_grace: Duration
    keep: Keep
    metrics: Metrics | None = None
    notes: tuple[str, ...] = field(default=())  # what is not built yet, each with its place

    def job(self, name: str) -> Job:
        """Raises ConfigError when there is none, or its kind is not built yet."""
        return _built(self.jobs, name, f"{self.path} has no job")

    def connector(self, name: str) -> Connector:
        """Raises ConfigError when there is none, or its kind is not built yet."""
        return _built(self.connectors, name, f"{self.path} has no connector")


def _built(table: Mapping[str, Named], name: str, none: str) -> Named:
    if (found := table.get(name)) is None:
        raise ConfigError(f"{none} {name!r}{did_you_mean(name, table)}")
    if found.options is None:
        raise ConfigError(f"{name} is of kind {found.kind}, which is not built yet")
    return found
