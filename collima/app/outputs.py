"""Outputs that are not there or cannot be written: closed, a pipe whose reader left, a full disk."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def ensure() -> None:
    """`>&-` and `2>&-` mean that nobody looks, and Latin-1 has no "…": neither is a reason to do nothing."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(_nowhere(), "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def unwritable(err: OSError) -> None:
    """Says so, unless a reader just left, and lets nothing more be written."""
    if not isinstance(err, BrokenPipeError):
        print(f"the output cannot be written: {err.strerror}", file=sys.stderr)
    os.dup2(_nowhere(), sys.stdout.fileno())


def _nowhere() -> int:
    return os.open(os.devnull, os.O_WRONLY)


@contextmanager
def telling() -> Iterator[None]:
    """What is told here was done already: that nobody hears it changes neither that nor the exit code."""
    try:
        yield
        sys.stdout.flush()
    except OSError as err:
        unwritable(err)
