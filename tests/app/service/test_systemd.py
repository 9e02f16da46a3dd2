import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from collima.app.service.systemd import Systemd, cleaned


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)
        yield listening


def said(supervisor: socket.socket) -> list[str]:
    return supervisor.recv(4096).decode().split("\n")


def test_the_supervisor_is_told_each_step(supervisor: socket.socket) -> None:
    path = supervisor.getsockname()
    systemd = Systemd.found({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "60000000"}, os.getpid())
    assert systemd.pause == 30.0
    systemd.ready("3 jobs")
    assert said(supervisor) == ["READY=1", "STATUS=3 jobs"]
    systemd.reloading()
    first, second = said(supervisor)
    assert first == "RELOADING=1"
    assert int(second.removeprefix("MONOTONIC_USEC=")) > 0
    systemd.alive("1 run", longer=90)
    assert said(supervisor) == ["WATCHDOG=1", "STATUS=1 run", "EXTEND_TIMEOUT_USEC=90000000"]
    systemd.stopping("bye")
    assert said(supervisor) == ["STOPPING=1", "STATUS=bye"]


def test_an_abstract_socket_will_do() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0collima-test-{os.getpid()}")
        Systemd(f"@collima-test-{os.getpid()}").ready("x")
        assert listening.recv(100).startswith(b"READY=1")


def test_without_a_supervisor_or_with_a_deaf_one_nothing_happens(tmp_path: Path) -> None:
    Systemd().ready("x")
    assert Systemd().pause is None
    Systemd(str(tmp_path / "none")).alive("x")
    Systemd.found({"NOTIFY_SOCKET": str(tmp_path), "WATCHDOG_USEC": "-"}, 1).stopping("x")


def test_a_watchdog_for_another_process_is_not_ours() -> None:
    assert Systemd.found({"WATCHDOG_USEC": "10", "WATCHDOG_PID": "1"}, 2).watchdog == 0.0


def test_a_run_does_not_speak_for_the_service() -> None:
    assert cleaned({"NOTIFY_SOCKET": "x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "2", "PATH": "/bin"}) == {
        "PATH": "/bin"
    }
