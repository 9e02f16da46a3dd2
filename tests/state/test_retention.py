from datetime import timedelta

from tests.state.conftest import State
from tests.state.runs import JOB, TARGET, add, do, hold, mark, remove, run

DAY = timedelta(days=1)
GONE, OTHERS, THIRD = remove("a@unimore.it"), remove("b@unimore.it", subject="ricercatori"), remove("z@unimore.it")


def test_changes_are_forgotten_before_their_runs_and_runs_under_way_never(state: State) -> None:
    journal = state.open()
    runs = []
    for _ in range(3):
        with run(journal) as record:
            do(record, add("a@unimore.it", "b@unimore.it"))
            runs.append(record.run)
        state.later(days=100)
    with run(journal) as working:
        working.intend(add("c@unimore.it"), {})
        state.later(days=1)
        counts = state.open().purge(keep_changes=state.now - 150 * DAY, keep_runs=state.now - 250 * DAY)
        assert counts == {"changes": 4, "holds": 0, "notices": 0, "runs": 1}
        assert state.open().purge(keep_changes=state.now, keep_runs=state.now) == {
            "changes": 2,
            "holds": 0,
            "notices": 0,
            "runs": 2,
        }
        assert [row.id for row in journal.archive.history()] == [working.run]
        assert len(list(journal.archive.changes(working.run))) == 1


def test_ended_holds_go_and_open_or_approved_ones_stay(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        hold(record, GONE, OTHERS)
    with run(journal) as record:
        record.approve(mark(OTHERS), OTHERS, "they left", "rossi")
        hold(record, THIRD, planned=OTHERS | THIRD)
    state.later(days=500)
    assert journal.purge(keep_changes=state.now - 400 * DAY, keep_runs=state.now - 730 * DAY)["holds"] == 1
    assert [h.fingerprint for h in journal.archive.open_holds()] == [mark(THIRD)]
    kept = journal.archive.hold(mark(OTHERS))
    assert (kept.keys, kept.approvals[0].who) == (tuple(OTHERS), "rossi")
    assert journal.look(JOB, TARGET).known(mark(GONE)) is None


def test_holds_that_a_run_approved_as_a_whole_stay(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        hold(record, GONE, OTHERS)
    with run(journal) as record:
        record.approve(mark(GONE, OTHERS), GONE | OTHERS, "they left", "rossi")
        hold(record, THIRD, planned=GONE | OTHERS)
    state.later(days=500)
    assert journal.purge(keep_changes=state.now, keep_runs=state.now)["holds"] == 0
    assert journal.archive.hold(mark(GONE, OTHERS)).keys == tuple(sorted(GONE | OTHERS))
