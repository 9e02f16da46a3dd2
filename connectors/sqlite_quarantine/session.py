"""A session on a small quarantine."""

import re
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from itertools import islice
from math import ceil
from typing import Any, NamedTuple, get_args

from collima.core.errors import Refused, SourceError, Undelivered
from collima.core.quarantine import Item, ItemId, Rank, Ref, Rule, Stale
from collima.core.targets import Mail
from collima.core.text import line

_PORTION = 1000
_AT_ONCE = 500
_KEY = re.compile(r"([0-9a-f]{8})-(\d{1,18}):(\d{1,9})", re.ASCII)
_ITEM = """
SELECT message, number, recipient, at, sender, author, subject, size, category, score
FROM recipients JOIN messages ON messages.id = recipients.message WHERE released IS NULL AND
"""
_OLDEST = "SELECT id FROM messages WHERE at < ? ORDER BY at, id LIMIT ?"
_ORPHANS = "FROM recipients WHERE message NOT IN (SELECT id FROM messages)"


_RANKS = """
SELECT category, score, at, message, number FROM recipients JOIN messages ON messages.id = recipients.message
WHERE released IS NULL AND recipient = ? AND at >= ?
"""
_EXTENDED = """
SELECT recipient FROM recipients WHERE recipient >= ? AND recipient < ?
UNION SELECT recipient FROM rules WHERE recipient >= ? AND recipient < ?
"""


class _Key(NamedTuple):
    message: int
    number: int


class Session:
    """Offers the port `core.quarantine.Quarantine`."""

    def __init__(self, connection: sqlite3.Connection, mail: Mail, clock: Callable[[], float]) -> None:
        self._connection, self._mail, self._clock = connection, mail, clock
        with self._reading():
            (self._token,) = self._connection.execute("SELECT token FROM store").fetchone()

    def check(self) -> str:
        with self._reading():
            (count,) = self._connection.execute("SELECT count(*) FROM recipients WHERE released IS NULL").fetchone()
        return f"{count} held, each for one recipient"

    # ---- reading

    def held(self, since: datetime, until: datetime) -> Iterator[Sequence[Ref]]:
        with self._reading():
            rows = self._connection.execute(
                "SELECT message, number, recipient, at FROM messages JOIN recipients ON messages.id = message "
                "WHERE at >= ? AND at < ? AND released IS NULL ORDER BY at, message, number",
                (_second(since), _second(until)),
            )
            while portion := list(islice(rows, _PORTION)):
                yield [
                    Ref(self._id(message, number), recipient, second) for message, number, recipient, second in portion
                ]

    def items(self, ids: Collection[ItemId]) -> Mapping[ItemId, Item]:
        with self._reading():
            wanted = sorted(filter(None, map(self._key, ids)))
            one = f"{_ITEM} message = ? AND number = ?"
            rows = (row for key in wanted for row in self._connection.execute(one, key))
            return {item.id: item for item in map(self._item, rows)}

    def held_for(self, recipients: Collection[str], since: datetime) -> Sequence[Rank]:
        with self._reading():
            return sorted(
                Rank(category == "virus", score, -second, self._id(message, number))
                for recipient in set(recipients)
                for category, score, second, message, number in self._connection.execute(
                    _RANKS, (recipient, _second(since))
                )
            )

    def extended(self, recipients: Collection[str]) -> frozenset[str]:
        found: set[str] = set()
        with self._reading():
            for recipient in recipients:
                local, at, host = recipient.rpartition("@")
                if local and "+" not in local:
                    between = f"{local}+", f"{local},"  # the character after +
                    rows = self._connection.execute(_EXTENDED, between * 2)
                    found.update(email for (email,) in rows if email.endswith(at + host))
        return frozenset(found)

    def rules(self, recipients: Collection[str]) -> Mapping[tuple[str, str], Rule]:
        with self._reading():
            return {
                (recipient, sender): rule
                for recipient in recipients
                for sender, rule in self._connection.execute(
                    "SELECT sender, rule FROM rules WHERE recipient = ?", (recipient,)
                )
            }

    def said(self, recipient: str, sender: str) -> str:
        with self._reading():
            both = recipient.lower(), sender.lower()
            asked = "SELECT rule FROM rules WHERE recipient = ? AND sender = ?"
            found = self._connection.execute(asked, both).fetchone()
        return str(found[0]) if found else ""

    def stale(self, before: datetime) -> Stale:
        with self._reading():
            old, every, newest = self._connection.execute(
                "SELECT count(*) FILTER (WHERE at < ?), count(*), max(at) FROM messages", (_second(before),)
            ).fetchone()
        return Stale(old, every, None if newest is None else datetime.fromtimestamp(newest, UTC))

    def orphans(self) -> int:
        with self._reading():
            (count,) = self._connection.execute(f"SELECT count(DISTINCT message) {_ORPHANS}").fetchone()
        return int(count)

    # ---- changing

    def release(self, item: ItemId, recipient: str) -> None:
        """Marked before it is delivered: of two who click at once, one delivers."""
        key = self._key(item)
        with self._changing():
            row = (
                key
                and self._connection.execute(
                    "SELECT sender, author, subject, text FROM recipients JOIN messages ON messages.id = message "
                    "WHERE message = ? AND number = ? AND recipient = ?",
                    (*key, recipient.lower()),
                ).fetchone()
            )
            if not key or not row:
                raise Refused("it is not held for this address (any more)")
            sender, author, subject, text = row
            claimed = self._connection.execute(
                "UPDATE recipients SET released = ? WHERE message = ? AND number = ? AND released IS NULL",
                (int(self._clock()), *key),
            )
        if claimed.rowcount != 1:
            raise Refused("it was released before")
        try:
            self._mail.send(_letter(sender, author, subject, text, recipient), [recipient])
        except Undelivered as err:
            if not err.doubt:
                self._put_back(key)
            raise

    def _put_back(self, key: _Key) -> None:
        with self._changing():
            self._connection.execute("UPDATE recipients SET released = NULL WHERE message = ? AND number = ?", key)

    def rule(self, recipient: str, sender: str, rule: Rule | None) -> None:
        both = recipient.lower(), sender.lower()
        if rule and both[1].find("@") < 1:
            raise Refused("only a sender with a whole address can be named")
        with self._changing():
            if rule is None:
                self._connection.execute("DELETE FROM rules WHERE recipient = ? AND sender = ?", both)
            else:
                self._connection.execute("INSERT OR REPLACE INTO rules VALUES (?, ?, ?)", (*both, rule))

    def put_back(self, recipient: str, sender: str, said: str) -> None:
        self.rule(recipient, sender, next((rule for rule in get_args(Rule) if rule == said), None))

    def purge(self, before: datetime) -> Iterator[int]:
        while True:
            with self._changing():
                oldest = _second(before), _PORTION
                self._connection.execute(f"DELETE FROM recipients WHERE message IN ({_OLDEST})", oldest)  # noqa: S608
                done = self._connection.execute(f"DELETE FROM messages WHERE id IN ({_OLDEST})", oldest).rowcount  # noqa: S608
            if not done:
                return
            yield done

    def sweep(self) -> None:
        with self._changing():
            self._connection.execute(f"DELETE {_ORPHANS}")

    # ---- rows

    def _id(self, message: int, number: int) -> ItemId:
        """Of this file, and of no other that is made in its place."""
        return ItemId(f"{self._token}-{message}:{number}")

    def _key(self, item: ItemId) -> _Key | None:
        match = _KEY.fullmatch(item)
        return _Key(int(match[2]), int(match[3])) if match and match[1] == self._token else None

    def _item(self, row: Sequence[Any]) -> Item:
        message, number, recipient, second, sender, author, subject, size, category, score = row
        return Item(
            self._id(message, number),
            recipient,
            datetime.fromtimestamp(second, UTC),
            sender,
            author,
            subject,
            size,
            category,
            score,
            f"{self._token}-{message}",
        )

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as err:
            raise SourceError(f"the quarantine's file: {err}", transient=_passing(err)) from err

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One transaction."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as err:
            raise Refused(f"the quarantine's file: {err}", transient=_passing(err)) from err


def _passing(err: sqlite3.Error) -> bool:
    return isinstance(err, sqlite3.OperationalError)


def _second(moment: datetime) -> int:
    """The first whole second that is not before it."""
    return ceil(moment.timestamp())


def _letter(sender: str, author: str, subject: str, text: str, recipient: str) -> EmailMessage:
    name = line(author.rpartition("<")[0] or author, 100)
    letter = EmailMessage()
    try:
        letter["From"] = Address(name, addr_spec=sender)
    except (ValueError, MessageError):
        letter["From"] = Address(name, "unknown", "invalid")
    letter["To"] = recipient
    letter["Subject"] = line(subject, 250)
    letter.set_content(text or "(an invented message)\n")
    return letter
