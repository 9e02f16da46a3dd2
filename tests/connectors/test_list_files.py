"""Lists as files: what Sympa's include_file reads, replaced whole."""

import errno
import os
import stat
import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from collima.core.errors import SourceError
from collima.core.targets import Edit, Id, Mark, Rosters
from connectors.list_files import MARK, Folder, ListFiles
from tests.contracts.rosters import ANNA, BRUNO, CARLA, RostersContract


@dataclass
class Place:
    path: Path

    def open(self) -> AbstractContextManager[Rosters]:
        return ListFiles(directory=self.path).open()

    def fill(self, roster: str, addresses: Iterable[str]) -> None:
        self.path.mkdir(exist_ok=True)
        (self.path / roster).write_text("".join(f"{a}\n" for a in addresses))


class TestListFiles(RostersContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> Place:
        return Place(tmp_path / "lists")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def edit(folder: Folder, *add: str, remove: Iterable[str] = ()) -> list[str]:
    folder.read(["docenti"])
    settled = folder.apply([Edit("docenti", frozenset(map(Id, add)), frozenset(map(Id, remove)))])
    return [s.error for s in settled]


def test_a_file_has_one_address_per_line_in_order(folder: Folder) -> None:
    edit(folder, CARLA, ANNA, BRUNO)
    assert (folder.path / "docenti").read_text() == f"{ANNA}\n{BRUNO}\n{CARLA}\n"


def test_addresses_with_names_comments_and_windows_line_ends_are_read(folder: Folder) -> None:
    (folder.path / "docenti").write_bytes(f"# ours\r\n{ANNA.upper()} Anna Rossi\r\n\r\n {BRUNO}\t\r\n{CARLA}".encode())
    roster = folder.read(["docenti"])["docenti"]
    assert roster.members == {ANNA, BRUNO, CARLA}
    assert not roster.fault


@pytest.mark.parametrize(
    "content",
    [
        b"<html><body>502 Bad Gateway</body></html>\n\xff\xfe\n",
        f'"Rossi, Anna" <{ANNA}>\nx\n'.encode(),
        f"{ANNA}\n{BRUNO}\n".encode("utf-16"),
    ],
)
def test_a_file_with_lines_that_are_no_addresses_is_left_alone(folder: Folder, content: bytes) -> None:
    (folder.path / "docenti").write_bytes(content)
    assert "lines of its file are no addresses" in folder.read(["docenti"])["docenti"].fault
    assert all("no addresses" in error for error in edit(folder, CARLA))
    assert (folder.path / "docenti").read_bytes() == content


def test_a_byte_order_mark_hides_nobody(folder: Folder) -> None:
    (folder.path / "docenti").write_text(f"{ANNA}\n", encoding="utf-8-sig")
    assert folder.read(["docenti"])["docenti"].members == {ANNA}


def test_who_was_there_when_the_plan_was_made_stays_when_the_file_is_emptied_meanwhile(folder: Folder) -> None:
    (folder.path / "docenti").write_text(f"{ANNA}\n{BRUNO}\n")
    folder.read(["docenti"])
    (folder.path / "docenti").write_text("")
    list(folder.apply([Edit("docenti", frozenset({Id(CARLA)}), frozenset({Id(BRUNO)}))]))
    assert (folder.path / "docenti").read_text() == f"{ANNA}\n{CARLA}\n"


def test_mode_and_owner_of_a_file_are_kept(folder: Folder) -> None:
    file = folder.path / "docenti"
    file.write_text(f"{ANNA}\n")
    file.chmod(0o664)
    if os.geteuid() == 0:
        os.chown(file, 12345, 54321)
    before = file.stat()
    edit(folder, BRUNO)
    after = file.stat()
    assert (after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)) == (before.st_uid, before.st_gid, 0o664)
    assert after.st_ino != before.st_ino


def test_a_new_file_cannot_be_read_by_everybody(folder: Folder) -> None:
    edit(folder, ANNA)
    assert not (folder.path / "docenti").stat().st_mode & 0o007


def test_a_reader_never_sees_half_a_file(folder: Folder) -> None:
    everyone = [Id(f"p{n:05}@unimore.it") for n in range(5_000)]
    edit(folder, *everyone)
    seen: set[int] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.add(len((folder.path / "docenti").read_text().splitlines()))

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for _ in range(20):
            edit(folder, remove=everyone[:2_500])
            edit(folder, *everyone[:2_500])
    finally:
        stop.set()
        reader.join()
    assert seen <= {2_500, 5_000}


def test_a_file_that_cannot_be_read_fails_alone(folder: Folder) -> None:
    (folder.path / "docenti").mkdir()
    (folder.path / "tecnici").write_text(f"{ANNA}\n")
    have = folder.read(["docenti", "tecnici"])
    assert "its file cannot be read" in have["docenti"].fault
    assert have["tecnici"].members == {ANNA}


def test_a_full_disk_fails_the_list_and_leaves_the_old_file(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(folder, ANNA)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert edit(folder, BRUNO) == ["its file cannot be written: No space left on device"]
    assert (folder.path / "docenti").read_text() == f"{ANNA}\n"
    assert [p.name for p in folder.path.iterdir()] == ["docenti"]


def test_what_a_killed_run_left_is_swept_by_the_next(folder: Folder) -> None:
    (folder.path / ".collima-new-0123").write_text("half")
    folder.leave_mark(Mark("s", "t"))
    assert [p.name for p in folder.path.iterdir()] == [MARK]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"state": 1}', b"\xff"])
def test_a_mark_that_cannot_be_read_stops_the_run(folder: Folder, content: bytes) -> None:
    (folder.path / MARK).write_bytes(content)
    with pytest.raises(SourceError, match="cannot be read"):
        folder.mark()


def test_check_tells_whether_files_can_be_replaced(folder: Folder) -> None:
    assert "files can be replaced" in folder.check()
    assert not list(folder.path.iterdir())
    blocked = Folder(folder.path / "file" / "below")
    (folder.path / "file").write_text("")
    with pytest.raises(SourceError, match="cannot be made"):
        blocked.check()
