"""What was asked of the emulator, call by call: tests assert numbers on it."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Entry:
    """One call of the API; in a batch, each inner call is one."""

    verb: str
    path: str  # with its query
    method: str  # directory.members.insert; "" when no route was found
    who: str  # the subject, or the service account itself; "" before it is known
    status: int  # 0: the connection was dropped before anything happened
    reason: str = ""  # of the error
    batch: int = 0  # which batch it came in; 0: by itself
    done: bool = False  # what was asked was done, whatever the answer
    lost: bool = False  # the answer was not sent, or not all of it

    @property
    def writes(self) -> bool:
        return self.verb != "GET"


@dataclass(slots=True)
class Journal:
    calls: list[Entry] = field(default_factory=list)
    requests: int = 0  # over HTTP: a batch is one
    batches: list[int] = field(default_factory=list)  # the number of inner calls of each
    tokens: list[str] = field(default_factory=list)  # "" for each token given, or the OAuth error

    def clear(self) -> None:
        self.calls.clear()
        self.batches.clear()
        self.tokens.clear()
        self.requests = 0

    def count(self, method: str = "", *, status: int | None = None, reason: str | None = None) -> int:
        """Calls of a method ("members.insert" will do), or of all."""
        return sum(
            call.method.endswith(method)
            and (status is None or call.status == status)
            and (reason is None or call.reason == reason)
            for call in self.calls
        )

    @property
    def writes(self) -> list[Entry]:
        return [call for call in self.calls if call.writes]

    @property
    def effects(self) -> list[Entry]:
        """Writes that were done, also when nobody heard of it."""
        return [call for call in self.writes if call.done]

    @property
    def refused(self) -> int:
        """Calls answered with a quota error."""
        return sum(
            call.status == 429 or call.reason in {"userRateLimitExceeded", "quotaExceeded"} for call in self.calls
        )

    def summary(self) -> dict[str, object]:
        return {
            "requests": self.requests,
            "calls": len(self.calls),
            "writes": len(self.writes),
            "effects": len(self.effects),
            "refused": self.refused,
            "batches": len(self.batches),
            "tokens": len(self.tokens),
            "methods": dict(Counter(call.method for call in self.calls)),
            "statuses": dict(Counter(call.status for call in self.calls)),
        }
