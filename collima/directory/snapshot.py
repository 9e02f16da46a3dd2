"""Everybody in `among` at one moment, so that every filter is answered without asking the server again."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property

from collima.directory import matching
from collima.directory.columns import Column, Decode, Index, people
from collima.directory.filters import Filter
from collima.directory.logic import Logic
from collima.directory.schema import Schema


class Gatherer:
    """Takes the entries of a reading, in any order, and gives the snapshot."""

    def __init__(
        self, decode: Decode, attributes: Collection[str], *, describe: Callable[[bytes], bytes] | None = None
    ) -> None:
        """`attributes`: whose values are asked for by `Snapshot.values`.

        `describe`: equal octets for raws of equal descriptions, where there is a cheaper way to them than decode()[0].
        It is called once for each distinct raw; `decode` only for what a filter or `values` needs.
        """
        self._decode = decode
        self._attributes = attributes
        self._dns: list[bytes] = []
        self._index = Index(describe or (lambda raw: decode(raw)[0].lower().encode()))

    def add(self, dn: bytes, raws: Iterable[bytes]) -> None:
        """One entry: of those in `among`, with every attribute that a filter of the question names."""
        self._index.add(len(self._dns), raws)
        self._dns.append(dn)

    def snapshot(self, schema: Schema, *, whole: bool = False) -> "Snapshot":
        """`whole`: the reading is the truth itself. An attribute never seen is absent, not perhaps hidden."""
        return Snapshot(schema, self._dns, self._index.columns(), self._decode, self._attributes, whole=whole)


class Snapshot:
    """A person is an index 0 … size-1, a set of people an int whose bit i is person i."""

    def __init__(
        self,
        schema: Schema,
        dns: Sequence[bytes],
        columns: Iterable[Column],
        decode: Decode,
        attributes: Collection[str],
        *,
        whole: bool,
    ) -> None:
        self.size = len(dns)
        self.everyone = (1 << self.size) - 1
        self._schema = schema
        self._dns = dns
        self._decode = decode
        self._attributes = frozenset(map(str.lower, attributes))
        self._logic = Logic(schema, columns, decode, self.size, whole=whole)

    def answer(self, filter: Filter) -> int | None:
        """Who matches; None when only the server can say. The reading must have asked for the filter's attributes."""
        truth = self._logic.truth(filter)
        return truth.true if truth.true | truth.untrue == self.everyone else None

    def values(self, attribute: str) -> Sequence[tuple[str, ...]]:
        """See `People.values`. KeyError for an attribute that was not asked for."""
        if attribute.lower() not in self._attributes:
            raise KeyError(attribute)
        found: list[tuple[str, ...]] = [()] * self.size
        for column in self._logic.columns(attribute):
            for raw, bearer in column.raws():
                texts = tuple(value.decode("utf-8", "surrogateescape") for value in self._decode(raw)[1])
                for person in (bearer,) if isinstance(bearer, int) else bearer:
                    found[person] += texts
        return found

    def dn(self, person: int) -> str:
        return self._dns[person].decode("utf-8", "surrogateescape")

    def locate(self, dns: Iterable[bytes]) -> int:
        """The people with these names, in any spelling. KeyError, without the name, when one is not in the snapshot."""
        return people(map(self._place, dns), self.size)

    def _place(self, dn: bytes) -> int:
        if (person := self._by_dn.get(dn)) is not None:
            return person
        try:
            return self._by_name[matching.name(dn, self._schema)]
        except (KeyError, matching.Unsure):
            raise KeyError("a name that is not in the snapshot") from None

    @cached_property
    def _by_dn(self) -> Mapping[bytes, int]:
        return {dn: person for person, dn in enumerate(self._dns)}

    @cached_property
    def _by_name(self) -> Mapping[bytes, int]:
        """By one form for all spellings, where the name is simple enough to have one."""
        names = {}
        for person, dn in enumerate(self._dns):
            with suppress(matching.Unsure):
                names[matching.name(dn, self._schema)] = person
        return names
