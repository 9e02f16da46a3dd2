from datetime import timedelta

from collima.core.model import Outcome
from collima.state import SqlJournal
from tests.state.conftest import State
from tests.state.runs import JOB, TARGET, add, do, remove, run

ADA, BICE, CARLA = "ada@unimore.it", "bice@unimore.it", "carla@unimore.it"
DAY = timedelta(days=1)


def ended(journal: SqlJournal, applied: int, state: str = "changed") -> None:
    """A run of which no change is on record."""
    with journal.begin(JOB, TARGET, slot=None, kind="run", config="") as record:
        document = {"subjects": [{"name": "docenti", "applied": {"add": applied} if applied else {}}]}
        record.end(state, document, transient=False, cause="")


def test_who_was_in_is_told_by_the_oldest_change_since(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        do(record, add(ADA))
    state.later(days=1)
    noon = state.now
    state.later(hours=1)
    with run(journal) as record:
        do(record, remove(ADA), add(BICE))
    state.later(days=1)
    with run(journal) as record:
        do(record, add(ADA), remove(BICE))
    was_in = journal.archive.was_in
    assert was_in(TARGET, "docenti", noon) == {ADA: True, BICE: False}
    assert was_in(TARGET, "docenti", state.now - timedelta(minutes=1)) == {ADA: False, BICE: True}
    assert was_in(TARGET, "docenti", state.now + DAY) == {}
    assert was_in(TARGET, "ricercatori", noon) == was_in("other", "docenti", noon) == {}


def test_a_change_that_failed_or_whose_run_died_tells_of_the_moment_before_it_as_well(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        record.intend(add(ADA) | remove(BICE) | add(CARLA), {})
        record.settle([Outcome(min(add(ADA)), "refused")])
    assert journal.archive.was_in(TARGET, "docenti", state.now) == {ADA: False, BICE: True, CARLA: False}


def test_a_change_counts_from_when_it_was_made_not_from_when_it_was_meant(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        record.intend(add(ADA), {})
        state.later(minutes=10)
        record.settle([Outcome(min(add(ADA)))])
    assert journal.archive.was_in(TARGET, "docenti", state.now - timedelta(minutes=5)) == {ADA: False}


def test_history_is_one_across_a_rename_and_across_jobs(state: State) -> None:
    journal = state.open()
    start = state.now
    with run(journal) as record:
        record.claim(TARGET, {"docenti": "docenti"})
        do(record, add(ADA))
    state.later(days=1)
    with run(journal) as record:
        record.rename(TARGET, "docenti", "professori")
    journal.retire(TARGET, "professori")
    state.later(days=1)
    with run(journal, job="another") as record:
        record.claim(TARGET, {"professori": "professori"})
        do(record, remove(ADA, subject="professori"))
    archive = journal.archive
    assert archive.was_in(TARGET, "professori", start) == {ADA: False}
    assert archive.was_in(TARGET, "docenti", start) == {}
    assert archive.told_from(TARGET, "professori") == start
    assert archive.told_from(TARGET, "docenti") is None


def test_a_roster_is_told_from_its_claim_even_if_nothing_was_ever_changed(state: State) -> None:
    journal = state.open()
    with run(journal):
        pass
    state.later(days=3)
    with run(journal) as record:
        record.claim(TARGET, {"docenti": "docenti"})
    assert journal.archive.told_from(TARGET, "docenti") == state.now
    assert journal.archive.told_from("other", "docenti") is None


def test_what_was_purged_is_not_told(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        record.claim(TARGET, {"docenti": "docenti"})
        do(record, add(ADA))
    start = state.now
    state.later(days=100)
    ended(journal, applied=2)  # its changes are gone
    purged = state.now
    state.later(days=100)
    ended(journal, applied=0, state="held")
    state.later(days=100)
    assert journal.archive.told_from(TARGET, "docenti") == purged
    journal.purge(keep_changes=start, keep_runs=state.now - 150 * DAY)
    assert journal.archive.told_from(TARGET, "docenti") == purged + 100 * DAY
