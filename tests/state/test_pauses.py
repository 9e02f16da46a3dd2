from datetime import timedelta

from collima.state.pauses import EVERY_JOB, Pause
from tests.state.conftest import State

DAY = timedelta(days=1)


def pause(state: State, job: str = "lists", days: int = 2) -> Pause:
    return Pause(job, state.now, state.now + days * DAY, "the disk is being changed", "anna")


def test_a_pause_is_open_until_it_is_over_and_known_after_that(state: State) -> None:
    journal, made = state.open(), pause(state)
    journal.pauses.set(made)
    assert state.open().pauses.open(state.now) == {"lists": made}
    assert journal.pauses.open(state.now + 2 * DAY) == {}
    assert journal.pauses.known() == {"lists": made}


def test_a_second_pause_takes_the_place_of_the_first(state: State) -> None:
    journal = state.open()
    journal.pauses.set(pause(state))
    journal.pauses.set(longer := pause(state, days=9))
    journal.pauses.set(every := pause(state, EVERY_JOB))
    assert journal.pauses.open(state.now) == {"lists": longer, EVERY_JOB: every}


def test_a_pause_that_was_ended_covered_what_was_due_until_then(state: State) -> None:
    journal, made = state.open(), pause(state)
    journal.pauses.set(made)
    state.later(hours=5)
    assert journal.pauses.end("lists", state.now) == made
    assert journal.pauses.open(state.now) == {}
    known = journal.pauses.known()["lists"]
    assert known.covers(state.now - timedelta(hours=1))
    assert not known.covers(state.now)


def test_ending_what_is_not_paused_says_so(state: State) -> None:
    journal = state.open()
    assert journal.pauses.end("lists", state.now) is None
    journal.pauses.set(pause(state))
    assert journal.pauses.end(EVERY_JOB, state.now) is None
    assert journal.pauses.end("lists", state.now + 3 * DAY) is None
