"""Whether another process still lives: a service, or a run. On this machine it is seen; of another one a lease tells.

A lease is a moment by a clock, and clocks jump: ours, or that of the machine that died. So a process elsewhere is dead
when it has, for as long as a lease lasts and while we could look, not renewed it, whatever moment that names. A service
that just came up, or that could not reach the database, waits that long before it takes anything over.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from collima.state import locks

MOST = 10_000  # processes that are remembered


class Leased(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def pid(self) -> int: ...
    @property
    def born(self) -> str: ...
    @property
    def lease(self) -> datetime | None: ...


@dataclass
class Lives:
    """What was seen of others. `steady`: seconds by a clock that nobody sets."""

    host: str
    steady: Callable[[], float]
    patient: bool = True  # False: the lease alone counts, by the clocks of both
    _seen: dict[str, tuple[datetime, float]] = field(default_factory=dict)  # by id: its lease, and since when

    def dead(self, one: Leased, now: datetime) -> bool:
        """`one` has no lease any more: it let go of what it had."""
        if one.lease is None:
            return True
        if one.host == self.host or not self.patient:
            return locks.dead(one, self.host, now, longest=locks.LEASE)
        lease, since = self._seen.get(one.id, (None, 0.0))
        if lease != one.lease:
            since = self.steady()
            if len(self._seen) >= MOST:
                self._seen.clear()
            self._seen[one.id] = one.lease, since
        return self.steady() - since > locks.LEASE.total_seconds()

    def look_away(self) -> None:
        """Nothing could be seen for a while: what was not renewed meanwhile proves nothing."""
        self._seen.clear()
