"""When a schedule is due, held against the plainest answer: a walk through every minute of the year."""

from array import array
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collima.app.when import When, following, latest, when

ROME = ZoneInfo("Europe/Rome")
SOUTH, HALF_AN_HOUR, NEVER_CHANGED = (
    ZoneInfo("America/Santiago"),
    ZoneInfo("Australia/Lord_Howe"),
    ZoneInfo("Asia/Kolkata"),
)
ZONES = [ROME, SOUTH, HALF_AN_HOUR, NEVER_CHANGED]  # Santiago changes at midnight, Lord Howe by half an hour
SMALL_HOURS = [f"{hour:02}:{minute:02}" for hour in range(4) for minute in (0, 15, 30, 59)]
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@cache
def clock(zone: ZoneInfo, year: int) -> Sequence[int]:
    """What the clock shows, in minutes since the year began there, for every minute of `moments(year)`."""
    begins = datetime(year, 1, 1)  # noqa: DTZ001 - as the clock shows it
    shown = (moment.astimezone(zone).replace(tzinfo=None) for moment in moments(year))
    return array("l", ((face - begins) // MINUTE for face in shown))


def moments(year: int) -> Iterator[datetime]:
    """Every minute of a year, and of a day at both ends."""
    first = datetime(year - 1, 12, 31, tzinfo=UTC)
    return (first + n * MINUTE for n in range(367 * 24 * 60))


def reached(zone: ZoneInfo, year: int, at: str) -> list[datetime]:
    """For each day, the first moment at which the clock shows this time or, skipping it, a later one."""
    hour, minute = map(int, at.split(":"))
    first, shown, here, slots = next(moments(year)), clock(zone, year), 0, []
    for wanted in range(60 * hour + minute, 365 * 24 * 60, 24 * 60):
        while shown[here] < wanted:
            here += 1
        slots.append(first + here * MINUTE)
        here += 22 * 60  # no day is shorter
    return slots


def all_of(schedule: When, zone: ZoneInfo, first: date, last: date) -> list[datetime]:
    """Every slot of these days, each asked for with the one before."""
    slot, slots = datetime.combine(first, time(), tzinfo=zone) - MINUTE, []
    while (slot := following(schedule, zone, slot)).astimezone(zone).date() <= last:
        slots.append(slot)
    return slots


def year_of(schedule: When, zone: ZoneInfo, year: int) -> list[datetime]:
    return all_of(schedule, zone, date(year, 1, 1), date(year, 12, 31))


@pytest.mark.parametrize("year", [2026, pytest.param(2027, marks=pytest.mark.soak)])
@pytest.mark.parametrize(
    "zone", [ZONES[0], *(pytest.param(zone, marks=pytest.mark.soak) for zone in ZONES[1:])], ids=str
)
def test_a_daily_job_comes_exactly_once_each_day_of_the_year(zone: ZoneInfo, year: int) -> None:
    for at in SMALL_HOURS if zone is ROME else SMALL_HOURS[::3]:
        slots = year_of(when(f"daily at {at}"), zone, year)
        assert slots == reached(zone, year, at), at
        assert [slot.astimezone(zone).date() for slot in slots] == [date(year, 1, 1) + n * DAY for n in range(365)], at


@pytest.mark.parametrize("night", [date(2026, 3, 29), date(2026, 10, 25), date(2027, 3, 28), date(2027, 10, 31)])
def test_on_the_nights_when_the_clocks_of_rome_change_a_daily_job_comes_exactly_once(night: date) -> None:
    noon = datetime.combine(night - DAY, time(12), tzinfo=ROME).astimezone(UTC)
    moments = [noon + n * 7 * MINUTE for n in range(22 * 60 // 7)]
    for at in SMALL_HOURS:
        schedule = when(f"daily at {at}")
        slot = following(schedule, ROME, noon)
        assert slot.astimezone(ROME).date() == night
        for moment in moments:
            assert (latest(schedule, ROME, moment) == slot) == (moment >= slot), (at, moment)
            assert (following(schedule, ROME, moment) == slot) == (moment < slot), (at, moment)


def test_a_time_that_the_clock_skips_comes_at_the_end_of_the_gap() -> None:
    slot = following(when("daily at 02:30"), ROME, datetime(2026, 3, 29, tzinfo=ROME))
    assert slot.astimezone(ROME).isoformat() == "2026-03-29T03:00:00+02:00"


def test_a_time_that_the_clock_shows_twice_comes_the_first_time() -> None:
    slot = following(when("daily at 02:30"), ROME, datetime(2026, 10, 25, tzinfo=ROME))
    assert slot.astimezone(ROME).isoformat() == "2026-10-25T02:30:00+02:00"
    between = datetime(2026, 10, 25, 2, 15, fold=1, tzinfo=ROME)
    assert latest(when("daily at 02:30"), ROME, between) == slot
    assert following(when("daily at 02:30"), ROME, between).astimezone(ROME).isoformat() == "2026-10-26T02:30:00+01:00"


def test_every_quarter_of_an_hour_has_neither_gap_nor_double_in_the_whole_year() -> None:
    slots = year_of(when("every 15 minutes"), ROME, 2026)
    assert {later - earlier for earlier, later in pairwise(slots)} == {15 * MINUTE}
    assert len(slots) == 365 * 96


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        (ROME, "2026-03-28"),
        (ROME, "2027-10-30"),
        (SOUTH, "2026-04-04"),
        (SOUTH, "2026-09-05"),
        (HALF_AN_HOUR, "2026-04-04"),
        (HALF_AN_HOUR, "2026-10-03"),
        (NEVER_CHANGED, "2026-03-28"),
    ],
)
@pytest.mark.parametrize("minutes", [5, 15, 30])
def test_every_so_many_minutes_has_neither_gap_nor_double(minutes: int, zone: ZoneInfo, first: str) -> None:
    day = date.fromisoformat(first)
    slots = all_of(when(f"every {minutes} minutes"), zone, day, day + DAY)
    assert {later - earlier for earlier, later in pairwise(slots)} == {minutes * MINUTE}


@pytest.mark.parametrize("zone", [ROME, SOUTH, NEVER_CHANGED], ids=str)
def test_every_hour_has_neither_gap_nor_double_where_clocks_change_by_whole_hours(zone: ZoneInfo) -> None:
    slots = year_of(when("every 1 hour"), zone, 2026)
    assert {later - earlier for earlier, later in pairwise(slots)} == {60 * MINUTE}


@pytest.mark.parametrize("zone", ZONES, ids=str)
@pytest.mark.parametrize("hours", [2, 6])
def test_every_so_many_hours_is_a_time_of_day_and_comes_once(hours: int, zone: ZoneInfo) -> None:
    times = [f"{hour:02}:00" for hour in range(0, 24, hours)]
    wanted = {slot for at in times for slot in reached(zone, 2026, at)}
    assert year_of(when(f"every {hours} hours"), zone, 2026) == sorted(wanted)


@pytest.mark.parametrize("zone", ZONES, ids=str)
@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("weekly on sunday at 02:00", lambda d: d.weekday() == 6),
        ("weekly on sunday at 00:00", lambda d: d.weekday() == 6),
        ("weekly on saturday at 23:30", lambda d: d.weekday() == 5),
        ("monthly on the 1st at 06:00", lambda d: d.day == 1),
        ("monthly on the 25th at 02:30", lambda d: d.day == 25),
        ("30 5 L * *", lambda d: (d + DAY).day == 1),
        ("0 2 LW * *", lambda d: d == last_working_day(d)),
        ("30 2 * * 0", lambda d: d.weekday() == 6),
        ("30 2 * * 7", lambda d: d.weekday() == 6),
        ("30 2 * * sun", lambda d: d.weekday() == 6),
        ("30 2 * * 1-5", lambda d: d.weekday() < 5),
        ("0 3 * * 5L", lambda d: d.weekday() == 4 and (d + 7 * DAY).month != d.month),
        ("0 3 * * mon#1", lambda d: d.weekday() == 0 and d.day <= 7),
        ("0 3 13 * 5", lambda d: d.day == 13 or d.weekday() == 4),
    ],
)
def test_a_day_is_the_one_that_is_named(text: str, named: object, zone: ZoneInfo) -> None:
    """Weekday 0 is Sunday, as cron has it; APScheduler has Monday."""
    schedule = when(text)
    minute, hour = map(int, schedule.cron.split()[:2])
    wanted = [slot for slot in reached(zone, 2026, f"{hour:02}:{minute:02}") if named(slot.astimezone(zone).date())]
    assert year_of(schedule, zone, 2026) == wanted
    assert wanted


def last_working_day(day: date) -> date:
    last = (day.replace(day=1) + 31 * DAY).replace(day=1) - DAY
    return last - max(0, last.weekday() - 4) * DAY


NIGHTS = "4-5,25,29 3-4,9-10"  # days and months in which clocks change, somewhere


@pytest.mark.parametrize(
    "text", [f"* 2 {NIGHTS} *", f"*/7 * {NIGHTS} *", f"*/20 1-2 {NIGHTS} *", f"0,30 * {NIGHTS} *", "5 * * * 0"]
)
@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_a_line_that_follows_the_clock_comes_whenever_the_clock_shows_it(text: str, zone: ZoneInfo) -> None:
    minutes, hours, days, months, weekdays = (set(field) for field in fields(text))
    named = set()
    for day in (date(2026, 1, 1) + n * DAY for n in range(365)):
        if day.day in days and day.month in months and day.isoweekday() % 7 in weekdays:
            begins = (day - date(2026, 1, 1)) // MINUTE
            named |= {begins + 60 * hour + minute for hour in hours for minute in minutes}
    wanted = [moment for moment, shown in zip(moments(2026), clock(zone, 2026), strict=True) if shown in named]
    assert year_of(when(text), zone, 2026) == wanted


def fields(text: str) -> Iterator[Sequence[int]]:
    for field, every in zip(text.split(), [range(60), range(24), range(1, 32), range(1, 13), range(7)], strict=True):
        first, _, step = field.partition("/")
        spans = [(part.split("-")[0], part.split("-")[-1]) for part in first.split(",") if part != "*"]
        yield [n for low, high in spans for n in range(int(low), int(high) + 1)] or every[:: int(step or 1)]


LINES = st.builds(
    " ".join,
    st.tuples(
        st.sampled_from(["0", "30", "*/15", "*", "1,59", "10-20/5"]),
        st.sampled_from(["0", "2", "1-3", "*", "*/6", "23"]),
        st.sampled_from(["*", "1", "L", "LW", "29", "*/5"]),
        st.sampled_from(["*", "3,10", "2", "4-9"]),
        st.sampled_from(["*", "0", "1-5", "0#1", "6L"]),
    ),
)
ANYWHERE = st.sampled_from([*ZONES, ZoneInfo("Antarctica/Troll"), ZoneInfo("Africa/Casablanca"), ZoneInfo("UTC")])
MOMENTS = st.builds(
    lambda start, seconds: start + timedelta(seconds=seconds),
    st.sampled_from([datetime(2026, 1, 1, tzinfo=UTC)]),
    st.integers(0, 2 * 365 * 86400),
) | st.builds(
    lambda night, seconds: night + timedelta(seconds=seconds),  # the nights that matter, more often
    st.sampled_from([datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]),
    st.integers(-7200, 7200),
)


@given(LINES, ANYWHERE, MOMENTS)
@example("30 2 * * *", ROME, datetime(2026, 10, 25, 1, 15, tzinfo=UTC))
@example("*/10 2 * * *", HALF_AN_HOUR, datetime(2026, 4, 4, 14, 45, tzinfo=UTC))
def test_the_next_and_the_newest_slot_agree(line: str, zone: ZoneInfo, moment: datetime) -> None:
    try:
        schedule = when(line)
    except ValueError:
        return  # a day that never comes
    coming, newest = following(schedule, zone, moment), latest(schedule, zone, moment)
    assert newest <= moment < coming
    assert latest(schedule, zone, coming) == coming
    assert latest(schedule, zone, coming - timedelta(microseconds=1)) == newest
    assert following(schedule, zone, newest) == coming
    assert following(schedule, zone, newest - timedelta(microseconds=1)) == newest


def test_a_manual_job_has_no_slots() -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    assert (following(when("manual"), ROME, now), latest(when("manual"), ROME, now)) == (None, None)


def test_a_day_that_comes_every_few_decades_is_found() -> None:
    slot = following(when("0 0 29 2 */7"), ROME, datetime(2026, 11, 24, tzinfo=UTC))
    assert slot.astimezone(ROME).date() == date(2032, 2, 29)  # a Sunday
    assert latest(when("0 0 29 2 */7"), ROME, datetime(2026, 11, 24, tzinfo=UTC)).year == 2004
