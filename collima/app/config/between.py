"""What a kind itself finds wrong between its options, also when some of them have faults of their own."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from functools import cache, partial
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from collima.app.config.faults import Steps
from collima.app.config.schema import schema
from collima.app.config.types import bare, option


def cross_faults(options: Any) -> Iterator[tuple[Steps, str]]:
    """(where below the kind, what) of a kind's method `faults`, if it has one."""
    yield from getattr(options, "faults", tuple)()


def sound_faults(cls: Any, data: Mapping[str, Any], base: Path) -> Iterator[tuple[Steps, str]]:
    """`cross_faults` of options with faults, as far as those allow: what is unsound is left out, also of lists."""
    hints = get_type_hints(cls, include_extras=True)
    options = object.__new__(cls)
    kept: dict[str, list[int]] = {}  # of a list: where its sound items stand in the file
    for field in fields(cls):
        name, tp = option(field.name), bare(hints[field.name])
        value: Any = field.default if field.default_factory is MISSING else field.default_factory()
        if name in data:
            value = _sound(tp, data[name], base)
            if get_origin(tp) is tuple and isinstance(data[name], list):
                items = [(at, _sound(get_args(tp)[0], item, base)) for at, item in enumerate(data[name])]
                kept[name] = [at for at, item in items if item is not MISSING]
                value = tuple(items[at][1] for at in kept[name]) if kept[name] else MISSING
        if value is not MISSING:
            object.__setattr__(options, field.name, value)
    try:
        for way, message in cross_faults(options):
            match way:
                case (str(name), int(at), *rest) if name in kept:
                    yield (name, kept[name][at], *rest), _renumbered(message, kept)
                case _:
                    yield way, _renumbered(message, kept)
    except AttributeError:  # it came to an option that has a fault of its own
        return


def _renumbered(message: str, kept: Mapping[str, list[int]]) -> str:
    """`rosters[1]` in a message, counted among the sound ones, as it is in the file."""
    for name, places in kept.items():
        message = re.sub(rf"\b{name}\[(\d+)\]", partial(_place, name, places), message)
    return message


def _place(name: str, places: list[int], found: re.Match[str]) -> str:
    return f"{name}[{places[int(found[1])]}]"


def _sound(tp: Any, value: object, base: Path) -> Any:
    try:
        return _adapter(tp).validate_python(value, context=base)
    except ValidationError:
        return MISSING


@cache
def _adapter(tp: Any) -> TypeAdapter[Any]:
    return TypeAdapter(schema(tp))
