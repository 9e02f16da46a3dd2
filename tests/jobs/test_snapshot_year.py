"""A year of mornings: whatever the clock does, a snapshot that was taken is not missed, and one that was not is.

Europe/Rome changes by an hour in March and October, Lord Howe Island by half an hour, St. John's is half an hour from
the others, and Kolkata never changes.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collima.core.model import Finding
from collima.core.quantities import Duration
from collima.core.targets import Snapshot
from connectors.snapshot_folder import SnapshotFolder
from connectors.times import instant
from jobs.snapshot_check.options import Levels
from jobs.snapshot_check.verdict import judge
from tests.jobs.volumes import HOME, ROME, job

ZONES = [ZoneInfo(name) for name in ("Europe/Rome", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kolkata")]
DAYS = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
DAILY = "daily.%Y-%m-%d_%H%M"
TIMES = ["00:05", "02:00", "02:30", "12:00", "23:30"]


def looked(taken: Sequence[datetime], day: date, zone: ZoneInfo, at: time = time(8)) -> tuple[Finding, ...]:
    """What is told on a morning of what has been taken until then."""
    now = datetime.combine(day, at, zone).astimezone(UTC)
    found = [Snapshot("", instant(moment, zone)) for moment in taken]
    return judge(HOME, job(HOME).expected(HOME), Levels(), [s for s in found if s.taken <= now], now, zone).findings


def around(day: date, at: str, count: int = 7) -> list[datetime]:
    """The local times of the last snapshots before 8 o'clock of a day, as a system writes them that keeps so many."""
    hour = time.fromisoformat(at)
    newest = day if hour < time(8) else day - timedelta(days=1)
    return [datetime.combine(newest - timedelta(days=n), hour) for n in range(count)]


@pytest.mark.parametrize("zone", ZONES, ids=str)
@pytest.mark.parametrize("at", TIMES)
def test_taken_by_the_clock_on_the_wall(zone: ZoneInfo, at: str) -> None:
    for day in DAYS:
        assert looked(around(day, at), day, zone) == (), day


@pytest.mark.parametrize("zone", ZONES, ids=str)
@pytest.mark.parametrize("at", TIMES)
def test_taken_by_a_clock_that_knows_no_summer(zone: ZoneInfo, at: str) -> None:
    """In UTC each day: the local time is another one after each change, perhaps on the other side of midnight."""
    every = [
        datetime.combine(DAYS[0] - timedelta(days=9), time.fromisoformat(at), UTC) + timedelta(n) for n in range(376)
    ]
    for day in DAYS:
        now = datetime.combine(day, time(8), zone)
        assert looked([moment for moment in every if moment <= now][-7:], day, zone) == (), day


@pytest.mark.parametrize("zone", ZONES, ids=str)
@pytest.mark.parametrize("at", ["02:30", "08:30"])
def test_pruned_after_so_many_hours(zone: ZoneInfo, at: str) -> None:
    for day in DAYS:
        now = datetime.combine(day, time(8), zone)
        kept = [m for m in around(day, at, 9) if instant(m, zone) > now.astimezone(UTC) - timedelta(hours=7 * 24)]
        assert looked(kept, day, zone) == (), day


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_a_day_that_was_left_out_is_told_on_each_of_the_days_after(zone: ZoneInfo) -> None:
    for gone in DAYS:
        for later in (1, 2, 6):
            day = gone + timedelta(days=later)
            taken = [moment for moment in around(day, "02:30", 8) if moment.date() != gone]
            told = [(f.code, f.text) for f in looked(taken, day, zone)]
            assert told == [("some-missing", f"1 of the last 7 missing: {gone}")], day


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_on_the_morning_itself_the_newest_is_too_old(zone: ZoneInfo) -> None:
    for gone in DAYS:
        told = looked(around(gone - timedelta(days=1), "02:30"), gone, zone)
        assert [f.code for f in told] == ["too-old"], gone


def hourly(zone: ZoneInfo, day: date) -> Iterator[datetime]:
    """Every full hour of two days, by the clock on the wall: one name comes twice in autumn, and is there once."""
    start = datetime.combine(day - timedelta(days=1), time(0), zone).astimezone(UTC)
    walls = (start + timedelta(minutes=n) for n in range(0, 33 * 60, 30))
    yield from {m.astimezone(zone).replace(tzinfo=None) for m in walls if m.astimezone(zone).minute == 0}


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_each_hour(zone: ZoneInfo) -> None:
    options = job(HOME, every=Duration(1, "hour"), keep=Duration(1, "day"))
    for day in DAYS:
        now = datetime.combine(day, time(8, 10), zone).astimezone(UTC)
        found = [Snapshot("", instant(moment, zone)) for moment in hourly(zone, day)]
        found = [s for s in found if timedelta(0) <= now - s.taken <= timedelta(hours=25)]
        assert judge(HOME, options.expected(HOME), Levels(), found, now, zone).findings == (), day


def test_a_year_in_a_real_folder(tmp_path: Path) -> None:
    """Names without an offset, one more each night, and the eighth taken away."""
    connector = SnapshotFolder(path=tmp_path, pattern=DAILY)
    names = [f"{datetime.combine(day, time(2, 30)):{DAILY}}" for day in DAYS]
    for at, day in enumerate(DAYS):
        (tmp_path / names[at]).mkdir()
        if at >= 7:
            (tmp_path / names[at - 7]).rmdir()
        if at >= 6:
            with connector.open() as session:
                taken = [snapshot.taken for snapshot in session.read("", ROME)]
            assert looked(taken, day, ROME) == (), day
