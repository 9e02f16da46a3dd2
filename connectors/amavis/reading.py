"""What is held in amavisd's database, and what people said of senders."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, FromClause, Select, and_, func, select

from collima.core.quarantine import Item, ItemId, Ref, Rule, Stale
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
from connectors.amavis.rows import address, item, key, pieces, text

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


def _items(begin: FromClause) -> Select[Any]:
    """Of tables that have messages and recipients: what `rows.item` wants."""
    return (
        select(MSGS.c.partition_tag, MSGS.c.mail_id, MSGRCPT.c.rseqnum, _RECIPIENT.c.email, MSGS.c.time_num)
        .add_columns(_SENDER.c.email, MSGS.c.from_addr, MSGS.c.subject, MSGS.c.size, MSGS.c.content)
        .add_columns(MSGRCPT.c.bspam_level)
        .select_from(
            begin.outerjoin(_RECIPIENT, _RECIPIENT.c.id == MSGRCPT.c.rid).outerjoin(_SENDER, _SENDER.c.id == MSGS.c.sid)
        )
        .where(HELD, BODY)
    )


_BY_MESSAGE = _items(MSGS.join(MSGRCPT, TO_RECIPIENT))
_BY_RECIPIENT = _items(MSGRCPT.join(MSGS, TO_RECIPIENT))


def items(connection: Connection, ids: Collection[ItemId]) -> dict[ItemId, Item]:
    mails: dict[int, set[str]] = defaultdict(set)
    for known in filter(None, map(key, ids)):
        mails[known.partition].add(known.mail)
    wanted = frozenset(ids)
    found = {}
    for partition, of in mails.items():
        for some in pieces(sorted(of), _AT_ONCE):
            asked = _BY_MESSAGE.where(MSGS.c.partition_tag == partition, MSGS.c.mail_id.in_(some))
            found.update({one.id: one for one in map(item, connection.execute(asked)) if one.id in wanted})
    return found


def held_for(connection: Connection, recipients: Collection[str], since: datetime) -> list[Item]:
    partitions = connection.execute(select(MADDR.c.partition_tag).distinct()).scalars().all()
    found: list[Item] = []
    for some in pieces(sorted(set(recipients)), _AT_ONCE):
        known = select(MADDR.c.id).where(MADDR.c.partition_tag.in_(partitions), MADDR.c.email.in_(some))
        if numbers := connection.execute(known).scalars().all():
            asked = _BY_RECIPIENT.where(MSGRCPT.c.rid.in_(numbers), MSGS.c.time_num >= seconds(since))
            found += map(item, connection.execute(asked))
    return sorted(found, key=lambda one: (one.score, -one.at.timestamp()))


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
