"""What piles up: mails in the outbox, by state and age, and slots that were missed. For those who watch it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import case, func, or_, select

from collima.state.clock import maybe, micros
from collima.state.database import Database
from collima.state.tables import outbox, slots

LATELY = timedelta(days=1)
TO_GO = ("planned", "sending")
IN_VAIN = ("failed", "unknown")


@dataclass(frozen=True, slots=True)
class Backlog:
    """`counts`: by state. `oldest`, `bulk`: since when a mail of ours, or one of many, waits that should be gone."""

    counts: Mapping[str, int] = field(default_factory=dict)
    oldest: datetime | None = None
    bulk: datetime | None = None  # thousands may wait for the relay's rate
    lately: Mapping[str, int] = field(default_factory=dict)  # failed, unknown: that came to nothing in the last day


def backlog(database: Database, now: datetime) -> Backlog:
    """One query. A mail that is planned for later, and was never tried, is not one that should be gone."""
    due = outbox.c.state.in_(TO_GO) & or_(outbox.c.attempts > 0, outbox.c.not_before <= micros(now))
    lost = outbox.c.state.in_(IN_VAIN) & (outbox.c.ended >= micros(now - LATELY))
    wanted = select(
        outbox.c.state,
        func.count(),
        func.sum(case((lost, 1), else_=0)),
        func.min(case((due & outbox.c.urgent, outbox.c.created))),
        func.min(case((due & ~outbox.c.urgent, outbox.c.created))),
    ).group_by(outbox.c.state)
    with database.read() as connection:
        rows = connection.execute(wanted).tuples().all()
    return Backlog(
        counts={state: number for state, number, _, _, _ in rows},
        oldest=maybe(min((ours for _, _, _, ours, _ in rows if ours is not None), default=None)),
        bulk=maybe(min((bulk for _, _, _, _, bulk in rows if bulk is not None), default=None)),
        lately={state: int(number) for state, _, number, _, _ in rows if number},
    )


def missed(database: Database) -> Mapping[str, int]:
    """How many slots on record were missed, by job."""
    wanted = select(slots.c.job, func.count()).where(slots.c.state == "missed").group_by(slots.c.job)
    with database.read() as connection:
        return dict(connection.execute(wanted).tuples().all())
