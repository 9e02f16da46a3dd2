"""What is stored about one person, by an address, and how it is forgotten."""

import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, exists, func, or_, select, update

from collima.core.errors import ConfigError
from collima.core.model import Key
from collima.core.quarantine import OLDER
from collima.state.archive import (
    ApprovalRow,
    ChangeRow,
    HoldRow,
    approval_row,
    approvals_of,
    change_row,
    hold_row,
    holds_of,
)
from collima.state.clock import moment
from collima.state.holds import WEEK
from collima.state.keys import key
from collima.state.tables import (
    absences,
    actions,
    alerts,
    approval_keys,
    approvals,
    changes,
    closures,
    digest_items,
    digests,
    hold_keys,
    holders,
    holds,
    locks,
    meta,
    notices,
    outbox,
    pauses,
    readings,
    rosters,
    runs,
    slots,
    undone,
)

NAMED: tuple[tuple[Table, str], ...] = (
    (changes, "subject"),
    (changes, "what"),
    (holds, "subject"),
    (hold_keys, "what"),
    (approval_keys, "subject"),
    (approval_keys, "what"),
    (approvals, "who"),
    (undone, "subject"),
    (undone, "what"),
    (absences, "subject"),
    (absences, "what"),
    (rosters, "roster"),
    (pauses, "who"),
    (notices, "address"),
    (closures, "address"),
    (digests, "owner"),
    (digest_items, "recipient"),
    (actions, "owner"),
    (actions, "recipient"),
    (actions, "sender"),
)
"""Columns that may be an address."""

TOLD: tuple[tuple[Table, str], ...] = (
    (runs, "document"),
    (runs, "cause"),
    (readings, "doubt"),
    (changes, "error"),
    (holds, "reason"),
    (approvals, "reason"),
    (pauses, "reason"),
    (slots, "cause"),
    (alerts, "cause"),
    (alerts, "what"),
    (outbox, "error"),
    (digests, "addresses"),
    (holders, "addresses"),
    (actions, "error"),
    (actions, "subject"),
)
"""Columns with text in which an address may occur."""


@dataclass(frozen=True, slots=True)
class Absent:
    job: str
    target: str
    key: Key
    since: str  # ISO 8601
    runs: int


@dataclass(frozen=True, slots=True)
class Undone:
    job: str
    target: str
    key: Key
    by: str
    of: str
    at: str  # ISO 8601


@dataclass(frozen=True, slots=True)
class Told:
    """A notice that the account ends; each recipient's own."""

    job: str
    target: str
    account: str
    ends: str  # ISO 8601
    stage: str
    at: str  # ISO 8601


@dataclass(frozen=True, slots=True)
class Closed:
    """An account that a run suspended, archived or deleted."""

    job: str
    target: str
    account: str
    turn: str
    since: str  # ISO 8601
    at: str  # ISO 8601


@dataclass(frozen=True, slots=True)
class Listed:
    """A held message that a digest told of."""

    digest: str  # its Message-ID
    owner: str
    item: str
    recipient: str
    came: str  # ISO 8601


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who may get digests, by any of their addresses."""

    owner: str
    addresses: tuple[str, ...]
    language: str
    asked: bool
    off: str  # ISO 8601; "" while they want digests


@dataclass(frozen=True, slots=True)
class Done:
    """A click on what was held, by this person or on mail from them."""

    deed: str
    owner: str
    recipient: str
    item: str
    sender: str
    state: str
    at: str  # ISO 8601
    subject: str


@dataclass(frozen=True, slots=True)
class Traces:
    """Everything that is stored about an address."""

    changes: tuple[ChangeRow, ...]  # newest first
    holds: tuple[HoldRow, ...]
    approvals: tuple[ApprovalRow, ...]  # of changes of this person, or given by this person
    absences: tuple[Absent, ...]
    undone: tuple[Undone, ...]
    notices: tuple[Told, ...]
    closures: tuple[Closed, ...]
    held: tuple[Listed, ...]  # messages, by the owner's address or the recipient's
    readers: tuple[Reader, ...]
    actions: tuple[Done, ...]
    told: Mapping[str, int]  # rows with text that names the address, by `table.column`


def person(connection: Connection, address: str) -> Traces:
    def of(table: Table) -> ColumnElement[bool]:
        return or_(table.c.what.in_(_forms(address)), table.c.subject == address)

    held = select(hold_keys.c.hold).where(hold_keys.c.what.in_(_forms(address)))
    approved = select(approval_keys.c.approval).where(of(approval_keys))
    return Traces(
        changes=tuple(
            map(change_row, connection.execute(select(changes).where(of(changes)).order_by(changes.c.intended.desc())))
        ),
        holds=tuple(map(hold_row, connection.execute(holds_of(or_(holds.c.id.in_(held), holds.c.subject == address))))),
        approvals=tuple(
            map(
                approval_row,
                connection.execute(approvals_of(or_(approvals.c.id.in_(approved), approvals.c.who == address))),
            )
        ),
        absences=tuple(
            Absent(row.job, row.target, key(row), moment(row.since).isoformat(), row.runs)
            for row in connection.execute(select(absences).where(of(absences)))
        ),
        undone=tuple(
            Undone(row.job, row.target, key(row), row.by, row.of, moment(row.at).isoformat())
            for row in connection.execute(select(undone).where(of(undone)))
        ),
        notices=tuple(
            Told(row.job, row.target, row.account, row.ends, row.stage, moment(row.at).isoformat())
            for row in connection.execute(select(notices).where(notices.c.address == address).order_by(notices.c.at))
        ),
        closures=tuple(
            Closed(
                row.job,
                row.target,
                row.account,
                row.turn,
                moment(row.since).isoformat(),
                moment(row.at).isoformat(),
            )
            for row in connection.execute(select(closures).where(closures.c.address == address))
        ),
        held=_held(connection, address),
        readers=_readers(connection, address),
        actions=_actions(connection, address),
        told={
            f"{table.name}.{column}": len(rows)
            for table, column in TOLD
            if (rows := _telling(connection, table, column, address))
        },
    )


def _held(connection: Connection, address: str) -> tuple[Listed, ...]:
    rows = connection.execute(
        select(digest_items, digests.c.message_id, digests.c.owner)
        .join(digests, digests.c.id == digest_items.c.digest)
        .where(or_(digest_items.c.recipient == address, digests.c.owner == address))
        .order_by(digest_items.c.at, digest_items.c.item)
    )
    return tuple(
        Listed(row.message_id, row.owner, row.item, row.recipient, moment(row.at * 1_000_000).isoformat())
        for row in rows
    )


def _readers(connection: Connection, address: str) -> tuple[Reader, ...]:
    rows = connection.execute(select(holders).where(_of_holder(connection, address)))
    return tuple(
        Reader(
            row.owner,
            tuple(json.loads(row.addresses)),
            row.language,
            row.asked,
            moment(row.off).isoformat() if row.off else "",
        )
        for row in rows
    )


def _actions(connection: Connection, address: str) -> tuple[Done, ...]:
    named = or_(*(actions.c[name] == address for name in ("owner", "recipient", "sender")))
    return tuple(
        Done(r.deed, r.owner, r.recipient, r.item, r.sender, r.state, moment(r.at).isoformat(), r.subject)
        for r in connection.execute(select(actions).where(named).order_by(actions.c.id.desc()))
    )


def _of_holder(connection: Connection, address: str) -> ColumnElement[bool]:
    """The rows of those who have this address."""
    owners = [str(identity[1]) for identity, _ in _telling(connection, holders, "addresses", address)]
    return or_(holders.c.owner == address, holders.c.owner.in_(owners))


def forget(connection: Connection, address: str, now: int) -> Mapping[str, int]:
    """Puts a pseudonym for the address everywhere; the same one each time, so that counts stay right.

    Returns the number of rows by table. Raises ConfigError while something still has to be done with the address.
    Backups that were made before keep it, and so does a directory or a target that names the person.
    """
    if needed := _needed(connection, address, now):
        raise ConfigError(f"the address cannot be forgotten yet: {needed}")
    salt = connection.scalar(select(meta.c.salt)) or ""
    pseudonym = f"forgotten-{hmac.new(salt.encode(), address.encode(), hashlib.sha256).hexdigest()[:8]}"
    counts: Counter[str] = Counter()
    counts["holders"] = connection.execute(delete(holders).where(holders.c.owner == address)).rowcount
    for table, name in NAMED:
        column = table.c[name]
        for form, instead in zip(_forms(address), _forms(pseudonym), strict=True):
            done = connection.execute(update(table).where(column == form).values({column: instead}))
            counts[table.name] += done.rowcount
    pattern = _pattern(address)
    for table, name in TOLD:
        for identity, text in _telling(connection, table, name, address):
            row = [column == value for column, value in zip(table.primary_key, identity, strict=True)]
            connection.execute(update(table).where(*row).values({name: pattern.sub(pseudonym, text)}))
            counts[table.name] += 1
    return {name: count for name, count in sorted(counts.items()) if count}


def _forms(address: str) -> tuple[str, str]:
    """What a change is called by that is about this address."""
    return address, f"{address}{OLDER}"


def _needed(connection: Connection, address: str, now: int) -> str:
    """What still needs the address, and what ends it; "" when nothing does."""
    waits = connection.execute(
        select(holds.c.job, holds.c.fingerprint)
        .join(hold_keys, hold_keys.c.hold == holds.c.id)
        .where(or_(hold_keys.c.what.in_(_forms(address)), holds.c.subject == address), holds.c.ended.is_(None))
        .where(or_(holds.c.undoes == "", holds.c.seen >= now - WEEK))
    ).first()
    if waits:
        return f"hold {waits.fingerprint} of {waits.job} is open (approve it, or take away its cause)"
    approved = connection.execute(
        select(approvals.c.job, approvals.c.fingerprint)
        .join(approval_keys, approval_keys.c.approval == approvals.c.id)
        .where(or_(approval_keys.c.what.in_(_forms(address)), approval_keys.c.subject == address))
        .where(approval_keys.c.ended.is_(None), approvals.c.at >= now - WEEK)
    ).first()
    if approved:
        return f"a change approved as {approved.fingerprint} is yet to be made (run {approved.job})"
    running = connection.scalar(
        select(changes.c.run)
        .where(or_(changes.c.what.in_(_forms(address)), changes.c.subject == address), changes.c.outcome.is_(None))
        .where(exists().where(locks.c.run == changes.c.run))
    )
    if running:
        return f"run {running} is changing it now"
    waiting = or_(actions.c.owner == address, actions.c.recipient == address), actions.c.state == "waiting"
    if connection.scalar(select(actions.c.id).where(*waiting)):
        return "a request of theirs waits for an administrator (grant or refuse it)"
    mail = _telling(connection, outbox, "recipients", address)
    return "a mail to it waits in the outbox (within five days it is sent, or given up)" if mail else ""


def _telling(connection: Connection, table: Table, name: str, address: str) -> list[tuple[tuple[object, ...], str]]:
    """(primary key, text) of the rows whose text names this address, and not just a longer one."""
    identity: list[Column[object]] = list(table.primary_key)
    rows = connection.execute(
        select(*identity, table.c[name]).where(func.lower(table.c[name]).contains(address, autoescape=True))
    )
    pattern = _pattern(address)
    return [(tuple(row[:-1]), row[-1]) for row in rows if pattern.search(row[-1])]


def _pattern(address: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z0-9._+-]){re.escape(address)}(?![a-z0-9-]|\.[a-z0-9])", re.IGNORECASE | re.ASCII)
