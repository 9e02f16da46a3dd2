"""A flood of links that are none: what serves the pages lives, stays small, and serves whoever has a good one."""

import random
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.acceptance.test_web import ANNA, Web, asked, digests_sent
from tests.soak import size

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

TOKENS = size("COLLIMA_SOAK_TOKENS", 100_000, 4_000)
CONNECTIONS = 8
AHEAD = 16  # requests on the way on each
GROWN = 40_000_000  # bytes: what it may remember of ten thousand clients, and then some
SOON = 2.0  # seconds for a good link, on a busy machine


def memory(web: Web) -> int:
    """Bytes."""
    assert web.process is not None
    told = Path(f"/proc/{web.process.pid}/status").read_text()
    return int(told.partition("VmRSS:")[2].split()[0]) * 1024


def bad(token: str, rng: random.Random) -> str:
    """Cut, changed, or invented; each as long as a good one, at most."""
    at = rng.randrange(len(token) - 1)
    changed = token[:at] + rng.choice([letter for letter in "abcXYZ012" if letter != token[at]]) + token[at + 1 :]
    return rng.choice([token[:at] or "x", changed, f"{rng.getrandbits(400):x}"])


def requests(token: str, count: int, rng: random.Random) -> Iterator[bytes]:
    """Half of them of one client, the others each of another."""
    for number in range(count):
        client = "192.0.2.7" if number % 2 else f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}"
        head = f"GET /quarantena/{bad(token, rng)} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\n\r\n"
        yield head.encode()


def flood(web: Web, token: str, count: int, seed: int, codes: list[int]) -> None:
    """Over one connection, some requests ahead of the answers."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=60) as link, link.makefile("rb") as answers:
        waiting = 0
        for request in requests(token, count, random.Random(seed)):
            link.sendall(request)
            waiting += 1
            if waiting == AHEAD:
                codes.append(answer(answers))
                waiting -= 1
        codes.extend(answer(answers) for _ in range(waiting))


def answer(answers: BinaryIO) -> int:
    """Its status; its page is read to the end."""
    status, length = int(answers.readline().split()[1]), 0
    while (line := answers.readline()).strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    assert len(answers.read(length)) == length
    return status


def test_a_flood_of_bad_links_is_answered_and_a_good_one_served_meanwhile(tmp_path: Path) -> None:
    with digests_sent(tmp_path) as web:
        web.start()
        try:
            good = web.links(ANNA)[-2]
            assert asked(good) == 200
            before, began = memory(web), time.monotonic()
            codes: list[int] = []
            each = good.rpartition("/")[2], TOKENS // CONNECTIONS
            with ThreadPoolExecutor(CONNECTIONS) as pool:
                floods = [pool.submit(flood, web, *each, seed, codes) for seed in range(CONNECTIONS)]
                slowest = 0.0
                while not all(one.done() for one in floods):
                    asks = time.monotonic()
                    assert asked(good) == 200
                    slowest = max(slowest, time.monotonic() - asks)
                    time.sleep(1)  # or it would be too many from one person
                for one in floods:
                    one.result()
            took, grown = time.monotonic() - began, memory(web) - before
            counts = dict(Counter(codes))
            rate = f"{len(codes) / took:.0f} a second, {counts}"
            print(f"{rate}; good ones within {slowest:.2f} s, {grown >> 20} MiB more")  # noqa: T201 - for whoever runs it
            assert set(counts) == {404, 429}
            assert len(codes) == each[1] * CONNECTIONS
            assert slowest < SOON
            assert grown < GROWN
            assert web.process is not None
            assert web.process.poll() is None
        finally:
            assert web.stop() == 0, web.log[-2000:]
