"""Mailboxes of one side, listed by a process of its own."""

import os
import threading
from pathlib import Path

import pytest

from collima.core.errors import SourceError
from connectors.rsync import beside
from connectors.rsync.beside import listed
from connectors.rsync.contents import contents
from connectors.rsync.here import Here


@pytest.fixture
def homes(tmp_path: Path) -> list[str]:
    """More than one process lists by itself, and one of them is not there."""
    made = []
    for number in range(beside.MANY + 3):
        home = f"nome{number}/Maildir"
        (tmp_path / home / "cur").mkdir(parents=True)
        for message in range(number % 4):
            (tmp_path / home / "cur" / os.fsdecode(b"1.M%dP\xe8.mail,S=3:2,S" % message)).write_text("abc")
        (tmp_path / home / "subscriptions").write_text("Sent\n")
        made.append(home)
    return [*made[:7], "nobody/Maildir", *made[7:]]


def test_it_tells_what_this_process_would_and_in_the_order_that_was_asked(tmp_path: Path, homes: list[str]) -> None:
    side = Here(tmp_path.parent)
    for closely in (True, False):
        with listed(side, tmp_path.name, homes, closely=closely) as found:
            answers = list(found)
        assert answers == [contents(side, tmp_path.name, home, closely=closely) for home in homes]
        assert answers[7] is None


def test_what_it_cannot_read_is_an_error_and_no_empty_mailbox(tmp_path: Path, homes: list[str]) -> None:
    with listed(Here(tmp_path), "", [*homes, "x" * 300]) as found, pytest.raises(SourceError, match="cannot be read"):
        list(found)


def test_a_process_that_dies_is_an_error_that_may_pass(
    tmp_path: Path, homes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "_COMMAND", ("false",))
    with listed(Here(tmp_path), "", homes) as found, pytest.raises(SourceError, match="has died") as caught:
        list(found)
    assert caught.value.transient


def test_whoever_takes_no_more_of_it_leaves_no_process_behind(tmp_path: Path, homes: list[str]) -> None:
    with listed(Here(tmp_path), "", homes * 50) as found:
        next(found)
        assert len(listers()) == 1
    assert listers() == []


def listers() -> list[str]:
    """Children of ours that list."""
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
    return [pid for pid in children if b"rsync.beside" in Path(f"/proc/{pid}/cmdline").read_bytes()]
