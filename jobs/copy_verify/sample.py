"""Which messages are looked at. Chance is an argument."""

from collections.abc import Iterable, Iterator
from random import Random
from typing import TypeVar

from collima.core.copies import Copies, Message

T = TypeVar("T")


def sample(copies: Copies, generation: str, count: int, chance: Random) -> Iterator[tuple[str, Message]]:
    """(mailbox, message) of `count` messages at most, from as many mailboxes as there are.

    Each mailbox has the same chance, and in it each message. Streamed, mailbox by mailbox.
    """
    mailboxes = list(copies.mailboxes(generation))
    chance.shuffle(mailboxes)
    left = count
    for at, mailbox in enumerate(mailboxes):
        if not left:
            return
        share = -(-left // (len(mailboxes) - at))
        for message in some(copies.messages(generation, mailbox), share, chance):
            left -= 1
            yield mailbox, message


def some(every: Iterable[T], count: int, chance: Random) -> list[T]:
    """`count` of them, or all, in one pass: each has the same chance (reservoir sampling, Vitter's algorithm R)."""
    kept: list[T] = []
    for at, one in enumerate(every):
        if at < count:
            kept.append(one)
        elif (place := chance.randrange(at + 1)) < count:
            kept[place] = one
    return kept
