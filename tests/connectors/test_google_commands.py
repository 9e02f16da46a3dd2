"""What a person types about groups at Google is what they type about lists: the real commands against the emulator."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.inside import Inside
from tests.connectors.google_place import HERE, at
from tests.servers.google import Domain, Emulator, emulator

TUTTI = f"tutti@{HERE}"
NAMES = [f"s{n}" for n in range(12)]

SCHEDULE = """
version: 1
timezone: Europe/Rome
state: sqlite:///collima.db
connectors:
  people: {{kind: ldif, file: people.ldif}}
  google: {{kind: google, domain: {domain}, key-file: {key}, act-as: {act_as}, api-url: "{url}", rate: 500 per second}}
jobs:
  groups:
    kind: roster-sync
    when: manual
    source: people
    target: google
    among: (objectClass=inetOrgPerson)
    address: mail
    guard: {{max-first-fill: 100%, source-drop: 100%}}
    rosters: [{{name: tutti, members: (employeeType=ST), posting: [domain]}}]
"""


@dataclass
class Site:
    folder: Path
    google: Emulator

    def people(self, *names: str) -> None:
        (self.folder / "people.ldif").write_text(
            "".join(
                f"dn: uid={n},dc=example\nobjectClass: inetOrgPerson\nuid: {n}\nmail: {n}@{HERE}\nemployeeType: ST\n\n"
                for n in names
            )
        )

    def types(self, *words: str, ends_with: int = 0) -> str:
        here = Inside(self.folder)
        done = here.run_job(*words[1:], json=False) if words[0] == "run-job" else here.collima(*words[1:])
        assert done.code == ends_with, done.out + done.err
        return done.out

    def runs(self, *more: str, ends_with: int = 0) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(self.types("run-job", "groups", "--json", *more, ends_with=ends_with))
        return result

    @property
    def members(self) -> set[str]:
        return self.google.domain.members_of(TUTTI)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    domain = Domain(HERE)
    for name in NAMES:
        domain.add_user(f"{name}@{HERE}")
    domain.add_group(TUTTI)
    with emulator(tmp_path, domain) as google:
        told = SCHEDULE.format(domain=HERE, key=google.key_file, act_as=google.act_as, url=google.url)
        (tmp_path / "schedules.yaml").write_text(told)
        yield Site(tmp_path, google)


def test_plan_hold_approve_explain_members_undo(site: Site) -> None:
    site.people(*NAMES)
    assert site.runs("--plan")["state"] == "planned"
    assert site.members == set()
    assert site.runs()["state"] == "changed"
    assert site.members == set(at(*NAMES))
    assert "the filter finds this person" in site.types("collima", "explain", f"s3@{HERE}")
    assert site.types("collima", "members", "tutti").count(HERE) >= 12

    site.people(*NAMES[:8])
    held = site.runs(ends_with=3)
    assert site.members == set(at(*NAMES))
    approved = site.runs("--approve", held["fingerprint"], "--reason", "they left")
    assert approved["state"] == "changed"
    assert site.members == set(at(*NAMES[:8]))
    site.types("collima", "undo", approved["run"])
    assert site.members == set(at(*NAMES))


def test_there_is_no_mark_to_accept_and_nothing_to_hand_over(site: Site) -> None:
    site.people(*NAMES)
    site.runs()
    assert "has no place for a mark" in site.types("collima", "check", "--accept-state")
    assert site.runs()["state"] == "in-sync"
    assert "tutti" in site.types("collima", "adopt", "groups")


def test_a_state_that_was_lost_starts_anew_and_changes_nothing(site: Site) -> None:
    site.people(*NAMES)
    site.runs()
    (site.folder / "collima.db").unlink()
    assert site.runs()["state"] == "in-sync"
    assert site.members == set(at(*NAMES))


def test_no_address_of_a_person_is_in_what_is_logged_or_said_of_a_failure(site: Site) -> None:
    site.people(*NAMES)
    site.google.authority.revoke(site.google.account)
    command = [Path(sys.executable).parent / "run-job", "groups", "--json"]
    done = subprocess.run(command, cwd=site.folder, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert all(address not in done.stdout + done.stderr for address in at("posta-sync", *NAMES))
