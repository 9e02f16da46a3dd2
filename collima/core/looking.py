"""Kinds of jobs that only look: all that `ports.Job` asks of one that changes nothing."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from collima.core.model import Change, Finding, Key, Outcome, Plan
from collima.core.targets import Place


class Looking:
    """There is nothing to do, and so nothing to verify or to take back."""

    __slots__ = ()

    def place(self, seen: Any) -> Place | None:  # noqa: ARG002
        return None

    def apply(self, seen: Any, go: Sequence[Change[None]]) -> Iterator[Outcome]:  # noqa: ARG002
        yield from ()

    def verify(self, seen: Any, done: Collection[Key]) -> Iterable[Finding]:  # noqa: ARG002
        return ()

    @contextmanager
    def invert(self, done: Collection[Key]) -> Iterator[tuple[Any, Plan[None]]]:  # noqa: ARG002
        yield None, Plan((), (), ())
