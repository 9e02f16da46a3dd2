"""Requests in BER: the search (RFC 4511, section 4.5.1) with any RFC 4515 filter, and the paged-results control."""

from collections.abc import Iterable
from dataclasses import dataclass

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
from connectors.ldap import ber

BASE, SUBTREE = 0, 2
NEVER_DEREFERENCE = 0
NO_ATTRIBUTES = ("1.1",)
PAGED_RESULTS = b"1.2.840.113556.1.4.319"  # RFC 2696

_SEARCH = 0x63
_CONTROLS = 0xA0
_AND, _OR, _NOT, _EQUAL, _SUBSTRINGS, _GREATER, _LESS, _PRESENT, _APPROX, _EXTENSIBLE = (
    *(0xA0, 0xA1, 0xA2, 0xA3, 0xA4),
    *(0xA5, 0xA6, 0x87, 0xA8, 0xA9),
)
_COMPARISONS = {Equal: _EQUAL, GreaterOrEqual: _GREATER, LessOrEqual: _LESS, Approx: _APPROX}


@dataclass(frozen=True, slots=True)
class Query:
    base: str | bytes
    filter: Filter
    attributes: tuple[str, ...] = NO_ATTRIBUTES
    scope: int = SUBTREE


def search(query: Query) -> bytes:
    """Aliases are not followed; no limit of our own on size and time."""
    return ber.element(
        _SEARCH,
        ber.octets(query.base),
        ber.integer(query.scope, ber.ENUMERATED),
        ber.integer(NEVER_DEREFERENCE, ber.ENUMERATED),
        ber.integer(0),
        ber.integer(0),
        ber.boolean(False),
        encoded_filter(query.filter),
        ber.element(ber.SEQUENCE, *map(ber.octets, query.attributes)),
    )


def paged(size: int, cookie: bytes) -> bytes:
    """The controls of a request for the page that follows `cookie`; critical, so that no server can overlook it."""
    value = ber.element(ber.SEQUENCE, ber.integer(size), ber.octets(cookie))
    control = ber.element(ber.SEQUENCE, ber.octets(PAGED_RESULTS), ber.boolean(True), ber.octets(value))
    return ber.element(_CONTROLS, control)


def encoded_filter(filter: Filter) -> bytes:
    match filter:
        case And(operands):
            return ber.element(_AND, *map(encoded_filter, operands))
        case Or(operands):
            return ber.element(_OR, *map(encoded_filter, operands))
        case Not(operand):
            return ber.element(_NOT, encoded_filter(operand))
        case Present(attribute):
            return ber.octets(attribute, _PRESENT)
        case Substrings(attribute):
            return ber.element(_SUBSTRINGS, ber.octets(attribute), ber.element(ber.SEQUENCE, *_parts(filter)))
        case Extensible():
            return ber.element(_EXTENSIBLE, *_matching(filter))
        case _:
            return ber.element(_COMPARISONS[type(filter)], ber.octets(filter.attribute), ber.octets(filter.value))


def _parts(filter: Substrings) -> Iterable[bytes]:
    if filter.initial:
        yield ber.octets(filter.initial, 0x80)
    for part in filter.any:
        yield ber.octets(part, 0x81)
    if filter.final:
        yield ber.octets(filter.final, 0x82)


def _matching(filter: Extensible) -> Iterable[bytes]:
    if filter.rule:
        yield ber.octets(filter.rule, 0x81)
    if filter.attribute:
        yield ber.octets(filter.attribute, 0x82)
    yield ber.octets(filter.value, 0x83)
    if filter.dn:
        yield ber.boolean(True, 0x84)
