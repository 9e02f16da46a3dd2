"""Who is told of what, and when: pure, from what was told before and what has happened.

At once: the first failure, what is newly held, a missed run, that a job is well again, a hold that ended by itself.
Once a day: what is still so. Never the same thing twice.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from collima.state.alerts import AlertRow, Ended

FAILED, HELD, MISSED = "failed", "held", "missed"
DIGEST = "digest"  # no alert: since when the service has had that schedule
DAY = timedelta(days=1)
PATIENCE = timedelta(hours=2)  # so long a reminder waits for a run that is under way

Waits = tuple[str, int]
"""What of one subject waits: the fingerprint, and how many changes."""


# ---- what there is to tell


@dataclass(frozen=True, slots=True)
class Report:
    """The report of the run."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """A job that failed, or did not run, has run well."""

    since: datetime
    failures: int
    misses: int
    run: str


@dataclass(frozen=True, slots=True)
class Corrected:
    """What was held is no longer wanted."""

    subjects: tuple[str, ...]
    left: int  # subjects that still wait
    run: str


@dataclass(frozen=True, slots=True)
class Missed:
    """A slot was not run; `misses`: how many since the first that was told."""

    due: datetime
    cause: str
    since: datetime
    misses: int


@dataclass(frozen=True, slots=True)
class Reminder:
    """It is still so. `count`: runs that failed or were missed, or changes that wait."""

    about: str
    worst: str  # failed or partial; missed; "" of a hold
    since: datetime
    count: int
    run: str
    cause: str
    subjects: tuple[str, ...] = ()


News = Report | Recovered | Corrected | Missed | Reminder


@dataclass(frozen=True, slots=True)
class Verdict:
    """The alerts that are new or changed, what they are about that are over, and what is told."""

    alerts: tuple[AlertRow, ...] = ()
    closed: frozenset[str] = frozenset()
    news: tuple[News, ...] = ()


# ---- a run is over


def quiet(run: Ended) -> bool:
    """Whether a run changes nothing for a job without alerts."""
    return run.state in ("in-sync", "changed")


def after_run(
    alerts: Mapping[str, AlertRow],
    run: Ended,
    now: datetime,
    *,
    cause: str = "",
    waiting: Mapping[str, Waits],
    corrected: Collection[str] = (),
) -> Verdict:
    """`waiting`: what the job holds now, by subject. `corrected`: the subjects whose hold this run ended by itself.

    A run by hand opens nothing: whoever started it sees what it comes to. One that is not whole speaks of holds alone.
    """
    told, rows, closed, news = False, dict[str, AlertRow](), set[str](), list[News]()
    if run.kind == "run":
        if run.state in ("failed", "partial"):
            if run.due:
                told = _failed(alerts.get(FAILED), run, cause, now, rows)
                closed |= alerts.keys() & {MISSED}
        elif over := alerts.keys() & {FAILED, MISSED}:
            failures, misses = (int(alerts[a].what["times"]) if a in over else 0 for a in (FAILED, MISSED))
            news.append(Recovered(min(alerts[about].since for about in over), failures, misses, run.id))
            closed |= over
    held = alerts.get(HELD)
    known: dict[str, Waits] = (
        {name: (waits[0], waits[1]) for name, waits in held.what["subjects"].items()} if held else {}
    )
    new = _new(known, waiting)
    if gone := sorted(name for name in corrected if name in known and name not in waiting):
        news.append(Corrected(tuple(gone), len(known.keys() & waiting.keys()), run.id))
    if new and run.kind == "run" and run.due:
        told = True
        since = held.since if held else run.ended
        rows[HELD] = AlertRow(run.job, HELD, since, now, run.id, "", {"subjects": dict(waiting)})
    elif held:
        left = {name: known[name] if name in new else waiting[name] for name in known.keys() & waiting.keys()}
        if left:
            rows[HELD] = replace(held, what={"subjects": left})
        else:
            closed.add(HELD)
    return Verdict(tuple(rows.values()), frozenset(closed), (*([Report()] if told else []), *news))


def _failed(alert: AlertRow | None, run: Ended, cause: str, now: datetime, rows: dict[str, AlertRow]) -> bool:
    """Notes a failed scheduled run. Returns whether it is told: the first is, and the first that is worse."""
    if alert is None:
        rows[FAILED] = AlertRow(run.job, FAILED, run.ended, now, run.id, cause, {"worst": run.state, "times": 1})
        return True
    worse = (alert.what["worst"], run.state) == ("partial", "failed")
    what = {"worst": "failed" if worse else alert.what["worst"], "times": alert.what["times"] + 1}
    rows[FAILED] = replace(alert, told=now if worse else alert.told, run=run.id, cause=cause, what=what)
    return worse


def _new(known: Mapping[str, Waits], waiting: Mapping[str, Waits]) -> frozenset[str]:
    """The subjects not told before, and those of which other changes wait now, and not fewer."""
    return frozenset(
        name
        for name, (fingerprint, count) in waiting.items()
        if name not in known or (fingerprint != known[name][0] and count >= known[name][1])
    )


# ---- a slot was missed; time goes by


def after_miss(alerts: Mapping[str, AlertRow], job: str, due: datetime, cause: str, now: datetime) -> Verdict:
    """Told at once, and then once a day at most."""
    alert = alerts.get(MISSED, AlertRow(job, MISSED, due, now, "", cause, {"times": 0}))
    what = {"times": alert.what["times"] + 1}
    told = miss_is_told(alerts.get(MISSED), now)
    row = replace(alert, told=now if told else alert.told, cause=cause, what=what)
    return Verdict((row,), news=(Missed(due, cause, alert.since, what["times"]),) if told else ())


def miss_is_told(alert: AlertRow | None, now: datetime) -> bool:
    return alert is None or now - alert.told >= DAY


def due_for_reminder(alert: AlertRow, now: datetime) -> bool:
    return alert.about in (FAILED, MISSED, HELD) and now - alert.told >= DAY


def due_for_service(alert: AlertRow, now: datetime) -> bool:
    """Of an alert of the service itself."""
    return alert.about != DIGEST and now - alert.told >= DAY


def remind(
    alerts: Mapping[str, AlertRow], now: datetime, *, waiting: Mapping[str, Waits], running: bool, rests: bool
) -> Verdict:
    """What is still so after a day. `running`: a run is under way, which may end it; `rests`: the job is paused."""
    rows, closed, news = list[AlertRow](), set[str](), list[News]()
    for alert in alerts.values():
        if not due_for_reminder(alert, now) or rests or (running and now - alert.told < DAY + PATIENCE):
            continue
        if alert.about == FAILED:
            news.append(Reminder(FAILED, alert.what["worst"], alert.since, alert.what["times"], alert.run, alert.cause))
        elif alert.about == MISSED:
            news.append(Reminder(MISSED, MISSED, alert.since, alert.what["times"], "", alert.cause))
        elif left := {name: waiting[name] for name in alert.what["subjects"] if name in waiting}:
            count = sum(changes for _, changes in left.values())
            news.append(Reminder(HELD, "", alert.since, count, alert.run, "", tuple(sorted(left))))
        else:
            closed.add(HELD)
            continue
        rows.append(replace(alert, told=now))
    return Verdict(tuple(rows), frozenset(closed), tuple(news))
