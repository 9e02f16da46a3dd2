"""Bad days of a copy: whatever happens, the good generations are what they were, and a rerun converges."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collima.core.errors import NotHere, SourceError
from collima.core.quantities import Amount
from collima.core.result import Result
from collima.core.stores import Room
from connectors.rsync.here import Here
from connectors.rsync.store import Tree
from jobs.mailbox_copy.options import CopyGuard
from tests.jobs.copied import Place, codes, instead_of_rsync, names, place, subject
from tests.servers import cannot, require
from tests.servers.maildirs import SENTINEL


@pytest.fixture
def weekly(tmp_path: Path) -> Place:
    return place(tmp_path, generations=2)


def untouched(weekly: Place, said: str) -> Result:
    """A run fails at once, for this reason, and nothing in the copies has changed."""
    before = names(weekly.copies)
    result = weekly.run()
    assert (result.state, result.exit_code) == ("failed", 1)
    assert said in result.cause, result.cause
    assert names(weekly.copies) == before
    return result


@contextmanager
def small_disk(where: Path, size: str, *options: str) -> Iterator[None]:
    where.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}", *options]), "tmpfs", where]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        cannot("file systems cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", where], check=True)


# ---- the store


def test_a_store_that_is_not_mounted_is_not_copied_and_other_machines_may_have_it(weekly: Place) -> None:
    weekly.run()
    (weekly.store.root / SENTINEL).unlink()
    untouched(weekly, f"there is no {SENTINEL}")
    with weekly.task() as (task, _), pytest.raises(NotHere), task.job.read():
        pass
    weekly.store.root.rename(weekly.folder / "away")
    untouched(weekly, f"there is no {SENTINEL}")


def test_a_store_that_is_empty_or_half_empty_is_not_copied(weekly: Place) -> None:
    weekly.run()
    shutil.copytree(weekly.store.root, weekly.folder / "whole")
    for path in list(weekly.store.messages())[::2]:
        path.unlink()
    untouched(weekly, "50 % fewer, limit max-removals 10 %")
    shutil.rmtree(weekly.store.root / weekly.store.users[0])
    shutil.rmtree(weekly.store.root / weekly.store.users[1])
    untouched(weekly, "2 of 6 mailboxes of the copy are gone")
    shutil.rmtree(weekly.store.root)
    weekly.store.root.mkdir()
    (weekly.store.root / SENTINEL).touch()
    untouched(weekly, "there is no mailbox */Maildir")
    shutil.rmtree(weekly.store.root)
    (weekly.folder / "whole").rename(weekly.store.root)
    assert weekly.run().exit_code == 0


def test_a_store_that_goes_away_between_looking_and_copying_takes_no_generation_with_it(
    weekly: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    weekly.run()
    before = names(weekly.newest)
    weekly.store.deliver(weekly.store.users[0])
    away, root = weekly.folder / "away", weekly.store.root
    script = f'mkdir {away}; mv {root}/nome* {away}; exec $RSYNC "$@"'
    with instead_of_rsync(weekly.folder, script, monkeypatch):
        result = weekly.run()
    assert (result.state, codes(result)) == ("partial", ["not-whole"])
    assert len(weekly.generations) == 1
    assert "6 of 6 mailboxes of the copy are gone from the mail store" in result.cause
    assert names(weekly.newest) == before
    for path in away.iterdir():
        path.rename(root / path.name)
    assert weekly.run().state == "changed"
    assert weekly.differences(weekly.newest) == ""
    script = f'$RSYNC "$@"; mv {root}/{SENTINEL} {weekly.folder}'
    weekly.store.deliver(weekly.store.users[0])
    with instead_of_rsync(weekly.folder, script, monkeypatch):
        result = weekly.run()
    assert (result.exit_code, result.transient, len(weekly.generations)) == (75, True, 2)


def test_a_store_that_changes_while_it_is_copied_is_copied(weekly: Place) -> None:
    weekly.options["guard"] = CopyGuard(max_removals=Amount(10000, True), max_removals_total=Amount(10000, True))
    weekly.run()
    stop, begun = threading.Event(), threading.Event()

    def live() -> None:
        while not stop.wait(0.002):
            user = weekly.store.random.choice(weekly.store.users)
            paths = [path for path in weekly.store.messages() if user in path.parts]
            weekly.store.flag(weekly.store.random.choice(paths))
            weekly.store.deliver(user)
            weekly.store.random.choice(paths[:-1]).unlink(missing_ok=True) if len(paths) > 30 else None
            begun.set()

    life = threading.Thread(target=live)
    life.start()
    results = []
    try:
        for _ in range(3):
            begun.clear()
            assert begun.wait(10)
            results.append(weekly.run())
    finally:
        stop.set()
        life.join()
    assert [(result.state, codes(result)) for result in results] == [("changed", [])] * 3
    assert codes(weekly.run()) == []
    assert weekly.differences(weekly.newest) == ""


def test_a_copy_that_cannot_be_looked_at_again_becomes_no_generation(
    weekly: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    weekly.run()
    weekly.store.deliver(weekly.store.users[0])

    def dead(_: Tree) -> Iterator[tuple[str, int]]:
        raise SourceError("nas1: the connection was lost", transient=True)

    with monkeypatch.context() as here:
        here.setattr(Tree, "counts", dead)
        result = weekly.run()
    assert (result.state, codes(result), result.cause) == (
        "partial",
        ["not-finished"],
        "store: nas1: the connection was lost",
    )
    assert len(weekly.generations) == 1
    assert (weekly.run().state, len(weekly.generations)) == ("in-sync", 2)


def test_a_message_that_the_copy_lacks_is_found_by_counting(weekly: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    weekly.run()
    weekly.ahead = 60
    lost = weekly.store.deliver(weekly.store.users[0]).relative_to(weekly.store.root)
    with instead_of_rsync(weekly.folder, f'$RSYNC "$@"; rm "{weekly.copies}/.incoming/{lost}"', monkeypatch):
        result = weekly.run()
    assert (result.state, codes(result)) == ("partial", ["copy-differs"])
    assert len(weekly.generations) == 1
    assert codes(weekly.run()) == []
    assert (weekly.newest / lost).exists()


def test_files_that_cannot_be_read_fail_their_mailbox_and_no_generation_is_made(
    weekly: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("setpriv")
    weekly.run()
    user, other = weekly.store.users[:2]
    closed, new = weekly.store.deliver(user, ""), weekly.store.deliver(other, "")
    closed.chmod(0)
    without = 'exec setpriv --bounding-set=-dac_override,-dac_read_search "$RSYNC" "$@"'
    with instead_of_rsync(weekly.folder, without, monkeypatch):
        result = weekly.run()
    assert (result.state, subject(result, user).state, subject(result, other).state) == ("partial", "failed", "changed")
    assert "Permission denied" in subject(result, user).failed[0].error
    assert closed.name not in str(result)
    assert len(weekly.generations) == 1
    assert (weekly.copies / ".incoming" / new.relative_to(weekly.store.root)).exists()
    closed.chmod(0o600)
    assert weekly.run().state == "changed"
    assert [path.name for path in weekly.copies.iterdir() if path.name[0] == "."] == []
    assert weekly.differences(weekly.newest) == ""


# ---- the place of the copies


def test_a_place_that_cannot_be_used_is_told_before_anything_is_done(weekly: Place) -> None:
    weekly.run()
    held = weekly.copies.rename(weekly.folder / "held")
    result = weekly.run()
    assert (result.state, "there is no such folder" in result.cause) == ("failed", True)
    weekly.copies.write_text("a file")
    assert weekly.run().state == "failed"
    weekly.copies.unlink()
    with small_disk(weekly.copies, "9m", "ro"):
        assert "cannot be written" in weekly.run().cause
    weekly.copies.rmdir()
    held.rename(weekly.copies)
    assert weekly.run().state == "in-sync"


@pytest.mark.parametrize("generations", [0, 2])
def test_an_empty_folder_in_the_place_of_the_copies_is_not_copied_into(weekly: Place, generations: int) -> None:
    weekly.options["generations"] = generations
    weekly.run()
    weekly.copies.rename(weekly.folder / "held")
    weekly.copies.mkdir()
    untouched(weekly, "the copies of the run of 2026-11-21 are not where they were: is their place mounted?")
    if generations:  # as docs/copies.md has it
        (weekly.copies / ".incoming").mkdir()
    else:
        shutil.copy2(weekly.store.root / SENTINEL, weekly.copies)
    assert weekly.run().state == "changed"
    assert weekly.differences(weekly.newest if generations else weekly.copies) == ""


def test_while_removals_are_held_the_last_generation_from_before_is_kept(weekly: Place) -> None:
    user, other = weekly.store.users[:2]
    going = [weekly.store.deliver(user, "") for _ in range(23)]
    weekly.run()
    weekly.store.deliver(other)
    weekly.run()
    before = weekly.newest
    for path in going:
        path.unlink()
    for _ in range(4):
        weekly.store.deliver(other)
        result = weekly.run()
        assert result.state == "held"
        assert before in weekly.generations
    assert len(weekly.generations) == 3
    weekly.run(approve=(subject(result, user).fingerprint,), reason="RT 1", who="anna")
    assert (len(weekly.generations), before in weekly.generations) == (2, False)


def test_folders_of_a_mailbox_that_left_keep_their_owner_and_rights(weekly: Place) -> None:
    home = weekly.store.root / weekly.store.users[0]
    for path in (home, home / "Maildir/.Sent"):
        path.chmod(0o700)
        os.chown(path, 1234, 1235)
    weekly.run()
    home.rename(weekly.folder / "away")
    weekly.store.deliver(weekly.store.users[1])
    weekly.run()
    first, second = (generation / home.name for generation in weekly.generations)
    for path in ("", "Maildir", "Maildir/.Sent", "Maildir/cur"):
        one, other = (first / path).stat(), (second / path).stat()
        assert (one.st_mode, one.st_uid, one.st_gid) == (other.st_mode, other.st_uid, other.st_gid)
        assert one.st_mtime_ns == other.st_mtime_ns


def test_a_mirror_and_generations_are_not_mixed(weekly: Place) -> None:
    weekly.run()
    generations = weekly.options.pop("generations")
    untouched(weekly, "holds generations, which a mirror would delete")
    shutil.rmtree(weekly.copies)
    weekly.copies.mkdir()
    shutil.copy2(weekly.store.root / SENTINEL, weekly.copies)
    weekly.run()
    weekly.options["generations"] = generations
    untouched(weekly, "holds a mirror")


def test_without_room_for_what_is_to_come_nothing_is_begun(weekly: Place) -> None:
    with small_disk(weekly.copies, "200k"):
        assert "are free where the copies are" in weekly.run().cause
        assert list(weekly.copies.iterdir()) == []
    with small_disk(weekly.copies, "20m", "nr_inodes=100"):
        assert "(inodes)" in weekly.run().cause
        assert list(weekly.copies.iterdir()) == []


def test_a_disk_that_fills_in_the_middle_harms_no_generation(weekly: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quota, of which the file system tells nothing: what comes does not fit."""
    monkeypatch.setattr(Here, "room", lambda _: Room(4096, 10**9, -1))
    with small_disk(weekly.copies, "2m"):
        assert weekly.run().state == "changed"
        before = names(weekly.copies)
        inbox = weekly.store.root / weekly.store.users[0] / "Maildir/cur"
        large = [inbox / f"{n}.large,S=400000:2,S" for n in range(8)]
        for path in large:
            path.write_bytes(os.urandom(400_000))
        result = weekly.run()
        assert (result.state, result.transient, "no room" in result.cause) == ("partial", False, True), result.cause
        after = names(weekly.copies)
        assert {path: after.get(path) for path in before} == before
        for path in large[1:]:
            path.unlink()
        result = weekly.run()
        assert (result.state, codes(result)) == ("changed", [])
        assert weekly.differences(weekly.newest) == ""


def test_a_message_that_is_damaged_in_the_copy_is_found_by_the_sample(weekly: Place) -> None:
    weekly.options["sample"] = 5000
    weekly.run()
    path = weekly.store.deliver(weekly.store.users[0], "")
    weekly.run()
    copy = weekly.newest / path.relative_to(weekly.store.root)
    times = copy.stat().st_mtime_ns
    with copy.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    os.utime(copy, ns=(times, times))
    weekly.store.deliver(weekly.store.users[1])
    result = weekly.run()
    assert (result.state, codes(result)) == ("partial", ["sample-differs"])
    assert len(weekly.generations) == 2
    assert weekly.newest / path.relative_to(weekly.store.root) == copy


def test_more_removals_than_the_limit_of_the_whole_run_are_all_held(weekly: Place) -> None:
    weekly.options["guard"] = CopyGuard(
        max_removals=Amount(5000, True), small_change=3, max_removals_total=Amount(500, True)
    )
    weekly.run()
    for path in list(weekly.store.messages())[::9]:
        path.unlink()
    before = names(weekly.newest)
    new = weekly.store.deliver(weekly.store.users[0])
    result = weekly.run()
    assert (result.state, result.exit_code) == ("held", 3)
    after = names(weekly.newest)
    assert {path: after.get(path) for path in before} == before
    assert str(new.relative_to(weekly.store.root)) in after
