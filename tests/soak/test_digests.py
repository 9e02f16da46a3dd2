"""kill -9 while digests are listed, written and sent, and a mail server that has every kind of bad day."""

import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import func, select

from collima.app import config as configuration
from collima.state import SqlJournal, open_state
from collima.state.tables import digest_items, outbox
from tests.app.campaign import ROOT, START
from tests.app.posted import smtp, written
from tests.app.writing import KINDS
from tests.servers.smtpd import DROP, LOSE, Relay, relay
from tests.soak import size

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

DIGESTS = size("COLLIMA_SOAK_DIGESTS", 10_000, 1_000)
KILLS = size("COLLIMA_SOAK_KILLS", 150, 25)
SEED = size("COLLIMA_SOAK_SEED", 20261124, 20261124)
FOREVER = 1_000.0  # seconds: it hangs until whoever waits is killed


def start(folder: Path, began: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.soak.digests", str(folder), repr(began), str(DIGESTS)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


def bad_luck(server: Relay, rng: random.Random) -> None:
    """What the relay does next."""
    server.slow = rng.choice([0.0, 0.0, 0.0, 0.02, 0.2, FOREVER])
    many = 60
    server.answers = {
        "MAIL": rng.choices(["250 OK", DROP, "451 4.3.0 later", "421 4.3.2 closing"], [40, 1, 1, 1], k=many),
        "RCPT": rng.choices(["250 OK", DROP, "450 4.2.0 greylisted", "550 5.1.1 nobody"], [40, 1, 2, 1], k=many),
        "DATA": rng.choices(["250 OK", DROP, LOSE, "451 4.3.1 full", "550 5.7.1 no"], [40, 1, 1, 1, 1], k=many),
    }


def cuts(server: Relay, planned: int) -> int:
    """How many answers to a message it has lost since so many were planned."""
    return planned - sum(answer in (DROP, LOSE) for answer in server.answers["DATA"])


def test_no_item_is_lost_and_a_digest_is_repeated_only_where_its_answer_never_came(tmp_path: Path) -> None:
    rng, began = random.Random(SEED), time.time()
    with relay(tmp_path) as server:
        written(tmp_path, smtp(server))
        path = tmp_path / "schedules.yaml"
        job = f"jobs: {{digest: {{kind: telling, when: manual, trouble: {tmp_path}/trouble}}}}"
        path.write_text(path.read_text().replace("jobs: {}", job))
        config = configuration.load(path, KINDS)
        killed = lost = 0
        with open_state(config.state, now=lambda: START, host="there") as journal:
            while killed < KILLS:
                bad_luck(server, rng)
                planned = sum(answer in (DROP, LOSE) for answer in server.answers["DATA"])
                process = start(tmp_path, began)
                time.sleep(rng.uniform(0.6, 1.5) if killed < KILLS // 4 else rng.uniform(1.0, 4.0))
                process.send_signal(signal.SIGKILL)
                over = process.wait() != -signal.SIGKILL
                lost += cuts(server, planned)
                killed += not over
                if over:
                    break
            server.slow, server.answers = 0.0, {}
            assert start(tmp_path, began).wait(timeout=1_800) == 0, f"seed {SEED}"
            assert killed, f"seed {SEED}: nothing was killed"
            judge(server, journal, killed + lost)


def judge(server: Relay, journal: SqlJournal, doubts: int) -> None:
    """`doubts`: how often an answer to a message may not have arrived."""
    with journal.database.read() as connection:
        states = {row.message_id: row.state for row in connection.execute(outbox.select())}
        listed = connection.scalar(select(func.count()).select_from(digest_items))
    assert (len(states), listed) == (DIGESTS, 2 * DIGESTS), f"seed {SEED}"
    assert set(states.values()) <= {"sent", "failed"}, f"seed {SEED}"
    came: Counter[str] = Counter()
    for mail in server.mails:
        name = re.search(rb"(?m)^Message-ID: (<.+>)", mail.content)
        assert name
        came[name[1].decode()] += 1
        assert len(re.findall(rb"(?m)^item ", mail.content)) == 2, "a digest is sent whole"
    lost = [name for name, state in states.items() if not came[name] and state != "failed"]
    assert lost == [], f"seed {SEED}"
    assert sum(count - 1 for count in came.values()) <= doubts, f"seed {SEED}"
    refused = sum(state == "failed" and not came[name] for name, state in states.items())
    assert refused < DIGESTS / 5, f"seed {SEED}"
