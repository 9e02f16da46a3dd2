"""Services and runs as processes, on one state, as if on several machines."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from collima.state import SqlJournal, open_state
from collima.state.archive import RunRow
from collima.state.process import born
from collima.state.slot_rows import SlotRow

T = TypeVar("T")

MACHINE = Path(__file__).with_name("machine.py")
ROOT = MACHINE.parents[3]


def wait_for(what: Callable[[], T], seconds: float = 60) -> T:
    """What it returns as soon as that is something."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := what():
            return found
        time.sleep(0.1)
    pytest.fail(f"waited {seconds} seconds in vain")


@dataclass
class Site:
    """A folder with a schedules.yaml. `shift`: how far all clocks are ahead."""

    folder: Path
    state: str = ""
    password: str = ""
    lease: float = 3.0
    shift: float = 0.0
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _opened: SqlJournal | None = None

    def __post_init__(self) -> None:
        self.state = self.state or f"sqlite:///{self.folder}/collima.db"

    @property
    def file(self) -> Path:
        return self.folder / "schedules.yaml"

    def write(self, jobs: str, more: str = "") -> None:
        secret = "state-password: {env: STATE_PASSWORD}\n" if self.password else ""
        self.file.write_text(
            f"version: 1\ntimezone: Europe/Rome\nstate: {self.state}\n{secret}connectors: {{}}\n{more}\njobs:\n{jobs}\n"
        )

    def just_before(self, *jobs: str) -> datetime:
        """Sets all clocks so that the next full hour is near; these jobs run at it, and have for long. Returns it."""
        real = datetime.now(UTC)
        hour = real.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
        self.shift = (hour - timedelta(seconds=2) - real).total_seconds()
        self.journal.slots.first_seen(dict.fromkeys(jobs, "0 * * * * Europe/Rome"))
        return hour

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.shift)

    def command(self, host: str, *words: str) -> list[str]:
        return [sys.executable, str(MACHINE), host, str(self.lease), str(self.shift), *words]

    def start(self, *words: str, host: str = "here", **environment: str) -> subprocess.Popen[bytes]:
        """A program in the background; what it logs is in HOST.log."""
        with (self.folder / f"{host}.log").open("ab") as log:
            process = subprocess.Popen(
                self.command(host, *words),
                cwd=self.folder,
                env=self._environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.started.append(process)
        return process

    def serve(self, host: str = "here", **environment: str) -> subprocess.Popen[bytes]:
        """A service, once it has signed on."""
        before = {row.id for row in self.journal.services.open()}
        process = self.start("collima", "serve", host=host, **environment)
        wait_for(lambda: process.poll() is not None or {row.id for row in self.journal.services.open()} - before)
        assert process.poll() is None, self.log(host)
        return process

    def run(self, *words: str, host: str = "here") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(host, *words),
            cwd=self.folder,
            env=self._environment({}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def log(self, host: str = "here") -> str:
        return (self.folder / f"{host}.log").read_text()

    @property
    def journal(self) -> SqlJournal:
        """Seen from a machine that has no service."""
        if self._opened is None:
            self._opened = open_state(self.state, now=self.now, host="observer", password=self.password)
        return self._opened

    def slot(self, job: str) -> SlotRow | None:
        return self.journal.slots.newest(job)

    def is_(self, job: str, state: str) -> bool:
        slot = self.slot(job)
        return slot is not None and slot.state == state

    def history(self, job: str = "") -> list[RunRow]:
        return list(self.journal.archive.history(job))

    def effects(self, name: str = "effects") -> list[str]:
        """The lines that scripts have written."""
        file = self.folder / name
        return file.read_text().split() if file.exists() else []

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait(30)
        for pid in self.effects("pids"):  # of runs whose service is gone
            if born(int(pid)):
                with suppress(ProcessLookupError):
                    os.killpg(int(pid), signal.SIGKILL)

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT), "STATE_PASSWORD": self.password, **more}


def end(process: subprocess.Popen[bytes], number: int = signal.SIGTERM, seconds: float = 40) -> int:
    process.send_signal(number)
    return process.wait(seconds)
