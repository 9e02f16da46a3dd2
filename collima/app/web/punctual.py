"""HTTP/1.1 as uvicorn speaks it, but for who begins a request and does not go on: they would keep others out."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

LATEST = 10.0  # seconds until the headers of a request are whole


class Punctual(H11Protocol):
    """uvicorn itself waits for ever from a connection's first moment, and from the first byte of each request."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._end()

    def _watch(self) -> None:
        """From when a request is waited for until it is there; no byte more gives more time."""
        if self.conn.their_state is not h11.IDLE:
            self._end()
        elif self._late is None:
            self._late = self.loop.call_later(LATEST, self.transport.close)

    def _end(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
