from datetime import timedelta

import pytest

from collima.core.errors import ConfigError
from collima.core.model import Outcome
from tests.state.conftest import State
from tests.state.runs import JOB, TARGET, add, do, hold, mark, remove, run

GONE = remove("a@unimore.it", "b@unimore.it")
OTHERS = remove("c@unimore.it", subject="ricercatori")


def test_history_is_newest_first_and_of_one_job_when_asked(state: State) -> None:
    journal = state.open()
    ids = []
    for job in (JOB, "other", JOB):
        with run(journal, job=job, target="") as record:
            ids.append(record.run)
        state.later(minutes=1)
    assert [row.id for row in journal.archive.history()] == ids[::-1]
    assert [row.id for row in journal.archive.history(JOB)] == [ids[2], ids[0]]
    assert [row.id for row in journal.archive.history(limit=1)] == [ids[2]]


def test_a_run_is_found_by_the_beginning_of_its_id(state: State) -> None:
    journal = state.open()
    with run(journal) as first:
        pass
    state.later(days=1)
    with run(journal) as second:
        pass
    assert journal.archive.run(second.run[:9]).id == second.run
    with pytest.raises(ConfigError, match="several runs begin with 202611"):
        journal.archive.run("202611")
    for nobody in ("2026", "20251124T", "%%%%%%", ""):
        with pytest.raises(ConfigError, match=r"no run begins with|is too short"):
            journal.archive.run(nobody)
    assert journal.archive.run(first.run).id == first.run


def test_a_run_under_way_is_running(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        assert state.open().archive.run(record.run).state == "running"


def test_a_hold_is_found_by_a_subjects_fingerprint_or_the_runs_or_their_beginning(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        hold(record, GONE, OTHERS)
    shown = journal.archive.hold(mark(GONE)[:6])
    assert shown.fingerprint == mark(GONE)
    assert [(h.subject, h.reason, h.keys, h.ending) for h in shown.holds] == [("docenti", "too many", 2, "")]
    assert shown.keys == tuple(sorted(GONE))
    assert shown.approvals == ()
    whole = journal.archive.hold(mark(GONE, OTHERS))
    assert [h.subject for h in whole.holds] == ["docenti", "ricercatori"]
    assert whole.keys == tuple(sorted(GONE | OTHERS))
    for nobody in (mark(GONE)[:5], "000000", "______"):
        with pytest.raises(ConfigError, match="no hold begins with"):
            journal.archive.hold(nobody)


def test_a_hold_tells_who_approved_it_why_and_what_is_left(state: State) -> None:
    journal = state.open()
    with run(journal) as record:
        hold(record, GONE, OTHERS)
    state.later(hours=2)
    with run(journal) as record:
        record.approve(mark(GONE), GONE, "they left", "rossi")
        record.intend(GONE, {})
        record.settle([Outcome(min(GONE))])
    (approval,) = journal.archive.hold(mark(GONE)).approvals
    assert (approval.who, approval.reason, approval.run, approval.at) == ("rossi", "they left", record.run, state.now)
    assert (approval.keys, approval.left) == (2, 1)
    assert journal.archive.hold(mark(GONE, OTHERS)).approvals == (approval,)


def test_open_holds_are_listed_by_job(state: State) -> None:
    journal = state.open()
    for job in (JOB, "another"):
        with run(journal, job=job, target=job) as record:
            hold(record, GONE)
    assert [h.job for h in journal.archive.open_holds()] == ["another", JOB]
    assert [h.job for h in journal.archive.open_holds(JOB)] == [JOB]


def test_since_when_somebody_is_in_is_the_newest_addition_that_was_done(state: State) -> None:
    journal = state.open()
    start = state.now
    with run(journal) as first:
        do(first, add("a@unimore.it"))
    state.later(days=1)
    with run(journal) as second:
        do(second, remove("a@unimore.it"))
        second.intend(add("a@unimore.it"), {})
        second.settle([Outcome(min(add("a@unimore.it")), "refused")])
    archive = journal.archive
    assert archive.since(JOB, TARGET, "docenti", "a@unimore.it") == (first.run, start)
    state.later(days=1)
    with run(journal) as third:
        do(third, add("a@unimore.it"))
    assert archive.since(JOB, TARGET, "docenti", "a@unimore.it") == (third.run, start + timedelta(days=2))
    assert archive.since(JOB, TARGET, "ricercatori", "a@unimore.it") is None
    assert archive.since("other", TARGET, "docenti", "a@unimore.it") is None
    assert archive.since(JOB, TARGET, "docenti", "b@unimore.it") is None
