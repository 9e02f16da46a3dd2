"""As a program, `FOLDER T0 COUNT`: lists so many digests, then sends until nothing waits any more.

By a clock that is 120 times as fast and showed 2026-11-24 at T0.
"""

import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from collima.app import config as configuration
from collima.app import postman
from collima.state import open_state
from tests.app.campaign import FAST, START
from tests.app.writing import KINDS, digests

JOB = "digest"


def work(folder: Path, began: float, count: int) -> None:
    postman.TURN = postman.TURN * FAST  # as long as it is in truth
    config = configuration.load(folder / "schedules.yaml", KINDS)

    def now() -> datetime:
        return START + timedelta(seconds=(time.time() - began) * FAST)

    with open_state(config.state, now=now, host="here") as journal:
        if len(list(journal.digests(JOB, "").list(digests(count), "mail"))) != count:
            raise AssertionError("not every digest is on record")
        while again := postman.deliver(config, journal, clock=now, sleep=lambda seconds: time.sleep(seconds / FAST)):
            time.sleep(max(0.0, (again - now()).total_seconds() / FAST))


if __name__ == "__main__":
    work(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
