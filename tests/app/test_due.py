"""What becomes of slots: decided from rows and the clock alone, whenever the question is put."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from collima.app.config import Job
from collima.app.service.due import ON_TIME, Due, awaited, deadline, due, pausing, start, superseded, unmet
from collima.app.when import when
from collima.core.quantities import duration
from collima.state.pauses import EVERY_JOB, Pause

ROME, SOUTH, HALF_AN_HOUR, KOLKATA = map(
    ZoneInfo, ("Europe/Rome", "America/Santiago", "Australia/Lord_Howe", "Asia/Kolkata")
)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def job(schedule: str, **options: object) -> Job:
    lengths = {
        key: duration(value) if isinstance(value, str) and key in {"jitter", "catch_up"} else value
        for key, value in options.items()
    }
    return Job(**{"name": "lists", "kind": "roster-sync", "options": object(), "when": when(schedule)} | lengths)


def ask(one: Job, now: datetime, **more: object) -> Due | None:
    return due(one, ROME, **{"since": NOW - 30 * DAY, "known": (), "now": now} | more)


# ---- a year of ticks


def ticks(zone: ZoneInfo, year: int) -> Iterator[datetime]:
    """Every four hours of a year, never on the hour; around a change of the clocks every seven minutes."""
    moment, end = datetime(year, 1, 1, 0, 0, 1, tzinfo=zone).astimezone(UTC), datetime(year + 1, 1, 1, tzinfo=zone)
    while moment < end:
        yield moment
        changing = len({(moment + n * 8 * HOUR).astimezone(zone).utcoffset() for n in (-1, 0, 1)}) > 1
        moment += 7 * MINUTE if changing else 4 * HOUR + 11 * MINUTE


def year(one: Job, zone: ZoneInfo, moments: Iterable[datetime], since: datetime) -> Counter[tuple[date, str]]:
    """How often each day had which fate."""
    known, fates = set[datetime](), Counter[tuple[date, str]]()
    for now in moments:
        if found := due(one, zone, since=since, known=known, now=now):
            assert found.slot <= now
            known.add(found.slot)
            fates[found.slot.astimezone(zone).date(), found.fate] += 1
    return fates


@pytest.mark.parametrize("zone", [ROME, SOUTH, HALF_AN_HOUR, KOLKATA], ids=str)
@pytest.mark.parametrize("at", ["00:00", "01:45", "02:30", "03:59"])
def test_a_daily_job_is_run_exactly_once_each_day_of_two_years(at: str, zone: ZoneInfo) -> None:
    for number in (2026, 2027):
        since = datetime(number, 1, 1, tzinfo=zone)
        fates = year(job(f"daily at {at}"), zone, ticks(zone, number), since)
        assert fates == {(date(number, 1, 1) + n * DAY, "run"): 1 for n in range(365)}


def test_a_year_in_which_the_service_rests_each_weekend_catches_up_the_slot_of_monday_alone() -> None:
    """Down from Friday 20:00 to Monday 12:00: those of Saturday and Sunday are gone."""
    moments = [m for m in ticks(ROME, 2026) if not _weekend(m.astimezone(ROME))]
    fates = year(job("daily at 05:30"), ROME, moments, datetime(2026, 1, 1, tzinfo=ROME))
    assert set(fates.values()) == {1}
    assert {fate for _, fate in fates} == {"run"}
    assert {day.weekday() for day, _ in fates} == {0, 1, 2, 3, 4}


def _weekend(local: datetime) -> bool:
    hour = local.weekday() * 24 + local.hour
    return hour >= 4 * 24 + 20 or hour < 12


# ---- catching up


def test_a_slot_is_run_once_it_is_due_and_never_again() -> None:
    one, slot = job("daily at 05:30"), datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
    assert ask(one, slot - timedelta(microseconds=1), known={slot - DAY}) is None
    assert ask(one, slot) == Due(slot, "run")
    assert ask(one, slot + HOUR, known={slot}) is None


@pytest.mark.parametrize(
    ("late", "catch_up", "fate"),
    [
        ("12 hours", "12 hours", "run"),
        ("721 minutes", "12 hours", "missed"),
        ("90 minutes", "2 hours", "run"),
        ("3 hours", "2 hours", "missed"),
        ("1 minute", None, "run"),
        ("3 minutes", None, "missed"),
        ("1 minute", "5 seconds", "run"),
    ],
)
def test_a_late_slot_is_caught_up_for_so_long_and_then_missed(late: str, catch_up: str | None, fate: str) -> None:
    slot = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
    found = ask(job("daily at 05:30", catch_up=catch_up), slot + timedelta(seconds=duration(late).seconds))
    assert found
    assert (found.slot, found.fate, bool(found.cause)) == (slot, fate, fate == "missed")


def test_after_a_week_away_only_the_last_slot_is_caught_up() -> None:
    one, slot = job("daily at 05:30"), datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
    assert ask(one, NOW, known={slot - 7 * DAY}) == Due(slot, "run")


def test_a_schedule_that_was_first_seen_just_now_has_no_past() -> None:
    assert ask(job("daily at 05:30"), NOW, since=NOW - HOUR) is None
    assert ask(job("manual"), NOW) is None


def test_a_clock_that_was_a_day_ahead_runs_nothing_twice_and_loses_nothing() -> None:
    """Slots that are in the future once the clock is right keep their row; those between come in their turn."""
    one, today = job("daily at 05:30"), datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
    ahead = ask(one, today + DAY, known={today - DAY})
    assert ahead == Due(today + DAY, "run")
    known = {today - DAY, today + DAY}
    assert ask(one, today - HOUR, known=known) is None
    assert ask(one, today, known=known) == Due(today, "run")
    assert ask(one, today + DAY + MINUTE, known=known | {today}) is None


def test_a_clock_set_back_an_hour_runs_nothing_twice() -> None:
    one, known, runs = job("every 15 minutes"), set[datetime](), 0
    for now in [
        NOW,
        NOW + 15 * MINUTE,
        NOW + 30 * MINUTE,
        NOW - 30 * MINUTE,
        NOW - 15 * MINUTE,
        NOW,
        NOW + 45 * MINUTE,
    ]:
        if found := ask(one, now, known=known):
            known.add(found.slot)
            runs += found.fate == "run"
    assert runs == len(known) == 6  # two of them before the first tick of all


def test_a_job_of_other_machines_is_missed_when_none_of_them_took_it() -> None:
    one, slot = job("daily at 05:30", runs_on=("elsewhere",)), datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
    assert ask(one, slot + 12 * HOUR, here=False) is None
    missed = ask(one, slot + 12 * HOUR + 6 * MINUTE, here=False)
    assert missed
    assert (missed.slot, missed.fate) == (slot, "missed")


# ---- jitter, deadlines, superseding


def test_jitter_is_the_same_on_every_machine_and_spread_over_its_length() -> None:
    one = job("every 15 minutes", jitter="10 minutes")
    slots = [NOW + n * 15 * MINUTE for n in range(1000)]
    waits = [start(one, slot) - slot for slot in slots]
    assert waits == [start(one, slot) - slot for slot in slots]
    assert min(waits) >= timedelta()
    assert max(waits) <= 10 * MINUTE
    assert max(waits) - min(waits) > 9 * MINUTE
    assert start(job("daily at 05:30", name="other", jitter="10 minutes"), NOW) != start(one, NOW)
    digest = hashlib.sha256(b"lists 1795521600000000").digest()  # what a release must not change
    assert start(one, NOW) == NOW + timedelta(seconds=int.from_bytes(digest[:8]) % 601)
    assert start(job("daily at 05:30"), NOW) == NOW


def test_a_slot_that_waits_has_until_its_catch_up_after_its_jitter() -> None:
    assert deadline(job("daily at 05:30", catch_up="2 hours"), NOW) == NOW + 2 * HOUR
    assert deadline(job("daily at 05:30", catch_up="5 seconds"), NOW) == NOW + ON_TIME
    assert deadline(job("daily at 05:30", catch_up=None), NOW) == NOW + 12 * HOUR
    late = job("daily at 05:30", catch_up="2 hours", jitter="3 hours")
    assert deadline(late, NOW) == start(late, NOW) + 2 * HOUR


def test_a_newer_slot_takes_the_place_of_those_that_wait() -> None:
    assert superseded([NOW, NOW + HOUR, NOW - DAY], NOW + HOUR) == {NOW, NOW - DAY}
    assert superseded([NOW], NOW) == superseded([], NOW) == frozenset()
    assert superseded([NOW - HOUR, NOW + DAY], NOW) == frozenset()  # claimed by a clock that was ahead


# ---- pauses


def pause(of: str, first: datetime, last: datetime) -> Pause:
    return Pause(of, first, last, "the disk is being changed", "anna")


@pytest.mark.parametrize("of", ["lists", EVERY_JOB])
def test_a_slot_that_is_due_in_a_pause_is_recorded_and_not_run_also_when_it_is_found_late(of: str) -> None:
    one, slot = job("daily at 05:30"), datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
    meanwhile = pause(of, slot - HOUR, slot + HOUR)
    for now in (slot, slot + 30 * MINUTE, slot + 5 * HOUR):
        assert ask(one, now, pauses=[meanwhile]) == Due(slot, "paused", "the disk is being changed")
    assert ask(one, slot, pauses=[pause("other", slot - HOUR, slot + HOUR)]) == Due(slot, "run")


def test_a_slot_before_a_pause_or_after_it_is_run_but_does_not_start_in_it() -> None:
    slot = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
    earlier, later = pause("lists", slot - 3 * HOUR, slot), pause("lists", slot + HOUR, slot + 3 * HOUR)
    assert pausing("lists", [earlier, later], slot, slot) is None
    assert pausing("lists", [later], slot, slot + 2 * HOUR) is later
    assert pausing("lists", [later], slot, slot + 4 * HOUR) is None


# ---- waits-for

MORNING = datetime(2026, 11, 24, 6, tzinfo=ROME).astimezone(UTC)


def waits_for(schedule: str, slot: datetime = MORNING, zone: ZoneInfo = ROME, **options: object) -> datetime | None:
    other = job(schedule, name="sympa-lists", **options)
    one = job("daily at 06:00", waits_for=("sympa-lists",))
    return awaited(one, {"lists": one, "sympa-lists": other}, slot, zone).get("sympa-lists")


@pytest.mark.parametrize(
    ("schedule", "at"),
    [
        ("daily at 05:30", "05:30"),
        ("daily at 06:00", "06:00"),
        ("daily at 23:00", "23:00"),
        ("every 15 minutes", "06:00"),
        ("40 5,7 * * *", "05:40"),
        ("40 7,8 * * *", "07:40"),
        ("weekly on tuesday at 05:30", "05:30"),
        ("weekly on monday at 05:30", None),
        ("manual", None),
    ],
)
def test_what_a_slot_waits_for_is_a_slot_of_the_same_day(schedule: str, at: str | None) -> None:
    found = waits_for(schedule)
    assert (found.astimezone(ROME).isoformat() if found else None) == (at and f"2026-11-24T{at}:00+01:00")


def test_the_same_day_is_the_local_one_also_when_the_clocks_change() -> None:
    slot = datetime(2026, 10, 25, 6, tzinfo=ROME)
    assert waits_for("daily at 00:10", slot) == datetime(2026, 10, 24, 22, 10, tzinfo=UTC)
    assert waits_for("daily at 23:50", slot) == datetime(2026, 10, 25, 22, 50, tzinfo=UTC)
    late = datetime(2026, 11, 24, 23, 30, tzinfo=ROME)
    assert waits_for("daily at 00:10", late) == datetime(2026, 11, 23, 23, 10, tzinfo=UTC)


def test_a_job_of_a_kind_that_is_not_built_yet_is_not_waited_for() -> None:
    assert waits_for("daily at 05:30", options=None) is None


def test_a_slot_waits_until_a_run_since_the_awaited_one_has_ended_well() -> None:
    wanted = {"sympa-lists": MORNING, "people": MORNING}
    assert unmet(wanted, {"sympa-lists": MORNING, "people": MORNING + HOUR}) == ()
    assert unmet(wanted, {"sympa-lists": MORNING - MINUTE}) == ("sympa-lists", "people")
