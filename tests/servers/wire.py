"""A TCP proxy before a real server that cuts, stalls or drips after so many octets of its answers."""

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Proxy:
    """Each connection is passed on until the server has sent `after` octets; then `fault` happens. -1: never."""

    target: int  # port of 127.0.0.1
    after: int = -1
    fault: Literal["cut", "stall", "drip"] = "cut"
    port: int = 0
    connections: int = 0
    passed: int = 0  # octets of the last connection that the server's client was given
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    def _serve(self, listener: socket.socket) -> None:
        workers = []
        while not self._ended.is_set():
            if select.select([listener], [], [], 0.02)[0]:
                client, _ = listener.accept()
                self.connections += 1
                workers.append(threading.Thread(target=self._pass, args=(client,)))
                workers[-1].start()
        for worker in workers:
            worker.join()

    def _pass(self, client: socket.socket) -> None:
        passed = 0
        with client, socket.create_connection(("127.0.0.1", self.target)) as server, suppress(OSError):
            while not self._ended.is_set():
                ready = select.select([client, server], [], [], 0.02)[0]
                if client in ready:
                    if not (data := client.recv(65536)):
                        return
                    server.sendall(data)
                if server in ready:
                    if not (data := server.recv(65536)):
                        return
                    left = len(data) if self.after < 0 else min(len(data), self.after - passed)
                    client.sendall(data[:left])
                    passed += left
                    self.passed = passed
                    if left < len(data):
                        self._fail(client, data[left:])
                        return

    def _fail(self, client: socket.socket, rest: bytes) -> None:
        if self.fault == "stall":
            self._ended.wait()
        if self.fault == "drip":
            for octet in rest:
                client.sendall(bytes([octet]))
                time.sleep(0.2)
                if self._ended.is_set():
                    return


@contextmanager
def proxy(target: int) -> Iterator[Proxy]:
    """A proxy to a port of 127.0.0.1; change its fields to change what it does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = Proxy(target, port=listener.getsockname()[1])
        thread = threading.Thread(target=running._serve, args=(listener,))
        thread.start()
        try:
            yield running
        finally:
            running._ended.set()
            thread.join()
