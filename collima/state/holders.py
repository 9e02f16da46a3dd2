"""Who may see and act on what is held, as the last run of digests knew them; and who wants no digest."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from sqlalchemy import Connection, delete, exists, select, update

from collima.core.quarantine import Holder
from collima.state.clock import maybe
from collima.state.keys import ROWS, put
from collima.state.tables import digests, holders


def rows(ledger: int, known: Iterable[Holder], now: int) -> Iterator[Mapping[str, object]]:
    for one in known:
        yield {
            "ledger": ledger,
            "owner": one.owner,
            "addresses": json.dumps(one.addresses),
            "language": one.language,
            "asked": one.asked,
            "off": None,
            "seen": now,
        }


def know(connection: Connection, some: Sequence[Mapping[str, object]]) -> None:
    """Whether they want a digest stays as it is."""
    put(connection, holders, some, changed=["addresses", "language", "asked", "seen"])


def unknown(connection: Connection, ledger: int, now: int, spare: int) -> None:
    """Who was not found this time, nor since `spare`, owns no address any more: it may be somebody else's by now."""
    gone = holders.c.ledger == ledger, holders.c.seen != now, holders.c.seen < spare, holders.c.addresses != "[]"
    connection.execute(update(holders).where(*gone).values(addresses="[]", asked=False))


def missing(connection: Connection, ledger: int, owners: Collection[str]) -> tuple[int, int]:
    """(not among these, all) of those who have an address."""
    known = select(holders.c.owner).where(holders.c.ledger == ledger, holders.c.addresses != "[]")
    gone = count = 0
    for some in connection.scalars(known.execution_options(yield_per=ROWS)).partitions():
        count += len(some)
        gone += sum(owner not in owners for owner in some)
    return gone, count


def off(connection: Connection, ledger: int) -> frozenset[str]:
    mine = holders.c.ledger == ledger, holders.c.off.is_not(None)
    return frozenset(connection.scalars(select(holders.c.owner).where(*mine)))


def holders_of(connection: Connection, ledger: int, owners: Sequence[str]) -> dict[str, Holder]:
    """By their first address, without those who were not found by the last run."""
    mine = holders.c.ledger == ledger, holders.c.owner.in_(owners), holders.c.addresses != "[]"
    return {
        row.owner: Holder(row.owner, tuple(json.loads(row.addresses)), row.language, row.asked, maybe(row.off))
        for row in connection.execute(select(holders).where(*mine))
    }


def owned(connection: Connection, ledger: int, addresses: Collection[str]) -> frozenset[str]:
    """Few people have an address with a `+`: those are read, and no others."""
    if not addresses:
        return frozenset()
    extended = holders.c.ledger == ledger, holders.c.addresses.contains("+", autoescape=True)
    rows = connection.scalars(select(holders.c.addresses).where(*extended))
    return frozenset(address for row in rows for address in json.loads(row)).intersection(addresses)


def turn(connection: Connection, ledger: int, owner: str, since: int | None) -> None:
    """`since`: from when on they want no digest; None: they want it. Who wants none already keeps the date."""
    mine = holders.c.ledger == ledger, holders.c.owner == owner
    if since is None:
        connection.execute(update(holders).where(*mine).values(off=None))
    else:
        connection.execute(update(holders).where(*mine, holders.c.off.is_(None)).values(off=since))


def forget(connection: Connection, ledger: int) -> None:
    """People of whom nothing is left: not found any more, no digest on record, and no wish of theirs to respect."""
    listed = exists().where(digests.c.ledger == ledger, digests.c.owner == holders.c.owner)
    gone = holders.c.ledger == ledger, holders.c.addresses == "[]", holders.c.off.is_(None)
    connection.execute(delete(holders).where(*gone, ~listed))
