"""What has happened is told: at each tick, by whichever service comes first, each thing once."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from collima.app.config import Config
from collima.app.telling import policy
from collima.app.telling.daily import digest
from collima.app.telling.desk import Desk, result
from collima.app.telling.policy import Report, Waits
from collima.core.errors import StateError
from collima.state import SqlJournal
from collima.state.alerts import AlertRow, Decided, Ended
from collima.state.outbox import Letter, short
from collima.state.pauses import EVERY_JOB
from collima.state.slot_rows import SlotRow

log = logging.getLogger("collima.telling")

MANY = 5  # jobs missed at once; more are told in one mail
SERVICE = ""
"""Stands for a job in the alerts of the service itself."""


def tell(config: Config, journal: SqlJournal, now: datetime) -> None:
    """Runs that ended, slots that were missed, what is still so after a day, and the digest. Raises StateError.

    Without `reports` nothing is told, and what happened meanwhile is not told later. What a fault of this program keeps
    from being told is told barely, and keeps nothing else from it.
    """
    desk = Desk(config, journal, now)
    alerts = journal.alerts.open()
    _runs(desk, alerts)
    _misses(desk, alerts)
    _remind(desk, alerts)
    _apart("the digest", lambda: digest(desk, alerts))


def _apart(what: str, *ways: Callable[[], object]) -> None:
    """Tells it in the first way that is not at fault."""
    for way in ways:
        try:
            way()
        except StateError:
            raise
        except Exception:  # a fault of this program
            log.exception("%s cannot be told", what)
        else:
            return


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
            _apart(f"run {run.id}", *(partial(way, desk, run) for way in (_run, _run_barely, _run_at_least)))


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


def _run_barely(desk: Desk, run: Ended) -> None:
    """Without what it came to. What is held stays as it was told."""

    def decide(alerts: Mapping[str, AlertRow]) -> Decided:
        known = {about: alert for about, alert in alerts.items() if about != policy.HELD}
        verdict = policy.after_run(known, run, desk.now, waiting={})
        rest = replace(verdict, news=tuple(news for news in verdict.news if not isinstance(news, Report)))
        decided = desk.decided(rest, run.job)
        report = rest.news != verdict.news or run.state == "held"
        return replace(decided, letters=[*(_bare(desk, run) if report else ()), *decided.letters])

    desk.journal.alerts.settle(run.job, decide, run=run.id)


def _bare(desk: Desk, run: Ended) -> list[Letter]:
    return desk.bare(run.state.upper(), run.job, run.id, run.id)


def _run_at_least(desk: Desk, run: Ended) -> None:
    """Whatever was told before."""
    letters = [] if policy.quiet(run) else _bare(desk, run)
    desk.journal.alerts.settle(run.job, lambda _: Decided(letters=letters), run=run.id)


def _misses(desk: Desk, alerts: tuple[AlertRow, ...]) -> None:
    slots = desk.journal.slots.missed_untold()
    known = {alert.job: alert for alert in alerts if alert.about == policy.MISSED}
    news = {slot.job: slot for slot in slots if policy.miss_is_told(known.get(slot.job), desk.now)}
    each = partial(_miss_each, desk, slots)
    if len(news) > MANY:
        _apart(f"that {len(news)} jobs were missed", partial(_miss_many, desk, slots, news), each)
    else:
        each()


def _miss_each(desk: Desk, slots: Sequence[SlotRow]) -> None:
    for slot in slots:
        _apart(f"a slot of {slot.job}", partial(_miss, desk, slot), partial(_miss_barely, desk, slot))


def _miss_many(desk: Desk, slots: Sequence[SlotRow], news: Mapping[str, SlotRow]) -> None:
    """The mail goes with the first slot. Who comes second leaves them all to whoever had that one."""
    letters = desk.missed(news)
    for slot in slots:
        if not _miss(desk, slot, letters):
            return
        letters = []


def _miss(desk: Desk, slot: SlotRow, letters: Sequence[Letter] | None = None) -> bool:
    """`letters`: in place of its own. False: another service told it."""

    def decide(alerts: Mapping[str, AlertRow]) -> Decided:
        verdict = policy.after_miss(alerts, slot.job, slot.due, slot.cause, desk.now)
        return desk.decided(verdict, slot.job) if letters is None else Decided(verdict.alerts, (), letters)

    return desk.journal.alerts.settle(slot.job, decide, missed=slot.due)


def _miss_barely(desk: Desk, slot: SlotRow) -> None:
    letters = desk.bare("MISSED", slot.job, f"{slot.due:%Y%m%dT%H%M}")
    desk.journal.alerts.settle(slot.job, lambda _: Decided(letters=letters), missed=slot.due)


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
            rests = not pauses.keys().isdisjoint((job, EVERY_JOB))
            fully = partial(_remind_of, desk, job, running=job in running, rests=rests)
            _apart(f"what is still so of {job}", fully, partial(_remind_barely, desk, job))
    if any(policy.due_for_service(alert, now) for alert in alerts if alert.job == SERVICE):
        _apart("what is still so of the service", partial(_remind_of_service, desk))


def _remind_of(desk: Desk, job: str, *, running: bool, rests: bool) -> None:
    waiting = _waiting(desk, job)

    def decide(alerts: Mapping[str, AlertRow]) -> Decided:
        verdict = policy.remind(alerts, desk.now, waiting=waiting, running=running, rests=rests)
        return desk.decided(verdict, job, waiting)

    desk.journal.alerts.settle(job, decide)


def _remind_barely(desk: Desk, job: str) -> None:
    def decide(alerts: Mapping[str, AlertRow]) -> Decided:
        due = [alert for alert in alerts.values() if policy.due_for_reminder(alert, desk.now)]
        letters = [letter for alert in due for letter in desk.bare(f"STILL {alert.about.upper()}", job, alert.about)]
        return Decided([replace(alert, told=desk.now) for alert in due], (), letters)

    desk.journal.alerts.settle(job, decide)


def _remind_of_service(desk: Desk) -> None:
    def decide(alerts: Mapping[str, AlertRow]) -> Decided:
        due = [alert for alert in alerts.values() if policy.due_for_service(alert, desk.now)]
        letters = [letter for alert in due for letter in desk.troubled(alert)]
        return Decided([replace(alert, told=desk.now) for alert in due], (), letters)

    desk.journal.alerts.settle(SERVICE, decide)
