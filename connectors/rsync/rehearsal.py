"""rsync's own look at both sides, dry, while we look at their names. Where it finds nothing to do, that was its run."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import IO

from connectors.rsync import child


@dataclass(slots=True)
class Rehearsal:
    process: "subprocess.Popen[bytes]"
    idle: bool | None = None  # None: it has found nothing so far

    def goes_on(self) -> bool:
        """Whether it is under way, and has found nothing so far."""
        if self.idle is None and wait([self._said.fileno()], 0):
            self.nothing()
        return self.idle is None

    def drop(self) -> None:
        """Something is to be done."""
        if self.idle is None:
            self.idle = False
            child.end(self.process, asked=False)

    def nothing(self) -> bool:
        """Whether it came to its end, and nothing is to be done. Waits for it."""
        if self.idle is None:
            if self._said.read(1):
                self.drop()
            else:
                self.idle = self.process.wait() == 0
        return bool(self.idle)

    @property
    def _said(self) -> IO[bytes]:
        assert self.process.stdout
        return self.process.stdout


@contextmanager
def rehearsed(command: Sequence[str]) -> Iterator[Rehearsal]:
    with child.running(command) as (process, _):  # no more gently than we look: whoever is first waits for the other
        yield Rehearsal(process)
