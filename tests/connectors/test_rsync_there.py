"""A side on another machine: the few words that a shell there is told."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.rsync import child
from connectors.rsync.there import There
from tests.servers import cannot, require

LIMIT = 65_000  # names of one file, on ext4


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """An ext4 of its own."""
    require("mkfs.ext4", "mount")
    image, where = tmp_path / "image", tmp_path / "there"
    where.mkdir()
    with image.open("wb") as file:
        file.truncate(24 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, where], check=False, capture_output=True).returncode:
        cannot("file systems cannot be mounted here")
    try:
        yield where
    finally:
        subprocess.run(["umount", where], check=True)


def there(root: Path, tmp_path: Path) -> There:
    """Another machine that is this one: its ssh runs the last word."""
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nfor word; do :; done\nexec sh -c "$word"\n')
    ssh.chmod(0o755)
    return There("nas1", str(root), (str(ssh),))


@pytest.mark.soak
def test_a_file_with_as_many_names_as_there_may_be_gets_a_copy_in_the_new_tree(small: Path, tmp_path: Path) -> None:
    old = small / "old/anna"
    old.mkdir(parents=True)
    (old / "a").write_text("one")
    for name in "bcdef":
        (old / name).hardlink_to(old / "a")
    (old / "other").write_text("two")
    (small / "more").mkdir()
    for number in range(LIMIT - 6 - 3):
        (small / f"more/{number}").hardlink_to(old / "a")
    there(small, tmp_path).link("old", "new")
    new = small / "new/anna"
    assert {path.name: path.read_text() for path in new.iterdir()} == {**dict.fromkeys("abcdef", "one"), "other": "two"}
    assert len({path.stat().st_ino for path in new.iterdir()}) == 2
    assert (new / "other").stat().st_ino == (old / "other").stat().st_ino
    assert (new / "a").stat().st_mtime_ns == (old / "a").stat().st_mtime_ns


@pytest.mark.parametrize(
    "said",
    [
        'rsync: [receiver] mkstemp "/backup/mail/anna/.x.AbCdEf" failed: Permission denied (13)',
        "could not make way for new symlink: anna/Maildir/.Progetto: x",
        "cannot delete non-empty directory: anna/Maildir",
        'skipping non-regular file "anna/fifo"',
        "rm: cannot remove '/backup/mail/anna/Maildir/x': Operation not permitted",
    ],
)
def test_what_is_told_of_a_failure_names_nobody(said: str) -> None:
    told = str(child.Failed(23, [said]))
    assert told.startswith("rsync ended with 23: ")
    assert "anna" not in told
