"""What a person writes of a quarantine-digest job."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from collima.core.errors import ConfigError
from collima.core.options import Address, Guard, Secret, Uses
from collima.core.quantities import Duration
from collima.directory.filters import Filter
from jobs.quarantine_digest.tokens import Links

SETTLING = Duration(15, "minute")
"""What came in later than that is left to the next digest: a row is final only after its time."""
FIVE_DAYS = Duration(5, "day")
AT_ONCE = Duration(1, "day")
"""What came in so long before the ledger began is told without asking anybody."""

_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*(?:;[A-Za-z0-9-]+)*", re.ASCII)
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """Links with which a person releases a message, allows or blocks its sender. `collima web` serves them."""

    url: Annotated[str, "where `collima web` is reached from outside, like https://posta.unimore.it/quarantena"]
    secret: Annotated[Secret, "the keys that sign the links, one a line: the first signs, all are accepted"]

    def links(self, job: str) -> Links:
        """Raises ConfigError for keys that cannot be read, or could be guessed."""
        file = self.secret.file
        if file and not file.exists():
            raise ConfigError(f"{job}: {file} is not there: write it with (umask 077; openssl rand -hex 32 > {file})")
        return Links.of(self.url, job, self.secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the kind, checked."""

    source: Annotated[str, Uses("directory"), "the connector that people are read from"]
    quarantine: Annotated[str, Uses("quarantine"), "the connector that holds the messages"]
    via: Annotated[str, Uses("mail"), "the connector that sends the digests"]
    who: Annotated[Filter, "who asked for it; its count is what `source-drop` compares"]
    addresses: Annotated[
        tuple[str, ...], "the attributes with a person's addresses; the first address of the first gets the mail"
    ]
    from_: Annotated[Address, "sender of the digests"]
    language: Annotated[str, "the attribute with the reader's language"] = "preferredLanguage"
    keep: Annotated[Duration, "how long the quarantine keeps messages: what is older is not told"] = FIVE_DAYS
    most: Annotated[int, "lines in one mail; what is beyond is counted"] = 100
    actions: Annotated[Actions | None, "links to release, allow and block; without it the mail has none"] = None
    own_domains: Annotated[
        tuple[str, ...],
        "domains whose senders nobody allows or blocks, beside `site` and those of the person's own addresses",
    ] = ()
    templates: Annotated[Path | None, "a folder with the site's own `digest.it.txt.j2`, `digest.it.html.j2` …"] = None
    mode: Annotated[Literal["apply", "watch"], "`watch`: planned and reported, never applied"] = "apply"
    guard: Annotated[Guard, "limits of this job, over `defaults`"] = field(default_factory=Guard)

    @property
    def target(self) -> str:
        """Of the quarantine one job has hold at a time: it is not purged while digests are planned."""
        return self.quarantine

    def faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """(where, what) is wrong between the options."""
        for at, name in enumerate(self.addresses):
            if not _ATTRIBUTE.fullmatch(name):
                yield ("addresses", at), f"{name!r} is no attribute name"
        if not self.addresses:
            yield ("addresses",), "no attribute: nobody would have an address"
        if not _ATTRIBUTE.fullmatch(self.language):
            yield ("language",), f"{self.language!r} is no attribute name"
        if self.keep.seconds < 3600:
            yield ("keep",), "less than an hour: nothing would ever be told"
        if self.keep.seconds > 366 * 86400:
            yield ("keep",), "is longer than a year"
        if self.most < 1:
            yield ("most",), "a mail without a line tells nothing: at least 1"
        if self.actions and (fault := _url_fault(self.actions.url)):
            yield ("actions", "url"), fault


def _url_fault(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return f"{url!r} is no URL"
    if parts.scheme == "http" and host not in _HERE:
        return "https: what goes over plain http can be read and used by others"
    if parts.scheme not in ("http", "https") or not host:
        return f"{url!r} is no URL: write it like https://posta.example.org/quarantine"
    if parts.query or parts.fragment or parts.username or not url.isascii() or any(c.isspace() for c in url):
        return "a host and a path, and nothing else"
    return ""
