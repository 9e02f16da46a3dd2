"""What is held in amavisd's database, and what people said of senders."""

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, FromClause, Select, and_, false, func, or_, select

from collima.core.quarantine import Item, ItemId, Rank, Ref, Rule, Stale
from connectors.amavis.database import (
    BODY,
    HELD,
    MADDR,
    MAILADDR,
    MSGRCPT,
    MSGS,
    QUARANTINE,
    TO_RECIPIENT,
    USERS,
    WBLIST,
)
from connectors.amavis.rows import VIRUS, Key, address, item, key, pieces, text, unquoted

BY_TIME = "FORCE INDEX (msgs_idx_time_num)"
PORTION = 1000
_AT_ONCE = 500  # ids or addresses in one question

_QUARANTINED = MSGS.c.quar_type == "Q"
_RECIPIENT, _SENDER = MADDR.alias("recipient"), MADDR.alias("sender")
_ID = func.concat_ws(":", MSGS.c.partition_tag, MSGS.c.mail_id, MSGRCPT.c.rseqnum)
"""As `rows.Key.id` has it."""
_RULES: Mapping[str, Rule] = {"W": "allow", "Y": "allow", "T": "allow", "B": "block", "N": "block", "F": "block"}
"""By the first letter of wblist.wb. A number is a score, and a space means nothing."""


def held(since: datetime, until: datetime) -> Select[Any]:
    """The order of the tables is told: left to itself the server begins with the wrong one, and takes six times as
    long. A recipient whose address is gone is told all the same, as "". The server makes the ids: each column of a row
    costs the client more than all else that is done with it."""
    began, ended = seconds(since), seconds(until)
    return (
        select(_ID, MADDR.c.email, MSGS.c.time_num)
        .select_from(MSGS.join(MSGRCPT, TO_RECIPIENT).outerjoin(MADDR, MADDR.c.id == MSGRCPT.c.rid))
        .where(MSGS.c.time_num >= began, MSGS.c.time_num < ended, HELD)
        .prefix_with("STRAIGHT_JOIN", dialect="mysql")
        .with_hint(MSGS, BY_TIME, "mysql")
        .execution_options(yield_per=PORTION)
    )


def stream(connection: Connection, since: datetime, until: datetime) -> Iterator[Sequence[Ref]]:
    for rows in connection.execute(held(since, until)).partitions():
        yield [Ref(ItemId(text(name)), address(email), second) for name, email, second in rows]


_BY_MESSAGE = (
    select(_ID, _RECIPIENT.c.email, MSGS.c.time_num, _SENDER.c.email, MSGS.c.from_addr, MSGS.c.subject)
    .add_columns(MSGS.c.size, MSGS.c.content, MSGRCPT.c.bspam_level)
    .select_from(
        MSGS.join(MSGRCPT, TO_RECIPIENT)
        .outerjoin(_RECIPIENT, _RECIPIENT.c.id == MSGRCPT.c.rid)
        .outerjoin(_SENDER, _SENDER.c.id == MSGS.c.sid)
    )
    .where(HELD, BODY)
)
"""What `rows.item` wants."""
_RANKS = (
    select(
        MSGS.c.content, MSGRCPT.c.bspam_level, MSGS.c.time_num, MSGS.c.partition_tag, MSGS.c.mail_id, MSGRCPT.c.rseqnum
    )
    .select_from(MSGRCPT.join(MSGS, TO_RECIPIENT))
    .where(HELD)
)


def items(connection: Connection, ids: Collection[ItemId]) -> dict[ItemId, Item]:
    mails: dict[int, set[str]] = defaultdict(set)
    for known in filter(None, map(key, ids)):
        mails[known.partition].add(known.mail)
    wanted: dict[str, ItemId] = dict(zip(ids, ids, strict=True))
    found: dict[ItemId, Item] = {}
    for partition, of in mails.items():
        for some in pieces(sorted(of), _AT_ONCE):
            asked = _BY_MESSAGE.where(MSGS.c.partition_tag == partition, MSGS.c.mail_id.in_(some))
            for name, *row in connection.execute(asked):
                if one := wanted.get(text(name)):  # else it is another recipient's
                    found[one] = item(one, row)
    return found


def held_for(connection: Connection, recipients: Collection[str], since: datetime) -> list[Rank]:
    """Found by the index of recipients: what it costs depends on what they hold, and not on what is held for others.
    Messages whose text is gone are counted as well."""
    partitions = _partitions(connection)
    found: list[Rank] = []
    for some in pieces(sorted(set(recipients)), _AT_ONCE):
        known = select(MADDR.c.id).where(MADDR.c.partition_tag.in_(partitions), MADDR.c.email.in_(some))
        if numbers := connection.execute(known).scalars().all():
            asked = _RANKS.where(MSGRCPT.c.rid.in_(numbers), MSGS.c.time_num >= seconds(since))
            found += (
                Rank(text(content) == VIRUS, float(level or 0.0), -second, Key(partition, text(mail), number).id)
                for content, level, second, partition, mail, number in connection.execute(asked)
            )
    return sorted(found)


def extended(connection: Connection, recipients: Collection[str]) -> frozenset[str]:
    """Each is a range of an index."""
    here = MADDR.c.partition_tag.in_(_partitions(connection))
    found: set[str] = set()
    for some in pieces(sorted(set(recipients)), _AT_ONCE):
        for asked in (select(MADDR.c.email).where(here), select(USERS.c.email)):
            (email,) = asked.selected_columns
            like = or_(false(), *(email.like(pattern, escape="!") for pattern in map(_extension, some) if pattern))
            found.update(map(address, connection.execute(asked.where(like)).scalars()))
    return frozenset(found)


def _extension(recipient: str) -> str:
    """A pattern of what it is with an extension; "" where it has one, or can have none."""
    local, at, host = recipient.rpartition("@")
    if not local or "+" in local:
        return ""
    return "+%".join(re.sub("[!%_]", r"!\g<0>", part) for part in (local, at + host))


def _partitions(connection: Connection) -> Sequence[int]:
    return connection.execute(select(MADDR.c.partition_tag).distinct()).scalars().all()


def rules(connection: Connection, recipients: Collection[str]) -> dict[tuple[str, str], Rule]:
    """Those of one exact address each: what is said of a whole domain is the site's."""
    found: dict[tuple[str, str], Rule] = {}
    tables = WBLIST.join(USERS, USERS.c.id == WBLIST.c.rid).join(MAILADDR, MAILADDR.c.id == WBLIST.c.sid)
    for some in pieces(sorted(set(recipients)), _AT_ONCE):
        asked = select(USERS.c.email, MAILADDR.c.email, WBLIST.c.wb).select_from(tables).where(USERS.c.email.in_(some))
        for recipient, sender, said in connection.execute(asked):
            rule, exact = _RULES.get(text(said)[:1].upper()), address(sender)
            if rule and exact.find("@") > 0:
                found[address(recipient), exact] = rule
    return found


def said(connection: Connection, recipient: str, sender: str) -> str:
    """A letter or a score. A neutral word, which ends amavisd's search as well, is a space: "" would be no word."""
    tables = WBLIST.join(USERS, USERS.c.id == WBLIST.c.rid).join(MAILADDR, MAILADDR.c.id == WBLIST.c.sid)
    both = USERS.c.email == recipient.lower(), MAILADDR.c.email == unquoted(sender.lower())
    found = connection.execute(select(WBLIST.c.wb).select_from(tables).where(*both)).scalar()
    return "" if found is None else text(found) or " "


def stale(connection: Connection, before: datetime) -> Stale:
    count = select(func.count()).select_from(MSGS)
    old = connection.execute(count.where(old_ones(before)).with_hint(MSGS, BY_TIME, "mysql")).scalar_one()
    every = connection.execute(count.where(_QUARANTINED | MSGS.c.content.is_(None))).scalar_one()
    return Stale(old, every, newest(connection))


def orphans(connection: Connection) -> int:
    return sum(
        connection.execute(select(func.count()).select_from(orphaned(of).subquery())).scalar_one()
        for of in (QUARANTINE, MSGRCPT)
    )


def newest(connection: Connection) -> datetime | None:
    asked = select(MSGS.c.time_num).where(_QUARANTINED).order_by(MSGS.c.time_num.desc()).limit(1)
    last = connection.execute(asked.with_hint(MSGS, BY_TIME, "mysql")).scalar()
    return None if last is None else datetime.fromtimestamp(last, UTC)


def old_ones(before: datetime) -> Any:
    """What was quarantined, and placeholders that nobody finished. The log of what was let through is not ours."""
    return and_(MSGS.c.time_num < seconds(before), _QUARANTINED | MSGS.c.content.is_(None))


def orphaned(of: FromClause) -> Select[Any]:
    """(partition_tag, mail_id) of rows without a message. In the order in which messages are kept, too: by another
    index each look for a message is somewhere else, which takes four times as long."""
    message = and_(MSGS.c.partition_tag == of.c.partition_tag, MSGS.c.mail_id == of.c.mail_id)
    found = select(of.c.partition_tag, of.c.mail_id).select_from(of.outerjoin(MSGS, message))
    return found.where(MSGS.c.mail_id.is_(None)).distinct().with_hint(of, "FORCE INDEX (PRIMARY)", "mysql")


def seconds(moment: datetime) -> int:
    """The first whole second that is not before it."""
    return max(0, math.ceil(moment.timestamp()))
