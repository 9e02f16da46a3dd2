"""Jobs that write their mail as it goes out (`core.quarantine.Composing`), each opened once.

`main` lets them write in a process of its own, ahead of whoever sends: an interpreter that writes has no time for a
relay's answers. What is asked, and written, goes through a socket.
"""

import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from collima.app import logs, wiring
from collima.app.config import Config
from collima.core.errors import CollimaError, ConfigError, StateError
from collima.core.quarantine import Compose, Composing
from collima.state import SqlJournal

log = logging.getLogger("collima.mail")

BEHIND = 19  # of niceness: whoever sends, and the relay, come first where processors are few


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

    def write(self, job: str, message_ids: Sequence[str]) -> Iterator[bytes | None]:
        """Each mail as it goes over the wire; None: nothing is left to tell. What they tell is read at once.

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
            for message_id, mail in zip(message_ids, compose(message_ids), strict=True):
                if mail is not None and f"\r\nMessage-ID: {message_id}\r\n".encode() not in _head(mail):
                    raise ValueError("another Message-ID than the one on record")
                yield mail
        except StateError:
            raise
        except CollimaError as err:
            self._by_job[job] = err
            raise

    def _open(self, job: str) -> Compose:
        jobs: Mapping[str, object] = self.config.jobs
        if job not in jobs:
            raise Orphaned(f"{self.config.path} has no job {job!r} any more: nobody writes this mail")
        bound = wiring.bound(self.config, job, self.journal)
        if not isinstance(bound, Composing):
            raise Orphaned(f"the job {job!r} is of another kind now: nobody writes this mail")
        return self._opened.enter_context(bound.composing())


def _head(mail: bytes) -> bytes:
    return b"\r\n" + mail[: mail.find(b"\r\n\r\n") + 2]


Answer = bytes | None | Exception


def answers(pens: Pens, job: str, message_ids: Sequence[str]) -> Iterator[Answer]:
    """One for each, in their order. The first that is an error is the last: those after it were not written."""
    try:
        yield from pens.write(job, message_ids)
    except CollimaError as err:
        yield err
    except Exception as err:  # a fault of this program
        log.exception("mail of %s", job)
        yield RuntimeError(type(err).__name__)  # the log has the rest, which may be about somebody


def main() -> None:
    """The first argument is the socket. Ends when whoever asks hangs up, or is killed; TERM and Ctrl-C are theirs."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    os.nice(BEHIND)
    with Connection(int(sys.argv[1])) as line:
        config: Config
        config, how, program = line.recv()
        logs.configure(how, program)
        with wiring.open_journal(config) as journal, Pens(config, journal) as pens:
            try:
                while True:
                    for answer in answers(pens, *line.recv()):
                        line.send(answer)
            except (EOFError, BrokenPipeError, ConnectionResetError):
                return
