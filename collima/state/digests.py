"""`core.quarantine.Digests` over a database: of one job on one quarantine."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from functools import partial

from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, select, update

from collima.core.quarantine import Action, Deed, Digest, Holder, ItemId, Ref
from collima.state import actions, holders, outbox
from collima.state.clock import maybe, micros
from collima.state.database import Database
from collima.state.faults import raced
from collima.state.keys import ROWS, add, batches
from collima.state.outbox import Letter, Unwritten
from collima.state.tables import digest_items, digest_runs, digests, ledgers

OWNERS = 250  # whose digests are stored in one transaction
EVER = 1 << 62  # later than any moment
MANY = 1_000  # names in one query
_EMPTY = ~exists().where(digest_items.c.digest == digests.c.id)
USUAL = 7  # runs that are remembered


@dataclass(frozen=True, slots=True)
class SqlDigests:
    """Nothing here is about another job, or another quarantine of this one."""

    database: Database
    job: str
    target: str

    # ---- since when, and how many

    def began(self) -> datetime | None:
        with self.database.read() as connection:
            return maybe(connection.scalar(select(ledgers.c.began).where(*self._mine)))

    def begin(self, since: datetime) -> None:
        def do() -> None:
            with self.database.write() as connection:
                mine = ledgers.c.id == self._open(connection), ledgers.c.began.is_(None)
                connection.execute(update(ledgers).where(*mine).values(began=micros(since)))

        raced(do)

    def usual(self) -> Sequence[int]:
        with self.database.read() as connection:
            mine = digest_runs.c.ledger == self._id(connection)
            newest = select(digest_runs.c.digests).where(mine).order_by(digest_runs.c.id.desc())
            return connection.scalars(newest.limit(USUAL)).all()

    def count(self, digests: int) -> None:
        def do() -> None:
            with self.database.write() as connection:
                ledger = self._open(connection)
                connection.execute(insert(digest_runs).values(ledger=ledger, digests=digests))
                ids = select(digest_runs.c.id).where(digest_runs.c.ledger == ledger).order_by(digest_runs.c.id.desc())
                if old := connection.scalars(ids.offset(USUAL).limit(ROWS)).all():
                    connection.execute(delete(digest_runs).where(digest_runs.c.id.in_(old)))

        raced(do)

    # ---- what is listed

    def listed(self, refs: Sequence[Ref]) -> frozenset[ItemId]:
        """By when they came in: one stretch of an index, where a list of names is a search for each."""
        if not refs:
            return frozenset()
        ids, times = {ref.id for ref in refs}, [ref.at for ref in refs]
        mine = select(ledgers.c.id).where(*self._mine).scalar_subquery()
        then = digest_items.c.ledger == mine, digest_items.c.at.between(min(times), max(times))
        asked = select(digest_items.c.item).where(*then).execution_options(yield_per=ROWS)
        with self.database.read() as connection:
            return frozenset(item for some in connection.scalars(asked).partitions() for item in ids.intersection(some))

    def list(self, digests: Iterable[Digest], via: str) -> Iterator[str]:
        """So many owners go in one transaction that the disk is not what takes the time. What was dropped as it was to
        go out, and is listed again, goes by another name: that mail has had its end."""
        for some in batches(digests, OWNERS):
            yield from raced(partial(self._list, some, via))

    def _list(self, some: Sequence[Digest], via: str) -> Sequence[str]:
        now = micros(self.database.now())
        with self.database.write() as connection:
            ledger = self._open(connection)
            known = set(_ids(connection, some))
            dropped = outbox.names(connection, [one.message_id for one in some if one.message_id not in known])
            taken = _listed(
                connection, ledger, [ref.id for one in some if one.message_id not in known for ref in one.items]
            )
            new: list[Digest] = []
            for one in some:
                if one.message_id in known:
                    continue
                items = tuple({ref.id: ref for ref in one.items if ref.id not in taken}.values())
                if items:
                    name = one.message_id
                    anew = name.replace("@", f".{now:x}@") if name in dropped else name
                    new.append(replace(one, items=items, message_id=anew))
                    known.add(one.message_id)
                    taken.update(ref.id for ref in items)
            add(connection, digests, (_digest_row(ledger, one, now) for one in new))
            ids = _ids(connection, new)
            add(connection, digest_items, _item_rows(ledger, new, ids))
            outbox.add(connection, (Unwritten(one.message_id, (one.owner,), via, self.job) for one in new), now)
            return [one.message_id for one in some if one.message_id in known]

    def digest(self, message_id: str) -> Digest | None:
        return self.digests([message_id]).get(message_id)

    def digests(self, message_ids: Sequence[str]) -> Mapping[str, Digest]:
        """They are asked for every mail that goes out: by their names alone, for SQLite would go through all of the
        ledger's."""
        wanted = select(digests).where(digests.c.message_id.in_(message_ids))
        with self.database.read() as connection:
            mine = self._id(connection)
            rows = [row for row in connection.execute(wanted) if row.ledger == mine]
            refs = _refs(connection, [row.id for row in rows])
        return {
            row.message_id: Digest(
                message_id=row.message_id,
                owner=row.owner,
                addresses=tuple(json.loads(row.addresses)),
                language=row.language,
                items=tuple(refs.get(row.id, ())),
                older=row.older,
            )
            for row in rows
        }

    def unlist(self, message_id: str, items: Collection[ItemId]) -> None:
        def do() -> None:
            with self.database.write() as connection:
                one = digests.c.ledger == self._open(connection), digests.c.message_id == message_id
                mine = digest_items.c.digest.in_(select(digests.c.id).where(*one))
                for some in batches(items, MANY):
                    connection.execute(delete(digest_items).where(mine, digest_items.c.item.in_(some)))
                connection.execute(delete(digests).where(*one, _EMPTY))

        raced(do)

    def newest(self) -> datetime | None:
        with self.database.read() as connection:
            mine = digest_items.c.ledger == self._id(connection)
            return _second(connection.scalar(select(func.max(digest_items.c.at)).where(mine)))

    def forget(self, before: datetime) -> int:
        """In transactions of a few thousand items. Returns how many items."""
        count, began = 0, micros(before)
        with self.database.write() as connection:  # first: who is killed later tells nothing twice
            late = ledgers.c.id == self._open(connection), ledgers.c.began < began
            connection.execute(update(ledgers).where(*late).values(began=began))
        while gone := raced(lambda: self._forget(micros(before) // 1_000_000)):
            count += gone
        return count

    def _forget(self, before: int) -> int:
        with self.database.write() as connection:
            ledger = self._open(connection)
            old = digest_items.c.ledger == ledger, digest_items.c.at < before
            worn = connection.scalars(select(digest_items.c.item).where(*old).limit(ROWS // 2)).all()
            if worn:
                mine = digest_items.c.ledger == ledger, digest_items.c.item.in_(worn)
                return connection.execute(delete(digest_items).where(*mine)).rowcount
            connection.execute(delete(digests).where(digests.c.ledger == ledger, _EMPTY))
            holders.forget(connection, ledger)
            return 0

    # ---- who they are

    def off(self) -> frozenset[str]:
        with self.database.read() as connection:
            return holders.off(connection, self._id(connection))

    def missing(self, owners: Collection[str]) -> tuple[int, int]:
        with self.database.read() as connection:
            return holders.missing(connection, self._id(connection), owners)

    def know(self, known: Iterable[Holder], spare: datetime | None = None) -> None:
        now = micros(self.database.now())
        ledger = self._made()
        for some in batches(holders.rows(ledger, known, now), ROWS // 5):
            raced(partial(self._know, some))
        with self.database.write() as connection:
            holders.unknown(connection, ledger, now, EVER if spare is None else micros(spare))

    def _know(self, some: Sequence[Mapping[str, object]]) -> None:
        with self.database.write() as connection:
            holders.know(connection, some)

    def holder(self, owner: str) -> Holder | None:
        return self.holders([owner]).get(owner)

    def holders(self, owners: Sequence[str]) -> Mapping[str, Holder]:
        with self.database.read() as connection:
            return holders.holders_of(connection, self._id(connection), owners)

    def turn(self, owner: str, *, off: bool) -> None:
        since = micros(self.database.now()) if off else None
        with self.database.write() as connection:
            holders.turn(connection, self._id(connection), owner, since)

    # ---- what they did

    def act(self, action: Action) -> tuple[Action, bool]:
        def do() -> tuple[Action, bool]:
            with self.database.write() as connection:
                return actions.act(connection, self._open(connection), action)

        return raced(do)

    def acted(self, id: int, state: str, error: str = "", *, waiting: bool = False) -> None:
        with self.database.write() as connection:
            actions.acted(connection, self._id(connection), id, state, outbox.short(error), waiting=waiting)

    def action(self, id: int) -> Action | None:
        with self.database.read() as connection:
            return actions.action_of(connection, self._id(connection), id)

    def actions(
        self, *, owner: str | None = None, waiting: bool = False, of: tuple[str, str] | None = None
    ) -> Sequence[Action]:
        with self.database.read() as connection:
            return actions.newest(connection, self._id(connection), owner, waiting=waiting, of=of)

    def done(self, owner: str, items: Collection[str]) -> Sequence[Action]:
        with self.database.read() as connection:
            return actions.done(connection, self._id(connection), owner, items)

    def words(self, recipients: Collection[str]) -> Mapping[tuple[str, str], Deed]:
        with self.database.read() as connection:
            return actions.words(connection, self._id(connection), recipients)

    def owned(self, addresses: Collection[str]) -> frozenset[str]:
        with self.database.read() as connection:
            return holders.owned(connection, self._id(connection), addresses)

    def released(self, since: datetime) -> Mapping[str, int]:
        with self.database.read() as connection:
            return actions.released(connection, self._id(connection), since)

    def post(self, letters: Iterable[tuple[EmailMessage, Sequence[str]]], via: str) -> None:
        several = [Letter(message, tuple(to), via, self.job, again="once") for message, to in letters]

        def do() -> None:
            with self.database.write() as connection:
                outbox.add(connection, several, micros(self.database.now()))

        raced(do)

    # ---- which ledger it is

    @property
    def _mine(self) -> tuple[ColumnElement[bool], ...]:
        return ledgers.c.job == self.job, ledgers.c.target == self.target

    def _id(self, connection: Connection) -> int:
        """0: there is none yet."""
        return connection.scalar(select(ledgers.c.id).where(*self._mine)) or 0

    def _open(self, connection: Connection) -> int:
        """Nobody else writes to it until the transaction ends."""
        wanted = select(ledgers.c.id).where(*self._mine).with_for_update()
        if (found := connection.scalar(wanted)) is None:
            connection.execute(insert(ledgers).values(job=self.job, target=self.target))
            found = connection.scalars(wanted).one()
        return int(found)

    def _made(self) -> int:
        def do() -> int:
            with self.database.write() as connection:
                return self._open(connection)

        return raced(do)


def _second(at: int | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


def _listed(connection: Connection, ledger: int, ids: Sequence[str]) -> set[str]:
    found = set[str]()
    for some in batches(ids, MANY):
        mine = digest_items.c.ledger == ledger, digest_items.c.item.in_(some)
        found.update(connection.scalars(select(digest_items.c.item).where(*mine)))
    return found


def _ids(connection: Connection, some: Iterable[Digest]) -> Mapping[str, int]:
    """By Message-ID, of those that are on record."""
    names = [one.message_id for one in some]
    rows = connection.execute(select(digests.c.message_id, digests.c.id).where(digests.c.message_id.in_(names)))
    return dict(rows.tuples().all())


def _refs(connection: Connection, ids: Sequence[int]) -> Mapping[int, Sequence[Ref]]:
    """By the digest that lists them."""
    found: dict[int, list[Ref]] = {}
    wanted = select(digest_items.c.digest, digest_items.c.item, digest_items.c.recipient, digest_items.c.at)
    for digest, item, recipient, at in connection.execute(wanted.where(digest_items.c.digest.in_(ids))):
        found.setdefault(digest, []).append(Ref(item, recipient, at))
    return found


def _digest_row(ledger: int, one: Digest, now: int) -> Mapping[str, object]:
    return {
        "ledger": ledger,
        "message_id": one.message_id,
        "owner": one.owner,
        "addresses": json.dumps(one.addresses),
        "language": one.language,
        "older": one.older,
        "at": now,
    }


def _item_rows(ledger: int, some: Iterable[Digest], ids: Mapping[str, int]) -> Sequence[Mapping[str, object]]:
    """In the order of the primary key, which is the fast one."""
    rows = [
        {"ledger": ledger, "item": ref.id, "digest": ids[one.message_id], "recipient": ref.recipient, "at": ref.at}
        for one in some
        for ref in one.items
    ]
    return sorted(rows, key=lambda row: str(row["item"]))
