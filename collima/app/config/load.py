"""Finding and loading schedules.yaml: a whole configuration, or every fault in it at once. Reads no secret."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from collima.app.config.between import cross_faults, sound_faults
from collima.app.config.checks import jitters, patterns, places, references, waits
from collima.app.config.faults import Fault, Invalid, Steps, did_you_mean
from collima.app.config.model import CATCH_UP, Config, Connector, Defaults, Job, Kind, Reports, Reserved, Top
from collima.app.config.schema import model
from collima.app.config.sheet import Sheet
from collima.app.config.types import option
from collima.app.config.yaml import LARGEST
from collima.app.kinds import KINDS, Family, Kinds
from collima.core.errors import ConfigError
from collima.core.options import BUILT_IN_GUARD, Guard

PLACES = (Path("schedules.yaml"), Path("/etc/collima/schedules.yaml"))
RESERVED = frozenset(option(field.name) for field in fields(Reserved))

LONGEST_NAME = 100  # characters of the state's columns

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII)
_KIND = frozenset({"kind"})
_GUARD = frozenset({"guard"})


def find(argument: str | None) -> Path:
    """`--config`, `$COLLIMA_CONFIG`, `./schedules.yaml`, `/etc/collima/schedules.yaml`, in this order.

    Raises ConfigError when neither of the last two is there; whether a named file exists is for `load` to say.
    """
    if named := argument or os.environ.get("COLLIMA_CONFIG"):
        return Path(named)
    for place in PLACES:
        try:
            if place.exists():
                return place
        except PermissionError:  # of its folder: `load` says so
            return place
    raise ConfigError(f"there is no {PLACES[0]} here and no {PLACES[1]}: name one with --config FILE")


def read(path: Path) -> bytes:
    """The file as it is. Raises Invalid when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except (OSError, ValueError) as err:  # ValueError: a NUL in the name
        reason = getattr(err, "strerror", None) or "not a file name"
        raise Invalid(path, [Fault(0, 0, "", f"cannot be read: {reason}")]) from err


def load(path: Path, kinds: Kinds = KINDS, raw: bytes | None = None) -> Config:
    """Raises Invalid with every fault. `raw`: what the file held when it was read; None: it is read now."""
    if raw is None:
        raw = read(path)
    return _Loading(Sheet(path, raw), kinds).config(hashlib.sha256(raw).hexdigest())


class _Loading:
    """One sheet on its way to a Config. Every step notes its faults and goes on."""

    def __init__(self, sheet: Sheet, kinds: Kinds) -> None:
        self.sheet = sheet
        self.kinds = kinds
        self.base = Path(os.path.abspath(sheet.path)).parent  # noqa: PTH100 - resolve() would follow links
        self.notes: list[Fault] = []

    def config(self, digest: str) -> Config:
        top = self.validate(Top, (), self.sheet.mapping(()))
        connectors = {name: self.connector(name) for name in self.named("connectors")}
        jobs = {name: self.job(name, top.defaults if top else Defaults()) for name in self.named("jobs")}
        options = {name: found.options for name, found in connectors.items() if found}
        places(self.sheet, options)
        patterns(self.sheet, options, [job for job in jobs.values() if job])
        references(self.sheet, Reports, ("reports",), self.kinds.connectors)
        waits(self.sheet)
        jitters(self.sheet, [job for job in jobs.values() if job])
        if (faults := self.sheet.faults) or top is None:
            raise Invalid(self.sheet.path, faults)
        return Config(
            path=self.sheet.path,
            hash=digest,
            version=top.version,
            timezone=top.timezone,
            site=top.site or (top.reports.from_.partition("@")[2] if top.reports else "localhost"),
            state=top.state,
            state_password=top.state_password,
            reports=top.reports,
            connectors={name: found for name, found in connectors.items() if found},
            defaults=top.defaults,
            jobs={name: found for name, found in jobs.items() if found},
            workers=top.workers,
            stop_grace=top.stop_grace,
            keep=top.keep,
            metrics=top.metrics,
            notes=tuple(note.told(self.sheet.path) for note in sorted(self.notes)),
        )

    def named(self, section: str) -> list[str]:
        """The names in `connectors` or `jobs` that have a mapping; for others Top has a fault."""
        items = self.sheet.mapping((section,))
        for name in items:
            if not _NAME.fullmatch(name):
                message = f"the name {name!r} has more than lower-case letters, digits and, between them, hyphens"
                self.sheet.key_fault((section,), name, message)
            elif len(name) > LONGEST_NAME:
                message = f"a name of {len(name)} characters: at most {LONGEST_NAME} are stored"
                self.sheet.key_fault((section,), name, message)
        return [name for name, item in items.items() if isinstance(item, dict)]

    def connector(self, name: str) -> Connector | None:
        steps = ("connectors", name)
        data = self.sheet.mapping(steps)
        if self.validate(Kind, steps, _only(data, _KIND)) is None:
            return None
        cls = self.kind(steps, self.kinds.connectors)
        options = cls and self.validate(cls, steps, _without(data, _KIND), _KIND)
        return Connector(name=name, kind=data["kind"], options=options)

    def job(self, name: str, defaults: Defaults) -> Job | None:
        steps = ("jobs", name)
        data = self.sheet.mapping(steps)
        options, own = None, _GUARD  # whose words belong to the kind
        if (cls := self.kind(steps, self.kinds.jobs)) is not None:
            own = frozenset(option(field.name) for field in fields(cls))
            rest = _without(data, RESERVED - own)
            options = self.validate(cls, steps, rest, RESERVED)
            references(self.sheet, cls, steps, self.kinds.connectors)
            faults = sound_faults(cls, rest, self.base) if options is None else cross_faults(options)
            for way, message in faults:
                self.sheet.fault((*steps, *way), message)
        if "runs-on" not in own and data.get("runs-on") == []:
            self.sheet.fault((*steps, "runs-on"), "no machine would run it: without this key every one does")
        reserved = self.validate(Reserved, steps, _only(data, RESERVED - own))
        return reserved and _job(name, reserved, defaults, options)

    def kind(self, steps: Steps, family: Family) -> type[Any] | None:
        """The class of the kind that is named at `steps`, if it is known and built."""
        kind = self.sheet.value((*steps, "kind"))
        if not isinstance(kind, str):
            return None
        if kind not in family:
            self.sheet.fault((*steps, "kind"), f"unknown kind {kind!r}{did_you_mean(kind, family.names)}")
            return None
        if (cls := family.load(kind)) is None:
            note = f"the kind {kind} is not built yet: check accepts it, a run refuses it"
            self.notes.append(self.sheet.place((*steps, "kind"), note))
        return cls

    def validate(self, cls: Any, steps: Steps, data: Mapping[str, Any], beside: frozenset[str] = frozenset()) -> Any:
        """An instance of `cls`, or None and its faults noted."""
        try:
            return _adapter(cls, beside).validate_python(data, context=self.base)
        except ValidationError as err:
            self.sheet.invalid(steps, err)
            return None


@cache
def _adapter(cls: Any, beside: frozenset[str]) -> TypeAdapter[Any]:
    return TypeAdapter(model(cls, beside))


def _only(data: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key in keys}


def _without(data: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in keys}


def _job(name: str, reserved: Reserved, defaults: Defaults, options: Any) -> Job:
    guard: Guard = getattr(options, "guard", reserved.guard)
    catch_up = reserved.catch_up or defaults.catch_up or CATCH_UP
    return Job(
        name=name,
        kind=reserved.kind,
        when=reserved.when,
        options=options,
        mode=getattr(options, "mode", reserved.mode) or "apply",
        guard=guard.over(defaults.guard).over(BUILT_IN_GUARD),
        jitter=reserved.jitter,
        catch_up=None if catch_up == "never" else catch_up,
        waits_for=reserved.waits_for,
        runs_on=reserved.runs_on,
        time_limit=reserved.time_limit,
        retry=reserved.retry or defaults.retry,
        freeze=reserved.freeze or defaults.freeze,
        ping=reserved.ping,
    )
