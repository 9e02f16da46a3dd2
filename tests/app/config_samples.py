"""Kinds that exist for the tests of the configuration only: every option type, and every way to combine them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from collima.app.kinds import Family, Kinds
from collima.core.errors import ConfigError
from collima.core.options import Address, Guard, Person, Secret, Uses
from collima.core.quantities import Amount, Duration
from collima.directory.filters import Filter, Template

TIMEOUT = Duration(30, "second")
NO_GUARD = Guard()
ForEach: TypeAlias = Filter | Mapping[str, tuple[str, ...]] | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """A source of people."""

    offers: ClassVar[frozenset[str]] = frozenset({"directory"})

    url: Annotated[tuple[str, ...], "servers"]
    base: Annotated[str, "base"]
    bind: Annotated[str | None, "who binds"] = None
    password: Annotated[Secret | None, "its password"] = None
    ca_file: Annotated[Path | None, "certificates"] = None
    timeout: Annotated[Duration, "how long to wait"] = TIMEOUT
    verify: Annotated[int, "rosters asked again"] = 2
    insecure: Annotated[bool, "no checking"] = False
    limit: Annotated[Amount | None, "an amount"] = None
    born: Annotated[date | None, "a day"] = None

    def __post_init__(self) -> None:
        if self.bind and not self.password:
            raise ConfigError("password: is missing for this bind; write password: {file: PATH}")
        if self.verify < 0:
            raise ConfigError("a negative verify makes no sense")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """A folder of lists."""

    offers: ClassVar[frozenset[str]] = frozenset({"rosters"})

    directory: Annotated[Path, "the folder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A way to send mail."""

    offers: ClassVar[frozenset[str]] = frozenset({"mail"})

    directory: Annotated[Path, "where mail lands"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """All values of one attribute."""

    every: Annotated[str, "the attribute"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stanza:
    """One stanza."""

    name: Annotated[str, "its name"]
    members: Annotated[Template, "who"]
    for_each: Annotated[Mapping[str, ForEach], "variables"] = field(default_factory=dict)
    also: Annotated[tuple[Person, ...], "more"] = ()
    except_: Annotated[tuple[Person, ...], "fewer"] = ()
    guard: Annotated[Guard, "limits"] = NO_GUARD
    mode: Annotated[Literal["apply", "watch"] | None, "mode"] = None
    allow_empty: Annotated[bool, "may be emptied"] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """Keeps lists."""

    source: Annotated[str, Uses("directory"), "people"]
    target: Annotated[str, Uses("rosters"), "lists"]
    among: Annotated[Filter, "everybody"]
    address: Annotated[str | Every, "attribute"]
    own_domains: Annotated[tuple[str, ...], "our domains"] = ()
    renamed: Annotated[Mapping[str, str], "old: new"] = field(default_factory=dict)
    rosters: Annotated[tuple[Stanza, ...], "stanzas"]
    guard: Annotated[Guard, "limits"] = NO_GUARD
    owner: Annotated[Address | None, "who answers for it"] = None

    def faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        seen: dict[str, int] = {}
        for at, stanza in enumerate(self.rosters):
            if seen.setdefault(stanza.name, at) != at:
                yield ("rosters", at, "name"), f"{stanza.name!r} is also the name of rosters[{seen[stanza.name]}]"


def family(to_come: set[str], **kinds: Any) -> Family:
    return Family(
        {name.replace("_", "-"): f"{cls.__module__}:{cls.__name__}" for name, cls in kinds.items()}, frozenset(to_come)
    )


SAMPLES = Kinds(
    connectors=family({"sympa", "google"}, ldap=People, list_files=Lists, maildir=Post),
    jobs=family({"snapshot-check"}, roster_sync=Sync),
)
