"""The service's figures: 500 jobs due at once, memory after 100,000 fires, and what a run costs that changes nothing.

Of the first two the runs are played, so that the service alone is measured: `python -m bench.service ROLE …` is one
service of the first figure, or all of the second.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert

from bench.clock import Figure, Unmeasured, child, medians
from collima.app import kinds
from collima.app.config import Job
from collima.app.service import loaded
from collima.app.service.child import Why
from collima.app.service.loaded import Loaded
from collima.app.service.loop import Service
from collima.app.service.output import Output
from collima.app.service.seams import Seams
from collima.state import SqlJournal, open_state
from collima.state.clock import micros, stamp
from collima.state.tables import runs
from tests.servers.mariadb import PASSWORD, _roomy, mariadb

JOBS = 500
HOSTS = ("one", "two", "three")
FIRES = 100_000
MIB = 2**20
MINUTE = timedelta(minutes=1)
BIN = Path(sys.executable).parent


@dataclass
class Played:
    """A run that takes no process."""

    pid: int
    code: int | None = None
    why: Why = ""
    output: Output = field(default_factory=Output)

    def end(self, why: Why) -> None:
        self.why = why


def figures(fires: int, rounds: int) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as name:
        yield _claimed(Path(name), f"sqlite:///{name}/collima.db", "", "SQLite")
    with tempfile.TemporaryDirectory() as name, mariadb(Path(name)) as server:
        yield _claimed(Path(name), server.url(server.database()), PASSWORD, "MariaDB")
    with tempfile.TemporaryDirectory(dir=_roomy()) as name:
        yield _memory(Path(name), fires)
    with tempfile.TemporaryDirectory() as name:
        yield _no_op(Path(name), rounds)


# ---- due at once


def _claimed(folder: Path, state: str, password: str, where: str) -> Figure:
    """Three services that begin to look at the same moment; each starts what it gets."""
    names = [f"job{number:03}" for number in range(JOBS)]
    _write(folder, state, names)
    with _opened(state, password, "bench", lambda: _now() - timedelta(hours=1)) as early:
        early.slots.first_seen(dict.fromkeys(names, "* * * * * Europe/Rome"))
    began = time.time() + 6
    command = [sys.executable, "-m", "bench.service", "claim", state, password, str(folder), str(began)]
    services = [subprocess.Popen([*command, host], stdout=subprocess.PIPE, text=True) for host in HOSTS]
    answers = [json.loads(service.communicate(timeout=120)[0]) for service in services]
    started = [job for answer in answers for job in answer["started"]]
    if sorted(started) != names:
        raise Unmeasured(f"{len(started)} starts of {len(set(started))} jobs, not {JOBS}")
    seconds = max(answer["last"] for answer in answers if answer["started"]) - began
    shares = ", ".join(str(len(answer["started"])) for answer in answers)
    return Figure(f"{JOBS} due at once, {where}", seconds, 10.0, "s", f"claimed and started once each; {shares}")


def claim(state: str, password: str, folder: str, began: str, host: str) -> None:
    started: list[str] = []
    with _opened(state, password, host, _now) as journal:
        service = _service(journal, Path(folder), _now, lambda job, _: started.append(job.name) or Played(os.getpid()))
        time.sleep(max(0.0, float(began) - time.time()))
        last = time.time()
        while time.time() < last + 3:
            before = len(started)
            service.tick()
            last = time.time() if len(started) > before else last
    print(json.dumps({"started": started, "last": last}))


# ---- memory


def _memory(folder: Path, fires: int) -> Figure:
    command = (sys.executable, "-m", "bench.service", "memory", str(folder), str(fires))
    told = child(command, folder, {"PYTHONPATH": str(Path.cwd())})
    before, after, seconds = map(float, told.output.split())
    how = f"{after / MIB:.0f} MiB then; {before / MIB:.0f} MiB after a tenth; {seconds / fires * 1e3:.2f} ms a fire"
    return Figure(f"growth over {fires:,} fires", (after - before) / MIB, 4.0, "MiB", how)


def memory(folder: str, fires: str) -> None:
    """50 jobs, each due every minute, each run over at once; the clock is turned."""
    names = [f"job{number:03}" for number in range(50)]
    state = f"sqlite:///{folder}/collima.db"
    _write(Path(folder), state, names)
    at = datetime(2026, 11, 24, tzinfo=UTC)

    def clock() -> datetime:
        return at

    begun: list[tuple[str, datetime, Played]] = []

    def spawn(job: Job, slot: datetime) -> Played:
        begun.append((job.name, slot, Played(os.getpid())))
        return begun[-1][2]

    with _opened(state, "", "bench", clock) as journal:
        service = _service(journal, Path(folder), clock, spawn)
        service.tick()
        began, before, fired = time.perf_counter(), 0, 0
        while fired < int(fires):
            at += MINUTE
            service.tick()
            _run(journal, begun, at)
            fired += len(begun)
            begun.clear()
            if not before and fired >= int(fires) // 10:
                before = _resident()
        print(before, _resident(), time.perf_counter() - began)


def _run(journal: SqlJournal, begun: list[tuple[str, datetime, Played]], at: datetime) -> None:
    """They leave the rows that runs leave, and are over."""
    common = {"target": "", "kind": "run", "attempt": 1, "host": "bench", "pid": os.getpid(), "state": "in-sync"}
    common |= {"cause": "", "transient": False, "config": "", "undoes": "", "document": ""}
    times = {"started": micros(at), "ended": micros(at)}
    rows = [
        {"id": f"{stamp(at)}-{secrets.token_hex(4)}", "job": job, "slot": micros(slot), **common, **times}
        for job, slot, _ in begun
    ]
    with journal.database.write() as connection:
        connection.execute(insert(runs), rows)
    for _, _, played in begun:
        played.code = 0


def _resident() -> int:
    """Bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# ---- a run that has nothing to do


def _no_op(folder: Path, rounds: int) -> Figure:
    """The embedded campus, in sync, as the service starts its run."""
    shutil.copy("schedules.yaml", folder)
    shutil.copytree("examples", folder / "examples")
    child((BIN / "run-job", "sympa-lists"), folder)
    slots = iter(range(1, 1000))

    def run() -> float:
        words = ("sympa-lists", "--slot", str(next(slots)), "--config", "schedules.yaml")
        return child((sys.executable, "-P", "-m", "collima.app.job", *words), folder, keep=False).cpu

    (seconds,) = medians(max(5, rounds), run)
    return Figure("processor time of a no-op run", seconds, 1.0, "s", "user and system; the embedded campus")


# ---- what they share


def _write(folder: Path, state: str, names: list[str]) -> None:
    jobs = "".join(f'  {name}: {{kind: script, when: "* * * * *"}}\n' for name in names)
    (folder / "schedules.yaml").write_text(
        f"version: 1\ntimezone: Europe/Rome\nstate: {state}\nconnectors: {{}}\nworkers: {len(names)}\njobs:\n{jobs}"
    )


def _opened(state: str, password: str, host: str, clock: Callable[[], datetime]) -> SqlJournal:
    return open_state(state, now=clock, host=host, password=password)


def _service(
    journal: SqlJournal, folder: Path, clock: Callable[[], datetime], spawn: Callable[[Job, datetime], Played]
) -> Service:
    kinds.JOBS["script"] = "tests.app.service.kind:Script"

    def started(_schedule: Loaded, job: Job, slot: datetime, _done: Callable[[], None]) -> Played:
        return spawn(job, slot)

    return Service(
        name=f"{journal.host}-{secrets.token_hex(4)}",
        journal=journal,
        loaded=loaded.load(folder / "schedules.yaml"),
        load=lambda: loaded.load(folder / "schedules.yaml"),
        machine={journal.host},
        clock=clock,
        steady=time.monotonic,
        spawn=started,
        wake=lambda: None,
        seams=Seams(),
    )


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    _, role, *rest = sys.argv
    {"claim": claim, "memory": memory}[role](*rest)
