"""Programs of other systems, run without a shell: all that they print, or an error."""

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from collima.core.errors import SourceError
from collima.core.quantities import Duration
from collima.core.stopping import undisturbed
from collima.core.text import line

MOST = 16 * 1024 * 1024
"""Bytes that one program may print, or in one line where lines are taken as they come."""
SAID = 65536
"""Bytes of the end of its standard error that are kept: the last line is told."""


def output(command: Sequence[str], limit: Duration, **environment: str) -> str:
    """The standard output of a program that ends with 0 within `limit`. Raises SourceError.

    It gets nothing to read, no locale but C.UTF-8, and a session of its own: when it hangs, or when we are stopped, it
    is killed with all that it has started; it alone, unless it is another user's, when we die without a word.
    """
    printed = bytearray()
    with closing(_parts(command, limit, environment)) as parts:
        for part in parts:
            printed += part
            if len(printed) > MOST:
                raise SourceError(f"{_name(command)} printed more than {MOST // 1024 // 1024} MB")
    return printed.decode("utf-8", "replace")


def lines(command: Sequence[str], limit: Duration, **environment: str) -> Generator[bytes, None, None]:
    """The same line by line, as they come: for what is too much to keep. What came is complete only at the end.

    The caller closes it, if not at its end. Raises SourceError, for a line beyond all measure, too.
    """
    left = b""
    with closing(_parts(command, limit, environment)) as parts:
        for part in parts:
            *whole, left = (left + part).split(b"\n")
            if len(left) > MOST:
                raise SourceError(f"{_name(command)} printed a line of more than {MOST // 1024 // 1024} MB")
            yield from whole
    if left:
        yield left


def _parts(command: Sequence[str], limit: Duration, environment: Mapping[str, str]) -> Generator[bytes, None, None]:
    name, said = _name(command), bytearray()
    deadline = time.monotonic() + limit.seconds
    try:
        with _running(command, environment, name) as process:
            yield from _drained(process, deadline, said)
            code = process.wait(max(0.0, deadline - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired) as err:
        raise SourceError(f"{name} did not end within {limit}", transient=True) from err
    if code:
        how = f"ended with {code}" if code > 0 else f"was ended by signal {-code}"
        last = line(said.decode("utf-8", "replace").strip().rpartition("\n")[2], 200)
        raise SourceError(f"{name} {how}{f': {last}' if last else ''}", transient=True)


def _name(command: Sequence[str]) -> str:
    return line(Path(command[0]).name, 60)


@contextmanager
def _running(command: Sequence[str], environment: Mapping[str, str], name: str) -> Iterator["subprocess.Popen[bytes]"]:
    process = None
    try:
        with undisturbed():  # a stop waits until there is something to kill
            process = subprocess.Popen(  # noqa: S603 - the configuration names it; it is no text for a shell
                [*_bound(command), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env={**os.environ, "LC_ALL": "C.UTF-8", **environment},
            )
        yield process
    except BaseException as err:
        if process:
            _kill(process)
        elif isinstance(err, OSError | ValueError):  # ValueError: a NUL in an argument
            raise SourceError(f"{name} cannot be run: {getattr(err, 'strerror', None) or err}") from err
        raise
    finally:
        for stream in (process.stdout, process.stderr) if process else ():
            if stream:
                stream.close()


def _bound(command: Sequence[str]) -> Sequence[str]:
    """Words before a command, for it to die with us. One that is not there is left to say so."""
    known = shutil.which("setpriv") and shutil.which(command[0])
    return ("setpriv", "--pdeathsig", "KILL") if known else ()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """What sudo started is not ours to kill, and what waits for a dead disk does not die: neither is waited for."""
    with contextlib.suppress(ProcessLookupError, PermissionError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)


def _drained(process: "subprocess.Popen[bytes]", deadline: float, said: bytearray) -> Iterator[bytes]:
    """Its standard output as it comes, to its end; the last of its standard error is put into `said`.

    Raises TimeoutError.
    """
    assert process.stdout
    assert process.stderr
    with selectors.DefaultSelector() as open_:
        for stream in (process.stdout, process.stderr):
            open_.register(stream, selectors.EVENT_READ)
        while open_.get_map():
            if (left := deadline - time.monotonic()) <= 0:
                raise TimeoutError
            for key, _ in open_.select(left):
                part = os.read(key.fd, 65536)
                if not part:
                    open_.unregister(key.fileobj)
                elif key.fileobj is process.stderr:
                    said += part
                    del said[:-SAID]
                else:
                    yield part
