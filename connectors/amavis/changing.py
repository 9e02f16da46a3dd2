"""What Collima writes into amavisd's database: marks of releases, white and black lists, and what a purge takes out."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, FromClause, and_, delete, select, update
from sqlalchemy.dialects.mysql import insert

from collima.core.errors import Refused
from collima.core.quarantine import Rule
from connectors.amavis.database import (
    BODY,
    FINAL,
    KEPT_BACK,
    MADDR,
    MAILADDR,
    MSGRCPT,
    MSGS,
    PENDING,
    QUARANTINE,
    RELEASED,
    TO_RECIPIENT,
    USERS,
    WAITING,
    WBLIST,
)
from connectors.amavis.reading import BY_TIME, old_ones
from connectors.amavis.rows import Key, address, pieces, text, unquoted

_AT_ONCE = 1000
_NOT_THEIRS = "it is not held for this address (any more)"


# ---- releases


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that nobody else releases to this recipient now."""

    key: Key
    secret: str  # for amavisd alone
    recipient: str  # as the envelope had it
    before: str  # its mark


def claim(connection: Connection, key: Key, recipient: str) -> Claimed:
    """Marks it as pending. Raises Refused for one that is not theirs, or that somebody else had first."""
    row = connection.execute(
        select(MSGS.c.secret_id, MADDR.c.email, MSGRCPT.c.rs, BODY)
        .select_from(MSGS.join(MSGRCPT, TO_RECIPIENT).join(MADDR, MADDR.c.id == MSGRCPT.c.rid))
        .where(_row(key), FINAL, KEPT_BACK)
    ).first()
    if row is None or address(row[1]) != recipient.lower():
        raise Refused(_NOT_THEIRS)
    secret, email, mark, body = row
    if not body:
        raise Refused("its text is not in the quarantine any more")
    claimed = update(MSGRCPT).where(_row(key), WAITING).values(rs=PENDING)
    if connection.execute(claimed).rowcount != 1:
        pending = text(mark) == PENDING
        raise Refused(
            "its release is under way, or nobody can tell whether it was delivered"
            if pending
            else "it was released before"
        )
    return Claimed(key, text(secret), text(email), text(mark) or " ")


def mark(connection: Connection, claimed: Claimed, *, released: bool) -> None:
    """The end of a claim."""
    pending = and_(_row(claimed.key), MSGRCPT.c.rs == PENDING)
    connection.execute(update(MSGRCPT).where(pending).values(rs=RELEASED if released else claimed.before))


def _row(key: Key) -> ColumnElement[bool]:
    c = MSGRCPT.c
    return and_(c.partition_tag == key.partition, c.mail_id == key.mail, c.rseqnum == key.number)


# ---- white and black lists


def say(connection: Connection, recipient: str, sender: str, rule: Rule | None) -> None:
    """Of one exact address for one exact address. A new user has policy 0, which is none: all that amavisd would have
    done before holds still, by the rows of the user's domain or by its configuration."""
    put(connection, recipient, sender, "W" if rule == "allow" else "B" if rule else "")


def put(connection: Connection, recipient: str, sender: str, wb: str) -> None:
    """Whatever stands there. "": nothing."""
    user, other = recipient.lower(), unquoted(sender.lower())
    if wb and not (other.find("@") > 0 and len(other.encode()) <= 255):
        raise Refused("only a sender with a whole address can be named")
    if wb:
        for table, email, more in ((USERS, user, {"policy_id": 0}), (MAILADDR, other, {})):
            known = insert(table).values(email=email, priority=_priority(email), **more)
            connection.execute(known.prefix_with("IGNORE"))
    rid, sid = _number(connection, USERS, user), _number(connection, MAILADDR, other)
    both = and_(WBLIST.c.rid == rid, WBLIST.c.sid == sid)
    if not wb:
        connection.execute(delete(WBLIST).where(both))
        return
    connection.execute(insert(WBLIST).values(rid=rid, sid=sid, wb=wb).prefix_with("IGNORE"))
    connection.execute(update(WBLIST).where(both).values(wb=wb))


def _number(connection: Connection, of: FromClause, email: str) -> int | None:
    return connection.execute(select(of.c.id).where(of.c.email == email)).scalar()


def _priority(email: str) -> int:
    """By README.lookups: 9 for user+foo@sub.example.com, 8 for user@sub.example.com, less for what is less exact."""
    return 9 if "+" in email.partition("@")[0] else 8


# ---- purging


@dataclass(slots=True)
class Purged:
    """One transaction. `since`: where the next one begins; None: nothing is left."""

    messages: int
    since: int | None
    addresses: frozenset[int]  # that these messages named


def purge(connection: Connection, since: int, before: datetime) -> Purged:
    """The oldest thousand from this second on. Conditions are scalars, each partition by itself: row constructors take
    ten times as long."""
    asked = select(MSGS.c.partition_tag, MSGS.c.mail_id, MSGS.c.sid, MSGS.c.time_num)
    asked = asked.where(old_ones(before), MSGS.c.time_num >= since).order_by(MSGS.c.time_num).limit(_AT_ONCE)
    found = connection.execute(asked.with_hint(MSGS, BY_TIME, "mysql")).all()
    mails: dict[int, list[str | bytes]] = defaultdict(list)
    for partition, mail, _, _ in found:
        mails[partition].append(mail)
    addresses = {sender for _, _, sender, _ in found}
    for partition, of in mails.items():
        chosen = (MSGRCPT.c.partition_tag == partition, MSGRCPT.c.mail_id.in_(of))
        addresses.update(connection.execute(select(MSGRCPT.c.rid).where(*chosen).distinct()).scalars())
        for table in (QUARANTINE, MSGRCPT, MSGS):
            remove(connection, table, partition, of)
    return Purged(len(found), found[-1].time_num if found else None, frozenset(addresses))


def remove(connection: Connection, of: FromClause, partition: int, mails: Sequence[str | bytes]) -> None:
    gone = delete(of).where(of.c.partition_tag == partition, of.c.mail_id.in_(mails))  # type: ignore[arg-type]
    connection.execute(gone)


def forget(connection: Connection, addresses: frozenset[int]) -> None:
    """Those of them that no message names any more. Joined, each is looked up in two indexes; of NOT EXISTS the server
    makes a table of all addresses in use, every time."""
    named = MADDR.outerjoin(MSGS, MSGS.c.sid == MADDR.c.id).outerjoin(MSGRCPT, MSGRCPT.c.rid == MADDR.c.id)
    nowhere = and_(MSGS.c.mail_id.is_(None), MSGRCPT.c.mail_id.is_(None))
    for some in pieces(sorted(addresses), _AT_ONCE):
        unused = select(MADDR.c.id).select_from(named).where(MADDR.c.id.in_(some), nowhere)
        if numbers := connection.execute(unused).scalars().all():
            connection.execute(delete(MADDR).where(MADDR.c.id.in_(numbers)))


def by_partition(rows: Sequence[Sequence[object]]) -> Iterator[tuple[int, list[str | bytes]]]:
    """Of (partition_tag, mail_id)."""
    found: dict[int, list[str | bytes]] = defaultdict(list)
    for partition, mail in rows:
        assert isinstance(partition, int)
        assert isinstance(mail, str | bytes)
        found[partition].append(mail)
    yield from found.items()
