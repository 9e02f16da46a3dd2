"""Partial responses: `fields=nextPageToken,members(id,email)`, with everything that is not named left out."""

import re
from functools import lru_cache
from typing import Any, TypeAlias

from tests.servers.google.errors import Refused

Selection: TypeAlias = "dict[str, Selection] | None"
"""Which fields are wanted, and which of theirs; None: all of them."""

Schemas: TypeAlias = "dict[str, dict[str, Any]]"

TOKEN = re.compile(r"[\w.-]+|\*|[,()/]")


@lru_cache(maxsize=1000)
def selection(text: str) -> Selection:
    """What `text` asks for. `a/b` and `a(b)` are the same; `*` is everything at its level.

    Raises Refused (400 invalidParameter) when it cannot be read.
    """
    tokens = TOKEN.findall(text)
    if not tokens or "".join(tokens) != re.sub(r"\s", "", text):
        raise _unselectable(text)
    wanted, rest = _group(tokens, text)
    if rest:
        raise _unselectable(text)
    return wanted


def _unselectable(text: str) -> Refused:
    return Refused(400, "invalidParameter", f"Invalid field selection {text}", location="fields")


def _group(tokens: list[str], text: str) -> tuple[Selection, list[str]]:
    wanted: dict[str, Selection] = {}
    everything = False
    while True:
        if not tokens or tokens[0] in ",()/":
            raise _unselectable(text)
        name, *tokens = tokens
        below: Selection = None
        if tokens[:1] == ["/"]:
            path: list[str] = [name]
            while tokens[:1] == ["/"]:
                if len(tokens) < 2 or tokens[1] in ",()/":
                    raise _unselectable(text)
                path.append(tokens[1])
                tokens = tokens[2:]
            for step in reversed(path[1:]):
                below = {step: below}
        if tokens[:1] == ["("]:
            inner, tokens = _group(tokens[1:], text)
            if tokens[:1] != [")"]:
                raise _unselectable(text)
            tokens = tokens[1:]
            below = _beneath(below, inner)
        everything = everything or name == "*"
        wanted[name] = _both(wanted[name], below) if name in wanted else below
        if tokens[:1] != [","]:
            return None if everything else wanted, tokens
        tokens = tokens[1:]


def _beneath(path: Selection, inner: Selection) -> Selection:
    """`inner` at the end of the path that `a/b(…)` began."""
    if path is None:
        return inner
    return {name: _beneath(below, inner) for name, below in path.items()}


def _both(one: Selection, other: Selection) -> Selection:
    if one is None or other is None:
        return None
    return one | {name: _both(one[name], below) if name in one else below for name, below in other.items()}


def known(wanted: Selection, schema: dict[str, Any], schemas: Schemas, above: str = "") -> None:
    """Refuses a selection that names what the response's schema does not have."""
    if wanted is None:
        return
    schema = schemas[schema["$ref"]] if "$ref" in schema else schema
    schema = schema["items"] if schema.get("type") == "array" else schema
    schema = schemas[schema["$ref"]] if "$ref" in schema else schema
    if schema.get("type") == "any" or "additionalProperties" in schema:
        return
    for name, below in wanted.items():
        if name not in schema.get("properties", {}):
            raise _unselectable(above + name)
        known(below, schema["properties"][name], schemas, f"{above}{name}/")


def pruned(value: Any, wanted: Selection) -> Any:
    """`value` with only what was asked for; lists keep their length."""
    if wanted is None:
        return value
    if isinstance(value, list):
        return [pruned(one, wanted) for one in value]
    if isinstance(value, dict):
        return {name: pruned(value[name], below) for name, below in wanted.items() if name in value}
    return value
