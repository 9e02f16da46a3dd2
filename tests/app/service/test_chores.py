import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from collima.app.config import Config
from collima.app.service import loaded
from collima.app.service.chores import Chores
from collima.core.ports import Clock
from collima.state import SqlJournal
from tests.app.service.stage import KINDS, Stage
from tests.state.conftest import State
from tests.state.runs import run

TEXT = "version: 1\ntimezone: Europe/Rome\nstate: sqlite:///x.db\nconnectors: {{}}\njobs: {{}}\n{}\n"


def configured(folder: Path, more: str = "") -> Config:
    file = folder / "schedules.yaml"
    file.write_text(TEXT.format(more))
    made = loaded.load(file, KINDS)
    made.close()
    return made.config


def chores(state: State, config: Config) -> Chores:
    """Of a service that just came up."""
    return Chores(state.open(), lambda: config, lambda: state.now)


def runs(state: State) -> int:
    return len(list(state.open().archive.history()))


def a_run(state: State) -> None:
    with run(state.open()):
        pass


def test_figures_do_not_wait_for_mail(lite: State, tmp_path: Path) -> None:
    path, free = tmp_path / "collima.prom", threading.Event()
    config = configured(tmp_path, f"metrics: {{textfile: {path}}}")
    sending = threading.Event()

    def deliver(config: Config, journal: SqlJournal, *, clock: Clock, stop: Callable[[], bool]) -> datetime | None:
        sending.set()
        free.wait(60)
        return None

    made = Chores(lite.open(), lambda: config, lambda: lite.now, deliver)
    with made.running():
        assert sending.wait(20)
        lite.later(minutes=1)
        made.poke()
        waiting = threading.Event()
        for _ in range(400):
            if path.exists():
                break
            waiting.wait(0.05)
        written = path.exists()
        free.set()
    assert written


def test_of_many_services_of_a_day_that_end_by_themselves_the_first_deletes_what_is_old(
    lite: State, tmp_path: Path
) -> None:
    config = configured(tmp_path, "keep: {runs: 30 days, changes: 30 days, logs: 30 days}")
    a_run(lite)
    lite.later(days=23)
    a_run(lite)
    lite.later(days=7, hours=1)
    left = []
    for number in range(3):
        journal = lite.open()
        journal.services.begin(f"s{number}", config="c0", version="1")
        chores(lite, config).once()
        journal.services.end(f"s{number}")
        left.append(runs(lite))
        lite.later(minutes=5)
        if number == 0:
            lite.later(days=-40)
            a_run(lite)  # as old as what the first one has deleted
            lite.later(days=40)
    assert left == [1, 2, 2]
    journal = lite.open()
    lite.later(days=400)
    journal.services.end("s0")  # by a clock that was wrong
    lite.later(days=-399)
    a_run(lite)
    chores(lite, config).once()
    assert runs(lite) == 2


def test_a_clock_that_is_years_ahead_deletes_nothing_until_a_week_has_shown_that_it_is_right(
    lite: State, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(lite, tmp_path)
    stage.write("  a: {kind: script, when: daily at 08:00}")
    for _ in range(20):
        a_run(lite)
        lite.later(days=1)
    lite.later(days=3 * 365)
    service = stage.service()
    made = Chores(service.journal, lambda: service.config, lambda: lite.now)
    for day in range(7):
        service.tick()
        a_run(lite)
        for _ in range(3):
            made.once()
        assert runs(lite) == 20 + day + 1
        lite.later(days=1)
    assert sum("nothing old is deleted" in record.getMessage() for record in caplog.records) == 7
    service.tick()
    made.once()
    assert runs(lite) == 7


def test_a_new_state_has_nothing_to_doubt(lite: State, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = chores(lite, configured(tmp_path))
    for _ in range(20):
        a_run(lite)
        made.once()
        lite.later(days=1)
    assert not caplog.records
