"""Of which senders people have a word: not of our own, nor of one that cannot be named. Pure."""

from collections.abc import Collection, Iterable
from typing import Literal

from collima.core.options import address

Bar = Literal["own", "nobody", "odd"]
"""own: a sender of ours. nobody: the mail has none. odd: it is no plain address."""


def own(domains: Iterable[str], addresses: Iterable[str]) -> frozenset[str]:
    """The site's and the job's domains, and those of a person's own addresses."""
    return frozenset(map(str.lower, (*domains, *(one.rpartition("@")[2] for one in addresses))))


def barred(sender: str, ours: Collection[str]) -> Bar | None:
    """Why this sender is neither allowed nor blocked: those of domains below ours are ours as well."""
    if not sender:
        return "nobody"
    try:
        domain = address(sender).partition("@")[2]
    except ValueError:
        return "odd"
    above = domain.split(".")
    return "own" if any(".".join(above[at:]) in ours for at in range(len(above))) else None
