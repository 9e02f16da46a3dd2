"""Of which job and run the work at hand is: every line of the log says so, whoever writes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_now: ContextVar[tuple[str, str]] = ContextVar("about", default=("", ""))


def current() -> tuple[str, str]:
    """(job, run) of this thread's work; "" where there is none."""
    return _now.get()


@contextmanager
def about(*, job: str = "", run: str = "") -> Iterator[None]:
    """Until the block ends; what is not said stays as it is outside. A new thread starts with neither."""
    outer_job, outer_run = _now.get()
    token = _now.set((job or outer_job, run or outer_run))
    try:
        yield
    finally:
        _now.reset(token)
