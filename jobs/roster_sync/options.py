"""What a person writes of a roster-sync job."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from collima.core.options import Guard, Person, Uses
from collima.core.targets import Circle, Expected, NameRule
from collima.directory.filters import Filter, Template
from collima.directory.names import NameTemplate, fold

ForEach: TypeAlias = Filter | Mapping[str, tuple[str, ...]] | tuple[str, ...]

_ATTRIBUTE = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)(?:;[A-Za-z0-9-]+)*", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*", re.ASCII)
_DOMAIN = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.ASCII)
_OF_THE_RUN = ("max_removals_total", "source_drop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """`address: {every: unimoreMail}`: all the addresses of a person are members, not just one."""

    every: Annotated[str, "the attribute whose values are all members"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stanza:
    """One roster, or with `for-each` one for every combination."""

    name: Annotated[str, "the roster's name; `{place.ou}` stands for a value of `for-each`"]
    members: Annotated[Template, "the filter that finds its members within `among`"]
    for_each: Annotated[
        Mapping[str, ForEach],
        "variables: a filter (every entry found), a mapping or a list; several make every combination",
    ] = field(default_factory=dict)
    also: Annotated[tuple[Person, ...], "addresses that are members beside what the filter finds"] = ()
    except_: Annotated[
        tuple[Person, ...], "people who are not members, by any of their addresses; wins over `also`"
    ] = ()
    guard: Annotated[Guard, "limits of this roster, over those of the job"] = field(default_factory=Guard)
    mode: Annotated[Literal["apply", "watch"], "`watch`: planned and reported, never applied"] = "apply"
    allow_empty: Annotated[bool, "let every member go when the filter finds nobody"] = False
    posting: Annotated[
        tuple[Circle, ...],
        "who may write to it: nobody, owners, staff (owners and managers), members, domain, anyone; told if it differs",
    ] = ()
    seeing: Annotated[tuple[Circle, ...], "who may read what was written; as `posting`"] = ()

    @property
    def expected(self) -> Expected:
        """For the target, where it can tell."""
        named = frozenset(line.address for line in (*self.also, *self.except_))
        return Expected(self.posting, self.seeing, named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the kind, checked."""

    source: Annotated[str, Uses("directory"), "the connector that people are read from"]
    target: Annotated[str, Uses("rosters"), "the connector that holds the rosters"]
    among: Annotated[Filter, "true of every member that a filter finds below; its count is what `source-drop` compares"]
    address: Annotated[str | Every, "the attribute with a person's address, or `{every: ATTRIBUTE}` for all its values"]
    rosters: Annotated[tuple[Stanza, ...], "the rosters"]
    own_domains: Annotated[
        tuple[str, ...],
        "our own domains, the preferred first: which of several addresses is taken, and who is one of us",
    ] = ()
    renamed: Annotated[Mapping[str, str], "old name: new name; ownership and history go along"] = field(
        default_factory=dict
    )
    guard: Annotated[Guard, "limits of this job, over `defaults`"] = field(default_factory=Guard)

    @property
    def every(self) -> bool:
        return isinstance(self.address, Every)

    @property
    def attribute(self) -> str:
        return self.address.every if isinstance(self.address, Every) else self.address

    def faults(self) -> Iterable[tuple[tuple[str | int, ...], str]]:
        """(path, what is wrong and the cure) for what one field alone cannot tell."""
        if not _ATTRIBUTE.fullmatch(self.attribute):
            yield ("address",), f"{self.attribute!r} is no attribute name"
        for at, domain in enumerate(self.own_domains):
            if not _DOMAIN.fullmatch(domain):
                yield ("own-domains", at), f"{domain!r} is no domain in lower case, like unimore.it"
        if not self.rosters:
            yield ("rosters",), "at least one roster is needed"
        literal: dict[str, int] = {}
        for at, stanza in enumerate(self.rosters):
            yield from ((("rosters", at, *path), text) for path, text in _stanza_faults(stanza))
            if stanza.for_each or "{" in stanza.name:
                continue
            try:
                name = fold(stanza.name, NameRule())
            except ValueError as err:
                yield ("rosters", at, "name"), str(err)
                continue
            if name in literal:
                yield ("rosters", at, "name"), f"rosters[{literal[name]}] has the name {stanza.name!r}, too"
            literal.setdefault(name, at)
        for old, new in self.renamed.items():
            if new in self.renamed:
                yield ("renamed", old), f"{new!r} is renamed itself: name the last name at once"


def _stanza_faults(stanza: Stanza) -> Iterator[tuple[tuple[str | int, ...], str]]:
    try:
        name = NameTemplate(stanza.name)
    except ValueError as err:
        yield ("name",), str(err)
        return
    for variable, values in stanza.for_each.items():
        if not _VARIABLE.fullmatch(variable):
            yield ("for-each", variable), "a variable is a letter, then letters, digits, - and _"
        if isinstance(values, Mapping | tuple) and not values:
            yield ("for-each", variable), "has no values"
    for key, placeholders in (("name", name.placeholders), ("members", stanza.members.placeholders)):
        for variable, attribute in sorted(placeholders):
            if fault := _placeholder_fault(stanza.for_each, variable, attribute):
                yield (key,), fault
    for variable in sorted(stanza.for_each.keys() - {variable for variable, _ in name.placeholders}):
        if isinstance(values := stanza.for_each[variable], Mapping | tuple) and len(values) > 1:
            yield ("name",), f"every {variable} of `for-each` would have one name: use {{{variable}}} in it"
    for word in _OF_THE_RUN:
        if getattr(stanza.guard, word) is not None:
            yield ("guard", word.replace("_", "-")), "judges the whole run: put it into the job's guard"


def _placeholder_fault(for_each: Mapping[str, Any], variable: str, attribute: str) -> str:
    written = f"{{{variable}.{attribute}}}" if attribute else f"{{{variable}}}"
    if variable not in for_each:
        known = ", ".join(sorted(for_each)) or "none"
        return f"{written}: `for-each` has no {variable!r} (it has: {known})"
    values = for_each[variable]
    if isinstance(values, Mapping):
        return (
            "" if attribute in ("key", "value") else f"{written}: of a mapping write {variable}.key or {variable}.value"
        )
    if isinstance(values, tuple):
        return f"{written}: of a list write {{{variable}}}" if attribute else ""
    return "" if attribute else f"{written}: of an entry write {{{variable}.ATTRIBUTE}} or {{{variable}.dn}}"
