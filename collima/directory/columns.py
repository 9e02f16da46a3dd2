"""Who bears which raw attribute, in little room: a million people with a dozen attributes each must fit into a laptop.

A raw attribute is the octets of a description with all its values, as a connector got them. People share most of those
(a department, a set of object classes), so each is kept, decoded and prepared once, however many bear it.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

Bearer: TypeAlias = "int | array[int]"
"""One person, or an array("I") of several."""

Decode = Callable[[bytes], tuple[str, Sequence[bytes]]]
"""One raw attribute to its description and values."""

_FRESH = 1 << 18
"""How many raws may be in the index before those of one person only move to the columns, where they take less room."""


class Column:
    """The raws of one attribute description."""

    def __init__(self) -> None:
        self._shared: list[tuple[bytes, Bearer]] = []
        self._octets = bytearray()  # raws borne by one person each, one after the other
        self._ends = array("Q")
        self._owners = array("I")

    def put(self, raw: bytes, bearer: Bearer) -> None:
        if isinstance(bearer, int):
            self._octets += raw
            self._ends.append(len(self._octets))
            self._owners.append(bearer)
        else:
            self._shared.append((raw, bearer))

    def raws(self) -> Iterator[tuple[bytes, Bearer]]:
        """In no order; one raw may come several times, with other people."""
        yield from self._shared
        start = 0
        for end, owner in zip(self._ends, self._owners, strict=True):
            yield bytes(self._octets[start:end]), owner
            start = end

    def bearers(self) -> list[Bearer]:
        """Everybody who has a value."""
        return [*(bearer for _, bearer in self._shared), self._owners]


class Index:
    """Raw attributes by their octets, and in columns where that takes less room."""

    def __init__(self, describe: Callable[[bytes], bytes]) -> None:
        """`describe` gives equal octets for raws of equal descriptions; it is called once for each distinct raw."""
        self._describe = describe
        self._bearers: dict[bytes, Bearer] = {}
        self._columns: dict[bytes, Column] = {}
        self._full = _FRESH

    def add(self, person: int, raws: Iterable[bytes]) -> None:
        bearers = self._bearers
        for raw in raws:
            if (known := bearers.get(raw)) is None:
                bearers[raw] = person
            elif type(known) is int:
                bearers[raw] = array("I", (known, person))
            else:
                known.append(person)  # type: ignore[union-attr]  # `type() is` is faster than what mypy follows
        if len(bearers) > self._full:
            self._settle(singles_only=True)
            self._full = len(self._bearers) + _FRESH

    def columns(self) -> list[Column]:
        """Once, at the end."""
        self._settle(singles_only=False)
        return list(self._columns.values())

    def _settle(self, *, singles_only: bool) -> None:
        """Moves raws to their columns."""
        stay: dict[bytes, Bearer] = {}
        for raw, bearer in self._bearers.items():
            if singles_only and not isinstance(bearer, int):
                stay[raw] = bearer
                continue
            key = self._describe(raw)
            if (column := self._columns.get(key)) is None:
                column = self._columns[key] = Column()
            column.put(raw, bearer)
        self._bearers = stay


def people(bearers: Iterable[Bearer], size: int) -> int:
    """All of these, of `size` people, as a set: bit i is person i."""
    found = [(bearer,) if isinstance(bearer, int) else bearer for bearer in bearers]
    if sum(map(len, found)) < _FEW:
        result = 0
        for some in found:
            for person in some:
                result |= 1 << person
        return result
    digits = bytearray(b"0") * size  # binary ones, the last person first
    for some in found:
        for person in some:
            digits[~person] = 49
    return int(bytes(digits), 2)


_FEW = 100
"""Up to here setting bit after bit in an int is faster than writing it out in digits."""
