"""Deleting what was held for long enough: a quarantine in memory, a real state."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from collima.app.result_json import document, stored
from collima.core import engine
from collima.core.decide import Task
from collima.core.engine import Desk, Order
from collima.core.errors import Busy, Refused
from collima.core.guard import Whole
from collima.core.options import BUILT_IN_GUARD
from collima.core.ports import Context
from collima.core.quantities import Amount, Duration
from collima.core.result import Result
from collima.state import SqlJournal, open_state
from jobs.quarantine_purge import QuarantinePurge
from jobs.quarantine_purge.purge import PURGE, Purging
from tests.contracts.memory_accounts import Killed
from tests.contracts.memory_quarantine import MemoryQuarantine

NAME, TARGET = "quarantine-purge", "quarantine"
DAYS = "day"


@dataclass
class Held:
    """A quarantine, and a clock that the test turns."""

    folder: Path
    quarantine: MemoryQuarantine = field(default_factory=lambda: MemoryQuarantine(portion=10))
    now: datetime = datetime(2026, 11, 24, 0, 30, tzinfo=UTC)
    watch: bool = False

    def hold(self, count: int, *, days: float) -> None:
        """Messages that came in so long ago, each for two recipients."""
        for n in range(count):
            self.quarantine.hold(f"a{n}@unimore.it", f"b{n}@unimore.it", at=self.now - timedelta(days=days, seconds=n))

    @property
    def messages(self) -> int:
        return len({item.message for item in self.quarantine.all.values()})

    @contextmanager
    def journal(self) -> Iterator[SqlJournal]:
        with open_state(f"sqlite:///{self.folder / 'collima.db'}", now=lambda: self.now, host="test") as journal:
            yield journal

    @contextmanager
    def desk(self, keep: Duration) -> Iterator[tuple[Task[Any, Any], Desk]]:
        with self.journal() as journal:
            context = Context(
                name=NAME,
                timezone=ZoneInfo("Europe/Rome"),
                guard=BUILT_IN_GUARD,
                registry=journal,
                connect=lambda _: self.quarantine.open(),
                watch=self.watch,
                purges=journal.purges(NAME, TARGET),
                clock=lambda: self.now,
            )
            options = QuarantinePurge(quarantine=TARGET, keep=keep)
            assert list(options.faults()) == []
            whole = Whole(Amount(500, percent=True), Amount(1000, percent=True), 3)
            yield Task(NAME, options.bind(context), whole), Desk(journal, lambda: self.now, stored)

    def run(self, keep: int = 5, **order: Any) -> Result:
        with self.desk(Duration(keep, DAYS)) as (task, desk):
            return engine.run(task, desk, Order(**order))

    def plan(self, keep: int = 5) -> Result:
        with self.desk(Duration(keep, DAYS)) as (task, desk):
            return engine.plan(task, desk, Order())

    def undo(self, run: str) -> Result:
        with self.desk(Duration(5, DAYS)) as (task, desk):
            return engine.undo(task, desk, Order(), run)


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return Held(tmp_path)


def codes(result: Result) -> list[tuple[str, str]]:
    return [(finding.level, finding.code) for finding in result.findings]


def test_what_is_older_than_keep_goes_and_the_rest_stays(held: Held) -> None:
    held.hold(25, days=6)
    held.hold(30, days=4)
    planned = held.plan()
    (subject,) = document(planned)["subjects"]
    assert (planned.state, subject["size"], subject["wanted"], subject["purge"]) == ("planned", 55, 30, 25)
    result = held.run()
    (subject,) = document(result)["subjects"]
    assert (result.state, subject["applied"], subject["held"]["purge"]) == ("changed", {"purge": 25}, 0)
    assert held.messages == 30
    assert held.run().state == "in-sync"


@pytest.mark.parametrize("found", [0, 3])
def test_a_smaller_keep_waits_though_nothing_was_ever_purged(held: Held, found: int) -> None:
    held.hold(30, days=4)
    assert held.run(keep=30).state == "in-sync"
    held.hold(found, days=2)
    if not found:  # nothing is old enough for the smaller one either: it is no measure yet
        assert held.run(keep=7).state == "in-sync"
    result = held.run(keep=3)
    assert (result.state, held.messages) == ("held", 30 + found)
    assert result.subjects[0].reason.startswith("keep is 3 days now, and was 30 days before")
    assert held.run(keep=3).state == "held", "what waits is no measure"


def test_who_approves_one_keep_approves_no_other(held: Held) -> None:
    for days in range(9):
        held.hold(10, days=days + 0.5)
    held.run(keep=8)
    approved = held.run(keep=6).fingerprint
    result = held.run(keep=1, approve=(approved,), reason="less room", who="rossi")
    assert (result.state, held.messages) == ("held", 80)
    done = held.run(keep=6, approve=(approved,), reason="less room", who="rossi")
    assert (done.state, held.messages) == ("changed", 60)


def test_nothing_to_purge_is_a_count_as_well(held: Held) -> None:
    held.hold(30, days=4)
    result = held.run()
    (subject,) = document(result)["subjects"]
    assert (result.state, subject["purge"], type(subject["purge"])) == ("in-sync", 0, int)


def test_rows_that_belong_to_no_message_go_along(held: Held) -> None:
    held.hold(30, days=4)
    held.quarantine.orphans = 7
    result = held.run()
    assert (result.state, codes(result), held.quarantine.orphans) == ("in-sync", [("info", "orphans")], 0)
    assert codes(held.run()) == []
    held.hold(1, days=6)
    held.run()
    assert held.quarantine.sweeps == 1  # whoever counts none need not look for them again


def test_a_smaller_keep_than_last_time_waits_for_a_person(held: Held) -> None:
    held.hold(3, days=6)
    held.hold(30, days=4)
    held.hold(30, days=1)
    held.run(keep=5)
    result = held.run(keep=3)
    assert (result.state, result.exit_code, held.messages) == ("held", 3, 60)
    assert result.subjects[0].reason == "keep is 3 days now, and was 5 days before"
    assert document(result)["subjects"][0]["held"]["purge"] == 30
    assert held.run(keep=5).state == "in-sync"  # somebody put it right
    again = held.run(keep=3)
    assert again.fingerprint == result.fingerprint
    done = held.run(keep=3, approve=(again.fingerprint,), reason="less room", who="rossi")
    assert (done.state, held.messages) == ("changed", 30)
    held.hold(1, days=3.5)
    assert held.run(keep=3).state == "changed"


def test_a_larger_keep_needs_nobody(held: Held) -> None:
    held.hold(3, days=6)
    held.hold(30, days=4)
    held.run(keep=5)
    held.hold(3, days=10)
    assert held.run(keep=7).state == "changed"
    assert held.run(keep=5).state == "in-sync"
    held.hold(1, days=6)
    assert held.run(keep=5).state == "held"


@pytest.mark.parametrize(("count", "state"), [(10, "changed"), (11, "held")])
def test_a_purge_that_would_leave_nothing_of_more_than_a_handful_waits(held: Held, count: int, state: str) -> None:
    held.hold(count, days=6)
    result = held.run()
    assert (result.state, held.messages) == (state, 0 if state == "changed" else count)
    if state == "held":
        assert "nothing would be left of 11 messages, the newest of 2026-11-18 00:30 UTC" in result.subjects[0].reason


def test_a_clock_that_is_days_ahead_deletes_nothing(held: Held) -> None:
    held.hold(100, days=1)
    held.hold(100, days=4)
    held.run()
    held.now += timedelta(days=300)
    assert (held.run().state, held.messages) == ("held", 200)
    held.now -= timedelta(days=300)
    result = held.run()
    assert (result.state, result.self_corrected) == ("in-sync", ("quarantine",))


def test_both_reasons_are_told(held: Held) -> None:
    held.hold(3, days=6)
    held.run(keep=5)
    held.hold(30, days=4)
    reason = held.run(keep=2).subjects[0].reason
    assert "keep is 2 days now" in reason
    assert "is the clock right" in reason


def test_a_purge_that_is_cut_short_goes_on_with_the_next(held: Held) -> None:
    held.hold(35, days=6)
    held.hold(30, days=4)
    held.quarantine.gone_after = 2
    result = held.run()
    (failure,) = result.subjects[0].failed
    assert failure.error == "the quarantine went away (20 of 35 messages are deleted)"
    assert (result.state, result.transient, held.messages) == ("failed", True, 45)
    held.quarantine.gone_after = None
    result = held.run()
    assert (result.state, result.subjects[0].applied) == ("changed", {"purge": 15})
    assert held.messages == 30


def test_a_purge_that_was_killed_goes_on_with_the_next(held: Held) -> None:
    held.hold(35, days=6)
    held.hold(30, days=4)
    held.quarantine.killed_in_purge = True
    with pytest.raises(Killed):
        held.run()
    assert held.messages == 55
    held.quarantine.killed_in_purge = False
    assert held.run(keep=5).state == "changed"
    assert held.messages == 30


def test_a_quarantine_that_is_away_fails_the_run_and_another_try_may_help(held: Held) -> None:
    held.quarantine.gone = True
    result = held.run()
    assert (result.state, result.transient, result.exit_code) == ("failed", True, 1)


def test_what_is_still_there_is_told(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    held.hold(5, days=6)
    held.hold(30, days=4)

    def purge(self: object, before: datetime) -> Iterator[int]:
        yield 0

    with held.quarantine.open() as session:
        monkeypatch.setattr(type(session), "purge", purge)
    result = held.run()
    assert codes(result) == [("warning", "not-purged")]


def test_watched_it_is_planned_and_deletes_nothing(held: Held) -> None:
    held.hold(25, days=6)
    held.hold(30, days=4)
    held.watch = True
    result = held.run()
    (subject,) = document(result)["subjects"]
    assert (result.state, result.exit_code, subject["mode"], subject["purge"]) == ("in-sync", 0, "watch", 25)
    assert held.messages == 55
    held.watch = False
    held.run()
    held.watch = True
    assert held.run(keep=1).state == "in-sync"  # nothing is held either


def test_what_was_purged_has_no_way_back(held: Held) -> None:
    held.hold(25, days=6)
    held.hold(30, days=4)
    result = held.undo(held.run().run)
    assert (result.state, codes(result), held.messages) == ("in-sync", [("info", "no-way-back")], 30)


def test_while_digests_of_the_same_quarantine_are_planned_there_is_no_purge(held: Held) -> None:
    held.hold(25, days=6)
    held.hold(30, days=4)
    with held.journal() as journal, journal.begin("digest", TARGET, slot=None, kind="run", config="") as digests:
        with pytest.raises(Busy, match="digest"):
            held.run()
        digests.end("changed", {}, transient=False, cause="")
    assert held.messages == 55
    assert held.run().state == "changed"


def test_its_target_is_the_quarantine_as_the_digests_is() -> None:
    options = QuarantinePurge(quarantine="amavis")
    assert options.target == "amavis"
    assert list(QuarantinePurge(quarantine="q", keep=Duration(0, DAYS)).faults()) == [
        (("keep",), "nothing would be held at all")
    ]


def test_what_is_refused_for_good_is_not_tried_again(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    held.hold(5, days=6)
    held.hold(30, days=4)

    def purge(self: object, before: datetime) -> Iterator[int]:
        raise Refused("the user may not delete: GRANT DELETE")
        yield 0

    with held.quarantine.open() as session:
        monkeypatch.setattr(type(session), "purge", purge)
    result = held.run()
    assert (result.state, result.transient) == ("failed", False)
    with held.desk(Duration(5, DAYS)) as (task, _):
        assert isinstance(task.job, Purging)
        assert task.job.purges.keep() is None
        assert task.job.verbs == (PURGE,)
