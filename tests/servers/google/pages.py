"""Lists in pages: opaque tokens, good for the one listing that they came from, and not for ever."""

import itertools
import zlib
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.servers.google.errors import invalid

T = TypeVar("T")

MOST_TOKENS = 5_000


@dataclass(frozen=True, slots=True)
class Place:
    listing: Hashable
    items: Sequence[Any]
    start: int
    given: float


class Pages:
    """A listing is a picture of the moment of its first page."""

    def __init__(self) -> None:
        self._places: OrderedDict[str, Place] = OrderedDict()
        self._numbers = itertools.count(1)

    def resumed(self, token: str, listing: Hashable, now: float, life: float | None) -> tuple[Sequence[Any], int]:
        """The items and the start of the page that a token stands for. Raises Refused (400)."""
        place = self._places.get(token)
        if place is None or place.listing != listing or (life is not None and now - place.given >= life):
            raise invalid("pageToken")
        return place.items, place.start

    def cut(
        self, items: Sequence[T], start: int, size: int, listing: Hashable, now: float, *, repeats: bool
    ) -> tuple[Sequence[T], str]:
        """One page, and the next page's token or "". `repeats`: a later page begins with the last one's last item."""
        end = start + size
        first = start - 1 if repeats and start else start
        if end >= len(items):
            return items[first:end], ""
        number = next(self._numbers)
        token = f"CAESN{zlib.crc32(str(number).encode()):08x}{number:x}"
        self._places[token] = Place(listing, items, end, now)
        if len(self._places) > MOST_TOKENS:
            self._places.popitem(last=False)
        return items[first:end], token
