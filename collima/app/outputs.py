"""Standard output that cannot be written: a pipe whose reader left, a full disk."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def unwritable(err: OSError) -> None:
    """Says so, unless a reader just left, and lets nothing more be written."""
    if not isinstance(err, BrokenPipeError):
        print(f"the output cannot be written: {err.strerror}", file=sys.stderr)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def telling() -> Iterator[None]:
    """What is told here was done already: that nobody hears it changes neither that nor the exit code."""
    try:
        yield
        sys.stdout.flush()
    except OSError as err:
        unwritable(err)
