"""A schedule with snapshot checks, typed as a person types it."""

import signal
import subprocess
import time
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.acceptance.inside import Inside
from tests.acceptance.site import Site
from tests.servers.processes import ends

SCHEDULE = r"""
version: 1
timezone: Europe/Rome
state: sqlite:///collima.db
reports: {from: collima@unimore.it, to: [posta@unimore.it], via: post, language: it}
connectors:
  nas: {kind: snapshot-folder, path: snapshots, pattern: "daily.%Y-%m-%d_%H%M"}
  san:
    kind: snapshot-command
    command: [sh, san.sh]
    pattern: "^(?P<volume>\\S+)\\s+(?P<time>\\S+)$"
    time: epoch
    timeout: 2 seconds
  post: {kind: maildir, directory: mail}
jobs:
  snapshots:
    kind: snapshot-check
    when: daily at 08:00
    keep: 7 days
    every: 1 day
    newest: 26 hours
    volumes:
      - {name: mail, in: san, volume: lun-mail}
      - {name: home, in: nas, volume: home, keep: 14 days}
"""


def nights(count: int, first: int = 0) -> list[datetime]:
    now = datetime.now(ZoneInfo("Europe/Rome")).replace(tzinfo=None) - timedelta(hours=3)
    return [now - timedelta(days=n) for n in range(first, first + count)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "schedules.yaml").write_text(SCHEDULE)
    on_san = "".join(f"lun-mail {night:%s}\n" for night in nights(7))
    (tmp_path / "san.sh").write_text(f"cat <<.\n{on_san}lun-other 1795400000\n.\n")
    for night in nights(14):
        (tmp_path / f"snapshots/home/daily.{night:%Y-%m-%d_%H%M}").mkdir(parents=True)
    return Inside(tmp_path, {"TZ": "UTC"})


def test_all_is_well(site: Site) -> None:
    done = site.run_job("snapshots")
    assert done.code == 0
    assert done.json["state"] == "in-sync"
    assert done.json["sources"] == [
        {"connector": "san", "verdict": "complete", "entries": 7, "reason": ""},
        {"connector": "nas", "verdict": "complete", "entries": 14, "reason": ""},
    ]
    assert done.json["subjects"] == [
        {
            "name": name,
            "size": size,
            "wanted": size,
            "held": {"reason": "", "fingerprint": ""},
            "mode": "apply",
            "waiting": 0,
            "applied": {},
            "failed": [],
        }
        for name, size in (("mail", 7), ("home", 14))
    ]
    assert list(done.json) == [
        "job", "run", "state", "fingerprint", "sources", "subjects", "findings", "seconds",
    ]  # fmt: skip
    assert site.run_job("snapshots", json=False).out.splitlines()[-1] == "in-sync: 2 volumes: all is well."


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("sleep 600", "cannot be read: san: sh did not end within 2 seconds"),
        ("exit 0", "cannot be read: san: sh printed nothing, and ended with 0"),
        ("echo; exit 12", "cannot be read: san: sh ended with 12"),
        ("echo 'Welcome to SAN OS'", "cannot be read: san: sh: line 1 is not like `pattern`: Welcome to SAN OS"),
    ],
)
def test_a_san_that_does_not_answer_fails_its_own_volume(site: Site, script: str, said: str) -> None:
    (site.folder / "san.sh").write_text(script)
    done = site.run_job("snapshots")
    assert (done.code, done.json["state"]) == (4, "partial")
    assert done.json["findings"] == [{"level": "critical", "code": "unreadable", "subject": "mail", "text": said}]
    shown = site.collima("show", done.json["run"])
    assert (shown.code, said in shown.out) == (0, True)


def test_when_nothing_answers_the_run_fails_and_a_mail_tells_it(site: Site) -> None:
    (site.folder / "san.sh").write_text("exit 1")
    (site.folder / "snapshots").rename(site.folder / "elsewhere")
    done = site.run_job("snapshots", "--mail")
    assert (done.code, done.json["state"], done.json["sources"]) == (1, "failed", [])
    (mail,) = (site.folder / "mail/new").iterdir()
    assert "Subject: [collima] FAILED snapshots: " in mail.read_text()


def test_plan_check_and_undo_know_the_kind_as_any_other(site: Site) -> None:
    assert site.run_job("snapshots", "--plan").code == 0
    assert site.run_job("snapshots", "--only", "home").code == 0
    assert site.run_job("snapshots", "--only", "hom").code == 2
    checked = site.collima("check", "--connect")
    assert checked.code == 0
    assert "8 snapshots of 2 volumes" in checked.out
    run = site.run_job("snapshots").json["run"]
    assert site.collima("undo", run, "--json").json["state"] == "in-sync"


def test_faults_of_the_options_are_told_with_their_lines(site: Site) -> None:
    bad = SCHEDULE.replace("in: nas, volume: home, keep: 14 days", "in: nass, kep: 14 days").replace(
        "{name: mail, in: san,", "{name: mail, in: post,"
    )
    bad = bad.replace("(?P<time>", "(").replace("    every: 1 day", "    levels: {too-oldd: warning}")
    (site.folder / "schedules.yaml").write_text(bad)
    told = site.collima("check")
    assert told.code == 2
    for fault in (
        "connectors.san.pattern: has no group for the time",
        "jobs.snapshots.levels: unknown key 'too-oldd', did you mean 'too-old'?",
        "jobs.snapshots.volumes[0].in: the connector post is of kind maildir, which offers no snapshots",
        "jobs.snapshots.volumes[1].in: no connector 'nass', did you mean 'nas'?",
        "jobs.snapshots.volumes[1]: unknown key 'kep', did you mean 'keep'?",
    ):
        assert fault in told.err


def test_a_run_that_is_stopped_takes_its_command_along(site: Site) -> None:
    (site.folder / "san.sh").write_text("echo $$ > pid; exec sleep 600")
    (site.folder / "schedules.yaml").write_text(SCHEDULE.replace("2 seconds", "5 minutes"))
    running = subprocess.Popen(site.command("run_job", "snapshots"), cwd=site.folder, stderr=subprocess.PIPE)
    with running:
        pid = site.folder / "pid"
        while running.poll() is None and not (pid.exists() and pid.read_text()):
            time.sleep(0.02)
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=60)
    assert running.returncode == 75
    assert ends(int(pid.read_text()))
