"""Links that act for one person: what they say is signed, and the signature is all that a person needs to show.

A link of an item does one deed to that item for its owner, and nothing else; a page's link shows all that is held for
its owner; a request's link is an administrator's. Each is of one job, and ends by itself.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Literal, Self, get_args

from collima.core.errors import ConfigError
from collima.core.options import Secret

Deed = Literal["release", "allow", "block"]
Sort = Literal["page", "off", "decide", "release", "allow", "block"]

LONGEST = 1000  # characters of a token: ours have some 200, an owner and an item of the longest sort included
SHORTEST = 16  # characters of a key

_COMPACT = json.JSONEncoder(separators=(",", ":"))  # ASCII
_LETTERS: dict[str, Sort] = {sort[0]: sort for sort in get_args(Sort)}  # one each: links are read by people, too


@dataclass(frozen=True, slots=True)
class Errand:
    """What a link says that was signed, and has not ended."""

    sort: Sort
    owner: str  # "" of a request
    item: str  # an ItemId; of a request the action's id; of a page `after`


@dataclass(frozen=True, slots=True)
class Links:
    """The links of one job. `url`: where its pages are."""

    url: str
    job: str
    keys: Sequence[str] = field(repr=False)  # the first signs, all are believed: so they rotate

    @classmethod
    def of(cls, url: str, job: str, secret: Secret) -> Self:
        """A key a line; a new one comes first, and the old one stays for as long as its links live. Raises ConfigError
        when there is none, or one that could be guessed."""
        keys = [key for line in secret.reveal().splitlines() if (key := line.strip())]
        if not keys or min(map(len, keys)) < SHORTEST:
            raise ConfigError(
                f"{job}: a key of actions.secret has fewer than {SHORTEST} characters: write `openssl rand -hex 32`"
            )
        return cls(url.rstrip("/"), job, keys)

    def page(self, owner: str, expires: datetime, after: str = "") -> str:
        """A person's own page: all that is held for them, and their senders. `after`: where a further page begins."""
        return self._url("page", owner, after, expires)

    def off(self, owner: str, expires: datetime) -> str:
        """No more digests. As `List-Unsubscribe` (RFC 8058), too: a POST alone is enough."""
        return self._url("off", owner, "", expires)

    def item(self, owner: str, item: str, deed: Deed, expires: datetime) -> str:
        """`expires`: when the item is purged."""
        return self._url(deed, owner, item, expires)

    def decide(self, action: int, expires: datetime) -> str:
        """An administrator's, of the action that waits."""
        return self._url("decide", "", str(action), expires)

    def read(self, token: str, now: datetime) -> Errand | None:
        """None for whatever we did not sign, and for what has ended: nobody is told which."""
        if len(token) > LONGEST:
            return None
        told, dot, signature = token.encode("ascii", "replace").rpartition(b".")
        if not dot or not any(hmac.compare_digest(signature, _signature(key, told)) for key in self._derived):
            return None
        owner, item, expires = json.loads(urlsafe_b64decode(told[1:] + b"=" * (-len(told[1:]) % 4)))
        letter = chr(told[0])
        return Errand(_LETTERS[letter], owner, item) if now.timestamp() < expires else None

    def _url(self, sort: Sort, owner: str, item: str, expires: datetime) -> str:
        told = sort[0].encode("ascii") + _about(owner, item, int(expires.timestamp()))
        return f"{self.url}/{told.decode('ascii')}.{_signature(self._derived[0], told).decode('ascii')}"

    @property
    def _derived(self) -> Sequence[bytes]:
        return _derived(self.job, tuple(self.keys))


@lru_cache
def _derived(job: str, keys: Sequence[str]) -> Sequence[bytes]:
    """Other jobs' links are no links here, whatever keys they share."""
    salt = f"collima.quarantine-digest.{job}".encode()
    return [hmac.digest(key.encode(), salt, "sha256") for key in keys]


@lru_cache(8)
def _about(owner: str, item: str, expires: int) -> bytes:
    """What the links of one item have in common."""
    return _encoded(_COMPACT.encode([owner, item, expires]).encode("ascii"))


def _signature(key: bytes, told: bytes) -> bytes:
    return _encoded(hmac.digest(key, told, "sha256"))


def _encoded(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")
