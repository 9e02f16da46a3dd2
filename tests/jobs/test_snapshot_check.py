"""What is told of volumes: by the engine, with a real state, as of any other kind."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from collima.core.model import Finding
from collima.core.quantities import duration
from collima.core.result import Result
from jobs.snapshot_check.options import Levels, Volume
from tests.jobs.volumes import HOME, MAIL, MORNING, Storage, job, nightly

WEEK = range(7)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


def told(result: Result, name: str = "mail") -> list[tuple[str, str, str]]:
    return [(f.level, f.code, f.text) for f in result.findings if f.subject == name]


def judged(storage: Storage, taken: list[datetime], **options: Any) -> list[tuple[str, str, str]]:
    storage.systems["san"].taken = {"lun-mail": taken}
    return told(storage.run(job(**options), plan=True))


def boxes(result: Result, name: str = "mail") -> str:
    marks = {"good": "+", "warning": "!", "critical": "X", "none": "."}
    (cells,) = (s.cells for s in result.subjects if s.name == name)
    return "".join(marks[cell.mood] for cell in cells)


def test_volumes_as_they_should_be_are_in_sync(storage: Storage) -> None:
    storage.systems["san"].taken = {"lun-mail": nightly(*WEEK), "lun-old": []}
    storage.systems["nas"].taken = {"": nightly(*range(14))}
    result = storage.run(job(MAIL, Volume(name="home", in_="nas", keep=duration("14 days"))))
    assert (result.state, result.exit_code, result.findings) == ("in-sync", 0, ())
    assert [(s.name, s.size, s.wanted, s.state) for s in result.subjects] == [
        ("mail", 7, 7, "in-sync"),
        ("home", 14, 14, "in-sync"),
    ]
    assert [(s.connector, s.verdict, s.entries) for s in result.sources] == [
        ("san", "complete", 7),
        ("nas", "complete", 14),
    ]
    assert boxes(result) == "+++++++"
    assert [result.subjects[0].cells[at].label for at in (0, -1)] == ["2026-11-18", "2026-11-24"]


@pytest.mark.parametrize(
    ("taken", "findings"),
    [
        (nightly(*WEEK, at="23:55")[1:] + nightly(7, at="23:55"), []),
        (nightly(*WEEK, 7), []),  # seven days by the hour: one more than seven
        (nightly(0, 0, 1, 1, *range(1, 7)), []),
        ([*nightly(*WEEK), *nightly(1, 3, at="14:20")], []),  # taken by hand
        ([*nightly(0, 2, 3, 4, 5, 6), *nightly(1, at="22:00")], []),  # twenty hours late
        (
            [*nightly(0, 2), *nightly(2, at="15:00"), *nightly(*range(3, 8))],
            [("warning", "some-missing", "1 of the last 7 missing: 2026-11-23")],
        ),
        (
            nightly(*range(1, 8)),
            [("critical", "too-old", "the newest is of 2026-11-23 02:30: 29 hours old (limit 26)")],
        ),
        (nightly(0, 1, 2, 4, 5, 6, 7), [("warning", "some-missing", "1 of the last 7 missing: 2026-11-21")]),
        (
            nightly(0, 3, 4, 5, 6, 7, 8),
            [("critical", "many-missing", "2 of the last 7 missing: 2026-11-23, 2026-11-22")],
        ),
        (nightly(0, 1, 2), [("warning", "too-few", "3 of 7 are there, the oldest of 2026-11-22")]),
        (nightly(*range(10)), [("warning", "not-pruned", "2 should not be kept any longer, the oldest of 2026-11-15")]),
        ([], [("critical", "no-snapshots", "there is no snapshot of lun-mail at all")]),
        (
            [*nightly(*WEEK), MORNING + timedelta(hours=3)],
            [("critical", "in-the-future", "1 of 8 are of a time that has not come, the last of 2026-11-24 11:00")],
        ),
        ([*nightly(*range(1, 7)), MORNING + timedelta(minutes=4)], []),  # their clock is a little ahead
    ],
)  # fmt: skip
def test_what_is_told_of_a_volume(storage: Storage, taken: list[datetime], findings: list[object]) -> None:
    assert judged(storage, taken) == findings


def test_a_snapshot_in_the_future_hides_nothing(storage: Storage) -> None:
    """A clock that is wrong must not look like a snapshot of today."""
    codes = [code for _, code, _ in judged(storage, [*nightly(5, 6, 7), MORNING + timedelta(days=300)])]
    assert codes == ["in-the-future", "too-old"]
    assert [c for _, c, _ in judged(storage, [MORNING + timedelta(days=1)])] == ["in-the-future"]


def test_the_row_shows_what_is_late_and_missing_and_what_is_not_there_yet(storage: Storage) -> None:
    san = storage.systems["san"]
    san.taken = {"lun-mail": nightly(2, 4, 5)}
    late = storage.run(job())
    assert boxes(late) == "!++!+XX"
    assert late.subjects[0].cells[-1].label == "2026-11-24"
    san.taken = {"lun-mail": nightly(0, 4, 5, 6)}
    assert boxes(storage.run(job())) == "+++XXX+"
    san.taken = {"lun-mail": []}
    assert boxes(storage.run(job())) == "XXXXXXX"
    san.taken = {"lun-mail": nightly(*range(200))}
    assert len(boxes(storage.run(job(keep=duration("1 year"))))) == 32


def test_a_retention_by_number_reaches_back_further_after_a_day_that_was_missed(storage: Storage) -> None:
    assert [code for _, code, _ in judged(storage, nightly(0, 3, 4, 5, 6, 7, 8))] == ["many-missing"]


def test_what_takes_none_any_more_is_not_blamed_for_pruning_none(storage: Storage) -> None:
    assert [code for _, code, _ in judged(storage, nightly(*range(20, 27)))] == ["too-old"]


def test_two_volumes_where_one_was_meant(storage: Storage) -> None:
    storage.systems["nas"].taken = {"home": nightly(*WEEK), "scratch": nightly(*WEEK)}
    result = storage.run(job(HOME))
    assert told(result, "home") == [
        (
            "critical",
            "two-volumes",
            "snapshots of 2 volumes, where one was meant (home, scratch): say which with `volume`",
        )
    ]
    assert (result.subjects[0].size, result.subjects[0].cells) == (14, ())


def test_a_connector_that_fails_fails_its_own_volumes_only(storage: Storage) -> None:
    storage.systems["san"].taken = {"lun-mail": nightly(*WEEK)}
    storage.systems["nas"].fault = "ssh did not end within 30 seconds"
    other = Volume(name="scratch", in_="nas", volume="s")
    result = storage.run(job(HOME, MAIL, other))
    assert (result.state, result.exit_code, result.transient) == ("partial", 4, False)
    assert {s.name: s.state for s in result.subjects} == {"home": "failed", "mail": "in-sync", "scratch": "failed"}
    fault = [("critical", "unreadable", "cannot be read: nas: ssh did not end within 30 seconds")]
    assert told(result, "home") == told(result, "scratch") == fault
    assert [s.connector for s in result.sources] == ["san"]


def test_only_what_may_pass_is_worth_another_try(storage: Storage) -> None:
    san, nas = storage.systems["san"], storage.systems["nas"]
    san.taken = {"lun-mail": nightly(*WEEK)}
    nas.fault, nas.transient = "ssh did not end within 30 seconds", True
    some = storage.run(job(HOME, MAIL))
    assert (some.state, some.exit_code, some.transient) == ("partial", 4, True)
    alone = storage.run(job(HOME))
    assert (alone.state, alone.exit_code, alone.transient) == ("failed", 1, True)
    san.taken = {}  # no try brings those back
    worse = storage.run(job(HOME, MAIL))
    assert (worse.state, worse.transient) == ("failed", False)


def test_a_volume_that_cannot_be_read_leaves_the_others_of_its_connector_alone(storage: Storage) -> None:
    san = storage.systems["san"]
    san.taken, san.broken = {"lun-mail": nightly(*WEEK)}, {"gone": "no such folder"}
    result = storage.run(job(MAIL, Volume(name="gone", in_="san", volume="gone")))
    assert {s.name: s.state for s in result.subjects} == {"mail": "in-sync", "gone": "failed"}


def test_when_no_connector_answers_the_run_fails(storage: Storage) -> None:
    storage.systems["san"].fault = storage.systems["nas"].fault = "no route to host"
    result = storage.run(job(MAIL, HOME))
    assert (result.state, result.exit_code) == ("failed", 1)
    assert result.cause == "mail: cannot be read: san: no route to host"


def test_levels_can_be_set(storage: Storage) -> None:
    levels = Levels(too_old="warning", some_missing="critical", too_few="info")
    taken = nightly(2, 4, 5)
    assert [(level, code) for level, code, _ in judged(storage, taken, levels=levels)] == [
        ("critical", "some-missing"),
        ("warning", "too-old"),
        ("info", "too-few"),
    ]
    storage.systems["san"].fault = "down"
    assert storage.run(job(levels=Levels(unreadable="warning"))).state == "in-sync"


def test_a_volume_may_expect_something_else_than_the_others(storage: Storage) -> None:
    storage.systems["san"].taken = {"a": nightly(0, 3, 4), "b": nightly(0, 7, 14, 21), "c": nightly(1)}
    named = {
        "a": {"missing": 2, "keep": duration("5 days")},
        "b": {"every": duration("1 week"), "newest": duration("8 days"), "keep": duration("4 weeks")},
        "c": {"newest": duration("2 days"), "keep": duration("1 day")},
    }
    volumes = [Volume(name=name, in_="san", volume=name, **more) for name, more in named.items()]  # type: ignore[arg-type]
    result = storage.run(job(*volumes, newest=duration("26 hours")))
    assert [(f.subject, f.code) for f in result.findings] == [("a", "some-missing")]
    assert [s.wanted for s in result.subjects] == [5, 4, 1]


def test_several_a_day_are_told_by_the_hour(storage: Storage) -> None:
    taken = [MORNING - timedelta(hours=n) for n in range(0, 25, 6) if n != 12]
    options = {"every": duration("6 hours"), "keep": duration("1 day")}
    assert judged(storage, taken, **options) == [
        ("warning", "some-missing", "1 of the last 4 missing: 2026-11-23 20:00")
    ]
    newest = judged(storage, [MORNING - timedelta(hours=9 + n) for n in (0, 6, 12, 18)], **options)
    assert newest == [("critical", "too-old", "the newest is of 2026-11-23 23:00: 9 hours old (limit 8)")]


def test_hourly_snapshots_are_enough_for_a_day(storage: Storage) -> None:
    taken = [MORNING - timedelta(hours=n, minutes=5) for n in range(24 * 7)]
    assert judged(storage, taken) == []


def test_a_hole_of_years_is_no_work(storage: Storage) -> None:
    taken = [MORNING - timedelta(minutes=5), datetime(1970, 1, 1, tzinfo=UTC)]
    codes = [code for _, code, _ in judged(storage, taken, every=duration("1 minute"), keep=duration("1 hour"))]
    assert codes == ["many-missing", "not-pruned"]


def test_in_watch_it_is_told_and_counts_in_no_state(storage: Storage) -> None:
    result = storage.run(job(), watch=True)
    assert (result.state, result.subjects[0].mode) == ("in-sync", "watch")
    assert [f.code for f in result.findings] == ["no-snapshots"]


def test_each_run_tells_the_same_while_it_is_so(storage: Storage) -> None:
    storage.systems["san"].taken = {"lun-mail": nightly(2, 3, 4, 5, 6, 7, 8)}
    first: list[tuple[Finding, ...]] = []
    for _ in range(2):
        first.append(storage.run(job()).findings)  # noqa: PERF401
    assert first[0] == first[1]


def faults(*volumes: Volume, **options: Any) -> list[object]:
    return list(job(*volumes, **options).faults())


def test_options_that_cannot_be_meant() -> None:
    assert faults(MAIL, HOME) == []
    assert faults(MAIL, MAIL) == [(("volumes", 1, "name"), "volumes[0] has this name, too")]
    assert faults(MAIL, keep=duration("12 hours")) == [(("keep",), "is shorter than `every` (1 day)")]
    assert faults(MAIL, every=duration("0 days")) == [(("every",), "nothing is taken in no time")]
    weekly = Volume(name="w", in_="san", newest=duration("1 day"), every=duration("1 week"), keep=duration("1 month"))
    assert faults(weekly) == [
        (("volumes", 0, "newest"), "is shorter than `every` (1 week): the newest would be too old each day")
    ]
