"""Pings to a real HTTP server: what it hears, and that no bad day of it is one of ours."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collima.app.config import Config, load
from collima.app.ping import Pings
from tests.servers import free_port
from tests.servers.listener import BABBLE, HANG, Listener, deaf, listener

SCHEDULE = """\
version: 1
timezone: Europe/Rome
state: sqlite:///state.db
connectors:
  people: {{kind: ldif, file: people.ldif}}
  lists: {{kind: list-files, directory: lists}}
jobs:
  lists:
    kind: roster-sync
    when: manual
    {ping}
    source: people
    target: lists
    among: (objectClass=person)
    address: mail
    rosters: [{{name: modena, members: (l=Modena)}}]
"""


def schedule(folder: Path, ping: str) -> Config:
    path = folder / "schedules.yaml"
    path.write_text(SCHEDULE.format(ping=ping), "ascii")
    return load(path)


@pytest.fixture
def server() -> Iterator[Listener]:
    with listener() as one:
        yield one


def ping(config: Config, *exit_codes: int, patience: float = 5.0) -> None:
    """A run for each exit code."""
    pings = Pings(config, patience=patience)
    for code in exit_codes:
        pings.started("lists")
        pings.ended("lists", code)
    pings.close()


def test_start_and_end_are_told_in_their_order(server: Listener, tmp_path: Path) -> None:
    config = schedule(tmp_path, f"ping: {server.url('/uuid')}")
    ping(config, *[0] * 20)
    assert server.heard == ["/uuid/start", "/uuid"] * 20


@pytest.mark.parametrize(("code", "path"), [(1, "/1"), (3, "/3"), (75, "/75"), (-9, "/fail"), (256, "/fail")])
def test_a_run_that_did_not_end_well_is_told_with_its_exit_code(
    server: Listener, tmp_path: Path, code: int, path: str
) -> None:
    ping(schedule(tmp_path, f"ping: {server.url('/key/lists?create=1')}"), code)
    assert server.heard == ["/key/lists/start?create=1", f"/key/lists{path}?create=1"]


def test_a_job_without_ping_is_told_to_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ping(schedule(tmp_path, ""), 0)
    assert not caplog.records


@pytest.mark.parametrize("reference", ["{env: PING_URL}", "{file: ping}"])
def test_the_url_may_be_a_secret(
    server: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str
) -> None:
    monkeypatch.setenv("PING_URL", server.url("/secret"))
    (tmp_path / "ping").write_text(server.url("/secret") + "\n", "ascii")
    (tmp_path / "ping").chmod(0o600)
    ping(schedule(tmp_path, f"ping: {reference}"), 0)
    assert server.heard == ["/secret/start", "/secret"]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert {record.levelno for record in caplog.records} <= {logging.WARNING}
    assert "token" not in caplog.text
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (500, "127.0.0.1 answers 500"),
        (404, "127.0.0.1 answers 404"),
        (BABBLE, "127.0.0.1 answers what is no HTTP (BadStatusLine)"),
        (HANG, "127.0.0.1 cannot be reached: no answer in time"),
    ],
)
def test_an_answer_that_is_none_is_a_warning_without_the_url(
    server: Listener, tmp_path: Path, caplog: pytest.LogCaptureFixture, answer: int, told: str
) -> None:
    server.answers.append(answer)
    ping(schedule(tmp_path, f"ping: {server.url('/token')}"), 0, patience=0.2)
    assert warnings(caplog) == [f"ping: {told}"]
    assert server.heard == ["/token/start", "/token"]


def test_a_server_that_refuses_is_a_warning_for_each_ping(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ping(schedule(tmp_path, f"ping: http://127.0.0.1:{free_port()}/token"), 0)
    assert warnings(caplog) == ["ping: 127.0.0.1 cannot be reached: Connection refused"] * 2


def test_a_server_that_takes_connections_and_says_nothing_is_not_waited_for_long(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with deaf() as url:
        ping(schedule(tmp_path, f"ping: {url}/token"), 0, patience=0.1)
    assert warnings(caplog) == ["ping: 127.0.0.1 cannot be reached: no answer in time"] * 2


def test_a_name_that_nobody_knows_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ping(schedule(tmp_path, "ping: http://nowhere.invalid/token"), 0)
    assert all("nowhere.invalid cannot be reached: " in told for told in warnings(caplog))


def test_a_secret_that_is_not_there_or_no_url_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = schedule(tmp_path, "ping: {env: PING_URL}")
    monkeypatch.delenv("PING_URL", raising=False)
    ping(config, 0)
    monkeypatch.setenv("PING_URL", "the token alone")
    ping(config, 0)
    told = warnings(caplog)
    assert told[:2] == ["ping: the environment variable PING_URL is not set or empty"] * 2
    assert told[2:] == ["ping: no URL: it has white space, or letters that are not ASCII"] * 2


def run_job(folder: Path, *arguments: str) -> int:
    (folder / "people.ldif").write_text("dn: uid=anna,dc=example,dc=org\nobjectClass: person\nuid: anna\n", "ascii")
    command = [Path(sys.executable).parent / "run-job", "lists", "--config", folder / "schedules.yaml", *arguments]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_a_run_that_cron_or_a_person_starts_is_told(server: Listener, tmp_path: Path) -> None:
    schedule(tmp_path, f"ping: {server.url('/uuid')}")
    assert run_job(tmp_path) == 0
    assert server.heard == ["/uuid/start", "/uuid"]
    (tmp_path / "lists/modena").write_text("no address\n", "ascii")
    code = run_job(tmp_path)
    assert code not in (0, 75)
    assert server.heard[2:] == ["/uuid/start", f"/uuid/{code}"]


@pytest.mark.parametrize("arguments", [["--plan"], ["--only", "modena"], ["--slot", "1764000000000000"]])
def test_a_plan_a_part_and_a_run_of_the_service_are_not_told_by_run_job(
    server: Listener, tmp_path: Path, arguments: list[str]
) -> None:
    schedule(tmp_path, "")
    assert run_job(tmp_path) == 0  # the service's runs make no state
    schedule(tmp_path, f"ping: {server.url('/uuid')}")
    assert run_job(tmp_path, *arguments) == 0
    assert server.heard == []


def test_a_ping_that_fails_changes_neither_the_run_nor_its_exit_code(server: Listener, tmp_path: Path) -> None:
    schedule(tmp_path, f"ping: http://127.0.0.1:{free_port()}/token")
    assert run_job(tmp_path) == 0
