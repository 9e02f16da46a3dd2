"""How often somebody may come: in memory that does not grow, however many they are."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

KNOWN = 10_000  # of whom it is remembered when they came; whoever is forgotten begins anew


@dataclass
class Buckets:
    """Each name has a bucket of `burst` that fills by `rate` a second. Used by one thread: that of the event loop."""

    rate: float
    burst: int
    steady: Callable[[], float]  # seconds, by a clock that nobody sets
    left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)  # (how much, when)

    def take(self, name: str) -> bool:
        """Whether there was one left for them."""
        now = self.steady()
        had, since = self.left.pop(name, (float(self.burst), now))
        has = min(self.burst, had + (now - since) * self.rate)
        self.left[name] = (has - 1 if has >= 1 else has, now)
        if len(self.left) > KNOWN:
            self.left.popitem(last=False)
        return has >= 1


def network(client: str) -> str:
    """Who a client is: an IPv4 address, or the /64 of an IPv6 one, which is one customer's."""
    try:
        found = ip_address(client)
    except ValueError:
        return client[:64]
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or int(found) >> 64)
    return str(found)
