"""The verdict on how everything stands, as monitoring plugins give it. Pure.

Source: the guidelines of monitoring-plugins.org: exit codes 0 to 3, a first line `SERVICE STATE - text | perfdata`, and
no `|` anywhere else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum

from collima.app.service.due import start
from collima.app.standing import JobStanding, Standing
from collima.app.when import following
from collima.core.text import discreet, line
from collima.state.backlog import TO_GO
from collima.state.slots import OPEN

SILENCE = timedelta(minutes=5)  # a service ticks every 15 seconds
LATE = timedelta(hours=1)  # after the moment at which a slot may start
OLD_HOLD = timedelta(days=1)
OLD_MAIL = timedelta(hours=1)
OLD_BULK = timedelta(days=1)  # of notices to many, which wait for the relay's rate
NAMED = 3  # troubles in the first line


class Level(IntEnum):
    """The exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Line:
    """What is told of one thing. `what`: scheduler, job, volume or mail; of a volume `job` says whose it is."""

    level: Level
    what: str
    name: str
    text: str
    job: str = ""

    def __str__(self) -> str:
        return f"{' '.join(word for word in (self.what, self.name) if word)}: {self.text}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One of perfdata. Outside of 0 to `warning`, or `critical`, it is a trouble; None: it never is."""

    name: str
    value: int
    unit: str = ""  # s: seconds
    warning: int | None = None
    critical: int | None = None

    def __str__(self) -> str:
        limits = (*(("" if limit is None else str(limit)) for limit in (self.warning, self.critical)), "0")
        return f"{self.name}={self.value}{self.unit};{';'.join(limits)}"


@dataclass(frozen=True, slots=True)
class Status:
    level: Level
    summary: str
    lines: tuple[Line, ...] = ()
    figures: tuple[Figure, ...] = ()

    def __str__(self) -> str:
        figures = f" | {' '.join(map(str, self.figures))}" if self.figures else ""
        first = f"COLLIMA {self.level.name} - {self.summary}{figures}"
        return "\n".join([first, *(f"[{one.level.name}] {one}" for one in self.lines)])


def unknown(why: str) -> Status:
    """Nothing can be said, for a reason that lies with the one who asks."""
    return Status(Level.UNKNOWN, _said(why))


def unreachable(why: str) -> Status:
    """The state cannot be used, so no run can start or end well: that is more than not to know."""
    return Status(Level.CRITICAL, _said(why))


def judge(standing: Standing, *, silence: timedelta = SILENCE, cron: bool = False) -> Status:
    """`silence`: for so long the scheduler may have been quiet. `cron`: none is wanted, only runs are judged."""
    if cron:
        standing = replace(standing, service=None, alive=())
    jobs = tuple(_job(one, standing) for one in standing.jobs)
    volumes = tuple(volume for one in standing.jobs for volume in _volumes(one))
    lines = (_scheduler(standing, silence), *jobs, *volumes, _mails(standing))
    return Status(max(one.level for one in lines), _summary(lines), lines, tuple(_figures(standing, silence)))


def _summary(lines: Sequence[Line]) -> str:
    troubles = sorted((one for one in lines if one.level), key=lambda one: -one.level)
    if troubles:
        more = f" - and {len(troubles) - NAMED} more" if len(troubles) > NAMED else ""
        return " - ".join(line(str(one), 120) for one in troubles[:NAMED]) + more
    counts = [(what, sum(one.what == what for one in lines)) for what in ("job", "volume")]
    return ", ".join(f"{count} {what}{'s' * (count != 1)}" for what, count in counts if count) + " in order"


def _scheduler(standing: Standing, silence: timedelta) -> Line:
    level, text = _ticking(standing, silence)
    return Line(level, "scheduler", "", _said(text))


def _ticking(standing: Standing, silence: timedelta) -> tuple[Level, str]:
    newest, alive = standing.service, standing.alive
    if newest is None:
        return Level.OK, "there is none: only runs are judged"
    ago = _long(standing.now - newest.tick)
    if newest.tick - standing.now > silence:
        at = _at(standing, newest.tick)
        return Level.CRITICAL, f"its last decision is of {at}, which is to come: is the clock right on {newest.host}?"
    if standing.now - newest.tick > silence:
        how = "was stopped" if newest.stopped else "is silent"
        return Level.CRITICAL, f"{how}, its last decision was {ago} ago on {newest.host}: no run is started"
    if newest.stopped and not alive and silence <= SILENCE:
        return Level.WARNING, f"was stopped {ago} ago on {newest.host}: no run is started"
    if len({service.config for service in alive}) > 1:
        hosts = ", ".join(sorted(service.host for service in alive))
        return Level.WARNING, f"{len(alive)} services have different schedules ({hosts}): collima reload on each"
    if fault := next((service.fault for service in alive if service.fault), ""):
        return Level.WARNING, f"goes on with its old schedule, the new one has faults: {fault}"
    text = f"last decision {ago} ago on {newest.host}"
    if len(alive) > 1:
        text += f", {len(alive)} services"
    if standing.gone:
        text += f"; the schedule does not have {', '.join(standing.gone)} any more, of which a run still waits"
    if alive and standing.config != alive[0].config:
        text += "; it does not run this schedules.yaml: collima reload"
    return Level.OK, text


# ---- jobs


def _job(one: JobStanding, standing: Standing) -> Line:
    remarks = [remark for remark in (_last(one, standing), _slot(one, standing), _held(one, standing)) if remark[1]]
    level = max(level for level, _ in remarks)
    text = "; ".join(text for _, text in remarks)
    if one.pause:
        level = Level.OK
        text = f"paused until {_at(standing, one.pause.until)} ({one.pause.reason}); {text}"
    return Line(level, "job", one.job.name, _said(text))


def _last(one: JobStanding, standing: Standing) -> tuple[Level, str]:
    """Its last run, and the one under way."""
    running = f"running since {_at(standing, one.runs.running.started)}" if one.runs.running else ""
    last = one.runs.ended
    if last is None:
        return (Level.OK, running) if running else _never(one, standing)
    text = f"{last.state.replace('-', ' ')} {_at(standing, last.started)}"
    text += f", {running}" if running else ""
    if last.state not in ("failed", "partial"):
        return Level.OK, text
    text += f" ({last.cause})" if last.cause else ""
    if last.state == "partial":
        return Level.WARNING, text
    if one.runs.well:
        text += f", the last good one {_at(standing, one.runs.well.started)}"
    if one.slot and one.slot.run == last.id and one.slot.state in OPEN:
        return Level.WARNING, f"{text}, is tried again"
    return Level.CRITICAL, text


def _never(one: JobStanding, standing: Standing) -> tuple[Level, str]:
    first = following(one.job.when, standing.timezone, standing.now)
    if first is None:
        return Level.OK, "never run, only by hand"
    if not one.here:
        return Level.OK, f"never run with this state, runs on {', '.join(one.job.runs_on)}"
    if standing.service is None:
        return Level.WARNING, "never run, and there is no scheduler"
    return Level.OK, f"never run yet, first {_at(standing, first)}"


def _slot(one: JobStanding, standing: Standing) -> tuple[Level, str]:
    """What became of the moments when it was due since its newest run."""
    slot, now = one.slot, standing.now
    if standing.service is None:
        return Level.OK, ""
    if one.unclaimed and now > start(one.job, one.unclaimed) + LATE:
        return Level.WARNING, f"late, due {_at(standing, one.unclaimed)}"
    if slot is None:
        return Level.OK, ""
    why = f" ({slot.cause})" if slot.cause else ""
    unrun = one.unrun if slot.state in ("waiting", "missed") else None
    if unrun and one.missed:
        return Level.CRITICAL, f"missed the run of {_at(standing, unrun)}{why}"
    if unrun and now > start(one.job, unrun) + LATE:
        return Level.WARNING, f"late, due {_at(standing, unrun)}{why}"
    return Level.OK, f"due {_at(standing, slot.due)}, waits{why}" if slot.state == "waiting" else ""


def _held(one: JobStanding, standing: Standing) -> tuple[Level, str]:
    if not one.holds:
        return Level.OK, ""
    count, since = sum(hold.keys for hold in one.holds), min(hold.since for hold in one.holds)
    level = Level.WARNING if standing.now - since > OLD_HOLD else Level.OK
    return level, f"{count} change{'s' * (count != 1)} held since {_at(standing, since)}"


# ---- volumes


def _volumes(one: JobStanding) -> Iterator[Line]:
    """The subjects of a job that does nothing but look, as its newest run saw them."""
    document = one.runs.ended.document if one.runs.ended else {}
    if document.get("verbs"):
        return
    for subject in document.get("subjects", ()):
        found = [finding for finding in document["findings"] if finding.get("subject") == subject["name"]]
        worst = min(found, key=lambda finding: _WORST.index(finding["level"]), default=None)
        level = Level.CRITICAL if subject.get("state") == "failed" else _LEVELS[worst["level"] if worst else "info"]
        if one.pause or subject.get("mode") == "watch":
            level = Level.OK
        text = worst.get("text", worst["code"]) if worst else f"{subject['size']} of {subject['wanted']} snapshots"
        yield Line(level, "volume", subject["name"], _said(text), job=one.job.name)


_WORST = ("critical", "warning", "info")
_LEVELS = {"critical": Level.CRITICAL, "warning": Level.WARNING, "info": Level.OK}


# ---- mails


def _mails(standing: Standing) -> Line:
    level, text = _outbox(standing)
    return Line(level, "mail", "", text)


def _outbox(standing: Standing) -> tuple[Level, str]:
    mails, waiting = standing.mails, sum(standing.mails.counts.get(state, 0) for state in TO_GO)
    lost = ", ".join(f"{count} {_LOST[state]}" for state, count in sorted(mails.lately.items()))
    text = f"{waiting} to go"
    waits = [(mails.oldest, OLD_MAIL), (mails.bulk, OLD_BULK)]
    old = [since for since, limit in waits if since and standing.now - since > limit]
    if old:
        text += f", the oldest since {_at(standing, min(old))}"
    if lost:
        text += f"; in the last day {lost}"
    return Level.WARNING if lost or old else Level.OK, text


_LOST = {"failed": "failed", "unknown": "perhaps not delivered"}


# ---- figures


def _figures(standing: Standing, silence: timedelta) -> Iterator[Figure]:
    """The same names in perfdata, in `--json` and for Munin."""
    now, states = standing.now, [one.runs.ended.state for one in standing.jobs if one.runs.ended and not one.pause]
    if standing.service:
        age = _seconds(abs(now - standing.service.tick))  # one that is to come is no decision either
        yield Figure("tick_age", age, "s", critical=_seconds(silence))
    yield Figure("jobs", len(standing.jobs))
    yield Figure("failed", states.count("failed"), critical=0)
    yield Figure("partial", states.count("partial"), warning=0)
    yield Figure("paused", sum(one.pause is not None for one in standing.jobs))
    holds = [hold for one in standing.jobs for hold in one.holds]
    yield Figure("held", sum(hold.keys for hold in holds))
    age = _seconds(now - min((hold.since for hold in holds), default=now))
    yield Figure("hold_age", age, "s", warning=_seconds(OLD_HOLD))
    yield Figure("mails", sum(standing.mails.counts.get(state, 0) for state in TO_GO))
    yield Figure("mail_age", _seconds(now - (standing.mails.oldest or now)), "s", warning=_seconds(OLD_MAIL))
    yield Figure("mails_failed", sum(standing.mails.lately.values()), warning=0)


# ---- words


def _said(text: str) -> str:
    """One line, nobody's address, and no `|`, which begins perfdata."""
    return line(discreet(text), 300).replace("|", "/")


def _at(standing: Standing, moment: datetime) -> str:
    return f"{moment.astimezone(standing.timezone):%Y-%m-%d %H:%M}"


def _seconds(time: timedelta) -> int:
    """Not below 0: a clock may have been set back."""
    return max(0, int(time.total_seconds()))


def _long(time: timedelta) -> str:
    seconds = _seconds(time)
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"
