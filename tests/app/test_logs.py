"""Log lines: text, JSON, and JSON in a real rsyslogd; job and run in each, nobody's address in any."""

import json
import logging
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from collima.app import logs
from collima.app.logs import LONGEST, SILENCE, Form, Json, Keyed, Syslog, Text
from collima.core.about import about, current
from tests.servers.rsyslog import Rsyslog, rsyslog


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, list[logging.LogRecord]]]:
    """A logger of our own, and what it made."""
    seen: list[logging.LogRecord] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    logger = logging.Logger("collima.run")  # noqa: LOG001 - one that nobody else configures
    logger.addHandler(Kept())
    return logger, seen


Log = tuple[logging.Logger, list[logging.LogRecord]]


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cl") as short:
        yield Path(short)


@contextmanager
def to(where: str) -> Iterator[logging.Logger]:
    """A logger that writes to this syslog only."""
    handler, logger = Syslog(where, "run-job"), logging.Logger("collima.run")  # noqa: LOG001 - one that nobody else configures
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        handler.close()


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("text", Form()),
        ("json", Form("json")),
        ("syslog", Form("syslog", "/dev/log")),
        ("syslog:/run/x/log", Form("syslog", "/run/x/log")),
        ("syslog:logs.example.org:514", Form("syslog", "logs.example.org:514")),
        ("syslog:[::1]:514", Form("syslog", "[::1]:514")),
    ],
)
def test_the_option_says_form_and_place_and_is_written_as_it_was(text: str, how: Form) -> None:
    assert logs.form(text) == how
    assert logs.form(str(how)) == how


@pytest.mark.parametrize(
    "text", ["", "yaml", "json:x", "text:", "syslog:", "syslog:log", "syslog:host", "syslog::514", "syslog:host:0"]
)
def test_what_is_no_form_is_told_with_the_cure(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="write text, json, syslog"):
        logs.form(text)


def test_a_line_of_text_has_time_level_job_and_run_before_what_it_says(log: Log) -> None:
    logger, seen = log
    with about(job="lists", run="20261124T053000-ab12"):
        logger.info(Keyed(subject="docenti", verb="add", planned=2))
        line = Text().format(seen[0])

    time, rest = line.split(" ", 1)
    assert datetime.fromisoformat(time).utcoffset() is not None
    assert rest == "INFO job=lists run=20261124T053000-ab12 subject=docenti verb=add planned=2"


def test_a_person_at_a_terminal_is_told_the_message_only(log: Log) -> None:
    logger, seen = log
    logger.warning("%s: the next server is asked", "ldap1")
    assert Text(person=True).format(seen[0]) == "ldap1: the next server is asked"


def test_a_line_of_json_has_keys_for_what_it_counts(log: Log) -> None:
    logger, seen = log
    with about(job="lists"), about(run="r1"):
        logger.info(Keyed(subject="docenti", verb="add", planned=2))
        told = json.loads(Json().format(seen[0]))

    assert datetime.fromisoformat(told.pop("time")).utcoffset() == timedelta(0)
    assert told == {
        "level": "info",
        "logger": "collima.run",
        "job": "lists",
        "run": "r1",
        "subject": "docenti",
        "verb": "add",
        "planned": 2,
    }


def test_without_a_job_there_is_no_key_for_it(log: Log) -> None:
    logger, seen = log
    logger.warning("nobody's")
    assert json.loads(Json().format(seen[0])).keys() == {"time", "level", "logger", "message"}


@pytest.mark.parametrize("form", [Text(), Text(person=True), Json()])
def test_no_line_and_no_traceback_has_an_address(log: Log, form: logging.Formatter) -> None:
    logger, seen = log
    try:
        int("<maria.rossi@example.org>, mario@example.org")
    except ValueError:
        logger.exception("failed for %s", "anna.bianchi@example.org")
    told = form.format(seen[0])

    assert not re.search("rossi|mario|anna", told)
    assert told.count("@example.org") >= 3
    assert "test_logs.py" in told


def test_an_address_at_the_place_where_a_long_message_is_cut_is_none_either(log: Log) -> None:
    logger, seen = log
    for at in range(LONGEST - 12, LONGEST + 2):
        logger.warning("x" * at + " maria.rossi@example.org")
    logger.warning("x " * 7 * LONGEST + "maria." + "x" * 8 * LONGEST + "@example.org")
    assert not any("maria" in form.format(record) for record in seen for form in (Text(), Json()))


@pytest.mark.parametrize("text", ["two\nlines", "\x1b[2J", "\u202eright to left"])
def test_a_line_is_one_line_whatever_is_in_it(log: Log, text: str) -> None:
    logger, seen = log
    logger.warning(text)
    assert Text().format(seen[0]).isprintable()
    assert Json().format(seen[0]).isprintable()


def test_values_with_blanks_are_told_in_quotes() -> None:
    assert str(Keyed(state="failed", cause='no "server" there', run="")) == (
        'state=failed cause="no \\"server\\" there" run=""'
    )


def test_what_is_said_inside_ends_with_its_block_and_is_not_another_threads() -> None:
    elsewhere = []
    with about(job="lists"):
        with about(run="r1"):
            assert current() == ("lists", "r1")
        thread = threading.Thread(target=lambda: elsewhere.append(current()))
        thread.start()
        thread.join()
        assert current() == ("lists", "")
    assert (current(), elsewhere) == (("", ""), [("", "")])


# ---- syslog


@pytest.fixture
def daemon(folder: Path) -> Iterator[Rsyslog]:
    with rsyslog(folder) as server:
        yield server


def test_a_real_rsyslogd_takes_lines_apart_from_its_socket_and_over_udp(daemon: Rsyslog) -> None:
    for count, where in ((2, str(daemon.socket)), (4, f"127.0.0.1:{daemon.port}")):
        with to(where) as logger, about(job="lists", run="r1"):
            logger.warning("%s für maria.rossi@example.org\n\0 and on", where)
            logger.info(Keyed(subject="docenti", verb="add", planned=2))
        daemon.seen(count)  # its two inputs are read side by side: what comes later by one may be written first

    seen = daemon.seen(4)
    assert [one["severity"] for one in seen] == ["warning", "info"] * 2
    for one in seen:
        assert (one["facility"], one["app"]) == ("daemon", "run-job")
        assert (one["said"]["job"], one["said"]["run"]) == ("lists", "r1")
        assert one["pid"].isdecimal()
        apart = datetime.fromisoformat(one["time"]) - datetime.fromisoformat(one["said"]["time"])
        assert abs(apart) < timedelta(seconds=2)  # the zone is told, or meant, right
    assert seen[0]["said"]["message"] == f"{daemon.socket} für …@example.org\n\ufffd and on"
    assert seen[1]["said"] | {"time": ""} == {
        "time": "",
        "level": "info",
        "logger": "collima.run",
        "job": "lists",
        "run": "r1",
        "subject": "docenti",
        "verb": "add",
        "planned": 2,
    }
    assert {one["host"] for one in seen} == {"here", socket.gethostname()}


def test_the_lines_of_the_documentation_are_taken_by_a_real_rsyslogd_and_do_what_they_say(folder: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/monitoring.md").read_text("utf-8")
    blocks = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (lines,) = (block for block in blocks if "mmjsonparse" in block)
    with rsyslog(folder, lines.replace("/var/log/collima.log", str(folder / "collima.log"))) as server:
        with to(str(server.socket)) as logger, about(job="lists", run="r1"):
            logger.info(Keyed(subject="docenti", planned=2))
        line = server.lines("collima.log", 1)[0]
    assert re.match(r'\S+ info lists r1 \{.*"subject": "docenti".*\}$', line)


def test_a_long_traceback_arrives_whole_enough_to_be_taken_apart(daemon: Rsyslog) -> None:
    def deep(level: int) -> None:
        if level:
            deep(level - 1)
        raise LookupError("x" * 5000)

    with to(str(daemon.socket)) as logger:
        try:
            deep(200)
        except LookupError:
            logger.exception("y" * 5000)
    (one,) = daemon.seen(1)
    assert one["said"]["traceback"].endswith("x\n")


def test_a_syslog_that_was_restarted_is_found_again(daemon: Rsyslog) -> None:
    with to(str(daemon.socket)) as logger:
        logger.warning("before")
        daemon.seen(1)
        daemon.stop()
        daemon.start()
        logger.warning("after")
        assert [one["said"]["message"] for one in daemon.seen(2)] == ["before", "after"]


def test_a_syslog_that_is_not_there_is_told_once_and_stops_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with to(str(folder / "none")) as logger:
        for _ in range(3):
            logger.warning("x")
    assert capsys.readouterr().err == f"run-job: syslog at {folder}/none takes no lines: No such file or directory\n"


def test_a_syslog_that_takes_nothing_is_waited_for_once(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "PATIENCE", 0.05)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(folder / "deaf"))
        with to(str(folder / "deaf")) as logger:
            for _ in range(1000):
                logger.warning("x" * LONGEST)
    assert capsys.readouterr().err.count("takes no lines") == 1


def test_a_syslog_that_was_away_is_asked_again_after_a_while_whatever_the_clock_on_the_wall_does(
    log: Log, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger, seen = log
    logger.warning("x")
    seen[0].created += 365 * 86_400  # a clock a year ahead, which is set right after this line
    handler = Syslog(str(folder / "log"), "run-job")
    handler.emit(seen[0])
    with rsyslog(folder) as server:
        monkeypatch.setattr(handler, "where", str(server.socket))
        handler.emit(seen[0])
        passed = time.monotonic() + SILENCE
        monkeypatch.setattr(time, "monotonic", lambda: passed)
        logger.warning("y")
        handler.emit(seen[1])
        assert [one["said"]["message"] for one in server.seen(1)] == ["y"]
    handler.close()


# ---- the programs


def run_job(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "run-job", *arguments], capture_output=True, encoding="utf-8", check=False
    )


def schedule(folder: Path) -> Path:
    """A job with two lists, from a directory in a file."""
    (folder / "people.ldif").write_text(
        "".join(
            f"dn: uid={name},dc=example,dc=org\nobjectClass: person\nuid: {name}\nl: {town}\n"
            f"mail: {name}@example.org\n\n"
            for name, town in (("anna", "Modena"), ("mario", "Reggio"))
        ),
        "ascii",
    )
    config = folder / "schedules.yaml"
    config.write_text(
        f"""\
version: 1
timezone: Europe/Rome
state: sqlite:///{folder}/state.db
connectors:
  people: {{kind: ldif, file: people.ldif}}
  lists: {{kind: list-files, directory: lists}}
jobs:
  lists:
    kind: roster-sync
    when: manual
    source: people
    target: lists
    among: (objectClass=person)
    address: mail
    guard: {{max-first-fill: 100%}}
    rosters: [{{name: modena, members: (l=Modena)}}, {{name: reggio, members: (l=Reggio)}}]
""",
        "ascii",
    )
    return config


def test_each_line_of_a_run_is_json_with_its_job_and_run(tmp_path: Path) -> None:
    config = schedule(tmp_path)
    done = run_job("lists", "--config", config, "--log", "json", "--json")
    run = json.loads(done.stdout)["run"]
    lines = [json.loads(line) for line in done.stderr.splitlines()]

    assert {(line["job"], line["run"]) for line in lines} == {("lists", run)}
    assert [(line.get("subject"), line.get("applied")) for line in lines[:-1]] == [("modena", 1), ("reggio", 1)]
    assert lines[-1]["state"] == "changed"


def test_what_stops_a_run_is_json_too(tmp_path: Path) -> None:
    done = run_job("lists", "--config", tmp_path / "none.yaml", "--log", "json")
    (line,) = [json.loads(line) for line in done.stderr.splitlines()]

    assert (done.returncode, line["level"], line["job"]) == (2, "error", "lists")
    assert "cannot be read" in line["message"]


def test_a_run_tells_a_real_rsyslogd_and_text_on_stderr(tmp_path: Path, daemon: Rsyslog) -> None:
    config = schedule(tmp_path)
    done = run_job("lists", "--config", config, "--log", f"syslog:{daemon.socket}")
    seen = daemon.seen(3)

    assert [one["said"].get("subject", one["said"].get("state")) for one in seen] == ["modena", "reggio", "changed"]
    (run,) = {one["said"]["run"] for one in seen}
    assert [f"job=lists run={run} " in line for line in done.stderr.splitlines()] == [True] * 3


def test_a_fault_of_ours_is_told_with_its_place_and_without_addresses(tmp_path: Path) -> None:
    code = (
        "import logging, sys, threading; from collima.app import logs; logs.configure(logs.form('json'))\n"
        "def fail(): raise LookupError('maria.rossi@example.org')\n"
        "thread = threading.Thread(target=fail); thread.start(); thread.join(); fail()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)
    lines = [json.loads(line) for line in done.stderr.splitlines()]

    assert done.returncode == 1
    assert [line["level"] for line in lines] == ["critical", "critical"]
    assert all("in fail" in line["traceback"] and "rossi" not in line["traceback"] for line in lines)


def test_libraries_are_heard_from_warnings_on() -> None:
    code = (
        "import logging; from collima.app import logs; logs.configure()\n"
        "logging.getLogger('apscheduler').info('x'); logging.getLogger('connectors.ldap').info('y')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert [line.split(" ", 1)[1] for line in done.stderr.splitlines()] == ["INFO y"]
