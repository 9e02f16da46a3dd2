"""Three services, and a killer: kill -9 at random of services and of runs, and each slot is run to its end once."""

import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from collima.state.slot_rows import SlotRow
from tests.app.service.real import Site, wait_for
from tests.app.service.test_serving import job
from tests.servers.mariadb import PASSWORD, MariaDB, mariadb_server
from tests.soak import size

__all__ = ["mariadb_server"]
pytestmark = [pytest.mark.soak, pytest.mark.timeout(7200)]

SLOTS = size("COLLIMA_SOAK_SLOTS", 300, 30)
SEED = size("COLLIMA_SOAK_SEED", 20261124, 20261124)
JOBS = [f"j{number}" for number in range(6)]
SCRIPT = "flock -n lock-{0} sh -c 'sleep 1.$(( $$ % 10 )); echo {0} >> ends' || echo {0} >> twice"


@pytest.mark.parametrize("where", ["sqlite", "mariadb"])
def test_each_slot_runs_to_its_end_once_whatever_is_killed(
    tmp_path: Path, where: str, request: pytest.FixtureRequest
) -> None:
    rng = random.Random(SEED)
    site = Site(tmp_path, lease=3.0)
    hosts = ["here", "here", "here"]
    if where == "mariadb":
        server: MariaDB = request.getfixturevalue("mariadb_server")
        site = Site(tmp_path, server.url(server.database()), PASSWORD, lease=3.0)
        hosts = ["one", "two", "three"]
    site.write("\n".join(job(name, SCRIPT.format(name)) for name in JOBS), "workers: 2")
    killed = Counter[str]()
    try:
        services = [site.start("collima", "serve", host=host) for host in hosts]
        for number in range(SLOTS):
            name = JOBS[number % len(JOBS)]
            wait_for(lambda name=name: not any(slot.job == name for slot in site.journal.slots.open()), 300)
            due = site.now() - timedelta(minutes=1)
            site.journal.slots.claim([SlotRow(name, due, "waiting")])
            time.sleep(rng.uniform(0, 0.5))
            if rng.random() < 0.15:
                at = rng.randrange(len(hosts))
                services[at].kill()
                services[at].wait(30)
                services[at] = site.start("collima", "serve", host=hosts[at])
                killed["services"] += 1
            if rng.random() < 0.3:
                lock = rng.choice(wait_for(site.journal.slots.locks, 60))
                with suppress(ProcessLookupError):
                    os.killpg(lock.pid, signal.SIGKILL)
                    killed["runs"] += 1
        wait_for(lambda: not site.journal.slots.open(), 300)
    finally:
        site.close()
    rows = [row for name in JOBS for row in site.history(name)]
    done = Counter(row.job for row in rows if row.state == "in-sync")
    dead = Counter(row.job for row in rows if row.state == "failed")
    assert min(killed["services"], killed["runs"]) >= SLOTS // 20
    assert site.effects("twice") == [], f"seed {SEED}: two runs of one job at once"
    assert {row.cause for row in rows if row.state == "failed"} <= {"killed"}
    given_up = Counter(row.job for row in rows if row.state == "failed" and row.slot is not None)  # died twice
    assert sum(done.values()) + sum(given_up.values()) == SLOTS, f"seed {SEED}, {killed}"
    ends = Counter(site.effects("ends"))
    for name in JOBS:  # a run that was killed may have done its work, and not have said so
        assert done[name] <= ends[name] <= done[name] + dead[name], f"seed {SEED}"
