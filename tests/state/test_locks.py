import os
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import update

from collima.core.errors import Busy, StateError
from collima.core.model import Key
from collima.state import process
from collima.state.locks import LEASE, RENEWAL
from collima.state.tables import locks
from tests.state.conftest import State
from tests.state.runs import JOB, TARGET, add, do, run

CONTENDER = [sys.executable, "-W", "error", str(Path(__file__).with_name("contender.py"))]


def test_a_job_runs_once_at_a_time_and_says_who_has_it(state: State) -> None:
    journal, other = state.open(), state.open()
    with run(journal) as record:
        with pytest.raises(Busy) as told, run(other):
            pytest.fail("it ran twice")
        assert str(told.value) == (
            f"sympa-lists is under way: run {record.run} (since 2026-11-24 05:30:12 UTC, process {os.getpid()} on here)"
        )
    with run(other):
        pass


def test_a_target_is_changed_by_one_job_at_a_time(state: State) -> None:
    journal, other = state.open(), state.open()
    with run(journal) as record:
        in_use = rf"target lists is in use by sympa-lists: run {record.run}"
        with pytest.raises(Busy, match=in_use), run(other, job="google-groups"):
            pytest.fail("two jobs on one target")
        state.later(seconds=1)
        with run(other, job="google-groups", target="google"):
            pass
    assert [row.job for row in journal.archive.history()] == ["google-groups", JOB]


def test_jobs_without_a_target_run_side_by_side(state: State) -> None:
    with run(state.open(), job="one", target=""), run(state.open(), job="two", target=""):
        pass


def test_a_failed_run_frees_its_locks(state: State) -> None:
    journal = state.open()
    with pytest.raises(ZeroDivisionError), run(journal):
        raise ZeroDivisionError
    with run(journal):
        pass


def test_a_slot_is_run_once(state: State) -> None:
    journal = state.open()
    with run(journal, slot=1_795_000_000) as record:
        pass
    with pytest.raises(Busy, match=rf"run {record.run} has had this slot"), run(journal, slot=1_795_000_000):
        pytest.fail("it ran twice")
    with run(journal, slot=1_795_000_001), run(journal, job="other", target="t", slot=1_795_000_000):
        pass


def test_a_slot_that_failed_for_a_transient_reason_can_be_tried_again(state: State) -> None:
    journal = state.open()
    with pytest.raises(StateError), run(journal, slot=5):
        raise StateError("disk full", transient=True)
    state.later(hours=1)
    with run(journal, slot=5):
        pass
    second, first = journal.archive.history()
    assert [(row.slot, row.attempt, row.state) for row in (first, second)] == [(None, 1, "failed"), (5, 2, "changed")]


# ---- the dead


def dying(state: State) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([*CONTENDER, state.url, state.password, "die"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_a_killed_run_is_taken_over_at_once_and_what_it_may_have_done_is_known(state: State) -> None:
    journal = state.open()
    victim, dead = dying(state)
    with victim:
        with pytest.raises(Busy, match=dead), run(journal):
            pytest.fail("it lives")
        assert journal.archive.run(dead).state == "running"
        victim.kill()
    row = journal.archive.run(dead)
    assert (row.state, row.cause, row.ended) == ("failed", "killed", None)
    with run(journal, slot=1) as record:
        pass
    row = journal.archive.run(dead)
    assert (row.state, row.cause, row.transient, row.ended) == ("failed", "killed", True, state.now)
    assert journal.done(dead)[2] == {Key("docenti", "add", "a@unimore.it")}
    assert [change.outcome for change in journal.archive.changes(dead)] == ["unknown"]
    assert journal.archive.run(record.run).attempt == 2


def test_another_job_finds_the_dead_one_that_had_its_target(state: State) -> None:
    journal = state.open()
    victim, dead = dying(state)
    with victim:
        victim.kill()
    with run(journal, job="other", target=TARGET):
        pass
    assert journal.archive.run(dead).cause == "killed"


def test_a_pid_that_was_given_again_is_not_the_run(state: State) -> None:
    journal = state.open()
    with journal.begin(JOB, TARGET, slot=None, kind="run", config="") as record:
        with journal.database.write() as connection:
            connection.execute(update(locks).values(born="another boot/1"))
        with run(state.open()):
            pass
        with pytest.raises(StateError, match="another one took over"):
            record.issue()


def test_a_run_on_another_machine_is_believed_alive_until_its_lease_ends(state: State) -> None:
    there, here = state.open(host="there"), state.open()
    with there.begin(JOB, TARGET, slot=None, kind="run", config="") as record:
        state.now += LEASE
        with pytest.raises(Busy), run(here):
            pytest.fail("it lives")
        state.later(seconds=1)
        with run(here) as second:
            assert not record.lost
            there.renew(record)
            assert record.lost
        with pytest.raises(StateError, match="another one took over"):
            do(record, add("a@unimore.it"))
    assert list(here.archive.changes(record.run)) == []
    assert (here.archive.run(record.run).cause, here.archive.run(second.run).state) == ("killed", "changed")


def test_a_lease_that_no_clock_of_today_can_have_given_says_nothing(state: State) -> None:
    there, here = state.open(host="there"), state.open()
    with ExitStack() as dead:
        state.later(days=1)
        dead.enter_context(there.begin(JOB, TARGET, slot=None, kind="run", config=""))
        state.later(days=-1)
        with run(here):
            pass
        dead.pop_all()


def test_a_lost_run_does_not_take_the_locks_of_its_successor_away(state: State) -> None:
    there, here = state.open(host="there"), state.open()
    with ExitStack() as successor:
        with there.begin(JOB, TARGET, slot=None, kind="run", config=""):
            state.now += LEASE + RENEWAL
            successor.enter_context(run(here))
        with pytest.raises(Busy), run(there):
            pytest.fail("it took the locks of another run")


def test_a_lease_that_is_renewed_does_not_end(state: State) -> None:
    there, here = state.open(host="there"), state.open()
    with run(there) as record:
        for _ in range(5):
            state.now += RENEWAL
            there.renew(record)
        state.now += LEASE
        with pytest.raises(Busy), run(here):
            pytest.fail("it lives")
        assert not record.lost


def test_a_process_is_told_by_its_birth() -> None:
    own = process.born(os.getpid())
    assert process.lives(os.getpid(), own)
    assert process.lives(os.getpid(), "")
    assert not process.lives(os.getpid(), own + "1")
    child = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE)
    birth = process.born(child.pid)
    child.communicate()
    assert not process.lives(child.pid, birth)
    assert not process.lives(child.pid, "")


def test_four_processes_share_the_slots_and_none_is_run_twice(state: State) -> None:
    count = 25
    crowd = [
        subprocess.Popen(
            [*CONTENDER, state.url, state.password, "slots", str(count)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    told = [process.communicate(timeout=100) for process in crowd]
    assert [(process.returncode, err) for process, (_, err) in zip(crowd, told, strict=True)] == [(0, "")] * 4
    wins = Counter(int(line.split()[0]) for out, _ in told for line in out.splitlines())
    assert wins == Counter(range(count))
    rows = list(state.open().archive.history())
    assert sorted(row.slot or 0 for row in rows) == list(range(count))
    assert {(row.state, row.attempt) for row in rows} == {("changed", 1)}
