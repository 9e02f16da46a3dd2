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


@dataclass(frozen=True, slots=True)
class Backlog:
    """`counts`: by state. `oldest`: of those that should be gone. `lately`: that came to nothing in the last day."""

    counts: Mapping[str, int] = field(default_factory=dict)
    oldest: datetime | None = None
    lately: Mapping[str, int] = field(default_factory=dict)  # failed, unknown


def backlog(database: Database, now: datetime) -> Backlog:
    """One query. A mail that is planned for later, and was never tried, is not one that should be gone."""
    recent = outbox.c.created >= micros(now - LATELY)
    due = outbox.c.state.in_(TO_GO) & or_(outbox.c.attempts > 0, outbox.c.not_before <= micros(now))
    wanted = select(
        outbox.c.state,
        func.count().label("all"),
        func.sum(case((recent, 1), else_=0)).label("recent"),
        func.min(case((due, outbox.c.created))).label("oldest"),
    ).group_by(outbox.c.state)
    with database.read() as connection:
        rows = connection.execute(wanted).tuples().all()
    oldest = [created for _, _, _, created in rows if created is not None]
    return Backlog(
        counts={state: number for state, number, _, _ in rows},
        oldest=maybe(min(oldest, default=None)),
        lately={state: int(number) for state, _, number, _ in rows if number and state in ("failed", "unknown")},
    )


def missed(database: Database) -> Mapping[str, int]:
    """How many slots on record were missed, by job."""
    wanted = select(slots.c.job, func.count()).where(slots.c.state == "missed").group_by(slots.c.job)
    with database.read() as connection:
        return dict(connection.execute(wanted).tuples().all())
