"""`collima serve` as a process, on one machine with SQLite, with runs that are processes."""

import errno
import json
import os
import signal
import socket
import subprocess
from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from collima.app import wiring
from collima.app.commands import serve
from collima.app.service.chores import Chores
from collima.app.service.serving import Serving, Signals
from collima.app.service.systemd import Systemd
from collima.state.slot_rows import SlotRow
from tests.app.service.real import Site, end, wait_for
from tests.app.service.stage import Stage
from tests.state.conftest import State

PID = "ps -o pgid= -p $$ | tr -d ' ' >> pids"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


def job(name: str, script: str, *, when: str = "manual", more: str = "") -> str:
    return f"  {name}: {{kind: script, when: {when}, script: {json.dumps(script)}{more}}}"


def due_now(site: Site, *jobs: str) -> None:
    """They are due, as if by their schedule."""
    site.journal.slots.claim([SlotRow(job, site.now(), "waiting") for job in jobs])


def test_a_job_runs_when_it_is_due_with_its_log_and_the_hash_of_the_schedule(site: Site) -> None:
    hour = site.just_before("a")
    site.write(job("a", "echo on the way; while [ ! -e go ]; do sleep 0.05; done; echo done", when='"0 * * * *"'))
    service = site.serve()
    run = wait_for(lambda: (slot := site.slot("a")) and slot.run)
    wait_for(lambda: "on the way" in site.run("collima", "log", run[:20]).stdout)
    (site.folder / "go").touch()
    wait_for(lambda: site.is_("a", "ended"))
    (row,) = site.history()
    assert (row.id, row.state, row.slot) == (run, "in-sync", int(hour.timestamp() * 1_000_000))
    assert site.run("collima", "log", run).stdout.startswith("on the way\ndone\n")
    said = json.loads(site.run("collima", "log", run, "--json").stdout)
    assert (said["state"], said["size"]) == ("in-sync", len(said["text"]))
    (serving,) = site.journal.services.open()
    assert serving.config == row.config
    assert end(service) == 0
    assert site.journal.services.open() == ()


def test_a_run_goes_by_what_the_service_has_loaded_until_it_is_told_to_reload(site: Site) -> None:
    site.write(job("a", "echo old >> effects"))
    service = site.serve()
    site.write(job("a", "echo new >> effects"))
    due_now(site, "a")
    wait_for(lambda: site.is_("a", "ended"))
    site.file.unlink()
    due_now(site, "a")
    wait_for(lambda: len(site.effects()) == 2 and site.is_("a", "ended"))
    assert site.effects() == ["old", "old"]
    site.write(job("a", "x") + "\n  b: {kind: scrypt, when: manual}")
    refused = site.run("collima", "reload")
    assert refused.returncode == 2
    assert "unknown kind 'scrypt', did you mean 'script'?" in refused.stderr
    service.send_signal(signal.SIGHUP)
    wait_for(lambda: "the schedule stays as it was" in site.log())
    site.write(job("a", "echo new >> effects"))
    answer = site.run("collima", "reload")
    assert answer.returncode == 0, answer.stderr
    assert f"process {service.pid}: runs " in answer.stdout
    due_now(site, "a")
    wait_for(lambda: len(site.effects()) == 3)
    assert site.effects()[2] == "new"


def test_reload_without_a_service_says_so(site: Site) -> None:
    site.write(job("a", ""))
    done = site.run("collima", "reload")
    assert done.returncode == 2
    assert "no service runs on this machine" in done.stderr
    assert "another `state` is taken by a restart only" in done.stderr


@pytest.mark.soak
def test_reload_does_not_ask_a_service_that_ends_by_itself(site: Site) -> None:
    site.write(job("a", "touch begun; while [ ! -e go ]; do sleep 0.05; done"))
    due_now(site, "a")
    once = site.start("collima", "serve", "--once")
    wait_for((site.folder / "begun").exists)
    done = site.run("collima", "reload")
    assert (done.returncode, "no service runs on this machine" in done.stderr) == (2, True), done.stderr
    service = site.serve()
    assert site.run("collima", "reload").returncode == 0
    (site.folder / "go").touch()
    assert (once.wait(30), end(service)) == (0, 0)


def test_reload_says_which_service_is_not_the_users_and_waits_for_none_that_ended(
    lite: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "schedules.yaml"
    file.write_text(f"version: 1\ntimezone: Europe/Rome\nstate: {lite.url}\nconnectors: {{}}\njobs: {{}}\n")
    monkeypatch.setattr(wiring, "utc_now", lambda: lite.now)
    journal = lite.open(socket.gethostname())
    with subprocess.Popen(["/bin/sleep", "60"], start_new_session=True) as other:
        for name, by in (("s1", other.pid), ("s2", os.getpid())):
            monkeypatch.setattr(os, "getpid", lambda by=by: by)
            journal.services.begin(name, config="c0", version="1")

        def kill(pid: int, number: int) -> None:
            if pid != other.pid:
                raise PermissionError(errno.EPERM, "Operation not permitted")
            os.killpg(pid, signal.SIGKILL)
            other.wait()
            raise ProcessLookupError(errno.ESRCH, "No such process")

        monkeypatch.setattr(os, "kill", kill)
        assert serve.reload(Namespace(config=str(file))) == 1
    said = capsys.readouterr().err
    assert "service s2" in said
    assert "another user" in said
    assert "1 services have ended" in said


def test_a_run_that_the_service_starts_makes_no_state(site: Site) -> None:
    site.write(job("a", ""))
    done = site.run("run-job", "a", "--slot", "1000000")
    assert (done.returncode, "is gone" in done.stderr) == (1, True), done.stderr
    assert not (site.folder / "collima.db").exists()


@pytest.mark.soak
def test_the_history_of_a_job_that_the_file_has_no_more_is_told_and_a_fault_at_the_start_once(site: Site) -> None:
    site.write(job("a", ""))
    assert site.run("run-job", "a").returncode == 0
    with site.journal.begin("a", "", slot=None, kind="run", config="c0") as record:
        done = site.run("collima", "log", record.run)
        assert (done.returncode, "is under way" in done.stderr) == (0, True), done.stderr
        record.end("changed", {}, transient=False, cause="")
    site.write(job("b", ""))
    assert " run " in site.run("collima", "history", "a").stdout
    assert site.run("collima", "history", "c").returncode == 2
    assert "6 characters" in site.run("collima", "log", "2026").stderr
    (site.folder / "collima.db").write_bytes(b"a letter")
    done = site.run("collima", "serve")
    assert (done.returncode, done.stderr.count("not a database")) == (1, 1), done.stderr


def test_a_state_that_is_not_ours_to_use_is_refused_at_once(site: Site) -> None:
    site.write(job("a", ""))
    site.file.write_text(site.file.read_text().replace("/collima.db", "/schedules.yaml"))
    done = site.run("collima", "serve")
    assert done.returncode == 1
    assert "file is not a database" in done.stderr


def test_a_stop_waits_for_runs_that_end_in_time_and_starts_nothing_more(site: Site) -> None:
    site.write(job("a", "touch begun; sleep 1; echo a >> effects") + "\n" + job("b", "echo b >> effects"), "workers: 1")
    due_now(site, "a", "b")
    service = site.serve()
    wait_for((site.folder / "begun").exists)
    assert end(service) == 0
    assert site.effects() == ["a"]
    assert (site.is_("a", "ended"), site.is_("b", "waiting")) == (True, True)


@pytest.mark.soak
def test_after_stop_grace_runs_are_stopped_cleanly_and_taken_up_again_on_the_next_start(site: Site) -> None:
    site.write(job("a", "echo begun >> effects; [ $(grep -c begun effects) = 2 ] || sleep 60"), "stop-grace: 1 second")
    due_now(site, "a")
    service = site.serve()
    wait_for(site.effects)
    wait_for(lambda: (slot := site.slot("a")) and slot.run)
    assert end(service) == 0
    slot = site.slot("a")
    assert slot is not None
    assert (slot.state, slot.tries, slot.takeovers) == ("waiting", 0, 0)
    site.serve()
    wait_for(lambda: site.is_("a", "ended"))
    assert [row.state for row in site.history()] == ["in-sync", "failed"]
    assert site.effects() == ["begun", "begun"]


def test_a_second_signal_does_not_wait_for_the_grace(site: Site) -> None:
    site.write(job("a", "touch begun; sleep 60"), "stop-grace: 1 hour")
    due_now(site, "a")
    service = site.serve()
    wait_for((site.folder / "begun").exists)
    service.send_signal(signal.SIGTERM)
    wait_for(lambda: "stopping: 1 runs" in site.log())
    assert end(service, signal.SIGINT) == 0


def test_a_run_outlives_kill_9_of_its_service_and_the_next_one_settles_it(site: Site) -> None:
    site.write(job("a", f"{PID}; touch begun; while [ ! -e go ]; do sleep 0.05; done; echo a >> effects"))
    due_now(site, "a")
    service = site.serve()
    wait_for((site.folder / "begun").exists)
    end(service, signal.SIGKILL)
    site.serve()
    wait_for(lambda: "is watched from here" in site.log())
    (site.folder / "go").touch()
    wait_for(lambda: site.is_("a", "ended"))
    assert (site.effects(), [row.state for row in site.history()]) == (["a"], ["in-sync"])


def test_kill_9_of_a_run_is_taken_over_once(site: Site) -> None:
    site.write(job("a", f"{PID}; echo a >> effects; sleep 60"))
    due_now(site, "a")
    site.serve()
    for attempt in (1, 2):
        wait_for(lambda attempt=attempt: len(site.effects()) == attempt)
        os.killpg(int(site.effects("pids")[-1]), signal.SIGKILL)
    wait_for(lambda: site.is_("a", "ended"))
    slot = site.slot("a")
    assert slot is not None
    assert slot.cause.endswith("died, as the one before")
    assert [(row.state, row.cause) for row in site.history()] == [("failed", "killed")] * 2


@pytest.mark.soak
def test_a_time_limit_is_kept_also_for_a_run_whose_service_was_killed(site: Site) -> None:
    site.write(job("a", f"{PID}; touch begun; sleep 60", more=", time-limit: 5 seconds"))
    due_now(site, "a")
    service = site.serve()
    wait_for((site.folder / "begun").exists)
    end(service, signal.SIGKILL)
    site.serve()
    wait_for(lambda: site.is_("a", "ended"))
    (row,) = site.history()
    assert (row.state, row.cause) == ("failed", "stopped after its time-limit of 5 seconds")


def test_what_is_misconfigured_is_in_the_history_with_its_reason(site: Site) -> None:
    site.write(job("a", "", more=", freeze: {calendar: none.ics}"))
    due_now(site, "a")
    site.serve()
    wait_for(lambda: site.is_("a", "ended"))
    (row,) = site.history()
    assert row.state == "failed"
    assert "none.ics" in row.cause or "calendar" in row.cause


@pytest.mark.soak
def test_once_runs_what_is_due_to_its_end_and_no_more(site: Site) -> None:
    site.write("\n".join(job(name, f"echo {name} >> effects", when='"0 * * * *"') for name in "abc"), "workers: 2")
    site.just_before("a", "b", "c")
    site.shift += timedelta(minutes=10).total_seconds()
    assert site.run("collima", "serve", "--once").returncode == 0
    assert sorted(site.effects()) == ["a", "b", "c"]
    assert site.run("collima", "serve", "--once").returncode == 0
    assert len(site.effects()) == 3
    assert site.journal.services.open() == ()


@dataclass
class Turned:
    """The bell of a service whose waiting turns the clock, while its supervisor listens."""

    state: State
    supervisor: socket.socket
    said: list[str] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.state.now += timedelta(seconds=seconds)
        with suppress(BlockingIOError):
            while True:
                self.said += self.supervisor.recv(4096).decode().split("\n")


def test_a_run_that_not_even_kill_ends_holds_up_no_stop(lite: State, tmp_path: Path) -> None:
    """In an uninterruptible sleep, say. Meanwhile the supervisor is asked for more time, and told in one line."""
    stage = Stage(lite, tmp_path)
    stage.write("  a: {kind: script, when: daily at 08:00}", "stop-grace: 2 minutes")
    service = stage.service()
    service.tick()
    stage.at("07:00")
    service.tick()
    stage.played[0].end = lambda why: None  # type: ignore[method-assign]
    service.fault = "schedules.yaml: 2 faults\nREADY=0\n" + "x" * 500
    begun = lite.now
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.setblocking(False)
        bell = Turned(lite, supervisor)
        chores = Chores(service.journal, lambda: service.config, lambda: lite.now)
        serving = Serving(service, bell, chores, Systemd(str(tmp_path / "notify")))  # type: ignore[arg-type]
        serving._stop(Signals(bell))  # type: ignore[arg-type]
    assert timedelta(minutes=2, seconds=30) <= lite.now - begun < timedelta(minutes=3)
    assert {line.partition("=")[0] for line in bell.said} == {"STOPPING", "STATUS", "EXTEND_TIMEOUT_USEC"}
    assert "STATUS=1 runs under way; schedules.yaml: 2 faults READY=0 x" in "\n".join(bell.said)
    asked = [int(line.partition("=")[2]) for line in bell.said if line.startswith("EXTEND")]
    assert (asked[0], min(asked)) == (180_000_000, 60_000_000)


def test_the_supervisor_hears_that_it_is_ready_that_it_lives_that_it_reloads_and_that_it_stops(site: Site) -> None:
    site.write(job("a", "touch begun; sleep 0.5"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(site.folder / "notify"))
        supervisor.settimeout(30)

        def heard(line: str) -> None:
            while line not in supervisor.recv(4096).decode().split("\n"):
                pass

        due_now(site, "a")
        service = site.start("collima", "serve", NOTIFY_SOCKET=str(site.folder / "notify"), WATCHDOG_USEC="400000")
        heard("READY=1")
        for _ in range(3):
            heard("WATCHDOG=1")
        service.send_signal(signal.SIGHUP)
        heard("RELOADING=1")
        heard("READY=1")
        wait_for((site.folder / "begun").exists)
        service.send_signal(signal.SIGTERM)
        heard("STOPPING=1")
        assert service.wait(30) == 0
