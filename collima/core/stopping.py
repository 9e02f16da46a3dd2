"""TERM and Ctrl-C: at once while reading or waiting, after the transaction while one is being written.

An exception out of a signal handler in the middle of a commit leaves a connection that nobody can use any more; so the
request waits until the block is over. A process has one such request, as it has one set of signal handlers.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from collima.core.errors import Stopped


@dataclass
class _Request:
    cause: str = ""
    busy: int = 0  # blocks that the main thread is in


_request = _Request()


def stop(cause: str) -> None:
    """Called by a signal handler, in the main thread. Raises Stopped, now or at the end of the undisturbed block."""
    if _request.busy:
        _request.cause = cause
    else:
        raise Stopped(cause)


@contextmanager
def undisturbed() -> Iterator[None]:
    """What happens in this block is not stopped half-way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _request.busy += 1
    try:
        yield
    finally:
        _request.busy -= 1
    if not _request.busy and _request.cause:
        cause, _request.cause = _request.cause, ""
        raise Stopped(cause)
