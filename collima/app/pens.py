"""Jobs that write their mail as it goes out (`core.quarantine.Composing`), each opened once.

`main` lets them write in a process of its own, ahead of whoever sends: an interpreter that writes has no time for a
relay's answers. What is asked, and written, goes through a socket.
"""

import logging
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from collima.app import wiring
from collima.app.config import Config
from collima.core.errors import CollimaError, ConfigError, StateError
from collima.core.quarantine import Compose, Composing
from collima.state import SqlJournal
from collima.state.outbox import wire

log = logging.getLogger("collima.mail")


class Orphaned(ConfigError):
    """Nobody writes this job's mail any more."""


@dataclass
class Pens:
    """A context. Who cannot write once is not asked again."""

    config: Config
    journal: SqlJournal
    _opened: ExitStack = field(default_factory=ExitStack)
    _by_job: dict[str, Compose | CollimaError] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._opened.__exit__(kind, err, trace)
        except CollimaError as failed:  # all that was to be read was read
            if failed is err:
                return
            log.warning("what writes mail did not close: %s", failed)

    def write(self, job: str, message_id: str) -> bytes | None:
        """The mail as it goes over the wire; None: nothing is left to tell.

        Raises Orphaned, StateError, and what the job raises: SourceError, ConfigError.
        """
        if job not in self._by_job:
            try:
                self._by_job[job] = self._open(job)
            except CollimaError as err:
                self._by_job[job] = err
        compose = self._by_job[job]
        if isinstance(compose, CollimaError):
            raise compose
        try:
            message = compose(message_id)
        except StateError:
            raise
        except CollimaError as err:
            self._by_job[job] = err
            raise
        if message is not None and message["Message-ID"] != message_id:
            raise ValueError("another Message-ID than the one on record")
        return None if message is None else wire(message)

    def _open(self, job: str) -> Compose:
        jobs: Mapping[str, object] = self.config.jobs
        if job not in jobs:
            raise Orphaned(f"{self.config.path} has no job {job!r} any more: nobody writes this mail")
        bound = wiring.bound(self.config, job, self.journal)
        if not isinstance(bound, Composing):
            raise Orphaned(f"the job {job!r} is of another kind now: nobody writes this mail")
        return self._opened.enter_context(bound.composing())


Answer = bytes | None | Exception


def answered(pens: Pens, asked: tuple[str, str]) -> Answer:
    try:
        return pens.write(*asked)
    except CollimaError as err:
        return err
    except Exception as err:  # a fault of this program
        log.exception("mail of %s", asked[0])
        return RuntimeError(type(err).__name__)  # the log has the rest, which may be about somebody


def main() -> None:
    """The first argument is the socket. Ends when whoever asks hangs up, or is killed; TERM and Ctrl-C are theirs."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    with Connection(int(sys.argv[1])) as line:
        config: Config = line.recv()
        with wiring.open_journal(config) as journal, Pens(config, journal) as pens:
            try:
                while True:
                    line.send(answered(pens, line.recv()))
            except (EOFError, BrokenPipeError, ConnectionResetError):
                return
