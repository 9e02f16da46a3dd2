import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from collima.app.service.bell import Bell
from collima.app.service.child import Child
from collima.app.service.output import HALF, LAST, Output

MEGABYTE = 2**20


class Over:
    """Waits for the end of a run."""

    def __init__(self) -> None:
        self.bell = Bell()

    def __call__(self) -> None:
        self.bell.ring()

    def wait(self, child: Child) -> int:
        self.bell.wait(200)
        self.bell.close()
        assert child.code is not None
        return child.code


def sh(script: str, *, limit: float | None = None, grace: float = 0.5) -> tuple[Child, Over]:
    over = Over()
    return Child(["/bin/sh", "-c", script], over, limit=limit, grace=grace), over


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        time.sleep(0.01)
    pytest.fail("waited in vain")


def test_a_run_has_no_input_a_session_of_its_own_and_one_output() -> None:
    child, over = sh("cat; echo out; echo err >&2; ps -o sid= -p $$ 2>/dev/null || cut -d' ' -f6 /proc/$$/stat; exit 3")
    assert over.wait(child) == 3
    out, err, session = child.output.text().split()
    assert (out, err, int(session)) == ("out", "err", child.pid)
    assert child.why == ""


def test_what_cannot_be_started_says_so_and_leaves_nothing_open(tmp_path: Path) -> None:
    before = descriptors()
    with pytest.raises(OSError, match="No such file"):
        Child([str(tmp_path / "none")], lambda: None)
    assert descriptors() == before


def test_whatever_there_is_not_enough_of_nothing_stays_open_and_nothing_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, (soft, hard) = descriptors(), resource.getrlimit(resource.RLIMIT_NOFILE)
    failed = 0
    for more in range(15):
        over = Over()
        resource.setrlimit(resource.RLIMIT_NOFILE, (over.bell.fileno() + 2 + more, hard))
        try:
            child = Child(["/bin/sh", "-c", "sleep 0.1"], over)
        except OSError:
            failed += 1
            over.bell.close()
        else:
            assert over.wait(child) == 0
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert descriptors() == before
    assert 0 < failed < 15

    pids = tmp_path / "pids"

    def full(_: threading.Thread) -> None:
        until(lambda: pids.exists() and pids.read_text().endswith("\n"))
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", full)
    with pytest.raises(OSError, match="no thread could be started"):
        Child(["/bin/sh", "-c", f"sleep 60 & echo $! $$ > {pids}; wait"], lambda: None)
    until(lambda: all(gone(int(pid)) for pid in pids.read_text().split()))
    assert descriptors() == before


def test_nothing_stays_open_after_runs() -> None:
    before = descriptors()
    for _ in range(5):
        child, over = sh("echo x")
        over.wait(child)
    assert descriptors() == before


def test_a_time_limit_ends_the_whole_group_with_term() -> None:
    child, over = sh("sleep 60 & echo $!; trap 'echo asked; exit 7' TERM; wait", limit=0.3)
    assert over.wait(child) == 7
    stray, asked = child.output.text().split()
    assert (child.why, asked) == ("limit", "asked")
    until(lambda: gone(int(stray)))


def test_a_run_that_ignores_term_is_killed_with_its_children() -> None:
    child, over = sh("trap '' TERM; sleep 60 & echo $!; while :; do sleep 0.05; done", limit=0.2, grace=0.3)
    assert over.wait(child) == -9
    until(lambda: gone(int(child.output.text())))


def test_a_run_that_forks_and_exits_does_not_hold_up_its_reader_and_leaves_nothing_behind() -> None:
    child, over = sh("(trap '' TERM; sleep 60) & echo $!; exit 0")
    began = time.monotonic()
    assert over.wait(child) == 0
    assert time.monotonic() - began < 15
    until(lambda: gone(int(child.output.text())))


def test_one_that_left_the_group_loses_its_reader_and_nothing_waits_for_it(tmp_path: Path) -> None:
    left = tmp_path / "left"
    stray = f"setsid sh -c 'echo $$; touch {left}; exec sleep 30'"
    child, over = sh(f"{stray} & while [ ! -e {left} ]; do sleep 0.02; done; exit 0")
    assert over.wait(child) == 0
    pid = int(child.output.text())
    assert not gone(pid)
    os.kill(pid, 9)


def test_a_child_that_closed_its_output_is_ended_too() -> None:
    child, over = sh("sleep 60 >/dev/null 2>&1 & echo $!; exit 0")
    assert over.wait(child) == 0
    until(lambda: gone(int(child.output.text())))


def test_a_run_that_closes_its_output_goes_on() -> None:
    child, over = sh("exec >/dev/null 2>&1; sleep 0.3; exit 5")
    assert over.wait(child) == 5


def test_a_gigabyte_of_output_takes_a_megabyte_of_memory() -> None:
    over = Over()
    script = "import os\nfor _ in range(16384): os.write(1, b'x' * 65536)\nos.write(1, b'the end')"
    child = Child([sys.executable, "-c", f"print('begin', flush=True)\n{script}"], over)
    assert over.wait(child) == 0
    text = child.output.text()
    assert child.output.size == 2**30 + len("begin\nthe end")
    assert len(text) < 1.1 * MEGABYTE
    assert text.startswith("begin\nx")
    assert text.endswith("xthe end")
    assert "[… 1,072,693,261 bytes left out …]" in text


def test_a_stop_is_a_stop_and_a_second_one_changes_nothing() -> None:
    child, over = sh("trap 'exit 75' TERM; echo ready; while :; do sleep 0.05; done", limit=30)
    until(lambda: child.output.size > 0)
    child.end("stop")
    child.end("limit")
    assert over.wait(child) == 75
    assert child.why == "stop"
    child.end("stop")  # it is over: nothing happens


def test_a_run_inherits_what_it_is_given_and_nothing_else() -> None:
    descriptor = os.memfd_create("x")
    other, wire = socket.socketpair()
    other.set_inheritable(True)
    os.write(descriptor, b"as it was loaded")
    over = Over()
    child = Child(["/bin/sh", "-c", f"cat /proc/self/fd/{descriptor}; ls /proc/$$/fd"], over, inherited=[descriptor])
    assert over.wait(child) == 0
    said, *descriptors = child.output.text().replace("loaded", "loaded\n").splitlines()
    assert said == "as it was loaded"
    assert set(descriptors) == {"0", "1", "2", str(descriptor)}
    for end in (other, wire):
        end.close()
    os.close(descriptor)


def test_what_was_printed_keeps_its_beginning_and_its_end_and_nobodys_address() -> None:
    output = Output(half=40)
    output.add(b"first: anna.rossi@unimore.it\n")
    assert output.text() == "first: …@unimore.it\n"
    for number in range(1000):
        output.add(f"{number} è\n".encode())
    assert output.size == 29 + 6890
    assert output.text().startswith("first: …@unimore.it\n0 è\n1 è\n")
    assert output.text().endswith("\n998 è\n999 è\n")
    assert output.last_line() == "999 è"
    assert Output().last_line() == ""


def test_of_a_log_in_json_the_last_message_is_taken() -> None:
    output = Output()
    output.add(b'{"logger": "collima", "message": "no state"}\n{"logger": "collima.run", "state": "in-sync"}\n')
    assert output.last_line() == "no state"
    output.add(b'{"of": "something else"}\n')
    assert output.last_line() == '{"of": "something else"}'


def test_the_last_line_is_looked_for_at_the_end_only() -> None:
    output = Output()
    output.add(b"begin\n" + b"x" * 2**20)
    output.add("\nanna.rossi@unimore.it: perché\n\n".encode())
    assert output.last_line() == "…@unimore.it: perché"
    output.add(b" " * LAST)
    assert output.last_line() == ""
    output = Output()
    output.add(b"x" * (HALF - 3) + b"\nnow the end")
    assert output.last_line() == "now the end"
