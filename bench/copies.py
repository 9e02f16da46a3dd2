"""The copy's figures, against `rsync -aH --delete` alone on the same tree; and `restore find`.

Both copy one store in turn, each into a folder of its own. Cold: the kernel's caches are dropped before each, which
takes root; without it everything is warm. A week: one message in a hundred changes, half of them by their flags only.
"""

import contextlib
import os
import re
import shutil
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.clock import Child, Figure, Unmeasured, child, medians
from tests.servers.maildirs import SENTINEL, MailStore, mail_store

BIN = Path(sys.executable).parent
MIB = 2**20
USERS, CHURN = 300, 0.01
GENTLY = ("ionice", "-c", "2", "-n", "7", "nice", "-n", "10")
CACHES = Path("/proc/sys/vm/drop_caches")
_SENT = re.compile(r"Total transferred file size: ([\d,]+) bytes")
_ALL = re.compile(r"sent ([\d,]+) bytes")

SCHEDULE = """
version: 1
timezone: Europe/Rome
state: sqlite:///collima.db
connectors:
  store: {{kind: rsync, from: store, to: ours, sentinel: {sentinel}}}
  weekly: {{kind: rsync, from: store, to: kept, sentinel: {sentinel}}}
jobs:
  mirror: {{kind: mailbox-copy, when: manual, store: store, generations: 0, guard: &all {{max-removals: 100%}}}}
  generations: {{kind: mailbox-copy, when: manual, store: weekly, generations: 2, guard: *all}}
"""


@dataclass
class Place:
    """A store, and the two copies of it. `cold`: whether caches are dropped before each measurement."""

    folder: Path
    store: MailStore
    cold: bool = False

    def ours(self, job: str = "mirror") -> Child:
        self._forget()
        return child((BIN / "run-job", job, "--json"), self.folder, self._environment)

    def theirs(self, *more: str, to: str = "theirs") -> Child:
        """As gently as a run starts it."""
        self._forget()
        return child(
            (*GENTLY, "rsync", "-aH", "--delete", "--stats", *more, "store/", f"{to}/"), self.folder, self._environment
        )

    def sent(self, run: Callable[[], Child]) -> tuple[float, float, float]:
        """(seconds, bytes of messages that every rsync of a run has sent, the same with its lists of files)."""
        log = self.folder / "rsync.log"
        log.unlink(missing_ok=True)
        seconds, told = run().seconds, log.read_text("utf-8", "replace")
        messages, every = (sum(int(n.replace(",", "")) for n in form.findall(told)) for form in (_SENT, _ALL))
        return seconds, messages, every

    def peak(self, *command: str | Path) -> float:
        """The memory of a command and all that it starts, in MiB, at its highest moment."""
        with _watched() as most:
            child(command, self.folder, self._environment)
        return most() / MIB

    @property
    def _environment(self) -> Mapping[str, str]:
        """With an rsync that writes down what it sent."""
        return {"PATH": os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]])}

    def _forget(self) -> None:
        os.sync()
        if self.cold:
            CACHES.write_text("3")


def figures(entries: int, rounds: int) -> Iterator[Figure]:
    if not (rsync := shutil.which("rsync")):
        raise Unmeasured("there is no rsync")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "schedules.yaml").write_text(SCHEDULE.format(sentinel=SENTINEL))
        (folder / "bin").mkdir()
        (folder / "bin/rsync").write_text(f'#!/bin/sh\nexec {rsync} --log-file={folder}/rsync.log "$@"\n')
        (folder / "bin/rsync").chmod(0o755)
        for made in ("ours", "theirs", "kept", "linked"):
            (folder / made).mkdir()
        place = Place(folder, mail_store(folder / "store", users=USERS, messages=entries, median=3000))
        place.theirs()
        place.ours()
        yield from _nothing_changed(place, rounds)
        yield from _weeks(place, rounds)
        yield from _generations(place, rounds)


def _temperatures(place: Place) -> Iterator[str]:
    """Measures as warm, and as cold where that can be done."""
    place.cold = False
    yield "warm"
    if os.access(CACHES, os.W_OK):
        place.cold = True
        yield "cold"
    place.cold = False


def _nothing_changed(place: Place, rounds: int) -> Iterator[Figure]:
    for how in _temperatures(place):
        ours, theirs = medians(rounds, lambda: place.ours().seconds, lambda: place.theirs().seconds)
        told = f"{ours:.2f} s; rsync {theirs:.2f} s"
        yield Figure(f"nothing changed, {how} / rsync", ours / theirs, 1.3, "×", told)
    more = place.peak(BIN / "run-job", "mirror") - place.peak("rsync", "-aH", "--delete", "store/", "theirs/")
    yield Figure("memory more than rsync", more, 150, "MiB", "all processes together")


def _weeks(place: Place, rounds: int) -> Iterator[Figure]:
    for how in _temperatures(place):
        weeks = [_week(place, ours_first=bool(number % 2)) for number in range(rounds)]
        ours, sent, all_sent, theirs, its, all_its = (statistics.median(column) for column in zip(*weeks, strict=True))
        told = f"{ours:.2f} s; rsync {theirs:.2f} s"
        yield Figure(f"a week of churn, {how} / rsync", ours / theirs, 1.2, "×", told)
        told = f"{sent / MIB:.2f} MiB; {its / MIB:.2f} MiB; with lists of files {all_sent / all_its:.2f} ×"
        yield Figure("mail sent in a week / rsync", sent / its, 0.6, "×", told)


def _week(place: Place, *, ours_first: bool) -> tuple[float, ...]:
    """What `sent` tells of us, and of rsync alone."""
    place.store.churn(CHURN)
    if ours_first:
        ours = place.sent(place.ours)
        return *ours, *place.sent(place.theirs)
    theirs = place.sent(place.theirs)
    return *place.sent(place.ours), *theirs


def _generations(place: Place, rounds: int) -> Iterator[Figure]:
    """A new generation of a store that has changed by a week, against `--link-dest`."""
    place.ours("generations")
    place.theirs(to="linked/0")
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(1, rounds + 1):
        place.store.churn(CHURN)
        taken[0].append(place.ours("generations").seconds)
        before = place.folder / f"linked/{number - 1}"
        taken[1].append(place.theirs(f"--link-dest={before}", to=f"linked/{number}").seconds)
    ours, theirs = map(statistics.median, taken)
    told = f"{ours:.2f} s; rsync {theirs:.2f} s"
    yield Figure("a new generation / --link-dest", ours / theirs, 1.2, "×", told)


@contextlib.contextmanager
def _watched() -> Iterator[Callable[[], int]]:
    """Looks at our children every 20 ms. What it gives tells the most bytes that they had together."""
    over, most = threading.Event(), 0

    def look() -> None:
        nonlocal most
        while not over.wait(0.02):
            most = max(most, sum(map(_resident, _below(os.getpid()))))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield lambda: most
    finally:
        over.set()
        thread.join()


def _below(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for one in map(int, (task / "children").read_text().split()):
                yield one
                yield from _below(one)


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
