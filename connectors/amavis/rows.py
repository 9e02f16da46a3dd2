"""How one row of amavisd's tables is named and shown.

Everything in it came from strangers, and a site may have given its columns other types: nothing that cannot be decoded
stops a reading.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from collima.core.quarantine import Category, Item, ItemId

T = TypeVar("T")

VIRUS = "V"
"""Of msgs.content."""
_CATEGORY: Mapping[str, Category] = {"S": "spam", "Y": "spam", "B": "banned", VIRUS: "virus"}
_KEY = re.compile(r"(-?\d{1,10}):([\w+=-]{1,32}):(\d{1,10})", re.ASCII)


class Key(NamedTuple):
    """Of one message for one recipient: the primary key of msgrcpt."""

    partition: int
    mail: str
    number: int

    @property
    def id(self) -> ItemId:
        return ItemId(f"{self.partition}:{self.mail}:{self.number}")


def key(item: ItemId) -> Key | None:
    """None: it is none of ours."""
    match = _KEY.fullmatch(item)
    return Key(int(match[1]), match[2], int(match[3])) if match else None


def text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else "" if value is None else str(value)


def address(value: object) -> str:
    """As amavisd keeps it, which is how it stands in an envelope; in lower case. "" for a bounce."""
    known = text(value).strip().lower()
    return "" if known == "<>" else known


def unquoted(email: str) -> str:
    """Table maddr has addresses as they stand in envelopes, table mailaddr without the quotes of RFC 5321."""
    local, _, domain = email.rpartition("@")
    if len(local) > 2 and local[0] == local[-1] == '"':
        pairs = iter(local[1:-1])
        local = "".join(next(pairs, "") if character == "\\" else character for character in pairs)
    return f"{local}@{domain}" if domain else email


def item(id: ItemId, row: Sequence[Any]) -> Item:
    """Of (recipient, time_num, sender, from_addr, subject, size, content, level)."""
    recipient, second, sender, author, subject, size, content, level = row
    return Item(
        id,
        address(recipient),
        datetime.fromtimestamp(second, UTC),
        address(sender),
        text(author),
        text(subject),
        size,
        _CATEGORY.get(text(content), "other"),
        float(level or 0.0),
        id.rpartition(":")[0],
    )


def pieces(values: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    for at in range(0, len(values), most):
        yield values[at : at + most]
