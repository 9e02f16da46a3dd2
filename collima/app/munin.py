"""How everything stands, as a Munin plugin tells it: `config` with thresholds, and the values. Pure.

Source: the plugin protocol of munin (multigraph, `field.warning min:max`). Only what a level or an age is has a
threshold: Munin's master judges by it.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from collima.app.standing import Standing
from collima.app.status import Figure, Line, Status

LEVEL = "0 in order, 1 warning, 2 critical, 3 unknown"


@dataclass(frozen=True, slots=True)
class Field:
    """`warning`, `critical`: beyond this value it is a trouble; None: never."""

    name: str
    label: str
    value: int
    warning: int | None = None
    critical: int | None = None


@dataclass(frozen=True, slots=True)
class Graph:
    name: str
    title: str
    axis: str
    fields: tuple[Field, ...]


def graphs(status: Status, standing: Standing | None) -> tuple[Graph, ...]:
    """`standing` is None when it could not be read: then only the level is known."""
    all_ = [Graph("collima", "Collima", LEVEL, (Field("level", "level", int(status.level), 0, 1),))]
    if standing is not None:
        figures = {figure.name: figure for figure in status.figures}
        all_ += [
            Graph("collima_jobs", "Collima: jobs", LEVEL, _levels("job", status.lines)),
            Graph("collima_volumes", "Collima: volumes of snapshots", LEVEL, _levels("volume", status.lines)),
            Graph("collima_seconds", "Collima: last runs", "seconds", tuple(_durations(standing))),
            Graph("collima_held", "Collima: changes that wait for a person", "changes", _of(figures, "held")),
            Graph("collima_mails", "Collima: mails", "mails", _of(figures, "mails", "mails_failed")),
            Graph("collima_ages", "Collima: ages", "seconds", _of(figures, "tick_age", "hold_age", "mail_age")),
        ]
    return tuple(graph for graph in all_ if graph.fields)


def config(graphs: Iterable[Graph]) -> Iterator[str]:
    """The lines that answer `config`."""
    for graph in graphs:
        yield f"multigraph {graph.name}"
        yield f"graph_title {graph.title}"
        yield f"graph_vlabel {graph.axis}"
        yield "graph_category mail"
        yield "graph_args --base 1000 --lower-limit 0"
        for field in graph.fields:
            yield f"{field.name}.label {field.label}"
            if field.warning is not None:
                yield f"{field.name}.warning 0:{field.warning}"
            if field.critical is not None:
                yield f"{field.name}.critical 0:{field.critical}"


def values(graphs: Iterable[Graph]) -> Iterator[str]:
    """The lines that answer a fetch."""
    for graph in graphs:
        yield f"multigraph {graph.name}"
        yield from (f"{field.name}.value {field.value}" for field in graph.fields)


def _levels(what: str, lines: Sequence[Line]) -> tuple[Field, ...]:
    return tuple(
        Field(field_name(what, one.job, one.name), one.name, int(one.level), 0, 1) for one in lines if one.what == what
    )


def _durations(standing: Standing) -> Iterator[Field]:
    for one in standing.jobs:
        if (last := one.runs.ended) and last.ended:
            yield Field(field_name("job", one.job.name), one.job.name, int((last.ended - last.started).total_seconds()))


def _of(figures: dict[str, Figure], *names: str) -> tuple[Field, ...]:
    found = (figures[name] for name in names if name in figures)
    return tuple(Field(one.name, one.name.replace("_", " "), one.value, one.warning, one.critical) for one in found)


def field_name(*parts: str) -> str:
    """A field's name: letters, digits and `_`; two things never get one name."""
    text = "_".join(part for part in parts if part)
    plain = re.sub(r"\W", "_", text, flags=re.ASCII)
    return plain if re.fullmatch(r"[a-z0-9_-]+", text) else f"{plain}_{zlib.crc32(text.encode()):08x}"
