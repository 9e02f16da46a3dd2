"""Many people, 267 lists: every list as a slow and simple reading of the same LDIF has it."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.soak import size
from tests.soak.test_kill import ANYTHING_GOES

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

PEOPLE = size("COLLIMA_SOAK_PEOPLE", 300_000, 50_000)
PLACES, ROLES = 89, ("PO", "PA", "RU")

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
    among: (unimoreStatus=active)
    address: mail
    guard: {ANYTHING_GOES}
    rosters:
      - name: "l{{n}}-{{r}}"
        members: "(&(departmentNumber={{n}})(employeeType={{r}}))"
        for-each: {{n: [{", ".join(f'"{n}"' for n in range(PLACES))}], r: [{", ".join(ROLES)}]}}
"""


def run(folder: Path) -> dict[str, object]:
    program = "import sys; from collima.app.cli import run_job; sys.exit(run_job())"
    done = subprocess.run(
        [sys.executable, "-c", program, "lists", "--json"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_every_list_of_a_great_directory_is_right(tmp_path: Path) -> None:
    lists: dict[str, list[str]] = {f"l{n}-{r.lower()}": [] for n in range(PLACES) for r in ROLES}
    with (tmp_path / "people.ldif").open("w") as out:
        for n in range(PEOPLE):
            place, role, status = n * 7 % PLACES, ROLES[n % 3], "active" if n % 10 else "alumn"
            out.write(
                f"dn: uid=p{n},dc=unimore,dc=it\nobjectClass: inetOrgPerson\nuid: p{n}\ncn: Person {n}\nsn: P{n}\n"
                f"mail: P{n}@unimore.it\ndepartmentNumber: {place}\nemployeeType: {role}\nunimoreStatus: {status}\n\n"
            )
            if status == "active":
                lists[f"l{place}-{role.lower()}"].append(f"p{n}@unimore.it\n")
    (tmp_path / "schedules.yaml").write_text(SCHEDULE)
    assert run(tmp_path)["state"] == "changed"
    for name, lines in lists.items():
        file = tmp_path / "lists" / name
        assert (file.read_text() if file.exists() else "") == "".join(sorted(lines))
    assert run(tmp_path)["state"] == "in-sync"
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1_500_000  # KiB
