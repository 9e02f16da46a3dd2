"""Kind `btrfs`, on a real one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collima.core.errors import ConfigError, SourceError
from collima.core.quantities import Duration
from connectors.btrfs import Btrfs, Filesystem
from tests.contracts.snapshots import ROME, SnapshotsContract
from tests.servers.btrfs import btrfs, run


@dataclass
class Disk:
    root: Path
    taken: int = 0

    @contextmanager
    def open(self) -> Iterator[Filesystem]:
        with Btrfs(path=self.root).open() as session:
            yield session

    def take(self, volume: str, *, writable: bool = False) -> datetime:
        if not (self.root / volume).exists():
            run("btrfs", "subvolume", "create", str(self.root / volume))
        self.taken += 1
        target = self.root / f"snapshot {self.taken}"
        mode = () if writable else ("-r",)
        run("btrfs", "subvolume", "snapshot", *mode, str(self.root / volume), str(target))
        shown = run("btrfs", "subvolume", "show", str(target))
        (written,) = (line.partition(":")[2].strip() for line in shown.split("\n") if "Creation time" in line)
        return datetime.strptime(written, "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with btrfs(tmp_path / "btrfs") as root:
        yield Disk(root)


class TestBtrfs(SnapshotsContract):
    @pytest.fixture
    def system(self, disk: Disk) -> Disk:
        return disk

    def test_check_says_what_is_there(self, system: Disk) -> None:  # type: ignore[override]
        system.take("")
        with system.open() as session:
            assert session.check() == f"{system.root}: 1 read-only snapshots"


def test_only_read_only_snapshots_of_the_subvolume_itself_count(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")  # btrfs writes local times without saying so
    moment = disk.take("mail")
    disk.take("mail", writable=True)
    disk.take("snapshot 1")
    with Btrfs(path=disk.root / "mail").open() as session:
        assert [s.taken for s in session.read("", ROME)] == [moment]


def test_a_subvolume_without_snapshots_has_none(disk: Disk) -> None:
    with disk.open() as session:
        assert session.read("", ROME) == []


def test_a_folder_that_is_no_subvolume_cannot_be_read(disk: Disk) -> None:
    (disk.root / "folder").mkdir()
    with disk.open() as session, pytest.raises(SourceError, match="btrfs ended with 1: ERROR: Not a Btrfs subvolume"):
        session.read("folder", ROME)


def test_another_filesystem_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"btrfs (ended with|cannot be run)"), Btrfs(path=tmp_path).open():
        pass


def test_what_this_version_does_not_understand_is_an_error(tmp_path: Path) -> None:
    words = ("echo", "ID 257 gen 7 otime yesterday")
    with pytest.raises(SourceError, match="does not understand: ID 257"), Btrfs(path=tmp_path, program=words).open():
        pass


def test_options_that_cannot_be_meant(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^program: "):
        Btrfs(path=tmp_path, program=())
    with pytest.raises(ConfigError, match=r"^timeout: "):
        Btrfs(path=tmp_path, timeout=Duration(0, "second"))
