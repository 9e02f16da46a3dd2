"""The emulator on a free port of 127.0.0.1: in a thread of the test, or as a process of its own."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request as Outgoing
from urllib.request import urlopen

from tests.servers.google.batch import Request, Response
from tests.servers.google.faults import Bucket, Faults
from tests.servers.google.journal import Journal
from tests.servers.google.oauth import READING, SETTINGS, SUPER, USAGE, WRITING, Authority, ServiceAccount
from tests.servers.google.service import Dropped, Google
from tests.servers.google.store import Clock, Domain

CONTROL = "/-/"
"""Paths of the emulator itself: GET journal, POST faults."""


class Emulator:
    """Google as a test holds it: the domain to arrange and look at, the faults to set, the journal to count."""

    def __init__(self, google: Google, url: str, account: ServiceAccount, folder: Path) -> None:
        self.google = google
        self.url = url  # http://127.0.0.1:PORT/
        self.account = account  # may act in anybody's name, for all scopes
        self.act_as = google.domain.administrator  # a super administrator, until `authority.administrator` says
        self.folder = folder
        self.key_file = self.key(account, "google.json")

    @property
    def domain(self) -> Domain:
        return self.google.domain

    @property
    def faults(self) -> Faults:
        return self.google.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self.google.faults = faults

    @property
    def journal(self) -> Journal:
        return self.google.journal

    @property
    def authority(self) -> Authority:
        return self.google.authority

    def key(self, account: ServiceAccount, name: str) -> Path:
        """A new key file for a service account."""
        return self.authority.key_file(account, self.folder / name, self.url + "token")


class Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, google: Google, sleep: Callable[[float], object] | None) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.google = google
        self.ended = threading.Event()
        self.sleep = sleep or self.ended.wait
        self.open: set[socket.socket] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no error of ours."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """Ends every conversation, so that their threads end, also those that sleep."""
        self.ended.set()
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Conversation(BaseHTTPRequestHandler):
    """One connection of a client; it is kept open between requests."""

    protocol_version = "HTTP/1.1"
    server_version = "ESF"
    sys_version = ""
    disable_nagle_algorithm = True
    server: Server

    def _converse(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        if len(content) < length:  # the client was killed while it spoke
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, content)
        if headers.get("x-http-method-override") == "GET":  # a query that was too long for a URL
            request = Request("GET", f"{self.path}?{content.decode()}", headers, b"")
        if self.path.startswith(CONTROL):
            self._send(self._controlled(request))
            return
        if latency := self.server.google.faults.latency:
            self.server.sleep(latency)
            if self.server.ended.is_set():
                self.close_connection = True
                return
        try:
            self._send(self.server.google.answer(request))
        except Dropped as dropped:
            self.close_connection = True
            if dropped.response:
                self._send(dropped.response, half=True)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _converse  # noqa: N815 (http.server's names)

    def _send(self, response: Response, *, half: bool = False) -> None:
        """`half`: the client is told of twice as much as it gets."""
        body = response.body[: len(response.body) // 2] if half else response.body
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self._headers_buffer: list[bytes]
        self._headers_buffer.append(b"\r\n" + body)  # in one packet with the headers
        self.flush_headers()

    def _controlled(self, request: Request) -> Response:
        google = self.server.google
        with google.lock:
            if request.verb == "POST":
                configure(google, json.loads(request.body))
            summary = google.journal.summary() | {"cpu": time.process_time()}
            return Response(200, json.dumps(summary).encode(), {"Content-Type": "application/json"})

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the journal has it."""


def configure(google: Google, wishes: Mapping[str, Any]) -> None:
    """Sets faults by their names; `quota` is a number a minute, or null; `clear` empties the journal."""
    names = {field.name for field in fields(Faults) if not field.name.startswith("_")}
    for name, value in wishes.items():
        if name == "clear":
            google.journal.clear()
        elif name == "quota":
            google.faults.quota = Bucket(value) if value else None
        elif name in names:
            setattr(google.faults, name, value)
        else:
            raise ValueError(f"{name}: no fault of that name, use one of {', '.join(sorted(names))}")


@contextmanager
def emulator(
    folder: Path,
    domain: Domain | None = None,
    *,
    clock: Clock = time.time,
    sleep: Callable[[float], object] | None = None,
    faults: Faults | None = None,
) -> Iterator[Emulator]:
    """Google in a thread of this process. `folder` gets the key files. The domain is an empty one unless given."""
    domain = domain or Domain("studenti.acquamorta.example", clock=clock)
    authority = Authority(domain)
    account = authority.service_account(delegated=(*READING, *WRITING, SETTINGS, USAGE))
    authority.administrator(domain.administrator, SUPER)
    google = Google(domain, authority, faults or Faults())
    domain.lag = lambda: google.faults.lag
    with Server(google, sleep) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield Emulator(google, server.url, account, folder)
        finally:
            server.shutdown()
            server.hang_up()
            thread.join()


class Process:
    """Google in a process of its own, so that its CPU is not the client's: for benches."""

    def __init__(self, running: subprocess.Popen[str]) -> None:
        assert running.stdout is not None
        told = json.loads(running.stdout.readline())
        self.url: str = told["url"]
        self.key_file = Path(told["key-file"])
        self.act_as: str = told["act-as"]
        self.domain: str = told["domain"]
        self.groups: list[str] = told["groups"]

    def journal(self) -> dict[str, Any]:
        """Numbers of calls, as Journal.summary, and `cpu`: the seconds that it has used."""
        return self._control(None)

    def configure(self, **wishes: object) -> dict[str, Any]:
        """Sets faults; see `configure` above."""
        return self._control(json.dumps(wishes).encode())

    def _control(self, content: bytes | None) -> dict[str, Any]:
        with urlopen(Outgoing(f"{self.url}-/journal", data=content)) as answer:
            told: dict[str, Any] = json.load(answer)
            return told


@contextmanager
def emulator_process(folder: Path, *options: str) -> Iterator[Process]:
    """`python -m tests.servers.google` with its options; ended by its pid."""
    command = [sys.executable, "-m", "tests.servers.google", "--folder", str(folder), "--json", *options]
    root = str(Path(__file__).parents[3])
    environment = os.environ | {"PYTHONPATH": root}
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=environment)
    try:
        yield Process(running)
    finally:
        running.terminate()
        running.wait()
        assert running.stdout is not None
        running.stdout.close()
