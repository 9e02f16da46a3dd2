"""Unkindness on demand. All of it is off by default; any of it may be on at once; the same seed gives the same day."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from tests.servers.google import errors
from tests.servers.google.errors import Refused

T = TypeVar("T")

Answer = dict[str, Any]
Alter = Callable[[Answer], Answer]

DROP_BEFORE: Literal["drop before"] = "drop before"
"""The connection is closed, and nothing was done."""

DROP_AFTER: Literal["drop after"] = "drop after"
"""It was done, and the connection is closed in place of the answer."""

DROP_WITHIN: Literal["drop within"] = "drop within"
"""It was done, and the connection is closed in the middle of the answer."""

Drop = Literal["drop before", "drop after", "drop within"]
Outcome = Refused | Alter | Drop


@dataclass
class Bucket:
    """A quota: `per_minute` calls flow in evenly, at most `burst` wait; each user and project has one of their own."""

    per_minute: float = 2400
    burst: float = 60
    says: tuple[str, ...] = ("userRateLimitExceeded",)  # in turns; also quotaExceeded, rateLimitExceeded (429)
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)  # who -> calls left, when that was
    _refused: int = 0

    def take(self, who: str, now: float) -> str:
        """Takes one call, or says why not."""
        left, then = self._left.get(who, (self.burst, now))
        left = min(self.burst, left + (now - then) * self.per_minute / 60)
        self._left[who] = (left - 1 if left >= 1 else left, now)
        if left >= 1:
            return ""
        self._refused += 1
        return self.says[self._refused % len(self.says)]


@dataclass
class Planned:
    method: str
    where: str
    outcome: Outcome
    times: int | None


@dataclass(slots=True)
class Faults:
    """Shares are of the calls, 0 to 1; seconds are of the domain's clock, but `latency`, which is slept."""

    seed: int = 0
    # ---- each call, inner ones too
    quota_exceeded: float = 0  # 403 quotaExceeded
    user_rate_limit: float = 0  # 403 userRateLimitExceeded
    too_many: float = 0  # 429 rateLimitExceeded, with Retry-After
    bad_gateway: float = 0  # 502, in HTML
    backend_error: float = 0  # 503
    backend_error_after: float = 0  # 503, and yet it was done
    condition_not_met: float = 0  # 412, writes only
    retry_after: int = 1  # seconds; of each 429
    quota: Bucket | None = None
    # ---- each request over HTTP: a batch is dropped as a whole
    dropped_before: float = 0
    dropped_after: float = 0
    dropped_within: float = 0
    latency: float = 0  # seconds
    shuffled: bool = True  # the calls of a batch are done, and answered, in an order of Google's own
    # ---- time
    lag: float = 0  # seconds by which what is read is behind what was written
    birth: float = 0  # seconds for which a group just made answers 404; about 60 at Google
    page_life: float | None = 3 * 86400  # seconds for which a page token is good
    # ---- lies
    wrong_counts: Mapping[str, int] = field(default_factory=dict)  # group address -> how far directMembersCount is off
    roles_ignored: bool = False  # a list for roles=MEMBER brings owners and managers, too
    repeats_member: bool = False  # a page begins with the last member of the page before
    no_groups: bool = False  # the list of groups is empty
    undelete_ignored: bool = False  # a delegated administrator's undelete is answered with success, and ignored
    _planned: list[Planned] = field(default_factory=list)
    _seen: Counter[str] = field(default_factory=Counter)

    def next(self, method: str, outcome: Outcome, *, times: int | None = 1, where: str = "") -> None:
        """The next `times` calls (None: all) of a method whose path and query contain `where` get this outcome.

        `method` is the end of its id ("directory.members.list"), "batch" for whole batches, "token" for OAuth, or "".
        The connection of a batch can only be dropped as a whole. An outcome is an error (errors.backend()), a
        connection dropped, or a function of the answer's JSON that returns another one.
        """
        self._planned.append(Planned(method, where, outcome, times))

    def planned(self, method: str, path: str, *, drops: bool) -> Outcome | None:
        """What a call was promised: dropped connections when `drops`, and everything else when not."""
        for plan in self._planned:
            if isinstance(plan.outcome, str) is drops and method.endswith(plan.method) and plan.where in path:
                if plan.times is not None:
                    plan.times -= 1
                    if plan.times == 0:
                        self._planned.remove(plan)
                return plan.outcome
        return None

    def connection(self, method: str, verb: str, path: str) -> Drop | None:
        """Whether this request's connection is dropped."""
        planned = self.planned(method, path, drops=True)
        if isinstance(planned, str):
            return planned
        shares: tuple[tuple[float, Drop], ...] = (
            (self.dropped_before, DROP_BEFORE),
            (self.dropped_after, DROP_AFTER),
            (self.dropped_within, DROP_WITHIN),
        )
        return self._one(shares, "connection", verb, path)

    def refusal(self, verb: str, path: str) -> Refused | None:
        """Whether chance refuses this call."""
        shares = (
            (self.quota_exceeded, errors.quota()),
            (self.user_rate_limit, errors.user_rate_limit()),
            (self.too_many, errors.too_many(self.retry_after)),
            (self.bad_gateway, errors.bad_gateway()),
            (self.backend_error, errors.backend()),
            (0 if verb == "GET" else self.backend_error_after, errors.backend(done=True)),
            (0 if verb == "GET" else self.condition_not_met, errors.precondition()),
        )
        return self._one(shares, "call", verb, path)

    def _one(self, shares: Sequence[tuple[float, T]], kind: str, verb: str, path: str) -> T | None:
        """One of these, or none: the same for the n-th such call of the same seed, in whatever order calls come."""
        if not any(share for share, _ in shares):
            return None
        key = f"{kind} {verb} {path}"
        self._seen[key] += 1
        chance = random.Random(f"{self.seed} {self._seen[key]} {key}").random()
        for share, outcome in shares:
            if chance < share:
                return outcome
            chance -= share
        return None
