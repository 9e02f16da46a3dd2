"""Days on which everything goes wrong at Google at once: each run leaves it nearer to what is wanted, never worse."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from collima.core.quantities import Amount
from jobs.roster_sync import RosterSync
from tests.connectors.google_place import HERE, Place, at, place
from tests.contracts.memory import MemoryRosters
from tests.jobs.campus import Campus, guarded, person, stanza
from tests.servers.google import Bucket, Faults

GROUPS = ("astronomia", "botanica", "geometria")
STUDENTS = 240
MANY = Amount(10_000, percent=False)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    """In each group a third of the students, half of them the wrong ones; an owner, a manager, a stranger, a group."""
    with place(tmp_path) as one:
        one.accounts("boss", "aide", *(f"s{n}" for n in range(STUDENTS)))
        for number, name in enumerate(GROUPS):
            address = one.group(name, at(*(f"s{n}" for n in range(STUDENTS) if n % 3 == (number + n % 2) % 3)))
            one.google.domain.enrol(address, *at("boss"), role="OWNER")
            one.google.domain.enrol(address, *at("aide"), role="MANAGER")
            one.google.domain.enrol(address, "guest@example.org")
        yield one


@pytest.fixture
def campus(tmp_path: Path, here: Place) -> Campus:
    (tmp_path / "campus").mkdir()
    made = Campus(tmp_path / "campus", target=cast(MemoryRosters, here), everybody=False)
    made.people([person(f"s{n}", mail=f"s{n}@{HERE}", departmentNumber=GROUPS[n % 3]) for n in range(STUDENTS)])
    return made


def filling(campus: Campus) -> RosterSync:
    limits = ("max_removals", "max_additions", "max_first_fill", "max_removals_total")
    free = guarded(small_change=10_000, **dict.fromkeys(limits, MANY))
    return campus.job(stanza("{d}", "(departmentNumber={d})", for_each={"d": GROUPS}), own_domains=(HERE,), guard=free)


def wanted(number: int) -> set[str]:
    return {*at("boss", "aide", *(f"s{n}" for n in range(STUDENTS) if n % 3 == number)), "guest@example.org"}


def is_as_wanted(here: Place) -> bool:
    return all(here.google.domain.members_of(f"{name}@{HERE}") == wanted(n) for n, name in enumerate(GROUPS))


def converges(here: Place, campus: Campus, runs: int) -> int:
    """Runs until one plans nothing; returns how many it took. Nobody whom we leave alone is ever touched."""
    job = filling(campus)
    for number in range(1, runs + 1):
        result = campus.run(job)
        for name in GROUPS:
            assert here.google.domain.members_of(f"{name}@{HERE}", "OWNER", "MANAGER") == set(at("boss", "aide"))
            assert "guest@example.org" in here.google.domain.members_of(f"{name}@{HERE}")
        here.clock.now += 600
        if result.state == "in-sync":
            return number
    raise AssertionError(f"not in-sync after {runs} runs: {result.state}, {result.findings}")


FAULTS: dict[str, dict[str, Any]] = {
    "the day of the issue": {
        "quota_exceeded": 0.05, "backend_error": 0.03, "dropped_before": 0.01, "dropped_after": 0.01,
    },
    "all shares": {
        "quota_exceeded": 0.05, "user_rate_limit": 0.05, "too_many": 0.05, "bad_gateway": 0.05, "backend_error": 0.05,
        "backend_error_after": 0.05, "condition_not_met": 0.05, "dropped_before": 0.05, "dropped_after": 0.05,
        "dropped_within": 0.05,
    },
    "late reads": {"lag": 60.0},
    "late reads and lost answers": {"lag": 60.0, "dropped_after": 0.3, "backend_error_after": 0.3},
    "lies that harm nobody": {"roles_ignored": True, "repeats_member": True, "no_groups": True},
    "nearly no quota": {"quota": Bucket(per_minute=300, burst=20, says=("quotaExceeded", "rateLimitExceeded"))},
}  # fmt: skip


@pytest.mark.parametrize("day", FAULTS)
def test_it_converges_and_then_plans_nothing(here: Place, campus: Campus, day: str) -> None:
    if "lag" in FAULTS[day]:
        here.clock.now += 600
    here.google.faults = Faults(seed=1, **FAULTS[day])
    converges(here, campus, 12)
    assert is_as_wanted(here)
    here.google.faults = Faults()
    here.google.journal.clear()
    assert campus.run(filling(campus)).state == "in-sync"
    assert here.google.journal.writes == []


def test_a_count_that_lies_stops_its_group_and_no_other(here: Place, campus: Campus) -> None:
    before = here.google.domain.members_of(f"{GROUPS[0]}@{HERE}")
    here.google.faults = Faults(wrong_counts={f"{GROUPS[0]}@{HERE}": -1})
    assert campus.run(filling(campus)).state == "partial"
    assert here.google.domain.members_of(f"{GROUPS[0]}@{HERE}") == before
    assert here.google.domain.members_of(f"{GROUPS[1]}@{HERE}") == wanted(1)
