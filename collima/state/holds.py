"""Holds and approvals. What an undo waits for is apart from what the job's own runs wait for (`Ticket.undoes`)."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update
from sqlalchemy.engine import Row

from collima.core.guard import fingerprint as hashed
from collima.core.model import Key
from collima.core.ports import Waiting
from collima.state.keys import Ticket, add, columns, each, key, order
from collima.state.tables import approval_keys, approvals, fingerprints, hold_keys, holds

WEEK = timedelta(days=7) // timedelta(microseconds=1)
"""So long is a fingerprint known, an approval good, an undo's hold open."""


def known(connection: Connection, ticket: Ticket, fingerprint: str, now: int) -> frozenset[Key] | None:
    rows = connection.execute(
        select(holds.c.subject, hold_keys.c.verb, hold_keys.c.what)
        .select_from(fingerprints)
        .join(holds, holds.c.id == fingerprints.c.hold)
        .join(hold_keys, hold_keys.c.hold == holds.c.id)
        .where(
            ticket.of(fingerprints),
            fingerprints.c.fingerprint == fingerprint,
            fingerprints.c.at >= now - WEEK,
            holds.c.undoes == ticket.undoes,
        )
    )
    return frozenset(map(key, rows)) or None


def approved(connection: Connection, ticket: Ticket, now: int) -> frozenset[Key]:
    """Approved in the last 7 days, and neither done nor unwanted since."""
    open_ = (approvals.c.at >= now - WEEK, approval_keys.c.ended.is_(None))
    return frozenset(one for _, one in _given(connection, ticket, *open_))


def approve(
    connection: Connection, ticket: Ticket, fingerprint: str, keys: Collection[Key], reason: str, who: str, now: int
) -> None:
    made = connection.execute(
        insert(approvals).values(
            job=ticket.job,
            target=ticket.target,
            undoes=ticket.undoes,
            fingerprint=fingerprint,
            reason=reason,
            who=who,
            run=ticket.run,
            at=now,
        )
    ).inserted_primary_key
    assert made is not None
    add(connection, approval_keys, ({"approval": made[0], **columns(key)} for key in sorted(keys, key=order)))


def use_up(connection: Connection, ticket: Ticket, keys: Collection[Key], ending: str, now: int) -> None:
    """Ends the open approvals of these keys: `done`, or `unwanted`."""
    mine = select(approvals.c.id).where(ticket.of(approvals), approvals.c.undoes == ticket.undoes)
    for approval in connection.scalars(mine.where(approvals.c.at >= now - WEEK)).all():
        ending_now = update(approval_keys).values(ended=now, ending=ending)
        each(
            connection,
            ending_now,
            approval_keys,
            keys,
            approval_keys.c.approval == approval,
            approval_keys.c.ended.is_(None),
        )


def hold(
    connection: Connection,
    ticket: Ticket,
    waiting: Sequence[Waiting],
    fingerprint: str,
    planned: Collection[Key],
    concerns: Callable[[str], bool],
    *,
    complete: bool,
    now: int,
) -> list[str]:
    """As `Record.hold` says. A hold of the same keys as before stays the same hold, and is only seen again."""
    wanted = frozenset(planned)
    _expire(connection, ticket, now)
    if complete:
        unwanted = {k for k in approved(connection, ticket, now) - wanted if concerns(k.subject)}
        use_up(connection, ticket, unwanted, "unwanted", now)
    opened = connection.execute(
        select(holds).where(ticket.of(holds), holds.c.undoes == ticket.undoes, holds.c.ended.is_(None))
    ).all()
    new = {w.subject: (w, hashed(ticket.job, ticket.target, w.keys)) for w in waiting}
    oldest = min((row.since for row in opened), default=now)
    given: dict[str, list[tuple[int, Key]]] = {}
    for at, one in _given(connection, ticket, approvals.c.at >= oldest):
        given.setdefault(one.subject, []).append((at, one))
    corrected, ids = [], dict[str, list[int]]()  # fingerprint -> holds
    for row in opened:
        waits, own = new.get(row.subject, (None, ""))
        if waits and own == row.fingerprint:
            del new[row.subject]
            ids[own] = [row.id]
            if concerns(row.subject):
                again = {"seen": now, "reason": waits.reason}
                connection.execute(update(holds).where(holds.c.id == row.id).values(again))
        elif concerns(row.subject) and (
            ending := _ending(connection, ticket, row, wanted, waits, given.get(row.subject, ()), complete=complete)
        ):
            connection.execute(update(holds).where(holds.c.id == row.id).values(ended=now, ending=ending))
            if ending == "self-corrected":
                corrected.append(row.subject)
    for waits, own in new.values():
        ids[own] = [_store(connection, ticket, waits, own, now, opened=concerns(waits.subject))]
    every = [one for some in ids.values() for one in some]
    _remember(connection, ticket, {**ids, **({fingerprint: every} if every else {})}, now)
    return sorted(corrected)


def _ending(
    connection: Connection,
    ticket: Ticket,
    row: Row[Any],
    planned: frozenset[Key],
    successor: Waiting | None,
    given: Iterable[tuple[int, Key]],
    *,
    complete: bool,
) -> str:
    """How an open hold ends that is not held again as it was; "" when it stays open. `given`: approvals, with times."""
    found = connection.execute(select(hold_keys).where(hold_keys.c.hold == row.id))
    keys = {Key(row.subject, each.verb, each.what) for each in found}
    left = keys - {one for at, one in given if at >= row.since}
    if not left:
        return "approved"
    if not successor and (ticket.undoes or not complete):
        return ""
    if complete and not keys & planned:
        return "self-corrected"
    return "superseded" if left & planned or not complete else "approved"


def _store(connection: Connection, ticket: Ticket, waits: Waiting, own: str, now: int, *, opened: bool) -> int:
    """A new hold; one that this run does not open is known by its fingerprint only."""
    made = connection.execute(
        insert(holds).values(
            job=ticket.job,
            target=ticket.target,
            subject=waits.subject,
            undoes=ticket.undoes,
            fingerprint=own,
            reason=waits.reason,
            run=ticket.run,
            since=now,
            seen=now,
            ended=None if opened else now,
            ending=None if opened else "superseded",
        )
    ).inserted_primary_key
    assert made is not None
    add(
        connection,
        hold_keys,
        ({"hold": made[0], "verb": k.verb, "what": k.what} for k in sorted(waits.keys, key=order)),
    )
    return int(made[0])


def _remember(connection: Connection, ticket: Ticket, ids: dict[str, list[int]], now: int) -> None:
    """These fingerprints are known from now on, for their holds."""
    if not ids:
        return
    older = select(holds.c.id).where(ticket.of(holds), holds.c.undoes == ticket.undoes)
    connection.execute(
        delete(fingerprints).where(
            ticket.of(fingerprints), fingerprints.c.fingerprint.in_(ids), fingerprints.c.hold.in_(older)
        )
    )
    add(
        connection,
        fingerprints,
        (
            {"job": ticket.job, "target": ticket.target, "fingerprint": one, "hold": hold, "at": now}
            for one, of in ids.items()
            for hold in of
        ),
    )


def _expire(connection: Connection, ticket: Ticket, now: int) -> None:
    """An undo's hold ends when nobody has asked for that undo for 7 days."""
    connection.execute(
        update(holds)
        .where(ticket.of(holds), holds.c.undoes != "", holds.c.ended.is_(None), holds.c.seen < now - WEEK)
        .values(ended=now, ending="expired")
    )


def _given(connection: Connection, ticket: Ticket, *conditions: ColumnElement[bool]) -> Iterator[tuple[int, Key]]:
    """(when, which key) of every approval of which the conditions are true."""
    rows = connection.execute(
        select(approvals.c.at, approval_keys.c.subject, approval_keys.c.verb, approval_keys.c.what)
        .join(approvals, approvals.c.id == approval_keys.c.approval)
        .where(ticket.of(approvals), approvals.c.undoes == ticket.undoes, *conditions)
    )
    for row in rows:
        yield row.at, key(row)
