"""The one table of option types: how each is read from what was written, and what the reference calls it.

Nothing is converted between numbers, text and booleans.
"""

import types
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, TypeAlias, Union, get_args, get_origin
from zoneinfo import ZoneInfo, available_timezones

from collima.app.config.faults import did_you_mean, nearest
from collima.app.config.state_url import StateUrl, state_url
from collima.app.when import When, when
from collima.core.options import Address, Secret, Side, address
from collima.core.quantities import Amount, Duration, amount, duration
from collima.directory import filters

Raw = NewType("Raw", dict)  # type: ignore[type-arg]
"""A mapping that is looked at later."""

Count = NewType("Count", int)
"""A whole number from 1 to 1000."""

Lasting = NewType("Lasting", Duration)
"""A duration that is not 0."""

Kept = NewType("Kept", Duration)
"""A duration of a day or more."""

Version = NewType("Version", int)
"""Of the format of schedules.yaml."""

Parser: TypeAlias = Callable[[Any, Path], object]
"""(what was written, the folder that relative paths start from) -> the option; raises ValueError with the cure."""


class Written(ValueError):
    """Text was meant, and YAML read something else: the fault shows how to write it in quotes."""


def found(value: object) -> str:
    """What stands in the file where something else should."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return "a number"
        case date():
            return "a date"
        case dict():
            return "a mapping"
        case list():
            return "a list"
    return "text"


def expected(noun: str, value: object) -> str:
    if value is None:
        return "nothing is written here: write a value or leave the key out"
    return f"expected {noun}, found {found(value)}"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Written(expected("text", value))
    return value


def _of_text(parse: Callable[[str], object], noun: str) -> "Scalar":
    """A type that is written as text of some form: quotes alone would not cure a number."""

    def read(value: object, _base: Path) -> object:
        match value:
            case str() | date():
                return parse(str(value))
            case dict():
                raise Written(expected(f"a {noun}", value))
        raise ValueError(expected(f"a {noun}", value))

    return Scalar(read, noun)


def _integer(value: object, _base: Path) -> int:
    match value:
        case int() if not isinstance(value, bool) and value >= 0:
            return value
        case int() if not isinstance(value, bool):
            raise ValueError("expected a whole number, not below 0")
        case str() if value.isdecimal():
            raise ValueError("expected a whole number: write it without quotes")
    raise ValueError(expected("a whole number", value))


def _count(value: object, base: Path) -> int:
    if not 1 <= (count := _integer(value, base)) <= 1000:
        raise ValueError("write a number from 1 to 1000")
    return count


def _version(value: object, _base: Path) -> int:
    if value is True or value != 1:
        raise ValueError("this program reads version 1")
    return 1


def _truth(value: object, _base: Path) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(expected("true or false", value))


def _path(value: object, base: Path) -> Path:
    if not (text := _text(value)):
        raise ValueError("the path is empty")
    return base / text


def _side(value: object, base: Path) -> str:
    """A path here as every other one; what begins with `HOST:` is another machine's."""
    text = _text(value)
    return text if ":" in text.partition("/")[0] else str(_path(text, base))


def _amount(value: object, _base: Path) -> Amount:
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return amount(value)
    raise ValueError(expected("a percentage like 10% or a whole number like 25", value))


def _duration(value: object, _base: Path) -> Duration:
    if isinstance(value, str):
        return duration(value)
    raise ValueError(expected("a duration like '5 seconds', '26 hours' or '3 years'", value))


def _at_least(least: Duration) -> Parser:
    def read(value: object, base: Path) -> Duration:
        if (length := _duration(value, base)).seconds < least.seconds:
            raise ValueError(f"{str(length)!r} is too short: write at least {str(least)!r}")
        return length

    return read


def _date(value: object, _base: Path) -> date:
    match value:
        case date():
            return value
        case str():
            try:
                return date.fromisoformat(value)
            except ValueError:
                raise ValueError("no date of the calendar; write it like 2027-06-30") from None
    raise ValueError(expected("a date like 2027-06-30", value))


def _secret(value: object, base: Path) -> Secret:
    match value:
        case {"file": str(path), **rest} if path and not rest:
            return Secret(file=base / path)
        case {"env": str(name), **rest} if name and not rest:
            return Secret(env=name)
        case dict():
            raise ValueError("write {file: PATH} or {env: NAME}, and nothing else")
    raise ValueError("a secret is never written here: write {file: PATH} or {env: NAME}")


def _timezone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (OSError, ValueError, LookupError):  # a folder, a path upwards, no such name
        raise ValueError(f"no time zone of this name{did_you_mean_zone(text)}") from None


def did_you_mean_zone(text: str) -> str:
    by_name = {zone.lower(): zone for zone in available_timezones()}
    near = nearest(text, by_name)
    return f", did you mean '{by_name[near]}'?" if near else "; write it like Europe/Rome"


def mapping(value: object, _base: Path | None = None) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise ValueError(expected("a mapping of keys and values", value))


@dataclass(frozen=True, slots=True)
class Scalar:
    """How one type is read, and what the reference calls it."""

    parse: Parser
    noun: str


PARSERS: dict[Any, Scalar] = {
    str: Scalar(lambda value, _base: _text(value), "text"),
    int: Scalar(_integer, "whole number"),
    Count: Scalar(_count, "whole number from 1"),
    Version: Scalar(_version, "1"),
    bool: Scalar(_truth, "true or false"),
    Path: Scalar(_path, "path"),
    Side: Scalar(_side, "path or HOST:/path"),
    Duration: Scalar(_duration, "duration"),
    Lasting: Scalar(_at_least(Duration(1, "second")), "duration"),
    Kept: Scalar(_at_least(Duration(1, "day")), "duration"),
    Amount: Scalar(_amount, "percentage or number"),
    Secret: Scalar(_secret, "secret"),
    Address: _of_text(address, "mail address"),
    date: Scalar(_date, "date"),
    filters.Filter: _of_text(filters.parse, "filter"),
    filters.Template: _of_text(filters.template, "filter with placeholders"),
    When: _of_text(when, "schedule"),
    ZoneInfo: _of_text(_timezone, "time zone"),
    StateUrl: Scalar(lambda value, base: state_url(_text(value), base), "database URL"),
    Raw: Scalar(mapping, "mapping"),
}

_FILTER = frozenset(get_args(filters.Filter))


def scalar(tp: Any) -> Scalar | None:
    """The parser of a type that is read as a whole, or None. Beside the table: Literal, NewType, and classes with a
    classmethod `parse(text)`."""
    if (known := PARSERS.get(tp)) is not None:
        return known
    if get_origin(tp) is Literal:
        return _choice(get_args(tp))
    if isinstance(tp, NewType):
        return scalar(tp.__supertype__)
    if isinstance(tp, type) and callable(parse := getattr(tp, "parse", None)):
        return _of_text(parse, getattr(tp, "noun", "text"))
    return None


def _choice(words: tuple[str, ...]) -> Scalar:
    def parse(value: object, _base: Path) -> str:
        if value in words and isinstance(value, str):
            return value
        hint = did_you_mean(value, words) if isinstance(value, str) else ""
        raise ValueError(f"expected {' or '.join(words)}{hint}")

    *first, last = [f"`{word}`" for word in words]
    return Scalar(parse, f"{', '.join(first)} or {last}" if first else last)


def option(name: str) -> str:
    """How a field is written in the file."""
    return name.rstrip("_").replace("_", "-")


def bare(tp: Any) -> Any:
    """A type without `Annotated` and without `| None` (which says only that an option may be left out)."""
    if get_origin(tp) is Annotated:
        return bare(get_args(tp)[0])
    if len(rest := alternatives(tp)) == 1:
        return rest[0] if rest[0] is tp else bare(rest[0])
    return tp


def alternatives(tp: Any) -> tuple[Any, ...]:
    """The members of a union without None; a filter's node types count as one."""
    if get_origin(tp) not in (Union, types.UnionType) or tp == filters.Filter:
        return (tp,)
    members = [member for member in get_args(tp) if member is not types.NoneType]
    if set(members) >= _FILTER:
        members = [filters.Filter, *(member for member in members if member not in _FILTER)]
    return tuple(members)
