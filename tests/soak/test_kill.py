"""kill -9 at any point, and a rerun converges; nobody ever sees half a list."""

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.soak import size

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

KILLS = size("COLLIMA_SOAK_KILLS", 300, 40)
SEED = size("COLLIMA_SOAK_SEED", 20261124, 20261124)
LISTS, PEOPLE = 40, 4_000
ANYTHING_GOES = (
    "{max-removals: 100%, max-additions: 100%, max-first-fill: 100%, max-removals-total: 100%, source-drop: 100%, "
    "small-change: 100000}"
)

SCHEDULE = f"""
version: 1
timezone: Europe/Rome
state: sqlite:///collima.db
connectors:
  people: {{kind: ldif, file: people.ldif}}
  lists: {{kind: list-files, directory: lists}}
jobs:
  lists:
    kind: roster-sync
    when: manual
    source: people
    target: lists
    among: (objectClass=inetOrgPerson)
    address: mail
    guard: {ANYTHING_GOES}
    rosters:
      - name: "l{{n}}"
        members: "(departmentNumber={{n}})"
        for-each: {{n: [{", ".join(f'"{n}"' for n in range(LISTS))}]}}
"""


def ldif(departments: Mapping[int, int]) -> str:
    return "".join(
        f"dn: uid=p{n},dc=unimore,dc=it\nobjectClass: inetOrgPerson\nuid: p{n}\ncn: p{n}\nsn: x\n"
        f"mail: p{n}@unimore.it\ndepartmentNumber: {department}\n\n"
        for n, department in departments.items()
    )


def expected(departments: Mapping[int, int]) -> dict[str, str]:
    lists: dict[str, list[str]] = {f"l{n}": [] for n in range(LISTS)}
    for n, department in departments.items():
        lists[f"l{department}"].append(f"p{n}@unimore.it\n")
    return {name: "".join(sorted(lines)) for name, lines in lists.items()}


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from collima.app.cli import run_job; sys.exit(run_job())",
            "lists",
            "--json",
        ],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(folder: Path) -> dict[str, object]:
    process = start(folder)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    result: dict[str, object] = json.loads(out)
    return result


def found(folder: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in (folder / "lists").iterdir() if not p.name.startswith(".")}


def test_kill_9_at_any_moment_and_a_rerun_converges(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    (tmp_path / "schedules.yaml").write_text(SCHEDULE)
    people = {n: rng.randrange(LISTS) for n in range(PEOPLE)}
    (tmp_path / "people.ldif").write_text(ldif(people))
    finish(tmp_path)
    possible = {name: {text} for name, text in found(tmp_path).items()}
    began = time.monotonic()
    finish(tmp_path)
    lasts = time.monotonic() - began
    killed = 0
    while killed < KILLS:
        for n in rng.sample(range(PEOPLE), 200):
            people[n] = rng.randrange(LISTS)
        (tmp_path / "people.ldif").write_text(ldif(people))
        for name, text in expected(people).items():
            possible[name].add(text)
        process = start(tmp_path)
        time.sleep(rng.uniform(0.1, 1.3) * lasts)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        for name, text in found(tmp_path).items():
            assert text in possible[name], f"seed {SEED}: {name} is neither as it was nor as it should be"
        if rng.random() < 0.25:
            assert finish(tmp_path)["state"] in ("changed", "in-sync")
            assert found(tmp_path) == expected(people)
            assert finish(tmp_path)["state"] == "in-sync"
            possible = {name: {text} for name, text in expected(people).items()}
    assert finish(tmp_path)["state"] in ("changed", "in-sync")
    assert found(tmp_path) == expected(people)
    with sqlite3.connect(tmp_path / "collima.db") as state:
        assert state.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        under_way = state.execute("SELECT count(*) FROM runs WHERE state IS NULL").fetchone()[0]
        causes = state.execute("SELECT count(*) FROM runs WHERE cause = 'killed'").fetchone()[0]
    state.close()
    assert under_way == 0
    assert causes > 0


def test_term_and_ctrl_c_at_any_moment_end_the_run_at_once_and_a_rerun_converges(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    people = {n: rng.randrange(LISTS) for n in range(5 * PEOPLE)}
    for number in range(size("COLLIMA_SOAK_STOPS", 60, 6)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "schedules.yaml").write_text(SCHEDULE)
        (folder / "people.ldif").write_text(ldif(people))
        process = start(folder)
        time.sleep(rng.uniform(0.8, 5))  # from its imports to its last commit
        process.send_signal(rng.choice([signal.SIGTERM, signal.SIGINT]))
        _, err = process.communicate(timeout=60)
        assert process.returncode in (0, 75), f"seed {SEED}: {err}"
        finish(folder)
        assert found(folder) == expected(people)
        shutil.rmtree(folder)
