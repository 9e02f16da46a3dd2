"""Mailboxes, looked at by this process and by one beside it: each begins at its end of the list, until they meet."""

import os
import pickle
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

from collima.core.errors import CollimaError, SourceError
from collima.core.stopping import undisturbed
from connectors.rsync import child

MANY = 50  # mailboxes: a process is worth its start
_COMMAND = (sys.executable, "-P", "-c", "from connectors.rsync.beside import main; main()")

T = TypeVar("T")
Look = Callable[[str], T]
"""A function of a module, or a `partial` of one: it goes to the other process, and what it returns comes back."""


@contextmanager
def shared(look: Look[T], homes: Sequence[str]) -> Iterator[Iterator[tuple[str, T]]]:
    """(home, what `look` tells of it) of each, in no order. Raises what `look` raises; SourceError where
    the other process dies, and RuntimeError for a fault of it."""
    if len(homes) < MANY:
        yield ((home, look(home)) for home in homes)
        return
    with tempfile.TemporaryFile() as asked:
        pickle.dump((look, homes), asked)
        asked.seek(0)
        process = None
        try:
            with undisturbed():
                process = subprocess.Popen(  # noqa: S603 - this interpreter, and no word of anybody else
                    [*child.bound(), *_COMMAND], stdin=asked, stdout=subprocess.PIPE, start_new_session=True
                )
            assert process.stdout
            with Connection(os.dup(process.stdout.fileno()), writable=False) as line:
                yield _met(look, homes, line)
        finally:
            if process is not None:
                child.end(process)


def _met(look: Look[T], homes: Sequence[str], line: "Connection[None, T | Exception]") -> Iterator[tuple[str, T]]:
    front, back = 0, len(homes)
    while front < back:
        if not line.poll():
            yield homes[front], look(homes[front])
            front += 1
            continue
        try:
            answer = line.recv()
        except (EOFError, OSError, pickle.UnpicklingError) as err:
            raise SourceError("the process that looks at mailboxes has died", transient=True) from err
        if isinstance(answer, Exception):
            raise answer
        back -= 1
        yield homes[back], answer


def main() -> None:
    """What is asked for comes from the standard input, and the answers go to the standard output."""
    look, homes = pickle.load(sys.stdin.buffer)  # noqa: S301 - of the process that began this one
    with Connection(os.dup(sys.stdout.fileno()), readable=False) as line:
        for home in reversed(homes):
            try:
                answer = look(home)
            except CollimaError as err:
                answer = err
            except Exception as err:  # noqa: BLE001 - a fault of this program, whose words may be about somebody
                *_, place = traceback.extract_tb(err.__traceback__)
                answer = RuntimeError(f"{type(err).__name__} in {Path(place.filename).name}, line {place.lineno}")
            try:
                line.send(answer)
            except BrokenPipeError:
                return
