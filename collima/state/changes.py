"""What runs set out to change, what came of it, what was undone, and who is absent from the source."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import Connection, delete, or_, select, update

from collima.core.model import Key, Outcome
from collima.core.ports import Absence
from collima.state.clock import moment
from collima.state.holds import use_up
from collima.state.keys import Ticket, add, among, columns, key, order, put
from collima.state.tables import absences, changes, undone

ERROR = 2_000  # characters of an error that are kept


def intend(connection: Connection, ticket: Ticket, keys: Iterable[Key], weights: Mapping[Key, int], now: int) -> None:
    common = {"run": ticket.run, "intended": now}
    ordered = sorted(keys, key=order)
    add(connection, changes, ({**common, **columns(one), "weight": weights.get(one, 1)} for one in ordered))


def settle(connection: Connection, ticket: Ticket, outcomes: Sequence[Outcome], now: int) -> None:
    put(
        connection,
        changes,
        (
            {
                **columns(outcome.key),
                "run": ticket.run,
                "weight": 1,
                "intended": now,
                "settled": now,
                "outcome": "failed" if outcome.error else "done",
                "error": outcome.error[:ERROR] or None,
                "transient": outcome.transient if outcome.error else None,
            }
            for outcome in outcomes
        ),
        changed=["settled", "outcome", "error", "transient"],
    )
    use_up(connection, ticket, [outcome.key for outcome in outcomes if not outcome.error], "done", now)


def done(connection: Connection, run: str) -> frozenset[Key]:
    """What this run did or may have done, and nobody has undone."""
    rows = connection.execute(
        select(changes.c.subject, changes.c.verb, changes.c.what).where(
            changes.c.run == run,
            or_(changes.c.outcome.is_(None), changes.c.outcome == "done"),
            changes.c.undone_by.is_(None),
        )
    )
    return frozenset(map(key, rows))


# ---- undone


def undone_keys(connection: Connection, ticket: Ticket) -> Mapping[Key, str]:
    return {key(row): row.by for row in connection.execute(select(undone).where(ticket.of(undone)))}


def protect(connection: Connection, ticket: Ticket, of: str, keys: Collection[Key], now: int) -> None:
    forget_undone(connection, ticket, keys)
    common = {"job": ticket.job, "target": ticket.target, "by": ticket.run, "of": of, "at": now}
    add(connection, undone, ({**common, **columns(one)} for one in keys))


def undo(connection: Connection, ticket: Ticket, of: str, keys: Collection[Key]) -> None:
    for these in among(changes, keys):
        connection.execute(update(changes).where(changes.c.run == of, these).values(undone_by=ticket.run))


def forget_undone(connection: Connection, ticket: Ticket, keys: Collection[Key]) -> None:
    for these in among(undone, keys):
        connection.execute(delete(undone).where(ticket.of(undone), these))


# ---- absent


def absent(connection: Connection, ticket: Ticket) -> Mapping[Key, Absence]:
    rows = connection.execute(select(absences).where(ticket.of(absences)))
    return {key(row): Absence(moment(row.since), row.runs) for row in rows}


def note_absences(connection: Connection, ticket: Ticket, keys: Collection[Key], now: int) -> None:
    known = absent(connection, ticket).keys()
    for these in among(absences, known - set(keys)):
        connection.execute(delete(absences).where(ticket.of(absences), these))
    connection.execute(update(absences).where(ticket.of(absences)).values(runs=absences.c.runs + 1))
    common = {"job": ticket.job, "target": ticket.target, "since": now, "runs": 1}
    add(connection, absences, ({**common, **columns(one)} for one in sorted(set(keys) - known, key=order)))
