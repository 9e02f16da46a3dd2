"""Real servers for the tests: private, on free ports of 127.0.0.1, in a temporary folder, ended by pid."""

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import Any, NoReturn, Protocol, TypeVar

import pytest

S = TypeVar("S")
_SHARED = pytest.StashKey[dict[str, Any]]()

SBIN = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
"""Where servers are looked for: daemons are outside an ordinary user's PATH."""

_PORTS = range(12000, 32000)
"""Below those that Linux gives to connections out (net.ipv4.ip_local_port_range)."""


def program(name: str) -> str:
    """The path of an installed program, or "" """
    return shutil.which(name, path=SBIN) or ""


def require(*programs: str) -> None:
    """Skips the test when a program is not installed; fails it when COLLIMA_REQUIRE=all."""
    missing = [name for name in programs if not program(name)]
    if not missing:
        return
    cannot(f"not installed: {', '.join(missing)} (see `make test`)")


def cannot(reason: str) -> NoReturn:
    """Skips the test, which cannot run here; fails it when COLLIMA_REQUIRE=all."""
    if os.environ.get("COLLIMA_REQUIRE") == "all":
        pytest.fail(reason)
    pytest.skip(reason)


def shared(config: pytest.Config, name: str, server: Callable[[], AbstractContextManager[S]]) -> S:
    """One server for all the tests of a process, whichever modules import its fixture; it ends with them."""
    running = config.stash.setdefault(_SHARED, {})
    if name not in running:
        stack = ExitStack()
        running[name] = stack.enter_context(server())
        config.add_cleanup(stack.close)
    known: S = running[name]
    return known


class Server(Protocol):
    port: int

    def start(self) -> None:
        """Raises RuntimeError."""


def start(server: Server) -> None:
    """Beside other tests its port may be taken before it has it: then it gets another one."""
    for _ in range(2):
        try:
            server.start()
        except RuntimeError:
            server.port = free_port()
        else:
            return
    server.start()


def end(process: "subprocess.Popen[bytes]", seconds: float = 30) -> None:
    """TERM, and KILL for one that does not end by that."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(seconds)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses now, and that no connection out is given before the server takes it.

    Chosen without `random`, which may be seeded alike in processes that run tests side by side.
    """
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
