"""Programs of other systems, run without a shell: all that they print, or an error."""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from collima.core.errors import SourceError
from collima.core.quantities import Duration
from collima.core.text import line

MOST = 16 * 1024 * 1024
"""Bytes that one program may print."""


def output(command: Sequence[str], limit: Duration, **environment: str) -> str:
    """The standard output of a program that ends with 0 within `limit`. Raises SourceError.

    It gets nothing to read, no locale but C.UTF-8, and a session of its own: when it hangs, or when we are stopped, it
    is killed with all that it has started.
    """
    name = line(Path(command[0]).name, 60)
    try:
        process = subprocess.Popen(  # noqa: S603 - the configuration names it; it is no text for a shell
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "LC_ALL": "C.UTF-8", **environment},
        )
    except (OSError, ValueError) as err:  # ValueError: a NUL in an argument
        raise SourceError(f"{name} cannot be run: {getattr(err, 'strerror', None) or err}") from err
    with process:
        try:
            printed, said = _drained(process, time.monotonic() + limit.seconds, name)
            code = process.wait(limit.seconds)
        except BaseException as err:
            os.killpg(process.pid, signal.SIGKILL)  # not waited for yet, so the id is still its own
            if isinstance(err, TimeoutError | subprocess.TimeoutExpired):
                raise SourceError(f"{name} did not end within {limit}", transient=True) from err
            raise
    if code:
        how = f"ended with {code}" if code > 0 else f"was ended by signal {-code}"
        last = line(said.decode("utf-8", "replace").strip().rpartition("\n")[2], 200)
        raise SourceError(f"{name} {how}{f': {last}' if last else ''}", transient=True)
    return printed.decode("utf-8", "replace")


def _drained(process: "subprocess.Popen[bytes]", deadline: float, name: str) -> tuple[bytes, bytes]:
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
                if len(printed[key.fd]) > MOST:
                    raise SourceError(f"{name} printed more than {MOST // 1024 // 1024} MB")
    out, err = printed.values()
    return bytes(out), bytes(err)
