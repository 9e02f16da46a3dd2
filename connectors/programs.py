"""Programs of other systems, run without a shell: all that they print, or an error."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from collima.core.errors import SourceError
from collima.core.quantities import Duration
from collima.core.stopping import undisturbed
from collima.core.text import line

MOST = 16 * 1024 * 1024
"""Bytes that one program may print, unless its caller expects more."""


def output(command: Sequence[str], limit: Duration, *, most: int = MOST, **environment: str) -> str:
    """The standard output of a program that ends with 0 within `limit`. Raises SourceError.

    It gets nothing to read, no locale but C.UTF-8, and a session of its own: when it hangs, or when we are stopped, it
    is killed with all that it has started.
    """
    name = line(Path(command[0]).name, 60)
    deadline = time.monotonic() + limit.seconds
    try:
        with _running(command, environment, name) as process:
            printed, said = _drained(process, deadline, name, most)
            code = process.wait(max(0.0, deadline - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired) as err:
        raise SourceError(f"{name} did not end within {limit}", transient=True) from err
    if code:
        how = f"ended with {code}" if code > 0 else f"was ended by signal {-code}"
        last = line(said.decode("utf-8", "replace").strip().rpartition("\n")[2], 200)
        raise SourceError(f"{name} {how}{f': {last}' if last else ''}", transient=True)
    return printed.decode("utf-8", "replace")


@contextmanager
def _running(command: Sequence[str], environment: Mapping[str, str], name: str) -> Iterator["subprocess.Popen[bytes]"]:
    process = None
    try:
        with undisturbed():  # a stop waits until there is something to kill
            process = subprocess.Popen(  # noqa: S603 - the configuration names it; it is no text for a shell
                list(command),
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


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """What sudo started is not ours to kill, and what waits for a dead disk does not die: neither is waited for."""
    with contextlib.suppress(ProcessLookupError, PermissionError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)


def _drained(process: "subprocess.Popen[bytes]", deadline: float, name: str, most: int) -> tuple[bytes, bytes]:
    """(standard output, standard error), both to their end. Raises TimeoutError, and SourceError for too much."""
    assert process.stdout
    assert process.stderr
    printed = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    with selectors.DefaultSelector() as open_:
        for stream in printed:
            open_.register(stream, selectors.EVENT_READ)
        while open_.get_map():
            if (left := deadline - time.monotonic()) <= 0:
                raise TimeoutError
            for key, _ in open_.select(left):
                if part := os.read(key.fd, 65536):
                    printed[key.fd] += part
                else:
                    open_.unregister(key.fd)
                if len(printed[key.fd]) > most:
                    raise SourceError(f"{name} printed more than {most // 1024 // 1024} MB")
    out, err = printed.values()
    return bytes(out), bytes(err)
