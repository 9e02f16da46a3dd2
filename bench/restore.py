"""`collima restore find` in one large mailbox of a copy: the whole process, from a subject and from days."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.clock import Figure, Unmeasured, child, medians
from tests.servers.maildirs import SENTINEL, mail_store

BIN = Path(sys.executable).parent
CACHES = Path("/proc/sys/vm/drop_caches")

SCHEDULE = f"""
version: 1
timezone: Europe/Rome
state: sqlite:///collima.db
connectors:
  store: {{kind: rsync, from: FOLDER/none, to: FOLDER/copy, sentinel: {SENTINEL}}}
  dovecot: {{kind: dovecot}}
jobs:
  restore: {{kind: restore, when: manual, store: store, mailstore: dovecot}}
"""


def figures(messages: int, rounds: int) -> Iterator[Figure]:
    """Cold, too, where the kernel's caches may be dropped."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "schedules.yaml").write_text(SCHEDULE.replace("FOLDER", name))
        store = mail_store(folder / "copy", users=1, messages=messages, linked=0)
        asked: tuple[str | Path, ...] = (BIN / "collima", "restore", "find", store.users[0])

        def taken(*options: str, cold: bool = False) -> float:
            os.sync()
            if cold:
                CACHES.write_text("3")
            done = child((*asked, *options), folder)
            if len(done.output.splitlines()) < 1:
                raise Unmeasured("nothing was listed")
            return done.seconds

        subject = ("--subject", "rimborso 4711")
        warm, days = medians(rounds, lambda: taken(*subject), lambda: taken(*subject, "--since", "2026-11-01"))
        yield Figure(f"find a subject in {messages:,}", warm, 2, "s", "the whole process, warm")
        yield Figure(f"… of some days in {messages:,}", days, 2, "s", "the whole process, warm")
        if os.access(CACHES, os.W_OK):
            (cold,) = medians(rounds, lambda: taken(*subject, cold=True))
            yield Figure(
                f"… nothing in memory in {messages:,}", cold, 20, "s", "caches dropped: as fast as the disk is"
            )
