"""The identity of a question: histories of different questions are never compared with each other."""

import hashlib

from collima.directory import dn, filters
from collima.directory.filters import Filter


def scope(kind: str, base: str, among: Filter) -> str:
    """Of the same kind, base (in any spelling) and filter, always the same."""
    parts = (kind, normalised(base), filters.text(among))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def normalised(name: str) -> str:
    """A DN without its spaces and capitals; one that is no RFC 4514 name as it is, in lower case."""
    try:
        names = dn.parse(name)
    except dn.DnSyntaxError:
        return name.lower()
    rdns = ["+".join(sorted(f"{attribute}={_text(value)}" for attribute, value in parts)) for parts in names]
    return ",".join(rdns).lower()


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
