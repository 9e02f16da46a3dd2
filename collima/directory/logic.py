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
    """What is sure of a filter, each a set of people.

    Who is neither in `true` nor in `untrue` is for the server to say; who is in `untrue` and `unfalse` is Undefined.
    """

    true: int
    untrue: int  # false or Undefined
    false: int
    unfalse: int  # true or Undefined


_UNSURE = Truth(0, 0, 0, 0)


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
        everyone = self._everyone
        match filter:
            case And(operands):
                true, untrue, false, unfalse = everyone, 0, 0, everyone
                for operand in map(self.truth, operands):
                    true, untrue = true & operand.true, untrue | operand.untrue
                    false, unfalse = false | operand.false, unfalse & operand.unfalse
                return Truth(true, untrue, false, unfalse)
            case Or(operands):
                true, untrue, false, unfalse = 0, everyone, everyone, 0
                for operand in map(self.truth, operands):
                    true, untrue = true | operand.true, untrue & operand.untrue
                    false, unfalse = false & operand.false, unfalse | operand.unfalse
                return Truth(true, untrue, false, unfalse)
            case Not(operand):
                inner = self.truth(operand)
                return Truth(inner.false, inner.unfalse, inner.true, inner.untrue)
            case Approx() | Extensible():
                return _UNSURE
            case _:
                try:
                    return self._compare(filter)
                except Unsure:
                    return _UNSURE
                except Invalid:
                    return Truth(0, everyone, 0, everyone)

    def _compare(self, item: Comparison) -> Truth:
        base, options = _split(item.attribute)
        type_ = self._schema.type(base)
        if type_ is None or not self._schema.exact or type_.oid in _COMPUTED or (type_.operational and options):
            raise Unsure
        undefined = Truth(0, self._everyone, 0, self._everyone)
        if isinstance(item, Present):
            visible, all_seen = self._visible(type_, options)
            true = people([bearer for _, column in visible for bearer in column.bearers()], self._size)
            return self._sorted(true, 0, all_seen=all_seen)
        if type_.oid == _OBJECT_CLASS:
            if not isinstance(item, Equal):
                return undefined
            wanted: bytes | Callable[[bytes], bool] = self._object_class(item.value)
            rule = None
        else:
            rule = _rule(item, type_, self._schema)
            if rule is None:
                return undefined
            wanted = _wanted(item, rule)
        visible, all_seen = self._visible(type_, options)
        bearers: list[Bearer] = []
        unsure: list[Bearer] = []
        for theirs, column in visible:
            if theirs.peculiar:
                raise Unsure
            prepared = self._prepare(column, rule)
            unsure += prepared.unsure
            if isinstance(wanted, bytes):
                bearers += prepared.bearers.get(wanted, ())
            else:
                bearers += [bearer for value, some in prepared.bearers.items() if wanted(value) for bearer in some]
        return self._sorted(people(bearers, self._size), people(unsure, self._size), all_seen=all_seen)

    def _sorted(self, true: int, unsure: int, *, all_seen: bool) -> Truth:
        """For whom a comparison holds, and whose values cannot be compared here."""
        others = self._everyone ^ true
        false = others & ~unsure
        if self._whole:  # nobody can compare them: Undefined
            return Truth(true, others, false, self._everyone ^ false)
        return Truth(true, false, false if all_seen else 0, true)

    def _visible(
        self, type_: AttributeType, options: frozenset[str]
    ) -> tuple[list[tuple[AttributeType, Column]], bool]:
        """The columns that a filter on this speaks of, and whether none of them can be hidden from the reading.

        Raises Unsure when the attribute itself was never seen: it is absent, or hidden, or it may be searched but not
        read. Of a subtype never seen (`name` has a dozen) the latter is left aside: it can make nothing true.
        """
        if not self._whole and not all(option.startswith("lang-") and option[-1] != "-" for option in options):
            raise Unsure  # ranges of languages, and options that the server may not know
        found = []
        all_seen = True
        for member in self._schema.family(type_.oid):
            columns = [column for theirs, column in self._columns.get(member.oid, ()) if theirs >= options]
            all_seen = all_seen and (bool(columns) or self._whole)
            found += [(member, column) for column in columns]
        if not found and not self._whole:
            raise Unsure
        return found, all_seen

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
