"""kill -9 of the real process every second or so, on a bad day at Google: it converges, and then plans nothing."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers.google import Domain, Emulator, Faults, emulator
from tests.soak import size

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

HERE = "studenti.acquamorta.example"
KILLS = size("COLLIMA_SOAK_GOOGLE_KILLS", 120, 12)
SEED = size("COLLIMA_SOAK_SEED", 20261124, 20261124)
GROUPS, STUDENTS = 4, 400
BAD = {"quota_exceeded": 0.05, "backend_error": 0.03, "dropped_before": 0.01, "dropped_after": 0.01}

SCHEDULE = """
version: 1
timezone: Europe/Rome
state: sqlite:///collima.db
connectors:
  people: {{kind: ldif, file: people.ldif}}
  google: {{kind: google, domain: {domain}, key-file: {key}, act-as: {act_as}, api-url: "{url}", rate: 200 per second}}
jobs:
  groups:
    kind: roster-sync
    when: manual
    source: people
    target: google
    among: (objectClass=inetOrgPerson)
    address: mail
    guard: {{max-removals: 100%, max-additions: 100%, max-first-fill: 100%, max-removals-total: 100%, source-drop: 100%,
      small-change: 100000}}
    rosters:
      - {{name: "g{{n}}", for-each: {{n: ["0", "1", "2", "3"]}}, members: "(departmentNumber={{n}})"}}
"""


def write(folder: Path, groups: dict[int, int]) -> None:
    (folder / "people.ldif").write_text(
        "".join(
            f"dn: uid=s{n},dc=example\nobjectClass: inetOrgPerson\nuid: s{n}\nmail: s{n}@{HERE}\n"
            f"departmentNumber: {g}\n\n"
            for n, g in groups.items()
        )
    )


def start(folder: Path) -> subprocess.Popen[str]:
    program = "import sys; from collima.app.cli import run_job; sys.exit(run_job())"
    command = [sys.executable, "-c", program, "groups", "--json"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(folder: Path) -> str:
    """Its state, once it was let come to its end."""
    process = start(folder)
    out, err = process.communicate(timeout=300)
    assert process.returncode in (0, 1, 4, 75), err
    state: str = json.loads(out)["state"]
    return state


def as_wanted(google: Emulator, groups: dict[int, int]) -> bool:
    def wanted(number: int) -> set[str]:
        return {f"s{n}@{HERE}" for n, g in groups.items() if g == number} | {f"boss@{HERE}"}

    return all(google.domain.members_of(f"g{number}@{HERE}") == wanted(number) for number in range(GROUPS))


def test_kill_9_every_second_or_so_on_a_bad_day_and_it_converges(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    domain = Domain(HERE)
    for name in ("boss", *(f"s{n}" for n in range(STUDENTS))):
        domain.add_user(f"{name}@{HERE}")
    for number in range(GROUPS):
        domain.add_group(f"g{number}@{HERE}")
        domain.enrol(f"g{number}@{HERE}", f"boss@{HERE}", role="OWNER")
    groups = {n: rng.randrange(GROUPS) for n in range(STUDENTS)}
    with emulator(tmp_path, domain, faults=Faults(seed=SEED, **BAD)) as google:
        told = SCHEDULE.format(domain=HERE, key=google.key_file, act_as=google.act_as, url=google.url)
        (tmp_path / "schedules.yaml").write_text(told)
        killed = 0
        while killed < KILLS:
            groups.update({n: rng.randrange(GROUPS) for n in rng.sample(range(STUDENTS), 150)})
            write(tmp_path, groups)
            process = start(tmp_path)
            time.sleep(rng.uniform(1.0, 4.0))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
            for number in range(GROUPS):
                assert domain.members_of(f"g{number}@{HERE}", "OWNER") == {f"boss@{HERE}"}
        assert google.journal.effects, "every run was killed before it wrote anything"
        states = []
        while not states or states[-1] != "in-sync":
            states.append(run(tmp_path))
            assert len(states) < 8, f"seed {SEED}: {states}"
        assert as_wanted(google, groups), f"seed {SEED}"
        google.faults = Faults()
        google.journal.clear()
        assert run(tmp_path) == "in-sync"
        assert google.journal.writes == []
