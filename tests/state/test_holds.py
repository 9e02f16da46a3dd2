from collima.core.model import Outcome
from tests.state.conftest import State
from tests.state.runs import JOB, TARGET, add, do, hold, mark, remove, run

GONE = remove("a@unimore.it", "b@unimore.it")
OTHERS = remove("c@unimore.it", subject="ricercatori")


def test_an_approval_is_good_for_seven_days(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        hold(record, GONE)
        record.approve(mark(GONE), GONE, "they left", "rossi")
    state.later(days=7)
    assert journal.look(JOB, TARGET).approved() == GONE
    state.later(seconds=1)
    assert journal.look(JOB, TARGET).approved() == frozenset()


def test_an_approval_is_for_one_job_and_one_target(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        record.approve(mark(GONE), GONE, "", "rossi")
    assert journal.look("other", TARGET).approved() == frozenset()
    assert journal.look(JOB, "other").approved() == frozenset()


def test_what_is_done_needs_a_new_approval_and_what_failed_does_not(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        record.approve(mark(GONE), GONE, "", "rossi")
        record.intend(GONE, {})
        first, second = sorted(GONE)
        record.settle([Outcome(first), Outcome(second, "the list is locked", transient=True)])
        assert record.approved() == {second}
    with run(journal) as record:
        record.approve(mark(GONE), GONE, "again", "rossi")
        assert record.approved() == GONE


def test_an_approval_ends_when_a_complete_plan_no_longer_wants_it(state: State) -> None:
    journal = state.open()
    first = min(GONE)
    with run(journal) as record:
        record.approve(mark(GONE), GONE, "", "rossi")
        hold(record, planned={first}, complete=False)
        assert record.approved() == GONE
        hold(record, planned={first}, only=["ricercatori"])
        assert record.approved() == GONE
        hold(record, planned={first})
        assert record.approved() == {first}


def test_a_kill_in_the_middle_needs_no_second_approval(state: State) -> None:
    journal = state.open()
    first, second = sorted(GONE)
    with run(journal) as record:
        record.approve(mark(GONE), GONE, "", "rossi")
        record.intend(GONE, {})
        record.settle([Outcome(first)])
    with run(journal) as record:
        assert record.approved() == {second}


def test_the_same_hold_stays_the_same_and_is_only_seen_again(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        hold(record, GONE, reason="2 of 3")
    first = journal.archive.open_holds()[0]
    state.later(days=1)
    with run(journal) as record:
        assert hold(record, GONE, reason="2 of 4") == []
    (again,) = journal.archive.open_holds()
    assert (again.since, again.run, again.keys) == (first.since, first.run, 2)
    assert (again.seen, again.reason) == (state.now, "2 of 4")


def test_a_hold_of_other_keys_takes_the_place_of_the_one_before(state: State) -> None:
    journal = state.open()
    more = GONE | remove("z@unimore.it")
    with run(journal) as record:
        hold(record, GONE)
    with run(journal) as record:
        assert hold(record, more) == []
    assert [h.fingerprint for h in journal.archive.open_holds()] == [mark(more)]
    assert [h.ending for h in journal.archive.hold(mark(GONE)).holds] == ["superseded"]


def test_a_hold_that_nobody_wants_any_more_ends_by_itself(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        hold(record, GONE, OTHERS)
    with run(journal) as record:
        assert hold(record, GONE) == ["ricercatori"]
    assert [h.subject for h in journal.archive.open_holds()] == ["docenti"]
    assert journal.archive.hold(mark(OTHERS)).holds[0].ending == "self-corrected"


def test_an_incomplete_plan_ends_no_hold(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        hold(record, GONE, OTHERS)
    with run(journal) as record:
        assert hold(record, GONE, complete=False) == []
    assert len(journal.archive.open_holds()) == 2


def test_a_hold_that_was_approved_and_done_did_not_end_by_itself(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        hold(record, GONE)
    with run(journal) as record:
        record.approve(mark(GONE), GONE, "", "rossi")
        do(record, GONE)
        assert hold(record, planned=()) == []
    assert journal.archive.open_holds() == ()
    assert journal.archive.hold(mark(GONE)).holds[0].ending == "approved"


def test_holds_of_subjects_that_a_run_does_not_concern_stay_as_they_were(state: State) -> None:
    journal = state.open()
    fewer = remove("a@unimore.it")
    with run(journal) as record:
        hold(record, GONE, OTHERS)
    before = journal.archive.open_holds()
    state.later(hours=1)
    with run(journal) as record:
        assert hold(record, fewer, planned=fewer, only=["ricercatori"]) == ["ricercatori"]
    assert journal.archive.open_holds() == before[:1]


def test_a_fingerprint_is_known_for_seven_days_superseded_or_not(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        hold(record, GONE, OTHERS)
    with run(journal) as record:
        hold(record, remove("z@unimore.it"))
    look = journal.look(JOB, TARGET)
    state.later(days=7)
    assert look.known(mark(GONE)) == GONE
    assert look.known(mark(GONE, OTHERS)) == GONE | OTHERS  # the run's, for all its holds
    assert look.known(mark(OTHERS)) == OTHERS
    assert look.known("0000000000000000") is None
    assert journal.look("other", TARGET).known(mark(GONE)) is None
    state.later(seconds=1)
    assert look.known(mark(GONE)) is None


def test_a_hold_seen_again_is_known_for_seven_more_days(state: State) -> None:
    journal = state.open()
    for _ in range(2):
        with run(journal) as record:
            hold(record, GONE)
        state.later(days=5)
    assert journal.look(JOB, TARGET).known(mark(GONE)) == GONE


def test_the_fingerprint_of_a_run_with_only_knows_everything_that_was_held(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        hold(record, GONE, OTHERS, only=["docenti"])
    assert [h.subject for h in journal.archive.open_holds()] == ["docenti"]
    assert journal.look(JOB, TARGET).known(mark(GONE, OTHERS)) == GONE | OTHERS


def test_the_holds_and_approvals_of_an_undo_are_apart(state: State) -> None:
    journal = state.open()
    back = remove("new@unimore.it")
    with run(journal) as undone:
        do(undone, add("new@unimore.it"))
    with run(journal, undoes=undone.run) as undo:
        hold(undo, back)
        assert undo.known(mark(back)) == back
    with run(journal) as record:
        assert hold(record, GONE) == []
        assert record.known(mark(back)) is None
        assert record.approved() == frozenset()
    assert {h.undoes for h in journal.archive.open_holds()} == {"", undone.run}
    with run(journal, undoes=undone.run) as undo:
        undo.approve(mark(back), back, "a mistake", "rossi")
        assert undo.approved() == back
        do(undo, back)
        hold(undo, planned=back)
    assert [h.fingerprint for h in journal.archive.open_holds()] == [mark(GONE)]
    assert journal.archive.hold(mark(back)).holds[0].ending == "approved"


def test_the_hold_of_an_undo_stays_when_nothing_is_wanted_and_ends_after_seven_days(state: State) -> None:
    journal = state.open()
    back = remove("new@unimore.it")
    with run(journal, undoes="20261123T053012-0000") as undo:
        hold(undo, back)
    with run(journal, undoes="20261123T053012-0000") as undo:
        assert hold(undo) == []
    with run(journal, undoes="20261122T053012-0000") as undo:
        assert hold(undo) == []
    state.later(days=7)
    assert len(journal.archive.open_holds()) == 1
    state.later(seconds=1)
    assert journal.archive.open_holds() == ()
    with run(journal) as record:
        hold(record)
    assert journal.archive.hold(mark(back)).holds[0].ending == "expired"


def test_a_hold_of_many_keys_is_kept_whole(state: State) -> None:
    journal = state.open()
    many = remove(*(f"user{number}@unimore.it" for number in range(1_203)))
    with run(journal) as record:
        hold(record, many)
        record.approve(mark(many), many, "", "rossi")
        assert record.known(mark(many)) == many
        do(record, many)
        assert record.approved() == frozenset()
