"""LDAP messages over the socket that ldap3 has opened, secured and bound.

Every way in which a connection can fail ends in SourceError here: refused, dropped, silent for too long, too slow as a
whole, or speaking something that is not LDAP.
"""

import socket
import time
from collections.abc import Callable
from typing import NamedTuple

from collima.core.errors import SourceError
from connectors.ldap import ber
from connectors.ldap.results import Unanswered

CHUNK = 256 * 1024
PATIENCE = 10
"""A page may take so many times the time limit for a silence: a server that drips octets is given up, too."""


class Message(NamedTuple):
    """Where one message lies in the data that it came in."""

    id: int
    operation: int  # its tag
    start: int  # of the operation's content
    end: int
    last: int  # end of the message; controls lie between `end` and `last`


class Wire:
    """Sends requests and receives messages, in batches of as many as have arrived."""

    def __init__(
        self,
        connection: socket.socket,
        next_id: Callable[[], int],
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`timeout`: seconds without a single octet after which the server is given up."""
        self._socket = connection
        self._next_id = next_id
        self._timeout = timeout
        self._clock = clock
        self._deadline = 0.0
        self._rest = b""  # the beginning of a message whose end has not come yet
        self._untouched = True  # nothing of an answer has been received

    def send(self, operation: bytes, controls: bytes = b"", *, continues: bool = False) -> int:
        """The id of the request. The time for its answer begins. `continues`: it asks for more of an answer."""
        identifier = self._next_id()
        self._deadline = self._clock() + PATIENCE * self._timeout
        self._untouched = not continues or self._untouched
        self._socket.settimeout(self._timeout)
        try:
            self._socket.sendall(ber.element(ber.SEQUENCE, ber.integer(identifier), operation, controls))
        except OSError as err:
            raise self._lost(_cause(err)) from err
        return identifier

    def receive(self) -> tuple[bytes, list[Message]]:
        """Data, and at least one whole message in it, in the order of arrival. Raises SourceError."""
        chunks, size, needed = [self._rest], len(self._rest), 0
        while True:
            chunk = self._chunk()
            chunks.append(chunk)
            size += len(chunk)
            if size < needed:  # do not join 10 MB over and over
                continue
            data = b"".join(chunks)
            messages, end, needed = split(data)
            if any(message.id == 0 for message in messages):
                raise SourceError(
                    "it gave notice that it ends the connection; try again, and look at its log", transient=True
                )
            if messages:
                self._rest = data[end:]
                return data, messages
            chunks = [data]

    def _chunk(self) -> bytes:
        patience = self._deadline - self._clock()
        if patience < self._timeout:  # otherwise as `send` left it: this is one more call of the system for each chunk
            self._socket.settimeout(max(patience, 0.001))
        try:
            chunk = self._socket.recv(CHUNK)
        except TimeoutError as err:
            slow = patience < self._timeout
            limit = self._timeout * (PATIENCE if slow else 1)
            raise SourceError(
                f"{'an answer was not complete' if slow else 'nothing came'} within {limit:g} seconds; look at its "
                "load and at the network, or raise `timeout`",
                transient=True,
            ) from err
        except OSError as err:
            raise self._lost(_cause(err)) from err
        if not chunk:
            raise self._lost("closed by the server")
        self._untouched = False
        return chunk

    def _lost(self, cause: str) -> SourceError:
        if self._untouched:
            return Unanswered(f"the connection was lost before an answer came ({cause}); look at its log")
        return SourceError(
            f"the connection was lost in the middle of an answer ({cause}); nothing of it is used; try again, and "
            "look at its log",
            transient=True,
        )


def split(data: bytes) -> tuple[list[Message], int, int]:
    """The whole messages at the beginning of `data`, their end, and how many octets the next one needs in all.

    The latter is 0 while not even its length is known. Raises Garbage.
    """
    messages: list[Message] = []
    at, size = 0, len(data)
    while True:
        if at + 2 > size:
            return messages, at, 0
        if data[at] != ber.SEQUENCE:
            raise ber.Garbage("a message does not begin like one")
        length = data[at + 1]
        start = at + 2
        if length >= 0x80:
            octets = length & 0x7F
            if not 1 <= octets <= 4:
                raise ber.Garbage("a length is not one that LDAP allows")
            start += octets
            if start > size:
                return messages, at, 0
            length = int.from_bytes(data[at + 2 : start], "big")
            if length > ber.LONGEST:
                raise ber.Garbage(f"a message of {length} octets (limit {ber.LONGEST})")
        last = start + length
        if last > size:
            return messages, at, last - at
        tag, begin, end = ber.header(data, start, last)
        if tag != ber.INTEGER or not 1 <= end - begin <= 4:
            raise ber.Garbage("a message has no id")
        operation, content, stop = ber.header(data, end, last)
        messages.append(Message(int.from_bytes(data[begin:end], "big", signed=True), operation, content, stop, last))
        at = last


def _cause(err: OSError) -> str:
    return err.strerror or type(err).__name__
