"""LDAP filters as data: RFC 4515 text, parsed into frozen nodes and written back.

Parsing is strict: what slapd, AD and 389 would each guess differently is an error with a cure. `(&)` and `(|)`, the
true and false filters of RFC 4526, are accepted. A filter is built from text or from nodes, never from pieces of text.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NoReturn, TypeAlias

DEEPEST = 100
"""How many levels a filter may nest: far beyond what people write, far below what Python's own stack bears."""

PLACEHOLDER = re.compile(r"\{([A-Za-z][A-Za-z0-9_-]*)(?:\.([A-Za-z0-9][A-Za-z0-9.;-]*))?\}|[{}]", re.ASCII)
"""`{variable}` or `{variable.attribute}`; a match without groups is a stray brace."""

_OID = r"(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)"
_DESCRIPTION = rf"{_OID}(?:;[A-Za-z0-9-]+)*"
_SIMPLE = re.compile(rf"({_DESCRIPTION})(=|>=|<=|~=)", re.ASCII)
_EXTENSIBLE = re.compile(rf"({_DESCRIPTION})?(:[dD][nN])?(?::({_OID}))?:=", re.ASCII)
_VALUE = re.compile(r"[^()\0]*")
_ESCAPE = re.compile(r"\\([0-9A-Fa-f]{2})?")
_UNSAFE = re.compile("[\\x00-\\x1f\\x7f()*\\\\\udc80-\udcff]")


class FilterSyntaxError(ValueError):
    """The text is no RFC 4515 filter. `position` counts characters from 1; the message says it too, with the cure."""

    def __init__(self, position: int, fault: str) -> None:
        super().__init__(f"character {position}: {fault}")
        self.position = position
        self.fault = fault


@dataclass(frozen=True, slots=True)
class And:
    operands: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    operands: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    operand: "Filter"


@dataclass(frozen=True, slots=True)
class Present:
    attribute: str  # an attribute description as it was written; the case of its letters means nothing


@dataclass(frozen=True, slots=True)
class Equal:
    attribute: str
    value: bytes


@dataclass(frozen=True, slots=True)
class GreaterOrEqual:
    attribute: str
    value: bytes


@dataclass(frozen=True, slots=True)
class LessOrEqual:
    attribute: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Approx:
    attribute: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Substrings:
    """At least one part is not empty. An empty `initial` or `final` is not there; no part of `any` is empty."""

    attribute: str
    initial: bytes = b""
    any: tuple[bytes, ...] = ()
    final: bytes = b""


@dataclass(frozen=True, slots=True)
class Extensible:
    """`(attribute:dn:rule:=value)`; "" where an attribute or a rule is not named, never both."""

    attribute: str
    rule: str
    dn: bool
    value: bytes


Filter: TypeAlias = And | Or | Not | Present | Equal | GreaterOrEqual | LessOrEqual | Approx | Substrings | Extensible

_KINDS: dict[str, type[Equal | GreaterOrEqual | LessOrEqual | Approx]] = {
    "=": Equal,
    ">=": GreaterOrEqual,
    "<=": LessOrEqual,
    "~=": Approx,
}
_SIGNS = {kind: sign for sign, kind in _KINDS.items()}


def parse(text: str) -> Filter:
    """Raises FilterSyntaxError with the place and the cure."""
    return read(text, unescape)


def read(text: str, value: Callable[[str], bytes]) -> Filter:
    """`parse` with another reader for assertion values: it is handed their text, valid and still escaped."""
    return _Reader(text, value).whole()


def unescape(value: str) -> bytes:
    r"""The octets of an assertion value: UTF-8, and `\xx` for the octet xx."""
    pieces = _ESCAPE.split(value)  # text and hexadecimal digits by turns
    return b"".join(bytes.fromhex(piece) if turn % 2 else piece.encode() for turn, piece in enumerate(pieces))


def text(filter: Filter) -> str:
    """RFC 4515, the same for the same filter: `parse(text(f)) == f`."""
    return _write(filter, _escape)


def shape(filter: Filter) -> str:
    """Its text with `…` for every value: for messages and logs, since values may be somebody's."""
    return _write(filter, lambda value: "…" if value else "")


def _write(filter: Filter, value: Callable[[bytes], str]) -> str:
    match filter:
        case And(operands):
            return f"(&{''.join(_write(operand, value) for operand in operands)})"
        case Or(operands):
            return f"(|{''.join(_write(operand, value) for operand in operands)})"
        case Not(operand):
            return f"(!{_write(operand, value)})"
        case Present(attribute):
            return f"({attribute}=*)"
        case Substrings(attribute, initial, any_, final):
            return f"({attribute}={'*'.join(map(value, (initial, *any_, final)))})"
        case Extensible(attribute, rule, dn, asserted):
            return f"({attribute}{':dn' if dn else ''}{f':{rule}' if rule else ''}:={value(asserted)})"
        case _:
            return f"({filter.attribute}{_SIGNS[type(filter)]}{value(filter.value)})"


def items(filter: Filter) -> Iterator["Item"]:
    """The comparisons of a filter, from left to right."""
    match filter:
        case And(operands) | Or(operands):
            for operand in operands:
                yield from items(operand)
        case Not(operand):
            yield from items(operand)
        case _:
            yield filter


def attributes(filter: Filter) -> frozenset[str]:
    """What a filter speaks of: attribute names and OIDs, lower-cased, without options."""
    return frozenset(base for item in items(filter) if (base := item.attribute.partition(";")[0].lower()))


Item: TypeAlias = Present | Equal | GreaterOrEqual | LessOrEqual | Approx | Substrings | Extensible


class NoValue(LookupError):
    """A placeholder has no value, or an empty one where that would make a comparison match everything."""

    def __init__(self, variable: str, attribute: str) -> None:
        super().__init__(f"{{{variable}{attribute and '.'}{attribute}}} has no value")
        self.variable = variable
        self.attribute = attribute


@dataclass(frozen=True, slots=True)
class Template:
    """A filter with placeholders `{variable}` or `{variable.attribute}` in its values.

    What takes their place is data: it goes into the nodes, so that a `*` or `)` in it is nothing but a character.
    """

    source: str
    raw: Filter  # values still escaped, with their placeholders
    placeholders: frozenset[tuple[str, str]]  # (variable, attribute or ""), as written

    def render(self, lookup: Callable[[str, str], Sequence[str]]) -> Filter:
        """Each comparison with every value of its placeholders, as an OR; several placeholders: every combination.

        Raises NoValue.
        """
        return _render(self.raw, lookup)

    def __str__(self) -> str:
        return self.source


def template(text: str) -> Template:
    r"""Raises FilterSyntaxError, also for braces that are no placeholder: in a template they are \7b and \7d."""
    found: set[tuple[str, str]] = set()

    def keep(value: str) -> bytes:
        for brace in PLACEHOLDER.finditer(value):
            if not brace[1]:
                raise FilterSyntaxError(
                    brace.start() + 1,
                    r"a brace that is no placeholder like {place.ou}; write braces as \7b and \7d",
                )
            found.add((brace[1], brace[2] or ""))
        return value.encode()

    raw = read(text, keep)
    return Template(text, raw, frozenset(found))


def _render(raw: Filter, lookup: Callable[[str, str], Sequence[str]]) -> Filter:
    match raw:
        case And(operands):
            return And(tuple(_render(operand, lookup) for operand in operands))
        case Or(operands):
            return Or(tuple(_render(operand, lookup) for operand in operands))
        case Not(operand):
            return Not(_render(operand, lookup))
        case Present():
            return raw
    parts = (raw.initial, *raw.any, raw.final) if isinstance(raw, Substrings) else (raw.value,)
    texts = [part.decode() for part in parts]
    wanted = list(dict.fromkeys((m[1], m[2] or "") for part in texts for m in PLACEHOLDER.finditer(part)))
    values = [tuple(dict.fromkeys(lookup(*placeholder))) for placeholder in wanted]
    for placeholder, found in zip(wanted, values, strict=True):
        if not found:
            raise NoValue(*placeholder)
    rendered: list[Filter] = []
    for combination in product(*values):
        given = dict(zip(wanted, combination, strict=True))
        filled = [_fill(part, given) for part in texts]
        if isinstance(raw, Substrings):
            for part, octets in zip(texts, filled, strict=True):
                if part and not octets and (empty := PLACEHOLDER.search(part)):
                    raise NoValue(empty[1], empty[2] or "")
            rendered.append(replace(raw, initial=filled[0], any=tuple(filled[1:-1]), final=filled[-1]))
        else:
            rendered.append(replace(raw, value=filled[0]))
    return rendered[0] if len(rendered) == 1 else Or(tuple(rendered))


def _fill(part: str, given: Mapping[tuple[str, str], str]) -> bytes:
    octets, end = b"", 0
    for brace in PLACEHOLDER.finditer(part):
        octets += unescape(part[end : brace.start()])
        octets += given[brace[1], brace[2] or ""].encode("utf-8", "surrogateescape")
        end = brace.end()
    return octets + unescape(part[end:])


def _escape(value: bytes) -> str:
    return _UNSAFE.sub(lambda match: f"\\{ord(match[0]) & 0xFF:02x}", value.decode("utf-8", "surrogateescape"))


class _Reader:
    """Recursive descent over one text."""

    def __init__(self, text: str, value: Callable[[str], bytes]) -> None:
        self.text = text
        self.at = 0
        self.value = value

    def fail(self, fault: str, at: int | None = None) -> NoReturn:
        raise FilterSyntaxError((self.at if at is None else at) + 1, fault)

    def whole(self) -> Filter:
        if not self.text.startswith("("):
            self.fail("a filter begins with '(', like (uid=rossi)")
        result = self.filter(1)
        if self.at < len(self.text):
            self.fail("something follows the filter's last ')'; to combine filters write (&(…)(…))")
        return result

    def filter(self, depth: int) -> Filter:
        """One parenthesised filter; `at` is on its '('."""
        if depth > DEEPEST:
            self.fail(f"nested deeper than {DEEPEST} levels; write it flatter")
        self.at += 1
        sign = self.text[self.at : self.at + 1]
        result: Filter
        if sign in {"&", "|"}:
            self.at += 1
            operands = self.operands(depth)
            result = And(operands) if sign == "&" else Or(operands)
        elif sign == "!":
            self.at += 1
            if not self.text.startswith("(", self.at):
                self.fail("'!' stands before one filter in parentheses, like (!(uid=rossi))")
            result = Not(self.filter(depth + 1))
        else:
            result = self.item()
        if not self.text.startswith(")", self.at):
            self.fail(self.unclosed())
        self.at += 1
        return result

    def unclosed(self) -> str:
        match self.text[self.at : self.at + 1]:
            case "":
                return "a ')' is missing at the end"
            case "(":
                return r"'(' where ')' must be; in a value write it as \28"
            case "\0":
                return r"a NUL character; in a value write it as \00"
            case " " | "\n" | "\t" | "\r":
                return "white space between the parentheses; take it out"
            case other:
                return f"{other!r} where ')' must be"

    def operands(self, depth: int) -> tuple[Filter, ...]:
        operands = []
        while self.text.startswith("(", self.at):
            operands.append(self.filter(depth + 1))
        return tuple(operands)

    def item(self) -> Filter:
        if head := _SIMPLE.match(self.text, self.at):
            self.at = head.end()
            attribute, sign = head.groups()
            return self.equality(attribute) if sign == "=" else _KINDS[sign](attribute, self.plain())
        if (head := _EXTENSIBLE.match(self.text, self.at)) and (head[1] or head[3]):
            self.at = head.end()
            return Extensible(head[1] or "", head[3] or "", bool(head[2]), self.plain())
        if self.text[self.at : self.at + 1].isspace():
            self.fail("white space before an attribute; take it out")
        return self.fail("an attribute and one of = >= <= ~= := must stand here, like (uid=rossi)")

    def equality(self, attribute: str) -> Filter:
        pieces = self.raw().split("*")
        if pieces == ["", ""]:
            self.at += 1
            return Present(attribute)
        parts = []
        for index, piece in enumerate(pieces):
            if index:
                self.at += 1
            if not piece and 0 < index < len(pieces) - 1:
                self.fail("'**'; write one '*'")
            parts.append(self.part(piece))
        return (
            Equal(attribute, parts[0])
            if len(parts) == 1
            else Substrings(attribute, parts[0], tuple(parts[1:-1]), parts[-1])
        )

    def plain(self) -> bytes:
        raw = self.raw()
        if "*" in raw:
            self.fail(r"'*' stands for any text after '=' only; write it as \2a", self.at + raw.index("*"))
        return self.part(raw)

    def raw(self) -> str:
        """The text of the value that begins here, stars and escapes as they are."""
        match = _VALUE.match(self.text, self.at)
        assert match
        return match[0]

    def part(self, raw: str) -> bytes:
        """The value, or the part of one, that begins here with this text."""
        start = self.at
        self.at += len(raw)
        for escape in _ESCAPE.finditer(raw):
            if not escape[1]:
                self.fail(r"'\' stands before two hexadecimal digits; write a backslash as \5c", start + escape.start())
        try:
            return self.value(raw)
        except UnicodeEncodeError as err:
            self.fail(r"no UTF-8 text; write octets as \xx", start + err.start)
        except FilterSyntaxError as err:
            self.fail(err.fault, start + err.position - 1)
