"""What Google's no means: whether it is worth another try, and when. Pure.

https://developers.google.com/workspace/admin/directory/v1/limits and …/guides/troubleshoot-error-codes
"""

import json
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from google.auth.exceptions import TransportError
from googleapiclient.errors import Error, HttpError
from httplib2 import HttpLib2Error

from collima.core.text import discreet, line
from connectors.google.access import DELEGATION, RIGHTS, ROLES

LOST = (OSError, HTTPException, HttpLib2Error, TransportError, Error, KeyError, ValueError)
"""What Google's client raises when a call fails. KeyError: an answer to one call of a batch is missing; ValueError: one
is cut."""

MOST = 8  # tries of one call
_SLOW = frozenset({"userRateLimitExceeded", "rateLimitExceeded", "quotaExceeded"})
_ADVICE = {
    "insufficientPermissions": f"the token's scopes do not allow it: {DELEGATION} ({RIGHTS})",
    "accessNotConfigured": "this API is not enabled in the service account's project: Cloud console > APIs & Services",
    "forbidden": (
        "who acts (`act-as`, or the service account) has no administrator role that allows it, or not for this one: "
        f"{ROLES} ({RIGHTS})"
    ),
}


@dataclass(eq=False)
class Trouble(Exception):
    """One call that failed. `tries`: how many are worth it.

    `status` 0: no answer came, and it may have been done; 200: the answer cannot be true, and `about` is of our own.
    """

    status: int
    reason: str
    about: str  # Google's words, without addresses
    tries: int = 1
    after: float = 0.0  # seconds that Google wants us to wait

    @property
    def slow(self) -> bool:
        """Whether there were too many calls."""
        return self.status == 429 or self.reason in _SLOW

    @property
    def transient(self) -> bool:
        return self.tries > 1 and self.status != 412

    def of(self, key: str) -> bool:
        """Whether it is about groupKey, memberKey or userKey."""
        return key in self.about

    def __str__(self) -> str:
        if self.status == 200:
            return self.about
        if not self.status:
            return f"Google cannot be reached: {self.about}"
        return _ADVICE.get(self.reason) or f"Google said {self.status} {self.reason}: {self.about}"


def understood(err: Exception) -> Trouble:
    """`err` is one of LOST."""
    if not isinstance(err, HttpError):
        return Trouble(0, type(err).__name__, line(discreet(str(err)), 200), MOST)
    reason, about = _words(err.content)
    trouble = Trouble(int(err.resp.status), reason, line(discreet(about), 200))
    trouble.tries, trouble.after = _tries(trouble), _seconds(err.resp.get("retry-after"))
    return trouble


def _tries(trouble: Trouble) -> int:
    if trouble.slow or trouble.status >= 500:
        return MOST
    if trouble.status == 404 and trouble.of("groupKey"):  # a group just made is there after a minute
        return 5
    return {401: 3, 408: MOST, 412: 3}.get(trouble.status, 1)


def _words(content: bytes) -> tuple[str, str]:
    """(reason, message): of a page in HTML, neither."""
    try:
        error: Any = json.loads(content)["error"]
        details = error.get("errors") or [{}]
        return str(details[0].get("reason") or error.get("status", "")), str(error.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return "", "no reason given"


def _seconds(text: str | None) -> float:
    return min(float(text), 120.0) if text and text.isdecimal() else 0.0
