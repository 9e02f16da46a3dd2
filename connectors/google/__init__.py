"""The kind `google`: groups and accounts of a Google Workspace."""

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from collima.core.errors import ConfigError
from collima.core.quantities import Duration

if TYPE_CHECKING:
    from connectors.google.session import Session

API = "https://admin.googleapis.com/"
TIMEOUT = Duration(1, "minute")
_RATE = re.compile(r"([1-9]\d{0,5}) per (second|minute)", re.ASCII)
_SECONDS = {"second": 1, "minute": 60}
_DOMAIN = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.ASCII)
_MAILBOX = re.compile(r"[^@\s]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Google:
    """Groups and accounts of a Google Workspace, over the Directory API. A roster is a group by its local part; members
    are known by the id of their account, so that renames and aliases change nothing. Owners, managers, nested groups
    and strangers are left alone, unless a roster names them. Suspended accounts are in no group. Members are read with
    scopes that cannot write, and who may post to each group is read, too. Groups are never made."""

    offers: ClassVar[frozenset[str]] = frozenset({"rosters", "accounts"})

    domain: Annotated[str, "the domain of the groups"]
    key_file: Annotated[Path, "the service account's key, as the Cloud console gives it (JSON)"]
    act_as: Annotated[
        str, "the administrator in whose name it acts; without one the service account has an administrator role itself"
    ] = ""
    customer: Annotated[str, "whose accounts: the customer's id, or `my_customer`"] = "my_customer"
    api_url: Annotated[str, "where the API is, if not at Google"] = API
    rate: Annotated[str, "calls, at most; those in a batch count each. Google allows 2,400 a minute"] = "38 per second"
    batch: Annotated[int, "how many changes are sent at once"] = 50
    timeout: Annotated[Duration, "for each answer"] = TIMEOUT

    def __post_init__(self) -> None:
        if not _DOMAIN.fullmatch(self.domain):
            raise ConfigError("domain: write the domain of the groups in lower case, like studenti.unimore.it")
        if self.act_as and not _MAILBOX.fullmatch(self.act_as.lower()):
            raise ConfigError("act-as: write the address of an administrator, or leave it out")
        if not re.fullmatch(r"https?://[^\s?#]+/", self.api_url):
            raise ConfigError(f"api-url: write a URL that ends with a slash, like {API}")
        if not _RATE.fullmatch(self.rate):
            raise ConfigError(f"rate: {self.rate!r} is no rate; write it like '38 per second'")
        if not 1 <= self.batch <= 1000:
            raise ConfigError("batch: write a number from 1 to 1000; 50 is what others use")

    @property
    def per_second(self) -> float:
        match = _RATE.fullmatch(self.rate)
        assert match
        return int(match[1]) / _SECONDS[match[2]]

    @contextmanager
    def open(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> Iterator["Session"]:
        """Connects when something is first asked. Raises ConfigError for a key file that cannot be used."""
        from connectors.google.access import Access  # noqa: PLC0415  # Google's client is heavy
        from connectors.google.apis import Apis  # noqa: PLC0415
        from connectors.google.bucket import Bucket  # noqa: PLC0415
        from connectors.google.calls import Calls  # noqa: PLC0415
        from connectors.google.session import Session  # noqa: PLC0415

        access = Access(self.key_file, self.act_as, float(self.timeout.seconds))
        try:
            bucket = Bucket(self.per_second, self.batch, clock, sleep)
            calls = Calls(bucket, self.batch, f"{self.api_url}batch", sleep, chance)
            apis = Apis(access, "" if self.api_url == API else self.api_url)
            yield Session(self.domain, self.customer, calls, apis)
        finally:
            access.close()
