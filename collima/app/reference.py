"""The reference of kinds, drawn from the same dataclasses that options are validated with.

`python -m collima.app.reference` prints docs/reference/kinds.md; `collima kinds` draws `options`.
"""

import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from collima.app.config.types import alternatives, bare, option, scalar
from collima.app.kinds import KINDS, Family, Kinds
from collima.core.options import Guard, Person, Uses
from collima.core.quantities import Amount, Duration

_ELSEWHERE = {
    Guard: "[guard](schedules.md#guard)",
    Person: "[person](schedules.md#people-by-address)",
}
"""Types that are explained once for all kinds."""


@dataclass(frozen=True, slots=True)
class Option:
    """One key. `written`: how its value reads; `below`: the class of the mappings that it takes."""

    name: str
    written: str
    default: str  # "" when nothing is assumed
    doc: str
    required: bool
    below: type[Any] | None = None


def options(cls: Any) -> tuple[Option, ...]:
    """The keys of a kind, or of a mapping below it, the required ones first; of a kind's guard its own words alone."""
    common = {field.name for field in fields(Guard)} if cls is not Guard and issubclass(cls, Guard) else set()
    hints = get_type_hints(cls, include_extras=True)
    found = [
        Option(
            name=option(field.name),
            written=_connector(hints[field.name]) or _written(hints[field.name]),
            default=_default(field),
            doc=_doc(hints[field.name]),
            required=field.default is MISSING and field.default_factory is MISSING,
            below=next(_classes(hints[field.name]), None),
        )
        for field in fields(cls)
        if field.init and field.name not in common
    ]
    return tuple(sorted(found, key=lambda one: not one.required))


def about(cls: Any) -> str:
    """What a kind is, from its docstring."""
    return inspect.cleandoc(cls.__doc__ or "")


def page(kinds: Kinds = KINDS) -> str:
    """docs/reference/kinds.md."""
    return "\n".join([*_HEAD, *_section("Connectors", kinds.connectors), *_section("Jobs", kinds.jobs)])


_HEAD = (
    "<!-- Written by `make docs` from the code: edits here are lost. -->",
    "# Kinds of connectors and jobs",
    "",
    "What each `kind` takes beside the [keys of every job](schedules.md#keys-of-every-job). How types are written:",
    "[schedules.md](schedules.md#how-values-are-written). In the terminal: `collima kinds NAME`.",
    "",
)


def _section(title: str, family: Family) -> Iterator[str]:
    yield from (f"## {title}", "")
    for kind in sorted(family.built):
        yield from _kind(kind, family.load(kind))
    if family.to_come:
        names = ", ".join(f"`{name}`" for name in sorted(family.to_come))
        yield from (f"Not built yet (`collima check` accepts them, a run refuses them): {names}.", "")


def _kind(kind: str, cls: Any) -> Iterator[str]:
    yield from (f"### {kind}", "", about(cls), "")
    if offers := getattr(cls, "offers", None):
        yield from (f"Offers: {', '.join(sorted(offers))}.", "")
    yield from _table(cls)
    for one in options(cls):
        if one.below is not None:
            yield from (f"#### {kind}: {one.name}", "", about(one.below), "")
            yield from _table(one.below)


def _table(cls: Any) -> Iterator[str]:
    yield from ("| option | written as | default | |", "|---|---|---|---|")
    for one in options(cls):
        default = "**required**" if one.required else one.default and f"`{one.default}`"
        cells = (f"`{one.name}`", one.written, default, one.doc)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _written(tp: Any, inside: bool = False) -> str:
    """How a type is written; `inside` a union or another type: in fewer words."""
    tp = bare(tp)
    if tp in _ELSEWHERE:
        return _ELSEWHERE[tp]
    if (reader := scalar(tp)) is not None:
        return reader.noun
    if len(members := alternatives(tp)) > 1:
        *first, last = [_written(member, inside=True) for member in members]
        return f"{', '.join(first)} or {last}"
    origin, arguments = get_origin(tp), get_args(tp)
    if origin is tuple:
        item = _written(arguments[0], inside=True)
        return "list" if inside else f"list of {'mappings' if item == 'mapping' else item}"
    if isinstance(origin, type) and issubclass(origin, Mapping) and not inside:
        return f"mapping of names to {_written(arguments[1], inside=True)}"
    return "mapping"


def _default(field: Any) -> str:
    match field.default:
        case bool():
            return str(field.default).lower()
        case str() | int() | Amount() | Duration() | date() | Path():
            return str(field.default).replace(" %", "%")
    return ""


def _doc(tp: Any) -> str:
    return next((mark for mark in reversed(_marks(tp)) if isinstance(mark, str)), "")


def _connector(tp: Any) -> str:
    return next((f"connector that offers {mark.port}" for mark in _marks(tp) if isinstance(mark, Uses)), "")


def _marks(tp: Any) -> tuple[Any, ...]:
    return get_args(tp)[1:] if get_origin(tp) is Annotated else ()


def _classes(tp: Any) -> Iterator[type[Any]]:
    """The dataclasses of the project within a type that have a table of their own."""
    tp = bare(tp)
    if tp in _ELSEWHERE or scalar(tp) is not None:
        return
    members = alternatives(tp)
    for inner in members if len(members) > 1 else get_args(tp):
        if inner is not ...:
            yield from _classes(inner)
    if is_dataclass(tp) and isinstance(tp, type):
        yield tp


if __name__ == "__main__":
    sys.stdout.write(page())
