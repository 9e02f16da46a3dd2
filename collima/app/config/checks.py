"""What no option can tell by itself: connectors that options name, and jobs that wait for each other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import UTC, datetime
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from collima.app.config.faults import Steps, did_you_mean
from collima.app.config.model import Job
from collima.app.config.sheet import Sheet
from collima.app.config.types import bare, option
from collima.app.kinds import Family
from collima.app.when import When, following
from collima.core.options import Uses
from collima.core.quantities import Duration

_SLOTS = 60  # of a schedule that are looked at: its shortest gap comes among them, unless it is a strange one


def references(sheet: Sheet, cls: Any, steps: Steps, kinds: Family) -> None:
    """Every option of `cls` that names a connector: it is there, and offers the port. Also for options with faults."""
    for name, port, below in _uses(cls):
        here = (*steps, name)
        for way, connector in _texts(sheet, here) if port else ():
            if fault := _reference(sheet, connector, port, kinds):
                sheet.fault(way, fault)
        if below:
            items = sheet.value(here)
            for way in [(*here, at) for at in range(len(items))] if isinstance(items, list) else [here]:
                references(sheet, below, way, kinds)


def _reference(sheet: Sheet, name: str, port: str, kinds: Family) -> str:
    connectors = sheet.mapping(("connectors",))
    if name not in connectors:
        return f"no connector {name!r}{did_you_mean(name, connectors)}"
    kind, offers = _offers(sheet, name, kinds)
    if offers is None or port in offers:
        return ""
    fit = [other for other in connectors if port in (_offers(sheet, other, kinds)[1] or ())]
    return f"the connector {name} is of kind {kind}, which offers no {port}" + (
        f"; {' or '.join(fit)} would do" if fit else ""
    )


def _offers(sheet: Sheet, name: str, kinds: Family) -> tuple[str, frozenset[str] | None]:
    """The kind of a connector and the ports that it offers; None where that is not known."""
    kind = sheet.value(("connectors", name, "kind"))
    if not isinstance(kind, str) or kind not in kinds or (cls := kinds.load(kind)) is None:
        return "", None
    return kind, cls.offers


@cache
def _uses(cls: Any) -> tuple[tuple[str, str, Any], ...]:
    """(option, port, class) of every field that names a connector, or that holds mappings of a class that may."""
    found = []
    for name, hint in get_type_hints(cls, include_extras=True).items():
        marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        port = next((mark.port for mark in marks if isinstance(mark, Uses)), "")
        item: Any = get_args(bare(hint))[0] if get_origin(bare(hint)) is tuple else None
        below = item if isinstance(item, type) and is_dataclass(item) and _uses(item) else None
        if port or below:
            found.append((option(name), port, below))
    return tuple(found)


def places(sheet: Sheet, connectors: Mapping[str, Any]) -> None:
    """No two connectors hold their rosters in one folder: each would undo what the other does."""
    first: dict[tuple[str, Path], str] = {}
    for name, options in connectors.items():
        key = next((key for key in ("directory", "include_dir") if hasattr(options, key)), "")
        if not key or "rosters" not in options.offers:
            continue
        folder, host = getattr(options, key), getattr(options, "host", "").rpartition("@")[2]
        place = (host, folder if host else folder.resolve())
        if place in first:
            steps = ("connectors", name, option(key))
            sheet.fault(steps, f"is the folder of the connector {first[place]}, too: use that one for both")
        first.setdefault(place, name)


def patterns(sheet: Sheet, connectors: Mapping[str, Any], jobs: Sequence[Job]) -> None:
    """Who restores from a copy, or verifies it, looks for mailboxes as the connector says: so does who makes it."""
    for job in jobs:
        store, pattern = getattr(job.options, "store", ""), getattr(job.options, "mailboxes", "")
        if not pattern or pattern == getattr(connectors.get(store), "mailboxes", pattern):
            continue
        others = (one for one in jobs if getattr(one.options, "store", "") == store)
        if readers := sorted(one.name for one in others if not hasattr(one.options, "mailboxes")):
            told = f"is not what the connector {store} says, which others go by ({', '.join(readers)}): write it there"
            sheet.fault(("jobs", job.name, "mailboxes"), told)


def waits(sheet: Sheet) -> None:
    """`waits-for` names jobs, and never comes back to its own."""
    jobs = sheet.mapping(("jobs",))
    edges: dict[str, dict[str, Steps]] = {name: {} for name in jobs}
    for name in jobs:
        for way, other in _texts(sheet, ("jobs", name, "waits-for")):
            if other in jobs:
                edges[name][other] = way
            else:
                sheet.fault(way, f"no job {other!r}{did_you_mean(other, jobs)}")
    for circle in _circles(edges):
        sheet.fault(edges[circle[0]][circle[1]], f"waits for itself: {' -> '.join(circle)}")


def jitters(sheet: Sheet, jobs: Iterable[Job]) -> None:
    """No start is put off beyond the job's next slot, which would come in its place."""
    for job in jobs:
        if not job.jitter or job.when.manual:
            continue
        minutes = min((int((b - a).total_seconds()) // 60 for a, b in pairwise(_slots(job.when))), default=None)
        if minutes is not None and job.jitter.seconds > minutes * 60:
            gap = Duration(minutes, "minute") if minutes % 60 else Duration(minutes // 60, "hour")
            sheet.fault(("jobs", job.name, "jitter"), f"is longer than from one run to the next by `when`: {gap}")


def _slots(when: When) -> Iterator[datetime]:
    """Some slots in a row, where clocks never change."""
    zone, slot = ZoneInfo("UTC"), following(when, ZoneInfo("UTC"), datetime(2024, 1, 1, tzinfo=UTC))
    for _ in range(_SLOTS):
        if slot is None:
            return
        yield slot
        slot = following(when, zone, slot)


def _circles(edges: Mapping[str, Iterable[str]]) -> Iterator[list[str]]:
    """Circles as [a, b, …, a]; what is left when one edge of each is taken away has none."""
    left = {name: list(others) for name, others in edges.items()}
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as err:
            circle: list[str] = err.args[1][::-1]  # it names what is waited for first
            left[circle[0]].remove(circle[1])
            yield circle
        else:
            return


def _texts(sheet: Sheet, steps: Steps) -> Iterator[tuple[Steps, str]]:
    """The text at `steps`, or each text of the list there."""
    value = sheet.value(steps)
    if isinstance(value, str):
        yield steps, value
    elif isinstance(value, list):
        yield from (((*steps, at), text) for at, text in enumerate(value) if isinstance(text, str))
