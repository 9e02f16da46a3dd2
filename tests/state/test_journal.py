from datetime import UTC, datetime, timedelta

import pytest

from collima.core.errors import ConfigError, SourceError, StateError
from collima.core.model import Key, Outcome, Reading
from collima.core.ports import Absence, Journal, Owned, Past, Record
from collima.core.targets import Mark
from collima.state.clock import micros, moment
from tests.state.conftest import State
from tests.state.runs import JOB, TARGET, add, do, remove, run


def test_it_is_a_journal_and_its_runs_are_records(state: State) -> None:
    journal: Journal = state.open()
    with journal.begin(JOB, TARGET, slot=None, kind="run", config="c0") as record:
        assert isinstance(record.run, str)
        record.discard()
    look: Record = journal.look(JOB, TARGET)
    assert look.run == ""


def test_before_there_is_a_state_a_plan_sees_an_empty_one(state: State) -> None:
    journal = state.open()
    look = journal.look(JOB, TARGET)
    assert look.past("people") == Past()
    assert look.approved() == frozenset()
    assert look.undone() == {}
    assert look.absent() == {}
    assert look.known("0123456789abcdef") is None
    assert look.identity() == ""
    assert not look.issued(Mark("", ""))
    assert journal.owned(TARGET) == {}
    assert list(journal.archive.history()) == []
    assert journal.archive.open_holds() == ()


def test_a_run_is_named_by_its_start_in_utc_and_its_result_is_kept(state: State) -> None:
    journal = state.open()
    state.now = datetime(2026, 11, 24, 6, 30, 12, 345678, tzinfo=UTC).astimezone()
    with journal.begin(JOB, TARGET, slot=None, kind="only", config="c0") as record:
        state.later(seconds=5)
        record.end("partial", {"subjects": [{"name": "è"}]}, transient=True, cause="1 of 3 lists")
    row = journal.archive.run(record.run)
    assert row.id.startswith("20261124T063012-")
    assert (row.job, row.target, row.kind, row.host, row.config) == (JOB, TARGET, "only", "here", "c0")
    assert (row.state, row.cause, row.transient) == ("partial", "1 of 3 lists", True)
    assert row.document == {"subjects": [{"name": "è"}]}
    assert row.started == datetime(2026, 11, 24, 6, 30, 12, 345678, tzinfo=UTC)
    assert row.ended == row.started + timedelta(seconds=5)


@pytest.mark.parametrize("text", ["1969-12-31T23:59:59.999999+00:00", "2027-03-28T03:30:00.000001+02:00"])
def test_times_are_exact_to_the_microsecond(text: str) -> None:
    exact = datetime.fromisoformat(text)
    assert moment(micros(exact)) == exact


def test_a_block_that_fails_leaves_a_failed_run_with_its_cause(state: State) -> None:
    journal = state.open()
    with pytest.raises(SourceError), journal.begin(JOB, TARGET, slot=None, kind="run", config="") as record:
        raise SourceError("ldap1 does not answer", transient=True)
    row = journal.archive.run(record.run)
    assert (row.state, row.cause, row.transient) == ("failed", "SourceError: ldap1 does not answer", True)


def test_a_block_that_ends_without_a_result_leaves_a_failed_run(state: State) -> None:
    journal = state.open()
    with journal.begin(JOB, TARGET, slot=None, kind="run", config="") as record:
        pass
    assert journal.archive.run(record.run).state == "failed"


def test_a_failure_after_the_end_changes_nothing_of_the_result(state: State) -> None:
    journal = state.open()

    def fail_late() -> None:
        with run(journal) as record:
            record.end("held", {}, transient=False, cause="")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_late()
    assert [row.state for row in journal.archive.history()] == ["held"]


def test_a_discarded_run_leaves_nothing_but_the_mark_that_it_issued(state: State) -> None:
    journal = state.open()
    with journal.begin(JOB, TARGET, slot=7, kind="run", config="") as record:
        do(record, add("a@unimore.it"))
        record.readings([Reading("people", "scope", 10)], ["complete"], counts=True)
        record.approve("f", add("a@unimore.it"), "", "rossi")
        mark = record.issue()
        record.discard()
    look = journal.look(JOB, TARGET)
    assert list(journal.archive.history()) == []
    assert list(journal.archive.changes(record.run)) == []
    assert look.past("scope") == Past()
    assert look.approved() == frozenset()
    assert look.issued(mark)
    with run(journal, slot=7):
        pass


def test_a_discarded_try_leaves_the_slot_to_the_one_before(state: State) -> None:
    journal = state.open()
    with journal.begin(JOB, TARGET, slot=7, kind="run", config="") as first:
        first.end("failed", {}, transient=True, cause="the disk is gone")
    with journal.begin(JOB, TARGET, slot=7, kind="run", config="") as second:
        second.discard()
    state.later(seconds=1)
    (row,) = journal.archive.history()
    assert (row.id, row.slot) == (first.run, 7)
    with run(journal, slot=7) as third:
        pass
    assert [(row.id, row.attempt) for row in journal.archive.history()] == [(third.run, 2), (first.run, 1)]


def test_a_plan_stores_nothing(state: State) -> None:
    look = state.open().look(JOB, TARGET)
    look.discard()
    with pytest.raises(AssertionError, match="stores nothing"):
        look.issue()


# ---- changes


def test_outcomes_are_kept_and_what_nobody_settled_is_unknown(state: State) -> None:
    journal = state.open()
    done, failed, unknown = sorted(add("a@unimore.it", "b@unimore.it", "c@unimore.it"))
    with run(journal) as record:
        record.intend([done, failed, unknown], {done: 12})
        state.later(seconds=1)
        record.settle([Outcome(done), Outcome(failed, "no such account", transient=True)])
    rows = {row.key: row for row in journal.archive.changes(record.run)}
    assert [rows[k].outcome for k in (done, failed, unknown)] == ["done", "failed", "unknown"]
    assert (rows[done].weight, rows[failed].weight) == (12, 1)
    assert (rows[failed].error, rows[done].error) == ("no such account", "")
    assert (rows[done].settled, rows[unknown].settled) == (state.now, None)
    assert journal.archive.outcomes(record.run) == {"done": 1, "failed": 1, "unknown": 1}
    assert journal.done(record.run) == (JOB, TARGET, frozenset({done, unknown}))


def test_a_run_that_nobody_knows_cannot_be_undone(state: State) -> None:
    journal = state.open()
    with pytest.raises(ConfigError, match="no run 20260101T000000-0000"):
        journal.done("20260101T000000-0000")


def test_long_errors_are_cut(state: State) -> None:
    journal = state.open()
    (key,) = add("a@unimore.it")
    with run(journal) as record:
        record.intend([key], {})
        record.settle([Outcome(key, "è" * 100_000)])
    assert [row.error for row in journal.archive.changes(record.run)] == ["è" * 2_000]


NEAR = [
    "a@unimore.it",
    "A@unimore.it",
    "à@unimore.it",
    "a@unimore.it ",
    "a@unimore.it\t",
    "ａ@unimore.it",
    "😀",
    "",
    "x" * 255,
]


def test_keys_that_a_collation_would_merge_are_kept_apart(state: State) -> None:
    journal = state.open()
    every = add(*NEAR) | add(*NEAR, subject="Docenti")
    with run(journal) as record:
        do(record, every)
        record.approve("f", every, "", "rossi")
        record.absences(every)
        record.protect("20260101T000000-0000", every)
        record.claim(TARGET, dict.fromkeys(NEAR, "stanza"))
        record.settle([Outcome(Key("docenti", "add", "A@unimore.it"), "refused")])
    assert journal.done(record.run)[2] == every - add("A@unimore.it")
    look = journal.look(JOB, TARGET)
    assert look.approved() == every
    assert look.absent().keys() == every
    assert look.undone().keys() == every
    assert journal.owned(TARGET).keys() == set(NEAR)
    assert journal.archive.since(JOB, TARGET, "docenti", "A@unimore.it") is None
    assert journal.archive.since(JOB, TARGET, "docenti", "a@unimore.it") == (record.run, state.now)


def test_a_name_that_does_not_fit_is_an_error_and_never_cut(maria: State) -> None:
    journal = maria.open()
    with pytest.raises(StateError) as told, run(journal) as record:
        record.intend(add("secret" + "x" * 250), {})
    assert "secret" not in str(told.value)


# ---- undone


def test_what_a_person_undid_is_remembered_until_it_is_forgotten(state: State) -> None:
    journal = state.open()
    did = add("a@unimore.it", "b@unimore.it")
    one, other = sorted(did)
    with run(journal) as first:
        do(first, did)
    with run(journal, undoes=first.run) as undo:
        undo.protect(first.run, [one])
        undo.protect(first.run, [one])
        undo.undo(first.run, [one])
    assert journal.look(JOB, TARGET).undone() == {one: undo.run}
    assert journal.done(first.run)[2] == {other}
    with run(journal) as record:
        record.forget_undone([one, other])
    assert journal.look(JOB, TARGET).undone() == {}


# ---- absences


def test_absences_count_complete_runs_and_are_forgotten_with_the_first_return(state: State) -> None:
    journal = state.open()
    (a,), (b,) = remove("a@unimore.it"), remove("b@unimore.it")
    start = state.now
    with run(journal) as record:
        record.absences({a, b})
    state.later(days=1)
    with run(journal) as record:
        assert record.absent()[a] == Absence(start, 1)
        record.absences({a})
    assert journal.look(JOB, TARGET).absent() == {a: Absence(start, 2)}
    with run(journal) as record:
        record.absences({a, b})
    assert journal.look(JOB, TARGET).absent() == {a: Absence(start, 3), b: Absence(state.now, 1)}


# ---- readings


def reading(entries: int, scope: str = "people", csn: tuple[str, ...] = ()) -> list[Reading]:
    return [Reading("ldap", scope, entries, csn=csn)]


def test_the_last_seven_complete_runs_are_on_record_newest_first(state: State) -> None:
    journal = state.open()
    for entries in range(10):
        with run(journal) as record:
            record.readings(reading(entries, csn=(f"csn{entries}",)), ["complete"], counts=True)
    with run(journal) as record:
        record.readings(reading(999, csn=("no",)), ["suspicious"], counts=False)
        record.readings(reading(5, scope="other"), ["complete"], counts=True)
    assert journal.look("any job", "any target").past("people") == Past((9, 8, 7, 6, 5, 4, 3), ("csn9",))


def test_a_reading_without_scope_is_compared_with_none(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        record.readings(reading(5, scope=""), ["complete"], counts=True)
        assert record.past("") == Past()


def test_an_approved_count_stands_for_all_on_record(state: State) -> None:
    journal = state.open()
    for entries in (100, 101, 102):
        with run(journal) as record:
            record.readings(reading(entries), ["complete"], counts=True)
    with run(journal) as record:
        record.accept("people", 60)
        assert record.past("people").entries == (60, 60, 60)
    with run(journal) as record:
        record.readings(reading(61), ["complete"], counts=True)
        assert record.past("people").entries == (61, 60, 60, 60)


# ---- rosters


def test_a_roster_belongs_to_the_job_that_claimed_it(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        record.claim(TARGET, {"docenti": "docenti", "sede": "{place}"})
    assert journal.owned(TARGET) == {"docenti": Owned(JOB, "docenti"), "sede": Owned(JOB, "{place}")}
    assert journal.owned("other") == {}
    claimed = pytest.raises(StateError, match="sede of lists belongs to the job sympa-lists, not to other")
    with run(journal, job="other") as record, claimed:
        record.claim(TARGET, {"sede": "s"})


def test_a_roster_that_nobody_names_is_frozen_since_the_first_time_until_it_is_claimed(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        record.claim(TARGET, {"docenti": "docenti"})
        record.freeze(TARGET, ["docenti"])
    since = state.now
    state.later(days=3)
    with run(journal) as record:
        record.freeze(TARGET, ["docenti"])
    assert journal.owned(TARGET)["docenti"].frozen == since
    with run(journal) as record:
        record.claim(TARGET, {"docenti": "new"})
    assert journal.owned(TARGET)["docenti"] == Owned(JOB, "new")


def test_a_roster_is_retired_or_renamed(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        record.claim(TARGET, {"old": "s", "other": "s"})
    with run(journal) as record:
        record.rename(TARGET, "old", "new")
    assert journal.owned(TARGET).keys() == {"new", "other"}
    assert journal.archive.managed("new") == {TARGET: Owned(JOB, "s")}
    with pytest.raises(ConfigError, match="collima retire other"), run(journal) as record:
        record.rename(TARGET, "new", "other")
    with pytest.raises(ConfigError, match="nobody manages old"), run(journal) as record:
        record.rename(TARGET, "old", "x")
    assert journal.retire(TARGET, "new")
    assert not journal.retire(TARGET, "new")
    assert journal.owned(TARGET).keys() == {"other"}


# ---- the state's own mark


def test_a_mark_is_known_to_the_state_and_the_target_that_it_was_issued_for(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        first, second = record.issue(), record.issue()
    look = state.open().look("any", TARGET)
    assert first != second
    assert first.state == second.state == look.identity() == journal.identity()
    assert look.issued(first)
    assert look.issued(second)
    assert not journal.look("any", "elsewhere").issued(first)
    assert not look.issued(Mark("another state", first.token))
    assert not look.issued(Mark(first.state, "0" * 32))


def test_marks_of_long_ago_are_forgotten(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        marks = []
        for _ in range(25):
            state.now += timedelta(seconds=1)
            marks.append(record.issue())
    look = journal.look("any", TARGET)
    assert [look.issued(mark) for mark in marks] == [False] * 5 + [True] * 20
