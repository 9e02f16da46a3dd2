"""Finding and loading schedules.yaml: a whole configuration, or every fault in it at once. Reads no secret."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from collima.app.config.faults import Fault, Invalid, Steps, did_you_mean, written
from collima.app.config.model import CATCH_UP, Config, Connector, Defaults, Job, Reports, Reserved, Top
from collima.app.config.schema import model
from collima.app.config.types import option
from collima.app.config.yaml import Broken, Mark, Node, decode, read
from collima.app.kinds import KINDS, Family, Kinds
from collima.core.errors import ConfigError
from collima.core.options import BUILT_IN_GUARD, Guard, Uses

PLACES = (Path("schedules.yaml"), Path("/etc/collima/schedules.yaml"))
NAME = re.compile(r"[a-z0-9][a-z0-9-]*", re.ASCII)
RESERVED = frozenset(option(field.name) for field in fields(Reserved))

_SECRET = re.compile(r"password|passwd|passphrase|secret|token|credential|private|key$", re.IGNORECASE)
_FLOW_END = re.compile(r"\s*[,{}\[\]]")


def find(argument: str | None) -> Path:
    """`--config`, `$COLLIMA_CONFIG`, `./schedules.yaml`, `/etc/collima/schedules.yaml`, in this order.

    Raises ConfigError when neither of the last two is there; whether a named file exists is for `load` to say.
    """
    if named := argument or os.environ.get("COLLIMA_CONFIG"):
        return Path(named)
    for place in PLACES:
        if place.exists():
            return place
    raise ConfigError(f"there is no {PLACES[0]} here and no {PLACES[1]}: name one with --config FILE")


def load(path: Path, kinds: Kinds = KINDS) -> Config:
    """Raises Invalid with every fault."""
    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as err:  # ValueError: a NUL in the name
        reason = getattr(err, "strerror", None) or "not a file name"
        raise Invalid(path, [Fault(0, 0, "", f"cannot be read: {reason}")]) from err
    try:
        text = decode(raw)
        root, faults = read(text)
    except Broken as err:
        raise Invalid(path, [err.fault]) from None
    if not isinstance(root.value, dict):
        raise Invalid(path, [Fault(*root.mark, "", "the file is no mapping: it begins with version: 1")])
    loading = _Loading(path, text.split("\n"), root, faults, kinds)
    return loading.config(hashlib.sha256(raw).hexdigest())


class _Loading:
    """One file on its way to a Config. Every step adds its faults and goes on."""

    def __init__(self, path: Path, lines: list[str], root: Node, faults: list[Fault], kinds: Kinds) -> None:
        self.path = path
        self.base = Path(os.path.abspath(path)).parent  # noqa: PTH100 - resolve() would follow links
        self.lines = lines
        self.root = root
        self.kinds = kinds
        self.faults = faults
        self.unreadable = frozenset((fault.line, fault.column) for fault in faults)  # told once, as YAML
        self.notes: list[Fault] = []

    def config(self, digest: str) -> Config:
        top = self.validate(Top, (), self.section(()))
        self.names("connectors", "connector")
        self.names("jobs", "job")
        connectors = {name: self.connector(name) for name in self.section(("connectors",))}
        defaults = top.defaults if top else Defaults()
        jobs = {name: self.job(name, defaults) for name in self.section(("jobs",))}
        self.references(Reports, ("reports",))
        self.waits()
        if self.faults or top is None:
            raise Invalid(self.path, self.ordered(self.faults))
        return Config(
            path=self.path,
            hash=digest,
            version=top.version,
            timezone=top.timezone,
            site=top.site or (top.reports.from_.partition("@")[2] if top.reports else "localhost"),
            state=top.state,
            state_password=top.state_password,
            reports=top.reports,
            connectors={name: found for name, found in connectors.items() if found},
            defaults=defaults,
            jobs={name: found for name, found in jobs.items() if found},
            workers=top.workers,
            stop_grace=top.stop_grace,
            keep=top.keep,
            notes=tuple(note.told(self.path) for note in self.ordered(self.notes)),
        )

    # ---- parts of the file

    def section(self, steps: Steps) -> Mapping[str, Any]:
        """The mapping at `steps`; empty when something else is there (which is a fault of its own)."""
        node, reached, _ = self.root.find(steps)
        return node.value if isinstance(node.value, dict) and reached == steps else {}

    def names(self, section: str, sort: str) -> None:
        node, reached, _ = self.root.find((section,))
        for name in self.section((section,)) if reached else ():
            if not NAME.fullmatch(name):
                message = f"the name of a {sort} has lower-case letters, digits and hyphens"
                self.faults.append(Fault(*node.keys[name], written((section, name)), message))

    def connector(self, name: str) -> Connector | None:
        steps = ("connectors", name)
        data = self.section(steps)
        cls, kind = self.kind(steps, data, self.kinds.connectors, "connector")
        if cls is None:
            return Connector(name=name, kind=kind)
        options = self.validate(cls, steps, {key: data[key] for key in data if key != "kind"}, frozenset({"kind"}))
        return Connector(name=name, kind=kind, options=options)

    def job(self, name: str, defaults: Defaults) -> Job | None:
        steps = ("jobs", name)
        data = self.section(steps)
        if not data:
            return None
        reserved = self.validate(Reserved, steps, {key: data[key] for key in data if key in RESERVED})
        cls, _ = self.kind(steps, data, self.kinds.jobs, "job")
        options = None
        if cls is not None:
            own = {option(field.name) for field in fields(cls)}
            rest = {key: data[key] for key in data if key not in RESERVED or key in own}
            options = self.validate(cls, steps, rest, RESERVED)
            self.references(cls, steps)
            if options is not None:
                self.own_faults(options, steps)
        return reserved and _job(name, reserved, defaults, options)

    def kind(self, steps: Steps, data: Mapping[str, Any], family: Family, sort: str) -> tuple[type[Any] | None, str]:
        kind = data.get("kind")
        if not isinstance(kind, str):
            if sort == "connector" and isinstance(self.root.find(steps)[0].value, dict):
                message = "the key 'kind' is missing" if "kind" not in data else "expected text"
                self.fault((*steps, "kind") if "kind" in data else steps, message)
            return None, ""
        if kind not in family:
            self.fault((*steps, "kind"), f"unknown kind {kind!r}{did_you_mean(kind, family.names)}")
            return None, kind
        if (cls := family.load(kind)) is None:
            self.notes.append(self.place((*steps, "kind"), f"the kind {kind} is not built yet: a run will refuse it"))
        return cls, kind

    # ---- checks

    def validate(self, cls: Any, steps: Steps, data: Mapping[str, Any], beside: frozenset[str] = frozenset()) -> Any:
        """An instance of `cls`, or None and its faults noted."""
        try:
            return _adapter(cls, beside).validate_python(data, context=self.base)
        except ValidationError as err:
            for line in err.errors(include_url=False):
                self.note(steps, line)
            return None

    def note(self, steps: Steps, line: Any) -> None:
        """One of pydantic's errors as a fault at its place."""
        way = (*steps, *(step for step in line["loc"] if not str(step).startswith("<")))
        message = line.get("ctx", {}).get("text", line["msg"])
        if line["type"] in ("key", "missing"):
            way, key = way[:-1], way[-1]
            fault = self.place(way, message)
            if line["type"] == "key":
                node, reached, _ = self.root.find(way)
                mark = node.keys.get(str(key)) if reached == way else None
                fault = Fault(*(mark or Mark(fault.line, fault.column)), fault.where, message)
            self.faults.append(fault)
            return
        node, reached, _ = self.root.find(way)
        self.fault(way, message + self.hint(node, reached, line["type"]))

    def hint(self, node: Node, way: Steps, sort: str) -> str:
        """How to write what was probably meant. Shows nothing of what may be a secret."""
        if sort == "quote":
            if node.source and node.plain and not any(_SECRET.search(str(step)) for step in way):
                return f': write it in quotes: "{node.source}"'
            if isinstance(node.value, dict) and node.flow and None in node.value.values():
                return "; a text that starts with { goes in quotes"
            return ""
        rest = (
            self.lines[node.end.line - 1][node.end.column - 1 :]
            if node.plain and node.end.line <= len(self.lines)
            else ""
        )
        if not node.source.startswith("("):
            return ""
        if rest.lstrip().startswith("#") and rest[:1] == " ":
            return "; ' #' begins a comment: put the filter in quotes"
        if node.flow and _FLOW_END.match(rest) and node.source.count("(") != node.source.count(")"):
            return "; inside { } a filter with commas or braces goes in quotes"
        return ""

    def references(self, cls: Any, steps: Steps) -> None:
        """Every option that names a connector: it is there, and offers the port."""
        data = self.section(steps)
        for name, port in _uses(cls):
            value = data.get(name)
            for at, text in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(text, str):
                    self.reference((*steps, name) if at is None else (*steps, name, at), text, port)

    def reference(self, steps: Steps, name: str, port: str) -> None:
        connectors = self.section(("connectors",))
        if name not in connectors:
            self.fault(steps, f"no connector {name!r}{did_you_mean(name, connectors)}")
            return
        kind = self.section(("connectors", name)).get("kind")
        if not isinstance(kind, str) or kind not in self.kinds.connectors:
            return
        if (cls := self.kinds.connectors.load(kind)) is None:
            self.notes.append(self.place(steps, f"the connector {name} is of kind {kind}, which is not built yet"))
        elif port not in cls.offers:
            fit = [
                other
                for other in connectors
                if isinstance(sort := self.section(("connectors", other)).get("kind"), str)
                and sort in self.kinds.connectors
                and port in getattr(self.kinds.connectors.load(sort), "offers", ())
            ]
            hint = f"; {' or '.join(fit)} would do" if fit else ""
            self.fault(steps, f"the connector {name} is of kind {kind}, which offers no {port}{hint}")

    def own_faults(self, options: Any, steps: Steps) -> None:
        """What the kind itself finds wrong between its options."""
        if callable(faults := getattr(options, "faults", None)):
            for way, message in faults():
                self.fault((*steps, *way), message)

    def waits(self) -> None:
        """`waits-for` names jobs, and never comes back to its own."""
        jobs = self.section(("jobs",))
        edges = {name: list(self.waited(name)) for name in jobs}
        for ways in edges.values():
            for way, other in ways:
                if other not in jobs:
                    self.fault(way, f"no job {other!r}{did_you_mean(other, jobs)}")
        for circle in _circles({name: [other for _, other in ways if other in jobs] for name, ways in edges.items()}):
            way = next(way for way, other in edges[circle[0]] if other == circle[1])
            self.fault(way, f"waits for itself: {' -> '.join(circle)}")

    def waited(self, name: str) -> Iterator[tuple[Steps, str]]:
        value = self.section(("jobs", name)).get("waits-for")
        way = ("jobs", name, "waits-for")
        if isinstance(value, str):
            yield way, value
        elif isinstance(value, list):
            yield from (((*way, at), other) for at, other in enumerate(value) if isinstance(other, str))

    # ---- faults

    def place(self, steps: Steps, message: str) -> Fault:
        _, reached, mark = self.root.find(steps)
        return Fault(*mark, written(reached), message)

    def fault(self, steps: Steps, message: str) -> None:
        fault = self.place(steps, message)
        if (fault.line, fault.column) not in self.unreadable:
            self.faults.append(fault)

    def ordered(self, faults: list[Fault]) -> list[Fault]:
        """In the order of the file, the first found for each place and path."""
        first: dict[tuple[int, int, str, str], Fault] = {}
        for fault in faults:
            first.setdefault((fault.line, fault.column, fault.where, fault.message), fault)
        return sorted(first.values())


@cache
def _adapter(cls: Any, beside: frozenset[str]) -> TypeAdapter[Any]:
    return TypeAdapter(model(cls, beside))


@cache
def _uses(cls: Any) -> tuple[tuple[str, str], ...]:
    """(option, port) of every field that names a connector."""
    return tuple(
        (option(name), mark.port)
        for name, hint in get_type_hints(cls, include_extras=True).items()
        if get_origin(hint) is Annotated
        for mark in get_args(hint)[1:]
        if isinstance(mark, Uses)
    )


def _job(name: str, reserved: Reserved, defaults: Defaults, options: Any) -> Job:
    own = getattr(options, "guard", None)
    guard = own if isinstance(own, Guard) else reserved.guard
    catch_up = reserved.catch_up or defaults.catch_up or CATCH_UP
    return Job(
        name=name,
        kind=reserved.kind,
        when=reserved.when,
        options=options,
        mode=reserved.mode or "apply",
        guard=guard.over(defaults.guard).over(BUILT_IN_GUARD),
        jitter=reserved.jitter,
        catch_up=None if catch_up == "never" else catch_up,
        waits_for=reserved.waits_for,
        runs_on=reserved.runs_on,
        time_limit=reserved.time_limit,
        retry=reserved.retry or defaults.retry,
        freeze=reserved.freeze or defaults.freeze,
    )


def _circles(edges: Mapping[str, list[str]]) -> Iterator[list[str]]:
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
