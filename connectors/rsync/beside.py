"""Mailboxes of one side, listed by a process of its own while this one lists the other side."""

import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from collima.core.errors import CollimaError, SourceError
from collima.core.stopping import undisturbed
from connectors.rsync import child
from connectors.rsync.contents import Contents, contents
from connectors.rsync.here import Here

MANY = 50  # mailboxes: a process is worth its start
_COMMAND = (sys.executable, "-c", "from connectors.rsync.beside import main; main()")


@contextmanager
def listed(side: Here, root: str, homes: Sequence[str], *, closely: bool = True) -> Iterator[Iterator[Contents | None]]:
    """What `contents` has of each, in their order, a few ahead of whoever takes them. Raises SourceError."""
    if len(homes) < MANY:
        yield (contents(side, root, home, closely=closely) for home in homes)
        return
    with tempfile.TemporaryFile() as asked:
        pickle.dump((side.root, root, homes, closely), asked)
        asked.seek(0)
        with undisturbed():
            process = subprocess.Popen(  # noqa: S603 - this interpreter, and no word of anybody else
                [*child.bound(), *_COMMAND], stdin=asked, stdout=subprocess.PIPE, start_new_session=True
            )
        try:
            yield _answers(process, len(homes))
        finally:
            child.end(process)


def _answers(process: "subprocess.Popen[bytes]", count: int) -> Iterator[Contents | None]:
    assert process.stdout
    for _ in range(count):
        try:
            answer = pickle.load(process.stdout)  # noqa: S301 - of a process of ours
        except (EOFError, pickle.UnpicklingError) as err:
            raise SourceError("the process that lists mailboxes has died", transient=True) from err
        if isinstance(answer, CollimaError):
            raise answer
        yield answer


def main() -> None:
    """What is asked for comes from the standard input, and the answers go to the standard output."""
    root: Path
    root, below, homes, closely = pickle.load(sys.stdin.buffer)  # noqa: S301 - of the process that began this one
    for home in homes:
        try:
            answer: Contents | SourceError | None = contents(Here(root), below, home, closely=closely)
        except SourceError as err:
            answer = err
        try:
            pickle.dump(answer, sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            return
