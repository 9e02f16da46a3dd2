"""Measuring child processes: wall time, peak memory, medians of alternating runs; and a figure against its limit."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class Unmeasured(Exception):
    """A measured command did not do what was to be measured."""


@dataclass(frozen=True)
class Figure:
    name: str
    measured: float
    limit: float
    unit: str
    how: str
    at_least: bool = False  # the limit is the least that is wanted, not the most

    def __str__(self) -> str:
        met = self.measured >= self.limit if self.at_least else self.measured <= self.limit
        word = "least" if self.at_least else "limit"
        against = f"{self.measured:5.2f} {self.unit:3} {word} {self.limit:4} {self.unit:3}"
        return f"{self.name:30} {against} {'met' if met else 'NOT MET':7} {self.how}"


@dataclass(frozen=True)
class Child:
    seconds: float  # wall
    peak: int  # bytes of resident memory, at most
    cpu: float  # seconds of the processor, user and system
    output: str


def child(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None, *, keep: bool = True
) -> Child:
    """Runs a command in a folder, to its end. Raises Unmeasured when it fails. `keep`: its output is wanted.

    As installed: an interpreter that may not keep what it has compiled would compile a hundred modules each time.
    """
    log = folder / "output"
    with log.open("wb") as sink, (folder / "errors").open("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=sink if keep else subprocess.DEVNULL,
            stderr=errors,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            said = errors.read()[-2000:] + log.read_text("utf-8")[-2000:]
            raise Unmeasured(f"{command[0]} ended with {process.returncode}: {said}")
    return Child(seconds, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime, log.read_text("utf-8"))


def medians(rounds: int, *measured: Callable[[], float]) -> list[float]:
    """The median of each, measured in turn, so that a busy moment of the machine hits them all."""
    taken: list[list[float]] = [[] for _ in measured]
    for _ in range(rounds):
        for seconds, measure in zip(taken, measured, strict=True):
            seconds.append(measure())
    return [statistics.median(seconds) for seconds in taken]
