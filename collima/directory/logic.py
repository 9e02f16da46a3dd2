"""Filters over columns: three-valued logic (RFC 4511, 4.5.1.7) on sets of people, with a fourth value for the server's.

A set is an int: bit i is person i.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from collima.directory import matching
from collima.directory.columns import Bearer, Column, Decode, people
from collima.directory.filters import (
    And,
    Approx,
    Equal,
    Extensible,
    Filter,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
    Present,
    Substrings,
)
from collima.directory.matching import Invalid, Rule, Unsure
from collima.directory.schema import AttributeType, Schema

_OBJECT_CLASS = "2.5.4.0"
_COMPUTED = frozenset({"1.3.6.1.1.20", "2.5.18.9", "2.5.18.10"})
"""entryDN, hasSubordinates, subschemaSubentry: a server works them out and gives filters on them its own meaning."""

Comparison = Present | Equal | GreaterOrEqual | LessOrEqual | Substrings


class Truth(NamedTuple):
    """For whom a filter is true and false, and of whom it cannot be told here. For the rest it is Undefined."""

    true: int
    false: int
    unsure: int


_UNDEFINED = Truth(0, 0, 0)


class _Prepared(NamedTuple):
    """A column's values, ready to be compared."""

    bearers: Mapping[bytes, Sequence[Bearer]]  # by value
    unsure: Sequence[Bearer]  # of values that only the server can compare; in a whole reading, nobody can


class Logic:
    """Answers filters; each part of one is worked out once."""

    def __init__(self, schema: Schema, columns: Iterable[Column], decode: Decode, size: int, *, whole: bool) -> None:
        """`whole`: see `Gatherer.snapshot`."""
        self._schema = schema
        self._decode = decode
        self._size = size
        self._everyone = (1 << size) - 1
        self._whole = whole
        self._columns: dict[str, list[tuple[frozenset[str], Column]]] = {}  # by OID; options, column
        for column in columns:
            base, options = _split(decode(next(column.raws())[0])[0])
            if found := schema.type(base):
                self._columns.setdefault(found.oid, []).append((options, column))
        self._prepared: dict[Column, _Prepared] = {}
        self._truths: dict[Filter, Truth] = {}

    def columns(self, description: str) -> list[Column]:
        """Those of exactly this description, however it is spelled."""
        base, options = _split(description)
        found = self._schema.type(base)
        return [column for theirs, column in self._columns.get(found.oid if found else "", ()) if theirs == options]

    def truth(self, filter: Filter) -> Truth:
        if (known := self._truths.get(filter)) is None:
            known = self._truths[filter] = self._weigh(filter)
        return known

    def _weigh(self, filter: Filter) -> Truth:
        match filter:
            case And(operands):
                true, false, unsure = self._everyone, 0, 0
                for operand in map(self.truth, operands):
                    true, false, unsure = true & operand.true, false | operand.false, unsure | operand.unsure
                return Truth(true, false, unsure & ~false)
            case Or(operands):
                true, false, unsure = 0, self._everyone, 0
                for operand in map(self.truth, operands):
                    true, false, unsure = true | operand.true, false & operand.false, unsure | operand.unsure
                return Truth(true, false, unsure & ~true)
            case Not(operand):
                inner = self.truth(operand)
                return Truth(inner.false, inner.true, inner.unsure)
            case Approx() | Extensible():
                return Truth(0, 0, self._everyone)
            case _:
                try:
                    return self._compare(filter)
                except Unsure:
                    return Truth(0, 0, self._everyone)
                except Invalid:
                    return _UNDEFINED

    def _compare(self, item: Comparison) -> Truth:
        base, options = _split(item.attribute)
        type_ = self._schema.type(base)
        if type_ is None or not self._schema.exact or type_.oid in _COMPUTED or (type_.operational and options):
            raise Unsure
        if isinstance(item, Present):
            visible = self._visible(type_, options)
            true = people([bearer for _, column in visible for bearer in column.bearers()], self._size)
            return Truth(true, self._everyone ^ true, 0)
        if type_.oid == _OBJECT_CLASS:
            if not isinstance(item, Equal):
                return _UNDEFINED
            wanted: bytes | Callable[[bytes], bool] = self._object_class(item.value)
            rule = None
        else:
            rule = _rule(item, type_, self._schema)
            if rule is None:
                return _UNDEFINED
            wanted = _wanted(item, rule)
        bearers: list[Bearer] = []
        unsure: list[Bearer] = []
        for theirs, column in self._visible(type_, options):
            if _rules(theirs) != _rules(type_):
                raise Unsure
            prepared = self._prepare(column, rule)
            unsure += prepared.unsure
            if isinstance(wanted, bytes):
                bearers += prepared.bearers.get(wanted, ())
            else:
                bearers += [bearer for value, some in prepared.bearers.items() if wanted(value) for bearer in some]
        true = people(bearers, self._size)
        doubtful = people(unsure, self._size) & ~true
        return Truth(true, self._everyone ^ true ^ doubtful, 0 if self._whole else doubtful)

    def _visible(self, type_: AttributeType, options: frozenset[str]) -> list[tuple[AttributeType, Column]]:
        """The columns that a filter on this speaks of. Raises Unsure when some may be hidden from the reading."""
        found = []
        for member in self._schema.family(type_.oid):
            columns = [column for theirs, column in self._columns.get(member.oid, ()) if theirs >= options]
            if not columns and not self._whole:
                raise Unsure
            found += [(member, column) for column in columns]
        if not self._whole and not all(option.startswith("lang-") and option[-1] != "-" for option in options):
            raise Unsure  # ranges of languages, and options that the server may not know
        return found

    def _prepare(self, column: Column, rule: Rule | None) -> _Prepared:
        """By the rule of its attribute; None is objectClass's."""
        if (known := self._prepared.get(column)) is None:
            by_value: dict[bytes, list[Bearer]] = {}
            unsure: list[Bearer] = []
            for raw, bearer in column.raws():
                try:
                    for value in self._decode(raw)[1]:
                        for form in (rule.prepare(value, "whole"),) if rule else self._classes(value):
                            by_value.setdefault(form, []).append(bearer)
                except (Unsure, Invalid):
                    unsure.append(bearer)
            known = self._prepared[column] = _Prepared(by_value, unsure)
        return known

    def _object_class(self, value: bytes) -> bytes:
        oid = self._schema.object_class(value.decode("utf-8", "surrogateescape"))
        if not oid:
            raise Unsure
        return oid.encode()

    def _classes(self, value: bytes) -> Iterable[bytes]:
        classes = self._schema.classes(value.decode("utf-8", "surrogateescape"))
        if not classes:
            raise Unsure
        return map(str.encode, classes)


def _split(description: str) -> tuple[str, frozenset[str]]:
    base, *options = description.lower().split(";")
    return base, frozenset(options)


def _rules(type_: AttributeType) -> tuple[str, str, str]:
    return type_.equality, type_.ordering, type_.substrings


def _rule(item: Comparison, type_: AttributeType, schema: Schema) -> Rule | None:
    match item:
        case Substrings():
            return matching.rule(type_, "substrings", schema)
        case GreaterOrEqual() | LessOrEqual():
            return matching.rule(type_, "ordering", schema)
        case _:
            return matching.rule(type_, "equality", schema)


def _wanted(item: Comparison, rule: Rule) -> bytes | Callable[[bytes], bool]:
    """The prepared value to be equal to, or the test of prepared values."""
    match item:
        case Equal(_, value):
            return rule.prepare(value, "whole")
        case GreaterOrEqual(_, value):
            return rule.prepare(value, "whole").__le__
        case LessOrEqual(_, value):
            return rule.prepare(value, "whole").__ge__
        case Substrings():
            return _substrings(item, rule)
    raise AssertionError


def _substrings(item: Substrings, rule: Rule) -> Callable[[bytes], bool]:
    initial = rule.prepare(item.initial, "initial") if item.initial else b""
    middle = [rule.prepare(part, "any") for part in item.any]
    final = rule.prepare(item.final, "final") if item.final else b""

    def test(value: bytes) -> bool:
        end = len(value) - len(final)
        at = len(initial)
        if at > end or not value.startswith(initial) or not value.endswith(final):
            return False
        for part in middle:
            found = value.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True

    return test
