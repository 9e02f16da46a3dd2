"""Mailboxes that two processes look at."""

import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from collima.core.errors import SourceError
from connectors.rsync import beside
from connectors.rsync.beside import Beside
from connectors.rsync.contents import contents
from connectors.rsync.here import Here

TEST = "COLLIMA_TEST_PROCESS"


@pytest.fixture
def homes(tmp_path: Path) -> list[str]:
    """More than one process looks at by itself, and one of them is not there."""
    made = []
    for number in range(beside.MANY + 3):
        home = f"nome{number}/Maildir"
        (tmp_path / home / "cur").mkdir(parents=True)
        for message in range(number % 4):
            (tmp_path / home / "cur" / os.fsdecode(b"1.M%dP\xe8.mail,S=3:2,S" % message)).write_text("abc")
        (tmp_path / home / "subscriptions").write_text("Sent\n")
        made.append(home)
    return [*made[:7], "nobody/Maildir", *made[7:]]


def test_together_they_tell_what_this_process_would(tmp_path: Path, homes: list[str]) -> None:
    look = partial(contents, Here(tmp_path.parent), tmp_path.name)
    with Beside() as other, other.shared(look, homes) as found:
        answers = list(found)
    assert len(answers) == len(homes)
    assert dict(answers) == {home: look(home) for home in homes}
    assert dict(answers)["nobody/Maildir"] is None


def together(folder: Path) -> bool:
    """It leaves the name of its process, and waits until the other one has, too. Whether this is the test's own."""
    (folder / f"{os.getpid()}").touch()
    until = time.monotonic() + 60
    while len(list(folder.iterdir())) < 2:
        assert time.monotonic() < until
        time.sleep(0.001)
    return os.getpid() == int(os.environ[TEST])


def slowly(folder: Path, home: str) -> int:
    together(folder)
    return len(home)


def badly(folder: Path, home: str) -> int:
    if together(folder):
        time.sleep(0.05)
        return 0
    raise SourceError(f"{len(home)} cannot be read")


def wrongly(folder: Path, home: str) -> int:
    if together(folder):
        time.sleep(0.05)
        return 0
    raise UnicodeError(home)


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where two processes meet; the other one finds this file."""
    monkeypatch.setenv(TEST, str(os.getpid()))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return tmp_path


NAMES = [f"anna.rossi{number:03}" for number in range(beside.MANY)]


def test_each_looks_at_some_of_them(both: Path) -> None:
    with Beside() as other, other.shared(partial(slowly, both), NAMES) as found:
        assert dict(found) == {name: len(name) for name in NAMES}


def test_what_the_other_process_cannot_read_is_an_error(both: Path) -> None:
    with (
        Beside() as other,
        other.shared(partial(badly, both), NAMES) as found,
        pytest.raises(SourceError, match="13 cannot be read"),
    ):
        list(found)


def test_a_fault_of_the_other_process_is_one_of_the_program_and_names_nobody(
    both: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with Beside() as other, other.shared(partial(wrongly, both), NAMES) as found, pytest.raises(RuntimeError) as caught:
        list(found)
    assert str(caught.value).startswith("UnicodeError in test_rsync_beside.py, line ")
    assert "anna" not in capfd.readouterr().err


@pytest.mark.parametrize("where", [0, -1], ids=["here", "there"])
def test_what_cannot_be_read_is_an_error_and_no_empty_mailbox(tmp_path: Path, homes: list[str], where: int) -> None:
    homes[where] = "x" * 300
    with (
        Beside() as other,
        other.shared(partial(contents, Here(tmp_path), ""), homes) as found,
        pytest.raises(SourceError, match="cannot be read"),
    ):
        list(found)


def test_a_process_that_dies_is_an_error_that_may_pass(
    tmp_path: Path, homes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "_COMMAND", ("false",))
    with (
        Beside() as other,
        other.shared(partial(contents, Here(tmp_path), ""), homes * 99) as found,
        pytest.raises(SourceError) as caught,
    ):
        list(found)
    assert "has died" in str(caught.value)
    assert caught.value.transient


def test_the_other_process_is_begun_once_and_stays(tmp_path: Path, homes: list[str]) -> None:
    look = partial(contents, Here(tmp_path), "")
    with Beside() as other:
        with other.shared(look, homes[:5]) as found:
            assert len(list(found)) == 5
        assert children() == []
        with other.shared(look, homes, begun=True) as found:
            assert len(list(found)) == len(homes)
        assert children() == []
        for count in (len(homes), len(homes) - 1):
            with other.shared(look, homes[:count]) as found:
                assert len(list(found)) == count
        (first,) = children()
        with pytest.raises(FileNotFoundError), other.shared(look, homes) as found:
            (tmp_path / next(found)[0] / "nothing").stat()
        assert children() == []
        with other.shared(look, homes) as found:
            assert len(list(found)) == len(homes)
        (second,) = children()
        assert second != first
        os.kill(int(second), signal.SIGKILL)
        os.waitid(os.P_PID, int(second), os.WEXITED | os.WNOWAIT)
        with other.shared(look, homes) as found:
            assert len(list(found)) == len(homes)
    assert children() == []


def test_whoever_takes_no_more_of_it_leaves_no_process_behind(tmp_path: Path, homes: list[str]) -> None:
    with Beside() as other, other.shared(partial(contents, Here(tmp_path), ""), homes * 50) as found:
        assert any(children() for _ in found)
    assert children() == []


def children() -> list[str]:
    """Of ours, those that look at mailboxes."""
    pids = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
    return [pid for pid in pids if b"rsync.beside" in Path(f"/proc/{pid}/cmdline").read_bytes()]
