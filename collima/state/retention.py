"""How long history is kept."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update

from collima.state.actions import RULES
from collima.state.clock import micros
from collima.state.database import Database
from collima.state.keys import NAMES, batches
from collima.state.tables import (
    actions,
    approvals,
    changes,
    fingerprints,
    holds,
    logs,
    notices,
    outbox,
    runs,
    services,
    slots,
)

WEEK = timedelta(days=7)
NOTICES = timedelta(days=400)  # that a notice stays, at least, and after the last day that it tells of


def served(database: Database, since: datetime, now: datetime) -> bool:
    """Whether a service has stopped by itself since then: before it does so it has deleted what is old."""
    stopped = exists().where(services.c.stopped.between(micros(since), micros(now)))
    with database.read() as connection:
        return bool(connection.scalar(select(stopped)))


def doubtful(database: Database, now: datetime) -> bool:
    """Whether the clock may be wrong: there is history of more than a week ago, but none of the week before that.

    By what it did itself a clock that is years ahead would seem right, so this does not count for its first week.
    """
    begin, end = micros(now - 2 * WEEK), micros(now - WEEK)
    moments = runs.c.started, services.c.started, services.c.tick
    with database.read() as connection:
        old, near = (
            connection.scalar(select(or_(*(exists().where(moment.between(first, end)) for moment in moments))))
            for first in (0, begin)
        )
    return bool(old and not near)


def purge(
    database: Database, *, keep_changes: datetime, keep_runs: datetime, keep_logs: datetime | None = None
) -> Mapping[str, int]:
    """Deletes changes, notices, actions and ended holds from before `keep_changes`; runs, with all of theirs, slots and
    mails from before `keep_runs`; logs, what mails said, mails of a ledger, and services that are gone from before
    `keep_logs` (as changes).

    Notices stay for NOTICES at least, and what people said of senders until they take it back. Approvals and the holds
    that were approved stay, the ids of closed accounts, runs under way, and the newest slot of each job. Returns what
    was deleted, by table. Each run is a transaction of its own: nobody waits long.
    """
    counts = {"changes": 0, "holds": 0, "notices": 0, "runs": 0}
    before_changes, before_runs = micros(keep_changes), micros(keep_runs)
    over = runs.c.state.is_not(None)
    with database.read() as connection:
        having = exists().where(changes.c.run == runs.c.id)
        worn = connection.scalars(select(runs.c.id).where(runs.c.started < before_changes, over, having)).all()
        old = connection.scalars(select(runs.c.id).where(runs.c.started < before_runs, over)).all()
    for run in worn:
        with database.write() as connection:
            counts["changes"] += connection.execute(delete(changes).where(changes.c.run == run)).rowcount
    for run in old:
        with database.write() as connection:
            counts["runs"] += connection.execute(delete(runs).where(runs.c.id == run)).rowcount
    ended = or_(holds.c.ended < before_changes, and_(holds.c.undoes != "", holds.c.seen < before_changes))
    approved = or_(
        holds.c.ending == "approved",
        exists().where(approvals.c.fingerprint == holds.c.fingerprint, approvals.c.job == holds.c.job),
        exists().where(
            fingerprints.c.hold == holds.c.id,
            approvals.c.fingerprint == fingerprints.c.fingerprint,
            approvals.c.job == fingerprints.c.job,
        ),
    )
    with database.write() as connection:
        worn_holds = connection.scalars(select(holds.c.id).where(ended, approved.is_not(True))).all()
        for some in batches(worn_holds, NAMES):
            counts["holds"] += connection.execute(delete(holds).where(holds.c.id.in_(some))).rowcount
        holds_still = actions.c.deed.in_(RULES) & (actions.c.state == "done")  # whose word it is, and what was before
        settled = actions.c.at < before_changes, actions.c.state != "waiting", ~holds_still
        counts["actions"] = connection.execute(delete(actions).where(*settled)).rowcount
        counts["notices"] = connection.execute(delete(notices).where(_told_long_ago(database, keep_changes))).rowcount
    return {**counts, **_of_the_service(database, before_runs, micros(keep_logs or keep_changes))}


def _told_long_ago(database: Database, keep_changes: datetime) -> ColumnElement[bool]:
    """A notice that is forgotten is sent once more, and nobody is suspended meanwhile: it stays while it counts."""
    before = min(keep_changes, database.now() - NOTICES)
    return and_(notices.c.at < micros(before), notices.c.ends < before.date().isoformat())


def _of_the_service(database: Database, before_runs: int, before_logs: int) -> Mapping[str, int]:
    newest = select(slots.c.job, func.max(slots.c.slot).label("slot")).group_by(slots.c.job).subquery()
    with database.read() as connection:
        worn = connection.execute(
            select(slots.c.job, slots.c.slot)
            .join(newest, newest.c.job == slots.c.job)
            .where(
                slots.c.slot < before_runs, slots.c.slot < newest.c.slot, slots.c.state.not_in(("waiting", "running"))
            )
        ).all()
    for some in batches(worn, NAMES):
        with database.write() as connection:
            for job, slot in some:
                connection.execute(delete(slots).where(slots.c.job == job, slots.c.slot == slot))
    over = outbox.c.state.in_(("sent", "dropped", "failed", "unknown"))
    told = exists().where(notices.c.message_id == outbox.c.message_id)  # without its mail a notice counts no more
    daily = and_(outbox.c.again == "always", outbox.c.created < before_logs)  # thousands a night
    worn_mail = or_(outbox.c.created < before_runs, daily)
    with database.write() as connection:
        gone = {
            "slots": len(worn),
            "logs": connection.execute(delete(logs).where(logs.c.at < before_logs)).rowcount,
            "mails": connection.execute(delete(outbox).where(over, ~told, worn_mail)).rowcount,
            "services": connection.execute(delete(services).where(services.c.tick < before_logs)).rowcount,
        }
        said = update(outbox).where(over, outbox.c.created < before_logs, outbox.c.message != "")
        connection.execute(said.values(message="", recipients="[]"))  # that it was sent stays known
    return gone
