"""What a server's subschema says of attributes and object classes (RFC 4512), as far as filters need it."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from typing import TypeVar

_TOKEN = re.compile(r"'((?:[^'\\]|\\.)*)'|([()$])|([^\s()$']+)")
_FLAGS = frozenset(
    {"OBSOLETE", "SINGLE-VALUE", "COLLECTIVE", "NO-USER-MODIFICATION", "ABSTRACT", "STRUCTURAL", "AUXILIARY"}
)
_SLAPD = "openldaprootdse"
"""An object class that slapd alone publishes."""


@dataclass(frozen=True, slots=True)
class AttributeType:
    """Names and rules as written; "" where there is none. What is not said here is inherited by `Schema`."""

    oid: str
    names: tuple[str, ...] = ()
    supertype: str = ""
    syntax: str = ""
    equality: str = ""
    ordering: str = ""
    substrings: str = ""
    operational: bool = False
    peculiar: bool = False
    """Its values bear numbers that comparisons skip (X-ORDERED), or its rules are not its supertype's: slapd then looks
    it up in the supertype's index, by the wrong rule."""


@dataclass(frozen=True, slots=True)
class ObjectClass:
    oid: str
    names: tuple[str, ...] = ()
    superclasses: tuple[str, ...] = ()


TOP = "2.5.6.0"
"""The class above every other."""

Named = TypeVar("Named", bound=AttributeType | ObjectClass)


class Schema:
    """Attributes and object classes by any of their names, in any case.

    `exact`: this server's way of matching is known to be the one of `collima.directory.matching`. It is slapd's; of
    others it is known that they differ (AD ignores accents and knows no rules, 389 does not decompose characters).
    `open`: an attribute or class that is not listed is one of its own: a directory string that ignores case.
    """

    def __init__(
        self, types: Iterable[AttributeType], classes: Iterable[ObjectClass], *, exact: bool, open: bool = False
    ) -> None:
        self.exact = exact
        self.open = open
        self._types = _by_name(types)
        self._classes = _by_name(classes)
        self._resolved: dict[str, AttributeType] = {}

    def type(self, name: str) -> AttributeType | None:
        """The attribute type of a name or OID without options, with all that it inherits; `supertype` is an OID."""
        name = name.lower()
        if name not in self._resolved:
            if found := self._types.get(name):
                self._resolved[name] = self._inherit(found)
            elif self.open:
                self._resolved[name] = replace(DIRECTORY_STRING, oid=name, names=(name,))
            else:
                return None
        return self._resolved[name]

    def family(self, name: str) -> Collection[AttributeType]:
        """The type of this name and every subtype that the schema knows: what a filter on the name speaks of."""
        found = self.type(name)
        return () if found is None else (found, *self._subtypes.get(found.oid, ()))

    def classes(self, name: str) -> frozenset[str]:
        """The OIDs of an object class and of everything above it; empty for an unknown class."""
        if found := self._classes.get(name.lower()):
            return frozenset(known.oid for known in self._above(found))
        return frozenset({name.lower(), TOP}) if self.open else frozenset()

    def object_class(self, name: str) -> str:
        """The OID of an object class; "" for an unknown one."""
        if found := self._classes.get(name.lower()):
            return found.oid
        return name.lower() if self.open else ""

    @cached_property
    def _subtypes(self) -> Mapping[str, tuple[AttributeType, ...]]:
        below: dict[str, list[AttributeType]] = {}
        for oid in dict.fromkeys(known.oid for known in self._types.values()):
            found = self.type(oid)
            assert found
            for above in self._line(found):
                if above.oid != found.oid:
                    below.setdefault(above.oid, []).append(found)
        return {oid: tuple(found) for oid, found in below.items()}

    def _line(self, type: AttributeType) -> Iterator[AttributeType]:
        """A type and its supertypes, nearest first; a circle is cut where it closes."""
        seen = set()
        here: AttributeType | None = type
        while here and here.oid not in seen:
            seen.add(here.oid)
            yield here
            here = self._types.get(here.supertype.lower())

    def _inherit(self, type: AttributeType) -> AttributeType:
        above = self._types.get(type.supertype.lower())
        if above is None or type.oid in {higher.oid for higher in self._line(above)}:
            return replace(type, supertype="")
        above = self._inherit(above)
        rules = (type.equality, type.ordering, type.substrings)
        theirs = (above.equality, above.ordering, above.substrings)
        equality, ordering, substrings = (own or other for own, other in zip(rules, theirs, strict=True))
        return replace(
            type,
            supertype=above.oid,
            syntax=type.syntax or above.syntax,
            equality=equality,
            ordering=ordering,
            substrings=substrings,
            peculiar=type.peculiar or above.peculiar or (equality, ordering, substrings) != theirs,
        )

    def _above(self, bottom: ObjectClass) -> Iterable[ObjectClass]:
        found = {bottom.oid: bottom}
        queue = [bottom]
        while queue:
            for name in queue.pop().superclasses:
                if (above := self._classes.get(name.lower())) and above.oid not in found:
                    found[above.oid] = above
                    queue.append(above)
        return found.values()


DIRECTORY_STRING = AttributeType(
    oid="",
    syntax="1.3.6.1.4.1.1466.115.121.1.15",
    equality="caseIgnoreMatch",
    ordering="caseIgnoreOrderingMatch",
    substrings="caseIgnoreSubstringsMatch",
)


def read(attribute_types: Iterable[str], object_classes: Iterable[str], matching_rules: Iterable[str] = ()) -> Schema:
    """The schema of a subschema entry, from the values of the attributes of these names.

    A description that cannot be read is left out: what is unknown here is asked of the server.
    """
    rules = {
        words["oid"][0]: words["NAME"][0]
        for words in filter(None, map(_description, matching_rules))
        if words.get("NAME")
    }

    def rule(words: Mapping[str, tuple[str, ...]], key: str) -> str:
        name = _first(words, key)
        return rules.get(name, name)

    types = [
        AttributeType(
            oid=words["oid"][0].lower(),
            names=words.get("NAME", ()),
            supertype=_first(words, "SUP"),
            syntax=_first(words, "SYNTAX").partition("{")[0],
            equality=rule(words, "EQUALITY"),
            ordering=rule(words, "ORDERING"),
            substrings=rule(words, "SUBSTR"),
            operational=_first(words, "USAGE") not in {"", "userApplications"},
            peculiar="X-ORDERED" in words,
        )
        for words in filter(None, map(_description, attribute_types))
    ]
    classes = [
        ObjectClass(words["oid"][0].lower(), words.get("NAME", ()), words.get("SUP", ()))
        for words in filter(None, map(_description, object_classes))
    ]
    slapd = any(_SLAPD in map(str.lower, known.names) for known in classes)
    return Schema(types, classes, exact=slapd and bool(types))


def _first(words: Mapping[str, tuple[str, ...]], key: str) -> str:
    return next(iter(words.get(key, ())), "")


def _by_name(known: Iterable[Named]) -> dict[str, Named]:
    names: dict[str, Named] = {}
    for one in known:
        for name in (one.oid, *one.names):
            names[name.lower()] = one
    return names


def _description(text: str) -> Mapping[str, tuple[str, ...]] | None:
    """`( OID KEYWORD argument … )` by keyword, the OID as "oid"; None when it has another shape."""
    tokens = [(match[2], match[3] if match[1] is None else _unquote(match[1])) for match in _TOKEN.finditer(text)]
    if len(tokens) < 3 or tokens[0][0] != "(" or tokens[-1][0] != ")" or tokens[1][0]:
        return None
    words: dict[str, tuple[str, ...]] = {"oid": (tokens[1][1],)}
    rest = iter(tokens[2:-1])
    for stray, keyword in rest:
        if stray:
            return None
        if keyword in _FLAGS:
            words[keyword] = ()
            continue
        sign, word = next(rest, (")", ""))
        if sign == "(":
            words[keyword] = tuple(word for sign, word in takewhile(lambda token: token[0] != ")", rest) if not sign)
        elif sign:
            return None
        else:
            words[keyword] = (word,)
    return words


def _unquote(text: str) -> str:
    return re.sub(r"\\(27|5[cC])", lambda match: chr(int(match[1], 16)), text)
