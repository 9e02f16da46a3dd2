"""Searches that return every entry, or raise SourceError: no size limit, referral or lost page passes for an answer."""

import re
from collections.abc import Iterator, Mapping, Sequence

from collima.core.errors import SourceError
from collima.directory.filters import Equal, Present
from connectors.ldap import ber
from connectors.ldap.request import BASE, PAGED_RESULTS, Query, paged, search
from connectors.ldap.results import INSUFFICIENT_ACCESS, NO_SUCH_OBJECT, REFERRAL, SUCCESS, failure
from connectors.ldap.wire import Message, Wire

WINDOW = 16
"""Questions under way at once: far below the pending operations that servers allow on one connection."""
EMPTY_PAGES = 100
"""So many pages in a row without an entry, and the server is not going to end."""

ENTRY, DONE, REFERENCE = 0x64, 0x65, 0x73
CONTROLS = 0xA0
_RANGE = re.compile(r"(.+);range=(\d+)-(\d+|\*)", re.IGNORECASE)


class Searcher:
    """Asks over one wire. One method at a time, each to its end."""

    def __init__(self, wire: Wire, page_size: int) -> None:
        self.wire = wire
        self.page_size = page_size

    def entries(self, query: Query) -> Iterator[tuple[bytes, list[bytes]]]:
        """The DN and the raw PartialAttributes of every entry, each entry once, `;range=` values read to their end."""
        seen: set[bytes] = set()
        ranged: list[tuple[bytes, list[bytes]]] = []
        for data, messages in self._pages(query):
            suspect = b"ange=" in data
            for message in messages:
                dn, raws = ber.entry(data, message.start, message.end)
                if dn in seen:
                    raise SourceError(
                        f"one entry came twice in {len(seen) + 1} entries: the answer cannot be "
                        f"trusted; look at the server's log, and for a balancer that sends pages to different servers"
                    )
                seen.add(dn)
                if suspect and any(_RANGE.fullmatch(ber.attribute(raw)[0]) for raw in raws):
                    ranged.append((dn, raws))
                else:
                    yield dn, raws
        for dn, raws in ranged:
            yield dn, self._complete(dn, raws)

    def names(self, queries: Sequence[Query]) -> list[list[bytes]]:
        """The DNs that each query finds. Many are under way at once; those of more than a page are asked on their own.

        (slapd keeps one place per connection for a paged search, so that only first pages can be asked together.)
        """
        found: list[list[bytes]] = [[] for _ in queries]
        under_way: dict[int, int] = {}
        longer: list[int] = []
        upcoming = 0
        while under_way or upcoming < len(queries):
            while upcoming < len(queries) and len(under_way) < WINDOW:
                under_way[self.wire.send(search(queries[upcoming]), paged(self.page_size, b""))] = upcoming
                upcoming += 1
            data, messages = self.wire.receive()
            for message in messages:
                index = under_way.get(message.id)
                if index is not None and message.operation == ENTRY:
                    found[index].append(ber.entry(data, message.start, message.end)[0])
                elif index is not None and message.operation == DONE:
                    del under_way[message.id]
                    if self._next_page(data, message, queries[index], len(found[index])):
                        longer.append(index)
                else:
                    raise _stray(message)
        for index in longer:
            found[index] = [dn for dn, _ in self.entries(queries[index])]
        return found

    def read(
        self, dn: str | bytes, attributes: Sequence[str], object_class: str = ""
    ) -> Mapping[str, tuple[bytes, ...]] | None:
        """One entry, its attribute descriptions lower-cased; None when it does not exist or is hidden from us.

        `object_class`: a subentry is found by no other filter than one on its class.
        """
        where = Equal("objectClass", object_class.encode()) if object_class else Present("objectClass")
        query = Query(dn, where, tuple(attributes), BASE)
        identifier = self.wire.send(search(query))
        found: list[Mapping[str, tuple[bytes, ...]]] = []
        while True:
            data, messages = self.wire.receive()
            for message in messages:
                if message.id == identifier and message.operation == ENTRY and not found:
                    pairs = map(ber.attribute, ber.entry(data, message.start, message.end)[1])
                    found.append({description.lower(): values for description, values in pairs})
                elif message.id == identifier and message.operation == DONE:
                    code, diagnostic, _ = _result(data, message)
                    if code not in {SUCCESS, NO_SUCH_OBJECT, INSUFFICIENT_ACCESS}:
                        raise failure("reading one entry", code, diagnostic)
                    return found[0] if found else None
                else:
                    raise _stray(message)

    def _pages(self, query: Query) -> Iterator[tuple[bytes, list[Message]]]:
        """Batches of entry messages. The next page is asked for before the end of the one before it is handed out."""
        request = search(query)
        identifier = self.wire.send(request, paged(self.page_size, b""))
        received, on_page, empty = 0, 0, 0
        while True:
            data, messages = self.wire.receive()
            end = messages.pop() if messages[-1].operation == DONE else None
            for message in (*messages, end) if end else messages:
                if message.id != identifier or (message.operation != ENTRY and message is not end):
                    raise _stray(message)
            received += len(messages)
            on_page += len(messages)
            more = b""
            if end and (more := self._next_page(data, end, query, received)):
                empty = 0 if on_page else empty + 1
                if empty == EMPTY_PAGES:
                    raise SourceError(f"{empty} empty pages in a row: the server does not end")
                identifier = self.wire.send(request, paged(self.page_size, more), continues=True)
                on_page = 0
            yield data, messages
            if end and not more:
                return

    def _next_page(self, data: bytes, end: Message, query: Query, received: int) -> bytes:
        """The cookie of the page that follows this end of a page; b"" when the search is complete."""
        code, diagnostic, cookie = _result(data, end)
        if code != SUCCESS:
            what = f"searching below {query.base if isinstance(query.base, str) else 'an entry'}"
            raise failure(what, code, diagnostic, received=received)
        if cookie is None:
            raise SourceError(
                f"the server did not answer in pages: whether these {received} entries are all "
                f"cannot be told; enable its paged-results control (RFC 2696), or look for a proxy that drops it"
            )
        return cookie

    def _complete(self, dn: bytes, raws: Sequence[bytes]) -> list[bytes]:
        """Active Directory sends 1,500 values, as `member;range=0-1499`, and an empty `member` beside them."""
        attributes = [ber.attribute(raw) for raw in raws]
        whole = {}
        for description, values in attributes:
            if match := _RANGE.fullmatch(description):
                whole[match[1].lower()] = (match[1], self._range(dn, match, values))
        whole_raws = [ber.encoded_attribute(*pair) for pair in whole.values()]
        return whole_raws + [
            raw
            for raw, (description, _) in zip(raws, attributes, strict=True)
            if description.lower() not in whole and not _RANGE.fullmatch(description)
        ]

    def _range(self, dn: bytes, match: re.Match[str], values: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """All values of an attribute whose first range is at hand."""
        name, first, last = match.groups()
        collected = list(values)
        while first == str(len(collected) - len(values)) and values and last != "*":
            if int(last) + 1 != len(collected):
                break
            first = str(len(collected))
            found = self.read(dn, [f"{name};range={first}-*"]) or {}
            values, last = (), ""
            for description, more in found.items():
                if (part := _RANGE.fullmatch(description)) and part[1] == name.lower() and part[2] == first:
                    values, last = more, part[3]
            collected += values
        if last != "*" or not values:
            raise SourceError(
                f"{name} of an entry was cut after {len(collected)} values; try again: it may have changed meanwhile",
                transient=True,
            )
        return tuple(collected)


def _result(data: bytes, message: Message) -> tuple[int, str, bytes | None]:
    """(code, diagnostic, cookie) of an LDAPResult; the cookie is None without a paged-results control."""
    parts = list(ber.children(data, message.start, message.end))
    if [tag for tag, _, _ in parts[:3]] != [ber.ENUMERATED, ber.OCTETS, ber.OCTETS]:
        raise ber.Garbage("a result is malformed")
    code, _, diagnostic = (data[start:end] for _, start, end in parts[:3])
    return int.from_bytes(code, "big"), diagnostic.decode("utf-8", "replace"), _cookie(data, message)


def _stray(message: Message) -> SourceError:
    if message.operation == REFERENCE:
        return failure("searching", REFERRAL)
    return SourceError(f"an answer came that belongs to no question (operation 0x{message.operation:02x})")


def _cookie(data: bytes, message: Message) -> bytes | None:
    if message.end == message.last:
        return None
    tag, at, last = ber.header(data, message.end, message.last)
    if tag != CONTROLS:
        raise ber.Garbage("what follows a result is no control")
    for _, start, end in ber.children(data, at, last):
        (_, begin, stop), *rest = ber.children(data, start, end)
        if data[begin:stop] == PAGED_RESULTS and rest:
            _, begin, stop = ber.header(data, rest[-1][1], rest[-1][2])
            parts = list(ber.children(data, begin, stop))
            if [tag for tag, _, _ in parts] != [ber.INTEGER, ber.OCTETS]:
                raise ber.Garbage("a paged-results control is malformed")
            return data[parts[1][1] : parts[1][2]]
    return None
