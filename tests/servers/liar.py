"""A small LDAP server that speaks well, and then lies as a test wants: what no real server could be made to do."""

import select
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from connectors.ldap import ber

BIND, SEARCH, EXTENDED = 0x60, 0x63, 0x77
ENTRY, DONE, REFERENCE = 0x64, 0x65, 0x73
PAGED_RESULTS = b"1.2.840.113556.1.4.319"


@dataclass(frozen=True)
class Request:
    id: int
    base: str
    scope: int
    attributes: tuple[str, ...]
    size: int | None  # of a page; None: not asked in pages
    cookie: bytes


Entries = Mapping[str, Mapping[str, Sequence[bytes]]]
Lie = Callable[[Request, list[bytes]], list[bytes]]


@dataclass
class Liar:
    entries: Entries  # every search of a subtree finds all of them; "" is the root DSE
    lie: Lie = lambda request, answer: answer  # an honest answer, as whole messages, to what is sent
    longest: int = 10**9  # more values than this are sent in ranges, as Active Directory does
    port: int = 0
    searches: list[Request] = field(default_factory=list)
    binds: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    def _serve(self, listener: socket.socket) -> None:
        while not self._ended.is_set():
            if select.select([listener], [], [], 0.02)[0]:
                client, _ = listener.accept()
                with client, suppress(OSError):
                    self._converse(client)

    def _converse(self, client: socket.socket) -> None:
        data = b""
        while not self._ended.is_set():
            if not select.select([client], [], [], 0.02)[0]:
                continue
            if not (chunk := client.recv(65536)):
                return
            data += chunk
            while len(data) > 1:
                try:
                    _, start, end = ber.header(data, 0, len(data))
                except ber.Garbage:
                    break
                for answer in self._answer(data, start, end):
                    client.sendall(answer)
                data = data[end:]

    def _answer(self, data: bytes, start: int, end: int) -> list[bytes]:
        (_, a, b), (operation, c, d), *controls = ber.children(data, start, end)
        identifier = int.from_bytes(data[a:b], "big")
        if operation == BIND:
            self.binds += 1
            return [message(identifier, result(0, operation=0x61))]
        if operation == EXTENDED:
            return [message(identifier, result(2, operation=0x78))]
        if operation != SEARCH:
            return []
        base, scope, *_, attributes = contents(data[c:d])
        names = tuple(name.decode() for name in contents(attributes))
        request = Request(identifier, base.decode(), scope[0], names, None, b"")
        if controls:
            (control,) = contents(data[controls[0][1] : controls[0][2]])
            (value,) = contents(contents(control)[-1])
            size, cookie = contents(value)
            request = replace(request, size=int.from_bytes(size, "big"), cookie=cookie)
        self.searches.append(request)
        return self.lie(request, list(self._search(request)))

    def _search(self, request: Request) -> Iterator[bytes]:
        if request.scope == 0:
            if request.base in self.entries:
                yield self._entry(request, request.base)
            yield message(request.id, result(0 if request.base in self.entries else 32))
            return
        dns = [dn for dn in self.entries if dn]
        first = int(request.cookie) if request.cookie.isdigit() else 0  # another cookie is a lie's own
        last = first + (request.size or len(dns))
        for dn in dns[first:last]:
            yield self._entry(request, dn)
        more = str(last).encode() if last < len(dns) else b""
        yield message(request.id, result(0), paging(more) if request.size else b"")

    def _entry(self, request: Request, dn: str) -> bytes:
        attributes = []
        known = {name.lower(): (name, values) for name, values in self.entries[dn].items()}
        for wanted in request.attributes:
            base, _, span = wanted.partition(";range=")
            if base.lower() not in known:
                continue
            name, values = known[base.lower()]
            if span or len(values) > self.longest:
                start = int(span.partition("-")[0] or 0)
                stop = start + self.longest
                end = "*" if stop >= len(values) else str(stop - 1)
                attributes += [ber.encoded_attribute(name, ())]  # as Active Directory does
                attributes += [ber.encoded_attribute(f"{name};range={start}-{end}", tuple(values[start:stop]))]
            else:
                attributes.append(ber.encoded_attribute(name, tuple(values)))
        return entry(request.id, dn, attributes)


def contents(data: bytes) -> list[bytes]:
    """The content of each element in `data`."""
    return [data[start:end] for _, start, end in ber.children(data, 0, len(data))]


def message(identifier: int, operation: bytes, controls: bytes = b"") -> bytes:
    return ber.element(ber.SEQUENCE, ber.integer(identifier), operation, controls)


def entry(identifier: int, dn: str, attributes: Sequence[bytes] = ()) -> bytes:
    return message(identifier, ber.element(ENTRY, ber.octets(dn), ber.element(ber.SEQUENCE, *attributes)))


def result(code: int, *, text: str = "", operation: int = DONE) -> bytes:
    return ber.element(operation, ber.integer(code, ber.ENUMERATED), ber.octets(""), ber.octets(text))


def paging(cookie: bytes) -> bytes:
    value = ber.element(ber.SEQUENCE, ber.integer(0), ber.octets(cookie))
    return ber.element(0xA0, ber.element(ber.SEQUENCE, ber.octets(PAGED_RESULTS), ber.octets(value)))


@contextmanager
def liar(entries: Entries, *, longest: int = 10**9) -> Iterator[Liar]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = Liar(entries, longest=longest, port=listener.getsockname()[1])
        thread = threading.Thread(target=running._serve, args=(listener,))
        thread.start()
        try:
            yield running
        finally:
            running._ended.set()
            thread.join()
