"""What people did with one click, and what came of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, insert, select, update

from collima.core.quarantine import Action, Deed
from collima.state.clock import micros, moment
from collima.state.tables import actions

MOST = 200  # that are shown
STANDING = ("doing", "done", "waiting")
RULES = ("allow", "block")
OPPOSITE = {"allow": "block", "block": "allow", "off": "on", "on": "off"}


def act(connection: Connection, ledger: int, action: Action) -> tuple[Action, bool]:
    """The caller's transaction is the only one that writes to this ledger."""
    if found := _same(connection, ledger, action):
        return found, False
    made = connection.execute(insert(actions).values(ledger=ledger, **_columns(action)))
    assert made.inserted_primary_key is not None
    return replace(action, id=int(made.inserted_primary_key[0])), True


def _same(connection: Connection, ledger: int, action: Action) -> Action | None:
    """An item is released once. What can be turned round is the same while the newest word on it stands."""
    if action.item and action.deed not in OPPOSITE:
        these = actions.c.item == action.item, actions.c.deed == action.deed
    else:
        either = actions.c.deed.in_([action.deed, OPPOSITE.get(action.deed, action.deed)])
        these = actions.c.owner == action.owner, either
        if action.sender:
            these = actions.c.recipient == action.recipient, (actions.c.sender == action.sender) & either
    wanted = select(actions).where(actions.c.ledger == ledger, *these, actions.c.state.in_(STANDING))
    row = connection.execute(wanted.order_by(actions.c.id.desc()).limit(1)).first()
    return _action(row) if row and row.deed == action.deed else None


def acted(connection: Connection, ledger: int, id: int, state: str, error: str, *, waiting: bool) -> None:
    values: dict[str, object] = {"state": state, "error": error}
    if state != "waiting":
        values["subject"] = case((actions.c.deed.in_(RULES), actions.c.subject), else_="")
    mine = [actions.c.ledger == ledger, actions.c.id == id]
    if waiting:
        mine.append(actions.c.state == "waiting")
    connection.execute(update(actions).where(*mine).values(**values))


def action_of(connection: Connection, ledger: int, id: int) -> Action | None:
    row = connection.execute(select(actions).where(actions.c.ledger == ledger, actions.c.id == id)).first()
    return _action(row) if row else None


def newest(
    connection: Connection, ledger: int, owner: str | None, *, waiting: bool, of: tuple[str, str] | None
) -> Sequence[Action]:
    wanted: list[ColumnElement[bool]] = [actions.c.ledger == ledger]
    if owner is not None:
        wanted.append(actions.c.owner == owner)
    if waiting:
        wanted.append(actions.c.state == "waiting")
    if of is not None:
        wanted += (actions.c.deed.in_(RULES), actions.c.recipient == of[0], actions.c.sender == of[1])
    rows = connection.execute(select(actions).where(*wanted).order_by(actions.c.id.desc()).limit(MOST))
    return [_action(row) for row in rows]


def done(connection: Connection, ledger: int, owner: str, items: Collection[str]) -> Sequence[Action]:
    mine = actions.c.ledger == ledger, actions.c.owner == owner, actions.c.item.in_(items)
    last = select(func.max(actions.c.id)).where(*mine).group_by(actions.c.item, actions.c.deed)
    ids = connection.scalars(last).all()
    return [_action(row) for row in connection.execute(select(actions).where(actions.c.id.in_(ids)))]


def words(connection: Connection, ledger: int, recipients: Collection[str]) -> Mapping[tuple[str, str], Deed]:
    mine = actions.c.ledger == ledger, actions.c.recipient.in_(recipients), actions.c.deed.in_(RULES)
    stands = actions.c.state.in_(("doing", "done"))
    last = select(func.max(actions.c.id)).where(*mine, stands).group_by(actions.c.recipient, actions.c.sender)
    rows = connection.execute(select(actions).where(actions.c.id.in_(connection.scalars(last).all())))
    return {(row.recipient, row.sender): row.deed for row in rows}


def released(connection: Connection, ledger: int, since: datetime) -> Mapping[str, int]:
    """By sender, most first."""
    count = func.count()
    wanted = (
        select(actions.c.sender, count)
        .where(actions.c.ledger == ledger, actions.c.state == "done", actions.c.deed == "release")
        .where(actions.c.at >= micros(since))
        .group_by(actions.c.sender)
        .order_by(count.desc(), actions.c.sender)
    )
    return dict(connection.execute(wanted).tuples().all())


def _columns(action: Action) -> Mapping[str, object]:
    return {
        "deed": action.deed,
        "owner": action.owner,
        "recipient": action.recipient,
        "item": action.item,
        "sender": action.sender,
        "category": action.category,
        "state": action.state,
        "at": micros(action.at),
        "error": action.error,
        "subject": action.before if action.deed in RULES else action.subject,
    }


def _action(row: Any) -> Action:
    return Action(
        id=row.id,
        deed=row.deed,
        owner=row.owner,
        recipient=row.recipient,
        item=row.item,
        sender=row.sender,
        category=row.category,
        state=row.state,
        at=moment(row.at),
        error=row.error,
        subject="" if row.deed in RULES else row.subject,
        before=row.subject if row.deed in RULES else "",
    )
