"""What a server says of itself: its schema, and how new its data are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collima.directory import schema
from collima.directory.schema import Schema
from connectors.ldap.search import Searcher
from connectors.reading import normalised

_SCHEMA = ("attributeTypes", "objectClasses", "matchingRules")


@dataclass(frozen=True, slots=True)
class About:
    schema: Schema
    suffix: str  # the naming context that holds the base; the base itself where the server names none


def about(searcher: Searcher, base: str) -> About:
    """From the root DSE and the subschema entry. A server that hides its schema answers every filter itself."""
    root = searcher.read("", ("namingContexts", "subschemaSubentry")) or {}
    known = Schema((), (), exact=False, open=True)
    if names := _texts(root, "subschemasubentry"):
        found = searcher.read(names[0], _SCHEMA, "subschema") or {}
        if types := _texts(found, "attributetypes"):
            known = schema.read(types, _texts(found, "objectclasses"), _texts(found, "matchingrules"))
    below = normalised(base)
    suffixes = [name for name in _texts(root, "namingcontexts") if f",{below}".endswith(f",{normalised(name)}")]
    return About(known, max(suffixes, key=len, default=base))


def csn(searcher: Searcher, server: About) -> tuple[str, ...]:
    """The contextCSN values, sorted; () where the server keeps or shows none."""
    return tuple(sorted(_texts(searcher.read(server.suffix, ("contextCSN",)) or {}, "contextcsn")))


def _texts(entry: Mapping[str, Sequence[bytes]], name: str) -> list[str]:
    return [value.decode("utf-8", "replace") for value in entry.get(name, ())]
