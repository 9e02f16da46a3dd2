"""A real HTTP server that listens for pings, as healthchecks does, with bad days on demand."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HANG = -1
"""As an answer: none comes while the server runs."""

BABBLE = -2
"""As an answer: bytes that are no HTTP."""


@dataclass
class Listener:
    """`answers` are statuses, given once each; then all is 200."""

    port: int
    answers: list[int] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)  # paths, with their queries
    over: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def listener() -> Iterator[Listener]:
    """Runs until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.heard.append(self.path)
            answer = told.answers.pop(0) if told.answers else 200
            if answer == HANG:
                told.over.wait()
                self.close_connection = True
            elif answer == BABBLE:
                self.wfile.write(b"\x16\x03\x01 what?\r\n\r\n")
            else:
                self.send_response(answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told = Listener(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield told
        finally:
            told.over.set()
            server.shutdown()
            thread.join()


@contextmanager
def deaf() -> Iterator[str]:
    """A URL at which connections are taken, and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
