"""A token bucket: so many calls a second, fewer for a while after a refusal."""

from collections.abc import Callable
from dataclasses import dataclass, field

RECOVERY = 60.0  # seconds from nothing to the full rate
_SLOWEST = 1 / 16  # of the rate
_ONCE = 1.0  # seconds within which refusals have one cause


@dataclass(slots=True)
class Bucket:
    """`burst` calls may go at once after a pause. A refusal halves the speed, which then grows back."""

    rate: float  # calls a second, at most
    burst: int
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    speed: float = field(init=False)  # calls a second, now
    _level: float = field(init=False)
    _then: float = field(init=False)
    _halved: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        self.speed, self._level, self._then = self.rate, float(self.burst), self.clock()

    def take(self, calls: int) -> None:
        """Waits until so many calls may go."""
        self._flow()
        self._level -= calls
        if self._level < 0:
            self.sleep(-self._level / self.speed)

    def refused(self) -> None:
        """The target had too many calls: all that it refused within a second counts once."""
        self._flow()
        self._level = min(self._level, 0.0)
        if self._then - self._halved >= _ONCE:
            self._halved = self._then
            self.speed = max(self.speed / 2, self.rate * _SLOWEST)

    def _flow(self) -> None:
        now = self.clock()
        passed, self._then = now - self._then, now
        self._level = min(float(self.burst), self._level + passed * self.speed)
        self.speed = min(self.rate, self.speed + passed * self.rate / RECOVERY)
