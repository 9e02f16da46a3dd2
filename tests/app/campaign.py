"""kill -9 at any moment of sending, through a relay that is slow and cuts connections. As a program: one sender.

`FOLDER T0`: delivers until nothing waits any more, by a clock that is 120 times as fast and showed 2026-11-24 at T0.
"""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collima.app import config as configuration
from collima.app import postman
from collima.state import SqlJournal, open_state
from collima.state.tables import outbox
from tests.app.posted import letter, smtp, written
from tests.servers.smtpd import DROP, LOSE, Relay, relay

FAST = 120
START = datetime(2026, 11, 24, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


def clock(began: float) -> Callable[[], datetime]:
    return lambda: START + timedelta(seconds=(time.time() - began) * FAST)


def send(folder: Path, began: float) -> None:
    config = configuration.load(folder / "schedules.yaml")
    now = clock(began)
    with open_state(config.state, now=now, host="here") as journal:
        while again := postman.deliver(config, journal, clock=now, sleep=lambda seconds: time.sleep(seconds / FAST)):
            time.sleep(max(0.0, (again - now()).total_seconds() / FAST))


def campaign(folder: Path, *, kills: int, mails: int, seed: int) -> None:
    """Two mails in three are alerts. Fails when one is lost, or comes twice without a doubt on record."""
    rng, began = random.Random(seed), time.time()
    with relay(folder) as server:
        written(folder, smtp(server, ", rate: 20 per minute"))
        with open_state(f"sqlite:///{folder}/collima.db", now=clock(began), host="here") as journal:
            journal.outbox.add(letter(str(n), again=n % 3 != 0) for n in range(mails))
            killed = cuts = 0
            while killed < kills and journal.outbox.vias():
                cuts += _bad_luck(server, rng)
                killed += _kill(folder, began, rng)
            server.slow, server.answers = 0.0, {}
            assert _start(folder, began).wait(timeout=100) == 0
            assert killed, f"seed {seed}: nothing was killed"
            _judge(server, journal, mails, killed, cuts, seed)


def _bad_luck(server: Relay, rng: random.Random) -> int:
    """What the relay does next. Returns how many answers to a message it will lose."""
    server.slow = rng.choice([0.0, 0.0, 0.02, 0.2])
    server.answers = {
        "MAIL": rng.choices(["250 OK", DROP, "451 4.3.0 later", "421 4.3.2 closing"], [8, 1, 1, 1], k=4),
        "RCPT": rng.choices(["250 OK", DROP, "450 4.2.0 greylisted"], [8, 1, 1], k=4),
        "DATA": rng.choices(["250 OK", DROP, LOSE, "452 4.3.1 full"], [8, 1, 1, 1], k=4),
    }
    return sum(answer in (DROP, LOSE) for answer in server.answers["DATA"])


def _start(folder: Path, began: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.app.campaign", str(folder), repr(began)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


def _kill(folder: Path, began: float, rng: random.Random) -> bool:
    """Whether it was still at work. Half of the kills come while a mail is on its way."""
    process = _start(folder, began)
    time.sleep(rng.uniform(0.7, 1.8))
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def _judge(server: Relay, journal: SqlJournal, mails: int, killed: int, cuts: int, seed: int) -> None:
    came = Counter(mail.content.split(b"Message-ID: <", 1)[1].split(b"@", 1)[0].decode() for mail in server.mails)
    with journal.database.read() as connection:
        states = {row.message_id[1:].partition("@")[0]: row.state for row in connection.execute(outbox.select())}
    assert set(states.values()) <= {"sent", "unknown"}, f"seed {seed}"
    for name in map(str, range(mails)):
        alert = int(name) % 3 != 0
        assert came[name] <= (2 if alert else 1), f"seed {seed}: {name} came {came[name]} times"
        assert came[name] or states[name] == "unknown", f"seed {seed}: {name} was lost"
    doubts = sum(count - 1 for count in came.values()) + sum(state == "unknown" for state in states.values())
    assert doubts <= killed + cuts, f"seed {seed}: {doubts} in doubt after {killed} kills and {cuts} cuts"


if __name__ == "__main__":
    send(Path(sys.argv[1]), float(sys.argv[2]))
