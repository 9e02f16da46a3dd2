"""Mailboxes, looked at by this process and by one beside it: each begins at its end of the list, until they meet."""

import multiprocessing
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self, TypeVar

from collima.core.errors import CollimaError, SourceError
from collima.core.stopping import undisturbed
from connectors.rsync import child

MANY = 50  # mailboxes: a process is worth its start
_COMMAND = (sys.executable, "-P", "-c", "from connectors.rsync.beside import main; main()")
_DEAD = (EOFError, OSError, pickle.UnpicklingError)

T = TypeVar("T")
Look = Callable[[str], T]
"""A function of a module, or a `partial` of one: it goes to the other process, and what it returns comes back."""


@dataclass
class Beside:
    """A context. The other process is begun when it is first worth it, and stays until the end."""

    _begun: ExitStack = field(default_factory=ExitStack)
    _line: "Connection[Any, Any] | None" = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    @contextmanager
    def shared(self, look: Look[T], homes: Sequence[str], *, begun: bool = False) -> Iterator[Iterator[tuple[str, T]]]:
        """(home, what `look` tells of it) of each, in no order. `begun`: only where the other process is there already.

        Raises what `look` raises; SourceError where the other process dies, and RuntimeError for a fault of it.
        """
        if len(homes) < MANY or (begun and self._line is None):
            yield ((home, look(home)) for home in homes)
            return
        try:
            line = self._asked((look, homes))
            yield _met(look, homes, line)
        except BaseException:  # whoever asks takes no more of it, and it would go on
            self._end()
            raise
        try:
            line.send(None)  # enough
            while line.recv():
                pass
        except _DEAD:  # all is told
            self._end()

    def _end(self) -> None:
        self._line = None
        self._begun.close()

    def _asked(self, question: tuple[Look[T], Sequence[str]]) -> "Connection[Any, Any]":
        if self._line is not None:
            try:
                self._line.send(question)
            except OSError:  # it died since the last time: another one does as well
                self._end()
            else:
                return self._line
        line = self._begin()
        with suppress(BrokenPipeError):  # that is told when an answer is missed
            line.send(question)
        return line

    def _begin(self) -> "Connection[Any, Any]":
        ours, theirs = multiprocessing.Pipe()
        self._begun.enter_context(ours)
        with theirs, undisturbed():
            process = subprocess.Popen(  # noqa: S603 - this interpreter, and a number
                [*child.bound(), *_COMMAND, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._begun.callback(child.end, process)
            self._line = ours
        return ours


def _met(look: Look[T], homes: Sequence[str], line: "Connection[Any, Any]") -> Iterator[tuple[str, T]]:
    front, back = 0, len(homes)
    while front < back:
        if not line.poll():
            yield homes[front], look(homes[front])
            front += 1
            continue
        try:
            (answer,) = line.recv()
        except _DEAD as err:
            raise SourceError("the process that looks at mailboxes has died", transient=True) from err
        if isinstance(answer, Exception):
            raise answer
        back -= 1
        yield homes[back], answer


def main() -> None:
    """The first argument is the socket. Ends when whoever asks hangs up."""
    with Connection(int(sys.argv[1])) as line, suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            look, homes = line.recv()
            for home in reversed(homes):
                line.send((_answer(look, home),))
                if line.poll():
                    break
            line.recv()  # enough
            line.send(())


def _answer(look: Look[T], home: str) -> T | Exception:
    try:
        return look(home)
    except CollimaError as err:
        return err
    except Exception as err:  # noqa: BLE001 - a fault of this program, whose words may be about somebody
        *_, place = traceback.extract_tb(err.__traceback__)
        return RuntimeError(f"{type(err).__name__} in {Path(place.filename).name}, line {place.lineno}")
