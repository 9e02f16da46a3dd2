"""The daily digest: gathered when it is due, and planned once, whichever service comes first."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from collima.app.config import Job as Declared
from collima.app.report import digest as pages
from collima.app.result_json import restored
from collima.app.summary import told
from collima.app.telling import policy
from collima.app.telling.desk import Desk
from collima.app.when import following, latest
from collima.app.words import Words
from collima.core.model import Cell, Mood
from collima.core.result import Result
from collima.state.alerts import AlertRow, Decided
from collima.state.pauses import EVERY_JOB, Pause
from collima.state.recent import Brief

CATCH_UP = timedelta(hours=12)
RUNS = 30  # cells of a job
FINDINGS = 3  # codes of a job
DAY = timedelta(days=1)

_MOODS: Mapping[str, Mood] = {
    "in-sync": "good",
    "changed": "good",
    "held": "warning",
    "partial": "critical",
    "failed": "critical",
}


def digest(desk: Desk, alerts: Sequence[AlertRow]) -> None:
    """Plans the digest of the newest slot of `reports.digest`, unless that was done, or is too late."""
    reports, zone, now = desk.config.reports, desk.config.timezone, desk.now
    head = desk.letterhead
    if reports is None or head is None or reports.digest is None:
        return
    slot = latest(reports.digest, zone, now)
    since = _since(desk, alerts, f"{reports.digest.cron} {zone}")
    if slot is None or slot < since or now - slot > CATCH_UP:
        return
    outbox = desk.journal.outbox
    if not outbox.known(f"<{pages.name(slot)}@{head.site}>"):
        outbox.add(desk.letter(pages.digest(gathered(desk, alerts), slot, head, desk.local)))


def _since(desk: Desk, alerts: Sequence[AlertRow], schedule: str) -> datetime:
    """Since when the digest has this schedule: there is none of a slot before."""
    for alert in alerts:
        if (alert.job, alert.about, alert.cause) == ("", policy.DIGEST, schedule):
            return alert.since
    row = AlertRow("", policy.DIGEST, desk.now, desk.now, "", schedule)
    desk.journal.alerts.settle("", lambda _: Decided([row]))
    return desk.now


def gathered(desk: Desk, alerts: Sequence[AlertRow]) -> pages.Day:
    """How everything is now."""
    journal, now, zone = desk.journal, desk.now, desk.config.timezone
    pauses, standing = journal.pauses.open(now), journal.outbox.standing(now - DAY)
    shut = [(relay.error, 1) for relay in journal.relays.troubled()]
    return pages.Day(
        jobs=[
            _job(desk, job, [alert for alert in alerts if alert.job == job.name], pauses)
            for job in desk.config.jobs.values()
            if job.options is not None
        ],
        waiting=[
            pages.Waiting(
                job=hold.job,
                subject=hold.subject,
                changes=hold.keys,
                reason=hold.reason,
                since=hold.since.astimezone(zone),
                fingerprint=hold.fingerprint,
            )
            for hold in journal.archive.open_holds()
            if not hold.undoes
        ],
        mails={"waiting": standing.waiting, "failed": standing.failed, "unknown": standing.unknown},
        errors=[*shut, *standing.errors],
        pauses=[(p.job, p.until.astimezone(zone), p.reason, p.who) for p in pauses.values()],
        services=[(s.host, s.started.astimezone(zone), s.version) for s in journal.services.alive(now)],
    )


def _job(desk: Desk, job: Declared, alerts: Sequence[AlertRow], pauses: Mapping[str, Pause]) -> pages.Job:
    zone = desk.config.timezone
    runs = desk.journal.recent.runs(job.name, RUNS)
    last = runs[-1] if runs else None
    since = [alert.since for alert in alerts if alert.about in (policy.FAILED, policy.MISSED)]
    rests = not pauses.keys().isdisjoint((job.name, EVERY_JOB))
    missed = any(alert.about == policy.MISSED for alert in alerts)
    came_to = _result(desk, last) if last and last.ended else None
    words = Words(desk.config.reports.language if desk.config.reports else "en")
    nearest = None if rests else following(job.when, zone, desk.now)
    return pages.Job(
        name=job.name,
        state="missed" if missed else "paused" if rests else (last.state or "running") if last else "",
        since=min(since).astimezone(zone) if since else None,
        ran=last.started.astimezone(zone) if last else None,
        seconds=(last.ended - last.started).total_seconds() if last and last.ended else None,
        told=words.cause(came_to) if came_to else last.cause if last else "",
        next=nearest.astimezone(zone) if nearest else None,
        cells=_cells(runs, zone),
        findings=tuple(_findings(came_to)) if came_to else (),
    )


def _cells(runs: Sequence[Brief], zone: ZoneInfo) -> tuple[Cell, ...]:
    """A day each, where there is one run a day."""
    local = [run.started.astimezone(zone) for run in runs]
    form = "%Y-%m-%d" if len({moment.date() for moment in local}) == len(local) else "%Y-%m-%d %H:%M"
    return tuple(
        Cell(moment.strftime(form), _MOODS.get(run.state, "none")) for run, moment in zip(runs, local, strict=True)
    )


def _result(desk: Desk, run: Brief) -> Result | None:
    """What it came to; None: it died, or never began."""
    document = desk.journal.archive.run(run.id).document
    return restored(document) if document.get("state") == run.state else None


def _findings(result: Result) -> Iterator[tuple[str, str, int, str]]:
    for group in told(result)[:FINDINGS]:
        first = group.items[0]
        yield group.level, group.code, len(group.items), ": ".join(filter(None, [first.subject, first.text]))
