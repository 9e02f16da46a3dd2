"""Runs that another service started: whose time-limit is kept by whom. Each is a process that can be killed."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from collima.app.service.child import GRACE
from collima.state.archive import RunRow
from collima.state.clock import micros
from collima.state.process import born
from collima.state.tables import locks, runs
from tests.app.service.stage import Played, Stage
from tests.state.conftest import State

LIMIT = "stopped after its time-limit of 5 minutes"
RETRY = "retry: {times: 3, every: 1 minute}"


@pytest.fixture
def stage(lite: State, tmp_path: Path) -> Stage:
    made = Stage(lite, tmp_path)
    made.write(f"  a: {{kind: script, when: daily at 08:00, time-limit: 5 minutes, {RETRY}}}")
    return made


@contextmanager
def process(run: Played, script: str) -> Iterator[subprocess.Popen[str]]:
    """The run goes on in this process."""
    with subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True) as made:
        assert made.stdout is not None
        made.stdout.readline()
        entered = run.begins()
        with run.journal.database.write() as connection:
            holder = {"pid": made.pid, "born": born(made.pid)}
            connection.execute(update(locks).where(locks.c.run == entered).values(holder))
            connection.execute(update(runs).where(runs.c.id == entered).values(pid=made.pid))
        try:
            yield made
        finally:
            made.kill()


def renewed(stage: Stage) -> None:
    """As the run does that goes on."""
    with stage.state.open().database.write() as connection:
        connection.execute(update(locks).values(lease=micros(stage.state.now + timedelta(seconds=90))))


def only(stage: Stage) -> RunRow:
    (run,) = stage.state.open().archive.history()
    return run


def test_a_run_that_ignores_term_has_the_grace_before_it_is_killed(stage: Stage) -> None:
    first, service = stage.service(), stage.service()
    first.tick()
    stage.at("07:00")
    first.tick()
    with process(stage.played[0], "trap 'echo asked' TERM; echo; while :; do sleep 0.05; done") as run:
        first.end()
        service.tick()
        stage.state.later(minutes=5, seconds=1)
        service.tick()
        assert run.stdout is not None
        assert run.stdout.readline() == "asked\n"
        stage.state.later(seconds=int(GRACE) - 1)
        service.tick()
        assert run.stdout.readline() == "asked\n"
        stage.state.later(seconds=1)
        service.tick()
        assert run.wait(100) == -9
        service.tick()
        service.tick()
    assert (only(stage).cause, stage.slot("a").state, len(stage.played)) == (LIMIT, "ended", 1)
    assert service.runs._limited == {}


def test_a_run_whose_slot_another_machine_has_taken_over_is_limited_on_its_own(stage: Stage) -> None:
    first, here, there = stage.service("here"), stage.service("here"), stage.service("there")
    first.tick()
    stage.at("07:00")
    first.tick()
    with process(stage.played[0], "echo; exec sleep 60") as run:
        first.end()
        there.tick()
        assert stage.slot("a").service == there.name
        stage.state.later(minutes=4)
        here.tick()
        assert run.poll() is None
        stage.state.later(minutes=1, seconds=1)
        renewed(stage)
        there.tick()
        here.tick()
        assert run.wait(100) == -15
        here.tick()
        there.tick()
    assert (only(stage).cause, stage.slot("a").cause, len(stage.played)) == (LIMIT, LIMIT, 1)


def test_one_that_says_that_it_was_stopped_after_its_time_limit_is_not_tried_again_elsewhere(stage: Stage) -> None:
    first, there = stage.service("here"), stage.service("there")
    first.tick()
    stage.at("07:00")
    first.tick()
    run = stage.played[0]
    with run.journal.begin("a", "", slot=micros(run.slot), kind="run", config="c0") as record:
        first.end()
        there.tick()
        stage.state.later(minutes=5, seconds=2)
        record.end("failed", {}, transient=True, cause="stopped by SIGTERM: what was begun is on record")
    there.tick()
    assert (only(stage).cause, stage.slot("a").state) == (LIMIT, "ended")


def test_a_run_of_a_service_that_lives_is_left_to_it(stage: Stage) -> None:
    first, service = stage.service(), stage.service()
    first.tick()
    stage.at("07:00")
    first.tick()
    with process(stage.played[0], "echo; exec sleep 60") as run:
        stage.state.later(minutes=6)
        first.tick()
        service.tick()
        time.sleep(0.1)
        assert run.poll() is None
