"""account-expiry on a Google of our own, also on its bad days: late reads, lost answers, quotas."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from collima.core.quantities import amount
from jobs.account_expiry import AccountExpiry
from jobs.account_expiry.options import ExpiryGuard
from tests.connectors.google_place import Place, place
from tests.contracts.memory_accounts import MemoryAccounts
from tests.jobs.alumni import DOMAIN, Alumni, applied, codes, ended, entry, planned
from tests.servers.google import Faults

MANY = 120
BAD_DAY = Faults(quota_exceeded=0.05, backend_error=0.03, dropped_before=0.01, dropped_after=0.01, seed=7)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path, DOMAIN) as one:
        for number in range(MANY):
            one.google.domain.add_user(f"{number}@{DOMAIN}", aliases=[f"nick{number}@{DOMAIN}"])
        yield one


@pytest.fixture
def alumni(tmp_path: Path, here: Place) -> Alumni:
    """All of them have ended, and were told in time."""
    (tmp_path / "alumni").mkdir()
    made = Alumni(tmp_path / "alumni")
    made.people([entry(n, ended(20)) for n in range(MANY)])
    made.target = cast(MemoryAccounts, here)
    made.run(ending())
    made.post()
    made.pass_days(30)
    return made


def ending() -> AccountExpiry:
    words = ExpiryGuard(max_suspensions=amount(MANY), small_change=MANY, max_removals_total=amount("100%"))
    return Alumni(Path()).job(guard=words)


def suspended(here: Place) -> int:
    domain = here.google.domain
    return sum(bool(domain.user(f"{number}@{DOMAIN}").suspended) for number in range(MANY))


def test_it_suspends_deletes_after_approval_and_brings_back(alumni: Alumni, here: Place) -> None:
    job = ending()
    assert applied(alumni.run(job)) == {"suspend": MANY}
    assert suspended(here) == MANY
    assert alumni.run(job).state == "in-sync"
    alumni.pass_days(60)
    held = alumni.run(job)
    assert (held.state, len(planned(held)["delete"])) == ("held", MANY)
    deleted = alumni.run(job, approve=(held.fingerprint,))
    assert applied(deleted) == {"delete": MANY}
    assert applied(alumni.undo(deleted.run, job)) == {"reactivate": MANY}
    assert suspended(here) == MANY


@pytest.mark.parametrize("lag", [0, 600])
def test_on_a_bad_day_it_converges_and_then_plans_nothing(alumni: Alumni, here: Place, lag: int) -> None:
    job = ending()
    here.google.faults = replace(BAD_DAY, lag=lag)
    for _ in range(5):
        result = alumni.run(job)
        here.clock.sleep(lag + 1)
        if result.state == "in-sync":
            break
    here.google.faults = Faults()
    result = alumni.run(job)
    assert (result.state, planned(result), suspended(here)) == ("in-sync", {}, MANY)
    assert alumni.post() == []
    alumni.pass_days(60)
    assert len(planned(alumni.run(job))["delete"]) == MANY  # each is known as ours


def test_reads_that_are_late_change_nothing_twice(alumni: Alumni, here: Place) -> None:
    job = ending()
    here.google.faults = Faults(lag=600)
    assert applied(alumni.run(job)) == {"suspend": MANY}
    late = alumni.run(job)
    assert (planned(late), "reopened" in codes(late)) == ({}, True)
    here.clock.sleep(601)
    assert codes(alumni.run(job)).keys() <= {"storage", "not-there"}
