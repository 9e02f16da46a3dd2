"""Who writes the mail of one turn: this process, or where there is much of it another one beside it."""

import logging
import multiprocessing
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.message import EmailMessage
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any, Self

from collima.app import logs
from collima.app.config import Config
from collima.app.pens import Answer, Pens, answers
from collima.core.errors import SourceError
from collima.state import SqlJournal
from collima.state.outbox import Planned

log = logging.getLogger("collima.mail")

MUCH = 20  # mails to write: a process of its own is worth its start
MANY = 50  # mails of which what they tell is read at once
FEW = 25  # that are ahead of their turn: then the next ones are asked for
FRESH = 5.0  # seconds: what was asked for so long before its turn is written anew
PATIENCE = 30.0  # seconds that it gets to end


class OnTheWire(EmailMessage):
    """A mail that is written down already. Nothing but `as_bytes` is to be asked of it."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self._content = content

    def as_bytes(self, *_: Any, **__: Any) -> bytes:
        return self._content


@dataclass
class Writers:
    """A context."""

    config: Config
    journal: SqlJournal
    _stack: ExitStack = field(default_factory=ExitStack)
    _pens: Pens | None = None
    _beside: "_Beside | None" = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def write(self, row: Planned, then: Sequence[Planned]) -> EmailMessage | None:
        """The mail as it is to go out; None: nothing is left to tell. Of those after it some are begun, maybe.

        Raises Orphaned, StateError, and what the job raises: SourceError, ConfigError; RuntimeError for a fault of this
        program, which is logged.
        """
        coming = [one for one in then if one.unwritten]
        if self._beside is None and len(coming) + 1 >= MUCH:
            self._beside = self._stack.enter_context(_Beside.begun(self.config))
        if self._beside is not None:
            answer = self._beside.write(row, coming)
        else:
            self._pens = self._pens or self._stack.enter_context(Pens(self.config, self.journal))
            (answer,) = answers(self._pens, row.job, [row.message_id])
        if isinstance(answer, Exception):
            raise answer
        return None if answer is None else OnTheWire(answer)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Mails of one job. Of those after an error none is written."""

    at: float  # monotonic
    ids: deque[int]  # of those whose answers are still to come


@dataclass
class _Beside:
    """Another process that writes, and is asked ahead."""

    process: subprocess.Popen[bytes]
    line: Connection
    asked: deque[_Asked] = field(default_factory=deque)  # in the order in which answers come
    answers: dict[int, tuple[float, Answer]] = field(default_factory=dict)  # by id, since it was asked for

    @classmethod
    def begun(cls, config: Config) -> Self:
        ours, theirs = multiprocessing.Pipe()
        with theirs:
            number = theirs.fileno()
            command = [sys.executable, "-P", "-c", "from collima.app.pens import main; main()", str(number)]
            process = subprocess.Popen(  # noqa: S603 - this interpreter, and a number
                command, pass_fds=[number], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
        ours.send((config, *logs.configured()))
        return cls(process, ours)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.line.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def write(self, row: Planned, then: Sequence[Planned]) -> Answer:
        """`then` is of any job."""
        try:
            at, answer = self._answer(row, then)
            if time.monotonic() - at > FRESH:
                self._forget()
                _, answer = self._answer(row, then)
            if not isinstance(answer, Exception) and self._ahead() < FEW:
                self._ask(row.job, then)
            while self.asked and self.line.poll():  # else it waits, with its next mails written
                self._receive()
        except (EOFError, OSError):
            return SourceError("the process that writes mail has died", transient=True)
        return answer

    def _answer(self, row: Planned, then: Sequence[Planned]) -> tuple[float, Answer]:
        while row.id not in self.answers:
            if not self._awaits(row):
                self._ask(row.job, (row, *then))
            self._receive()
        return self.answers.pop(row.id)

    def _ask(self, job: str, rows: Sequence[Planned]) -> None:
        wanted = (one for one in rows if one.job == job and one.id not in self.answers and not self._awaits(one))
        new = list(islice(wanted, MANY))
        if new:
            self.asked.append(_Asked(time.monotonic(), deque(one.id for one in new)))
            self.line.send((job, [one.message_id for one in new]))

    def _receive(self) -> None:
        first, answer = self.asked[0], self.line.recv()
        self.answers[first.ids.popleft()] = first.at, answer
        if isinstance(answer, Exception) or not first.ids:
            self.asked.popleft()

    def _forget(self) -> None:
        while self.asked:
            self._receive()
        self.answers.clear()

    def _awaits(self, row: Planned) -> bool:
        return any(row.id in one.ids for one in self.asked)

    def _ahead(self) -> int:
        return len(self.answers) + sum(len(one.ids) for one in self.asked)
