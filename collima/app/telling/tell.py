"""What has happened is told: at each tick, by whichever service comes first, each thing once."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from collima.app.config import Config
from collima.app.telling import policy
from collima.app.telling.daily import digest
from collima.app.telling.desk import Desk, result
from collima.app.telling.policy import Waits
from collima.state import SqlJournal
from collima.state.alerts import AlertRow, Decided, Ended
from collima.state.outbox import short
from collima.state.pauses import EVERY_JOB
from collima.state.slots import SlotRow

SERVICE = ""
"""Stands for a job in the alerts of the service itself."""


def tell(config: Config, journal: SqlJournal, now: datetime) -> None:
    """Runs that ended, slots that were missed, what is still so after a day, and the digest. Raises StateError.

    Without `reports` nothing is told, and what happened meanwhile is not told later.
    """
    desk = Desk(config, journal, now)
    alerts = journal.alerts.open()
    _runs(desk, alerts)
    for slot in journal.slots.missed_untold():
        _miss(desk, slot)
    _remind(desk, alerts)
    digest(desk, alerts)


def trouble(config: Config, journal: SqlJournal, about: str, cause: str, now: datetime) -> None:
    """The service has trouble: told at once when it is new or has another cause, then once a day until it is well."""
    desk, cause = Desk(config, journal, now), short(cause)

    def decide(alerts: Mapping[str, AlertRow]) -> Decided:
        known = alerts.get(about)
        if known and known.cause == cause:
            return Decided()
        alert = AlertRow(SERVICE, about, known.since if known else now, now, "", cause)
        return Decided([alert], (), desk.troubled(replace(alert, since=now)))

    journal.alerts.settle(SERVICE, decide)


def well(config: Config, journal: SqlJournal, about: str, now: datetime) -> None:
    """That trouble is over. Nothing is told when there was none, or when it was over by the time it was told."""
    if not any(alert.about == about for alert in journal.alerts.open() if alert.job == SERVICE):
        return
    desk = Desk(config, journal, now)

    def decide(alerts: Mapping[str, AlertRow]) -> Decided:
        known = alerts.get(about)
        return Decided((), [about], desk.over(known) if known and known.told < now else ())

    journal.alerts.settle(SERVICE, decide)


# ---- runs and slots


def _runs(desk: Desk, alerts: tuple[AlertRow, ...]) -> None:
    ended = [run for run in desk.journal.alerts.untold() if not run.open]
    troubled = {alert.job for alert in alerts} | {run.job for run in ended if not policy.quiet(run)}
    if unremarkable := [run.id for run in ended if run.job not in troubled]:
        desk.journal.alerts.pass_over(unremarkable)
    for run in ended:
        if run.job in troubled:
            _run(desk, run)


def _run(desk: Desk, run: Ended) -> None:
    journal = desk.journal
    row, waiting = journal.archive.run(run.id), _waiting(desk, run.job)
    came_to = result(row, journal.alerts.taken_over(run.id))

    def decide(alerts: Mapping[str, AlertRow]) -> Decided:
        verdict = policy.after_run(
            alerts, run, desk.now, cause=row.cause, waiting=waiting, corrected=came_to.self_corrected
        )
        return desk.decided(verdict, run.job, waiting, came_to)

    journal.alerts.settle(run.job, decide, run=run.id)


def _miss(desk: Desk, slot: SlotRow) -> None:
    def decide(alerts: Mapping[str, AlertRow]) -> Decided:
        return desk.decided(policy.after_miss(alerts, slot.job, slot.due, slot.cause, desk.now), slot.job)

    desk.journal.alerts.settle(slot.job, decide, missed=slot.due)


def _waiting(desk: Desk, job: str) -> dict[str, Waits]:
    """What the job holds now, by subject; what an undo holds is the business of whoever undoes."""
    holds = desk.journal.archive.open_holds(job)
    return {hold.subject: (hold.fingerprint, hold.keys) for hold in holds if not hold.undoes}


# ---- time goes by


def _remind(desk: Desk, alerts: tuple[AlertRow, ...]) -> None:
    journal, now = desk.journal, desk.now
    gone = {alert.job for alert in alerts if alert.job != SERVICE and alert.job not in desk.config.jobs}
    for job in gone:  # nobody can do anything about it any more
        journal.alerts.settle(job, lambda known: Decided((), tuple(known)))
    due = {alert.job for alert in alerts if policy.due_for_reminder(alert, now)} - gone
    if due:
        pauses = journal.pauses.open(now)
        running = {slot.job for slot in journal.slots.open() if slot.state == "running"}
        for job in sorted(due):
            _remind_of(desk, job, running=job in running, rests=not pauses.keys().isdisjoint((job, EVERY_JOB)))
    if any(policy.due_for_service(alert, now) for alert in alerts if alert.job == SERVICE):
        _remind_of_service(desk)


def _remind_of(desk: Desk, job: str, *, running: bool, rests: bool) -> None:
    waiting = _waiting(desk, job)

    def decide(alerts: Mapping[str, AlertRow]) -> Decided:
        verdict = policy.remind(alerts, desk.now, waiting=waiting, running=running, rests=rests)
        return desk.decided(verdict, job, waiting)

    desk.journal.alerts.settle(job, decide)


def _remind_of_service(desk: Desk) -> None:
    def decide(alerts: Mapping[str, AlertRow]) -> Decided:
        due = [alert for alert in alerts.values() if policy.due_for_service(alert, desk.now)]
        letters = [letter for alert in due for letter in desk.troubled(alert)]
        return Decided([replace(alert, told=desk.now) for alert in due], (), letters)

    desk.journal.alerts.settle(SERVICE, decide)
