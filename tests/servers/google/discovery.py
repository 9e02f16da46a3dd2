"""Routes, parameters and schemas, as the discovery documents of google-api-python-client state them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from googleapiclient.discovery_cache import get_static_doc

from tests.servers.google.errors import Refused, unreadable
from tests.servers.google.fields import Schemas

DOCUMENTS = (("admin", "directory_v1"), ("admin", "reports_v1"), ("groupssettings", "v1"))

MAXIMUM = re.compile(r"Max allowed value is ([\d,]+)")
"""Where the document says a maximum in words only: pages of members and groups."""

POSSIBLE = re.compile(r"^\s*- ([A-Z][A-Z_]{2,})\b", re.MULTILINE)
"""A value that a description lists: the settings of groups have no enums."""


@dataclass(frozen=True, slots=True)
class Method:
    id: str  # directory.members.insert
    verb: str
    path: re.Pattern[str]
    host: str  # admin, groupssettings: which of Google's services, and so which batch
    parameters: Mapping[str, Mapping[str, Any]]
    request: Mapping[str, Any] | None  # schemas
    response: Mapping[str, Any] | None
    scopes: frozenset[str]
    schemas: Schemas

    @property
    def writes(self) -> bool:
        return self.verb != "GET"


def fresh(name: str, version: str) -> dict[str, Any]:
    """A document that a client may write into: Google's does."""
    text = get_static_doc(name, version)
    assert text is not None, f"google-api-python-client ships no {name} {version}"
    parsed: dict[str, Any] = json.loads(text)
    return parsed


document = cache(fresh)
"""A document to read, and not to change."""


@cache
def methods() -> dict[str, Method]:
    """Every method of the three services, by its id."""
    found = {}
    for name, version in DOCUMENTS:
        described = document(name, version)
        for method in _methods(described["resources"]):
            found[method["id"]] = Method(
                id=method["id"],
                verb=method["httpMethod"],
                path=_pattern("/" + described["servicePath"] + method["path"], method.get("parameters", {})),
                host=name,
                parameters=described["parameters"] | method.get("parameters", {}),
                request=method.get("request"),
                response=method.get("response"),
                scopes=frozenset(method.get("scopes", ())),
                schemas=described["schemas"],
            )
    return found


def _pattern(template: str, parameters: Mapping[str, Any]) -> re.Pattern[str]:
    """A path, with a group for each parameter: one of its words when it has an enum."""

    def group(placeholder: re.Match[str]) -> str:
        words = parameters[placeholder[1]].get("enum")
        return f"(?P<{placeholder[1]}>{'|'.join(words) if words else '[^/]+'})"

    return re.compile(re.sub(r"\\\{(\w+)\\\}", group, re.escape(template)))


def _methods(resources: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for resource in resources.values():
        found += list(resource.get("methods", {}).values())
        found += _methods(resource.get("resources", {}))
    return found


@cache
def _with(verb: str) -> list[Method]:
    return [method for method in methods().values() if method.verb == verb]


def route(verb: str, path: str) -> tuple[Method, dict[str, str]]:
    """The method for a path (still percent-encoded), and the path's parameters, decoded."""
    for method in _with(verb):
        if match := method.path.fullmatch(path):
            return method, {name: unquote(value) for name, value in match.groupdict().items()}
    raise Refused(404, "notFound", "Not Found", front=True)


def queried(method: Method, query: str, path: dict[str, str]) -> dict[str, str]:
    """All parameters of a call, checked; defaults are filled in. Raises Refused (400)."""
    given = dict(path)
    for name, value in parse_qsl(query, keep_blank_values=True):
        described = method.parameters.get(name)
        if described is None or described.get("location") == "path":
            reason = f"Cannot bind query parameter. Field '{name}' could not be found in request message."
            raise unreadable(f'Invalid JSON payload received. Unknown name "{name}": {reason}')
        if name in given and not described.get("repeated"):
            raise unreadable(f"Invalid value at '{name}': it is given twice")
        given[name] = value
    for name, described in method.parameters.items():
        if name in given:
            _value(name, given[name], described)
        elif described.get("required"):
            raise Refused(400, "required", f"Required parameter: {name}", location=name)
        elif described.get("default"):
            given[name] = described["default"]
    return given


def _value(name: str, text: str, described: Mapping[str, Any]) -> None:
    kind = described["type"]
    if kind == "integer":
        if not re.fullmatch(r"-?\d{1,10}", text):
            raise unreadable(f"Invalid value at '{name}' (TYPE_INT32), \"{text}\"")
        words = MAXIMUM.search(described.get("description", ""))
        most = described.get("maximum") or (words[1].replace(",", "") if words else None)
        least = described.get("minimum", "0")
        if int(text) < int(least) or (most is not None and int(text) > int(most)):
            message = f"Invalid value '{text}'. Values must be within the range: [{least}, {most}]"
            raise Refused(400, "invalidParameter", message, location=name)
    if kind == "boolean" and text not in {"true", "false"}:
        raise unreadable(f"Invalid value at '{name}' (TYPE_BOOL), \"{text}\"")
    if "enum" in described and text not in described["enum"]:
        message = f"Invalid string value: '{text}'. Allowed values: {described['enum']}"
        raise Refused(400, "invalidParameter", message, location=name)
    if "pattern" in described and not re.fullmatch(described["pattern"], text):
        message = f"Invalid value '{text}'. Value must match the following regular expression: '{described['pattern']}'"
        raise Refused(400, "invalidParameter", message, location=name)


def body(method: Method, content: bytes) -> dict[str, Any]:
    """A request's body, which must fit the method's schema: no unknown field, no other type. Raises Refused (400)."""
    if method.request is None:
        if content.strip():
            raise unreadable("Invalid JSON payload received. The request must have no body.")
        return {}
    try:
        given = json.loads(content or b"{}") or {}
    except ValueError:
        raise Refused(400, "parseError", "Parse Error") from None
    _fits(given, method.request, method.schemas, "")
    fitting: dict[str, Any] = given
    return fitting


TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
}


def _fits(value: object, schema: Mapping[str, Any], schemas: Schemas, where: str) -> None:
    schema = schemas[schema["$ref"]] if "$ref" in schema else schema
    kind = schema.get("type", "any")
    if value is None or kind == "any":
        return
    right = isinstance(value, TYPES[kind]) and not (kind == "integer" and isinstance(value, bool))
    if kind == "string" and schema.get("format") in {"int64", "uint64"}:
        right = not isinstance(value, bool) and re.fullmatch(r"-?\d+", str(value)) is not None
    if not right:
        raise unreadable(f"Invalid value at '{where or 'body'}' (TYPE_{kind.upper()}), {json.dumps(value)}")
    if isinstance(value, list):
        for index, one in enumerate(value):
            _fits(one, schema["items"], schemas, f"{where}[{index}]")
    if isinstance(value, dict):
        properties, other = schema.get("properties", {}), schema.get("additionalProperties")
        for name, one in value.items():
            if name not in properties and other is None:
                at = f" at '{where}'" if where else ""
                raise unreadable(f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.')
            _fits(one, properties.get(name, other), schemas, f"{where}.{name}".lstrip("."))


def possible(schema: Mapping[str, Any]) -> frozenset[str]:
    """The values that a property's description lists; none: anything goes."""
    return frozenset(POSSIBLE.findall(schema.get("description", "")))
