"""Kind `snapshot-folder`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collima.core.errors import ConfigError, SourceError
from connectors.snapshot_folder import Folder, SnapshotFolder
from connectors.times import TimeForm, instant
from tests.contracts.snapshots import ROME, SnapshotsContract

DAILY = "daily.%Y-%m-%d_%H%M"


@dataclass
class Nas:
    folder: Path
    next: datetime = field(default=datetime(2026, 11, 20, 2, 30, tzinfo=ROME))

    @contextmanager
    def open(self) -> Iterator[Folder]:
        with SnapshotFolder(path=self.folder, pattern=DAILY).open() as session:
            yield session

    def take(self, volume: str) -> datetime:
        self.next += timedelta(days=1)
        (self.folder / volume / f"{self.next:{DAILY}}").mkdir(parents=True)
        return self.next.astimezone(UTC)


class TestFolder(SnapshotsContract):
    @pytest.fixture
    def system(self, tmp_path: Path) -> Nas:
        return Nas(tmp_path)

    def test_check_says_what_is_there(self, system: Nas) -> None:  # type: ignore[override]
        system.take("")
        with system.open() as session:
            assert session.check() == f"{system.folder}: 1 names, 1 like {DAILY}"


def read(folder: Path, pattern: str = DAILY, volume: str = "", zone: str = "Europe/Rome") -> list[str]:
    with SnapshotFolder(path=folder, pattern=pattern).open() as session:
        return sorted(f"{s.taken:%m-%dT%H:%MZ}" for s in session.read(volume, ZoneInfo(zone)))


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).mkdir()
    return folder


def test_names_of_another_form_do_not_count(tmp_path: Path) -> None:
    others = ("hourly.2026-11-24_0230", "daily.2026-11-24_0230.tmp", "xdaily.2026-11-24_0230", "daily.2026-11-4_0230")
    nonsense = ("daily.2026-02-30_0230", "daily.2026-11-24_2530", "dailyX2026-11-24_0230", "daily.٢٠٢٦-11-24_0230")
    made(tmp_path, "daily.2026-11-24_0230", *others, *nonsense)
    assert read(tmp_path) == ["11-24T01:30Z"]


def test_a_folder_where_no_name_is_like_the_pattern_cannot_be_read(tmp_path: Path) -> None:
    made(tmp_path, *(f"weekly.2026-11-{day}_0230" for day in range(10, 22)))
    with pytest.raises(SourceError, match=r"12 names, none like daily\.%Y"):
        read(tmp_path)


def test_check_looks_into_the_folders_of_volumes(tmp_path: Path) -> None:
    for name in ("home/daily.2026-11-24_0230", "mail/daily.2026-11-24_0230", "data/hourly.1"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "README").touch()
    with SnapshotFolder(path=tmp_path, pattern=DAILY).open() as session:
        told = session.check()
    assert told == f"{tmp_path}: 4 names, 0 like {DAILY}; such names are in 2 of 3 folders below it"


def test_an_empty_folder_is_one_that_is_not_mounted(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="empty"):
        read(tmp_path)


def test_a_folder_that_is_not_there_is_told_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"{tmp_path}/gone: No such file or directory"):
        read(tmp_path / "gone")
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match="file: Not a directory"):
        read(tmp_path, volume="file")


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        ("snap-%s", "snap-1795400000", "11-23T02:13Z"),
        ("@GMT-%Y.%m.%d-%H.%M.%S%z", "@GMT-2026.11.24-01.30.00Z", "11-24T01:30Z"),
        ("%d%b%y 100%%", "24Nov26 100%", "11-23T23:00Z"),
        ("v(%Y)[%j]+.", "v(2026)[328]+.", "11-23T23:00Z"),
    ],
)
def test_patterns_of_many_sorts(tmp_path: Path, pattern: str, name: str, found: str) -> None:
    assert read(made(tmp_path, name), pattern) == [found]


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("daily", "a year, a month and a day are needed"),
        ("%m-%d", "a year, a month and a day are needed"),
        ("%Y-%m", "a year, a month and a day are needed"),
        ("%Y-%m-%s", "a year, a month and a day are needed"),
        ("%Y-%m-%d %Z", "%Z cannot be read; the offset is %z"),
        ("%Y-%m-%d_%Q", "%Q cannot be read"),
        ("%Y-%m-%d%", "% cannot be read"),
        ("%Y-%m-%d-%d", "%d is there twice"),
    ],
)
def test_a_pattern_that_is_of_no_use_is_a_fault_of_the_file(tmp_path: Path, pattern: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=f"^pattern: {fault}"):
        SnapshotFolder(path=tmp_path, pattern=pattern)


@pytest.mark.parametrize(
    ("zone", "written", "meant"),
    [
        ("Europe/Rome", "2026-03-29_0130", "2026-03-29T00:30Z"),
        ("Europe/Rome", "2026-03-29_0230", "2026-03-29T01:30Z"),  # left out: 03:30 by the new clock
        ("Europe/Rome", "2026-10-25_0230", "2026-10-25T00:30Z"),  # comes twice: the first
        ("Europe/Rome", "2026-10-25_0300", "2026-10-25T02:00Z"),
        ("Australia/Lord_Howe", "2026-04-05_0145", "2026-04-04T14:45Z"),  # half an hour comes twice
        ("Asia/Kolkata", "2026-11-24_0230", "2026-11-23T21:00Z"),
    ],
)
def test_a_time_without_an_offset_is_of_the_zone_of_the_schedule(zone: str, written: str, meant: str) -> None:
    moment = TimeForm("%Y-%m-%d_%H%M").read(written)
    assert moment
    assert f"{instant(moment, ZoneInfo(zone)):%Y-%m-%dT%H:%MZ}" == meant


@pytest.mark.parametrize("name", ["daily.0001-01-01_0000", "daily.9999-12-31_2359"])
def test_a_name_at_the_end_of_the_calendar_is_no_time(tmp_path: Path, name: str) -> None:
    assert TimeForm("daily.%Y-%m-%d_%H%M").read(name) is None
