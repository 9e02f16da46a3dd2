from datetime import timedelta

import pytest

from collima.core.errors import StateError
from collima.state.slot_rows import SlotRow
from tests.state.conftest import State
from tests.state.runs import run

HOUR = timedelta(hours=1)


def test_a_schedule_has_no_past_before_it_was_seen_first_or_changed(state: State) -> None:
    journal = state.open()
    began = state.now
    assert journal.slots.since("a") is None
    assert journal.slots.first_seen({"a": "30 5 * * * Europe/Rome", "b": "x"}) == {"a": began, "b": began}
    state.later(hours=1)
    assert journal.slots.first_seen({"a": "30 5 * * * Europe/Rome", "b": "y"}) == {"a": began, "b": state.now}
    assert (journal.slots.since("a"), journal.slots.since("b")) == (began, state.now)


def test_a_job_that_the_file_names_again_begins_anew(state: State) -> None:
    journal = state.open()
    journal.slots.first_seen({"a": "x"})
    journal.slots.first_seen({})
    began = state.now
    state.later(days=3)
    assert journal.slots.first_seen({"a": "x"}) == {"a": state.now} != {"a": began}
    since = state.now
    state.later(days=3)
    journal.slots.first_seen({}, whole=False)
    assert journal.slots.first_seen({"a": "x"}) == {"a": since}


def test_a_slot_is_claimed_once_and_started_once(state: State) -> None:
    journal, other = state.open(), state.open("there")
    slot = SlotRow("a", state.now, "waiting", not_before=state.now + HOUR)
    assert journal.slots.claim([slot, SlotRow("b", state.now, "missed", cause="late")]) == 2
    assert other.slots.claim([slot, SlotRow("c", state.now, "waiting")]) == 1
    assert other.slots.known([("a", state.now), ("x", state.now), ("c", state.now), ("a", state.now + HOUR)]) == {
        ("a", state.now),
        ("c", state.now),
    }
    first, second = journal.slots.open()
    assert (first.job, first.not_before, second.job, second.not_before) == ("a", state.now + HOUR, "c", state.now)
    assert [row.service for row in journal.slots.start([first], "s1")] == ["s1"]
    assert other.slots.start([first], "s2") == ()
    (running, _) = other.slots.open()
    assert (running.state, running.service) == ("running", "s1")
    assert [row.job for row in other.slots.missed_untold()] == ["b"]
    assert other.slots.newest("b") == journal.slots.missed_untold()[0]


def test_a_running_slot_is_taken_over_by_one_service_and_the_old_one_can_do_nothing_more(state: State) -> None:
    journal = state.open()
    journal.slots.claim([SlotRow("a", state.now, "waiting")])
    journal.slots.start(journal.slots.open(), "s1")
    (mine,) = journal.slots.open()
    assert journal.slots.take_over(mine, "s2")
    assert not journal.slots.take_over(mine, "s3")
    assert not journal.slots.end(mine, "ended", cause="")
    (theirs,) = journal.slots.open()
    assert journal.slots.wait(theirs, state.now + HOUR, cause="it died", takeovers=1)
    (waiting,) = journal.slots.open()
    assert (waiting.takeovers, waiting.tries, waiting.service, waiting.cause) == (1, 0, "", "it died")
    assert journal.slots.end(waiting, "missed", cause="too late")
    assert journal.slots.open() == ()
    ended = journal.slots.of("a", mine.due)
    assert ended is not None
    assert (ended.state, ended.cause, ended.ended) == ("missed", "too late", state.now)


def test_the_run_of_a_slot_is_found_with_its_process(state: State) -> None:
    journal = state.open()
    key = ("sympa-lists", state.now)
    slot = int(state.now.timestamp() * 1_000_000)
    assert journal.slots.runs([key]) == {}
    with run(journal, slot=slot) as record:
        found = journal.slots.runs([key])[key]
        assert (found.id, found.state, found.due, found.ended) == (record.run, "", state.now, None)
        assert found.born
        assert found.lease
        assert [lock.name for lock in journal.slots.locks()] == ["job:sympa-lists", "target:lists"]
    found = journal.slots.runs([key])[key]
    assert (found.state, found.born, found.lease) == ("changed", "", None)
    assert journal.slots.ended_well(["sympa-lists", "x"], state.now) == {"sympa-lists": found.started}
    assert journal.slots.ended_well(["sympa-lists"], state.now + HOUR) == {}


@pytest.mark.parametrize("came_to", ["in-sync", "changed", "held", "partial", "failed"])
def test_a_whole_run_that_did_not_fail_has_ended_well(state: State, came_to: str) -> None:
    journal = state.open()
    with journal.begin("a", "", slot=None, kind="run", config="c0") as record:
        assert journal.slots.ended_well(["a"], state.now) == {}
        record.end(came_to, {}, transient=False, cause="")
    assert bool(journal.slots.ended_well(["a"], state.now)) == (came_to != "failed")


def test_a_run_is_buried_with_its_locks_and_if_it_lived_can_write_no_more(state: State) -> None:
    journal = state.open()
    slot = int(state.now.timestamp() * 1_000_000)
    with pytest.raises(StateError, match="another one took over"), run(journal, slot=slot) as record:
        journal.slots.bury(record.run, "stopped after its time-limit", transient=False, told=True)
    (row,) = journal.archive.history()
    assert (row.state, row.cause, row.transient, row.ended) == (
        "failed",
        "stopped after its time-limit",
        False,
        state.now,
    )
    assert journal.slots.locks() == ()


def test_what_never_began_is_in_the_history_too(state: State) -> None:
    journal = state.open()
    journal.slots.claim([SlotRow("a", state.now, "waiting")])
    (slot,) = journal.slots.open()
    more = {"target": "lists", "started": state.now, "cause": "no such connector", "config": "c0"}
    first = journal.slots.never_began(slot, pid=7, **more)
    assert journal.slots.never_began(slot, pid=7, **more) == first
    journal.slots.never_began(slot, pid=8, **more)
    assert journal.slots.runs([("a", slot.due)])[("a", slot.due)].id == first
    assert [(row.state, row.cause) for row in journal.archive.history("a")] == [("failed", "no such connector")] * 2


def test_services_are_alive_as_long_as_their_lease_or_their_process(state: State) -> None:
    here, there = state.open(), state.open("there")
    here.services.begin("s1", config="c0", version="1")
    there.services.begin("s2", config="c1", version="1")
    assert [row.id for row in here.services.alive(state.now)] == ["s1", "s2"]
    state.later(seconds=89)
    assert there.services.tick("s2")
    state.later(seconds=89)
    assert [row.id for row in here.services.alive(state.now)] == ["s1", "s2"]
    state.later(seconds=2)
    assert [row.id for row in here.services.alive(state.now)] == ["s1"]
    here.services.loaded("s1", config="c2", fault="line 3")
    here.services.end("s2")
    (row,) = here.services.open()
    assert (row.config, row.fault, row.loaded, row.host) == ("c2", "line 3", state.now, "here")
    assert not here.services.tick("s3")
    newest = here.services.newest()
    assert newest is not None
    assert newest.id == "s2"


def test_a_service_whose_clock_was_ahead_is_not_the_newest_while_there_is_another(state: State) -> None:
    ahead, journal = state.open("there"), state.open()
    state.later(days=1)
    ahead.services.begin("s1", config="c0", version="1")
    ahead.services.end("s1")
    state.later(days=-1)
    assert getattr(journal.services.newest(), "id", "") == "s1"
    journal.services.begin("s2", config="c0", version="1")
    assert getattr(journal.services.newest(), "id", "") == "s2"


def test_a_fault_as_long_as_a_book_is_stored_in_part(state: State) -> None:
    journal = state.open()
    journal.services.begin("s1", config="c0", version="1")
    journal.services.loaded("s1", config="c0", fault="\N{GRINNING FACE}" * 70_000)
    (row,) = journal.services.open()
    assert row.fault == "\N{GRINNING FACE}" * 10_000


def test_the_log_of_a_run_is_replaced_as_it_grows(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        assert journal.logs.of(record.run) is None
        journal.logs.put(record.run, "é\x00", 3)
        journal.logs.put(record.run, "é\x00\nmore 🎓", 12)
    log = journal.logs.of(record.run)
    assert log is not None
    assert (log.text, log.size, log.at) == ("é\x00\nmore 🎓", 12, state.now)


def test_nothing_was_run_since_the_first_slot_after_the_newest_run_or_pause(state: State) -> None:
    journal = state.open()
    slots, begin = journal.slots, state.now
    states = ["skipped", "paused", "skipped", "missed", "skipped", "waiting"]
    slots.claim([SlotRow("a", begin + n * HOUR, one) for n, one in enumerate(states)])
    state.later(hours=9)
    assert slots.unrun(["a", "b"], state.now, missed=True) == {"a": begin + 2 * HOUR}
    assert slots.unrun(["a"], state.now, missed=False) == {"a": begin + 4 * HOUR}
    assert slots.unrun(["a"], begin, missed=True) == {"a": begin}
    (waiting,) = slots.open()
    slots.note([(waiting, "it waits for b")])
    assert slots.open()[0].cause == "it waits for b"
    with journal.begin("a", "", slot=None, kind="run", config="c0") as record:
        assert slots.unrun(["a"], state.now, missed=True) == {}
        record.end("changed", {}, transient=False, cause="")
