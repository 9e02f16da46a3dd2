"""Copies of mail: kill -9 of rsync and of the run at any moment, and a million messages."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.servers import require
from tests.servers.maildirs import SENTINEL, MailStore, mail_store
from tests.soak import size

pytestmark = [pytest.mark.soak, pytest.mark.timeout(7200)]

KILLS = size("COLLIMA_SOAK_COPY_KILLS", 60, 5)
MESSAGES = size("COLLIMA_SOAK_MESSAGES", 1_000_000, 20_000)
SEED = size("COLLIMA_SOAK_SEED", 20261124, 20261124)
PROGRAM = "import sys; from collima.app.cli import run_job; sys.exit(run_job())"

SCHEDULE = f"""
version: 1
timezone: Europe/Rome
state: sqlite:///collima.db
connectors:
  store: {{kind: rsync, from: store, to: copy, sentinel: {SENTINEL}}}
jobs:
  copy:
    kind: mailbox-copy
    when: manual
    store: store
    generations: GENERATIONS
    guard: {{max-removals: 100%, max-removals-total: 100%, max-mailboxes-gone: 100%, small-change: 100000}}
"""


def place(folder: Path, generations: int, *, users: int, messages: int) -> MailStore:
    require("rsync")
    (folder / "schedules.yaml").write_text(SCHEDULE.replace("GENERATIONS", str(generations)))
    (folder / "copy").mkdir()
    return mail_store(folder / "store", users=users, messages=messages, seed=SEED, median=600)


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "copy", "--json"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(folder: Path) -> str:
    """A run to its end: how it ended."""
    process = start(folder)
    out, err = process.communicate(timeout=3600)
    assert process.returncode == 0, f"seed {SEED}: {out[-2000:]}{err}"
    state: str = json.loads(out)["state"]
    return state


def newest(folder: Path) -> Path:
    copies = folder / "copy"
    return max((path for path in copies.iterdir() if path.name[:1] == "2"), default=copies)


def left_to_do(folder: Path, copy: Path) -> str:
    """What rsync alone would still do."""
    words = ["rsync", "-aHni", "--delete", "store/", f"{copy}/"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, errors="replace", check=True)
    return done.stdout


@pytest.mark.parametrize("generations", [0, 2], ids=["mirror", "generations"])
def test_kill_9_of_rsync_or_of_the_run_at_any_moment_and_a_rerun_converges(tmp_path: Path, generations: int) -> None:
    rng = random.Random(SEED + generations)
    store = place(tmp_path, generations, users=30, messages=5000)
    began = time.monotonic()
    finish(tmp_path)
    lasts = time.monotonic() - began
    killed, tried = 0, 0
    while killed < KILLS:
        tried += 1
        assert tried < 10 * KILLS + 20, "nothing lives long enough to be killed"
        store.churn(0.3)
        process = start(tmp_path)
        time.sleep(rng.uniform(0.2, 1.0) * lasts)
        killed += kill(process, rsync=rng.random() < 0.5)
        _, err = process.communicate(timeout=600)
        assert process.returncode in (0, 1, 4, 75, -signal.SIGKILL), f"seed {SEED}: {err}"
        if rng.random() < 0.4:
            converges(tmp_path)
    converges(tmp_path)


def converges(folder: Path) -> None:
    finish(folder)
    assert left_to_do(folder, newest(folder)) == ""
    assert finish(folder) == "in-sync"


def kill(process: subprocess.Popen[str], *, rsync: bool) -> int:
    """Returns how many were killed: none if it was over already."""
    if not rsync:
        process.kill()
        return int(process.wait() == -signal.SIGKILL)
    for pid in below(process.pid):
        with suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text() == "rsync\n":
                os.kill(pid, signal.SIGKILL)
                return 1
    return 0


def below(pid: int) -> Iterator[int]:
    """All that a process has started, itself and by others."""
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for one in (task / "children").read_text().split():
                yield int(one)
                yield from below(int(one))


def test_a_great_store_is_copied_and_memory_stays_bounded(tmp_path: Path) -> None:
    store = place(tmp_path, 2, users=max(20, MESSAGES // 500), messages=MESSAGES)
    assert finish(tmp_path) == "changed"
    store.churn(0.01)
    assert finish(tmp_path) == "changed"
    first, second = sorted(path for path in (tmp_path / "copy").iterdir() if path.is_dir())
    assert left_to_do(tmp_path, second) == ""
    shared = sum(path.stat().st_nlink > 1 for path in second.rglob("cur/*"))
    assert shared > 0.9 * MESSAGES * 0.9, "unchanged messages are links"
    assert first != second
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 700_000  # KiB
