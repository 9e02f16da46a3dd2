"""What sources of people share: which attributes to read, what an entry is, and which histories may be compared."""

import hashlib
from collections.abc import Iterable, Sequence

from collima.directory import dn, filters
from collima.directory.filters import Filter
from collima.directory.ports import Entry
from collima.directory.schema import AttributeType, Schema


def needed(schema: Schema, attributes: Iterable[str], asked: Iterable[Filter]) -> list[AttributeType]:
    """The types of these attributes and of those that the filters speak of, with all their subtypes, each once.

    One that the schema does not know is a type of its own.
    """
    names = {attribute.partition(";")[0].lower() for attribute in attributes}
    names = names.union(*map(filters.attributes, asked))
    found: dict[str, AttributeType] = {}
    for name in sorted(names):
        for known in schema.family(name) or (AttributeType(name, (name,)),):
            found.setdefault(known.oid, known)
    return list(found.values())


def entry(name: bytes, attributes: Iterable[tuple[str, Sequence[bytes]]]) -> Entry:
    """From a connector's octets. A value that is no UTF-8 is left out: no name or filter could be made of it."""
    found: dict[str, tuple[str, ...]] = {}
    for description, values in attributes:
        texts = tuple(text for value in values if (text := _text(value)) is not None)
        if texts:
            found[description.lower()] = texts
    return Entry(name.decode("utf-8", "surrogateescape"), found)


def _text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def scope(kind: str, base: str, among: Filter) -> str:
    """The identity of a question: the same for the same kind of connector, base (in any spelling) and filter."""
    parts = (kind, normalised(base), filters.text(among))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def normalised(name: str) -> str:
    """A DN without its spaces and capitals; one that is no RFC 4514 name as it is, in lower case."""
    try:
        names = dn.parse(name)
    except dn.DnSyntaxError:
        return name.lower()
    rdns = [[f"{attribute}={value.decode(errors='surrogateescape')}" for attribute, value in rdn] for rdn in names]
    return ",".join("+".join(sorted(parts)) for parts in rdns).lower()
