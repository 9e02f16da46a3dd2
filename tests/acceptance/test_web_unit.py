"""The unit of `collima web`: that systemd finds no fault in it, and that a message is released under its hardening."""

import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.test_web import NAMES, links_of, written
from tests.servers import free_port, require
from tests.servers.systemd import PROGRAMS, PROJECT, UID, UNITS, Machine, machine

UNIT = PROJECT / "examples/systemd/collima-web.service"
BIN = Path(sys.executable).parent
NAME = UNIT.name


def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    require("systemd-analyze")
    text = UNIT.read_text().replace("/usr/local/bin/collima", shutil.which("true") or "/bin/true")
    (tmp_path / NAME).write_text(text)
    words = ["systemd-analyze", "verify", "--man=no", tmp_path / NAME]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "collima" in line]
    assert (done.returncode, ours) == (0, [])


def test_the_exposure_of_the_unit_is_what_it_was() -> None:
    """Of 100, as `systemd-analyze security` reckons."""
    require("systemd-analyze")
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", UNIT]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


@pytest.fixture
def here() -> Iterator[tuple[Machine, int]]:
    """A machine on which it is installed as docs/quarantine.md says, and its port."""
    port = free_port()
    with machine([UNIT], [BIN / "collima", BIN / "run-job"]) as made:
        for name, text in written(port, "/var/lib/collima/").items():
            made.write(f"etc/collima/{name}", text, mode=0o640, owner=UID)
        homes = [path for path in PROGRAMS if path.is_relative_to("/root") or path.is_relative_to("/home")]
        seen = "ProtectHome=read-only\n" if homes else ""  # where it is installed for this test
        command = f"ExecStart=\nExecStart=/usr/local/bin/collima web --listen 127.0.0.1:{port}\n"
        made.write(f"{UNITS}/{NAME}.d/test.conf", f"[Service]\n{seen}{command}")
        made.systemctl("daemon-reload")
        yield made, port


def test_a_message_is_released_under_its_hardening_and_it_ends_well(here: tuple[Machine, int]) -> None:
    made, port = here
    made.file("var/lib/collima").mkdir(exist_ok=True)
    os.chown(made.file("var/lib/collima"), UID, UID)
    user = ("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups")
    made.run(*user, "run-job", "digest", "--config", "/etc/collima/schedules.yaml")
    mails = made.file("var/lib/collima/mail/new")
    release, *_ = links_of(f"{NAMES[0]}@unimore.it", mails, f"http://127.0.0.1:{port}/quarantena")
    done = made.systemctl("start", NAME, check=False)
    assert done.returncode == 0, f"{made.shows('ExecMainStatus', NAME)} {made.log()}"
    try:
        with urllib.request.urlopen(release, b"do=release", timeout=60) as answer:
            assert "Rilasciato" in answer.read().decode()
        assert len(list(made.file("var/lib/collima/released/new").iterdir())) == 1
    finally:
        made.systemctl("stop", NAME)
    assert made.shows("Result", NAME) == "success"
    assert made.shows("ExecMainStatus", NAME) == "0"
