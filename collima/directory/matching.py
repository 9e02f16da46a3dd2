"""How slapd prepares and compares values: an allow-list of what is known to be exactly the server's own answer.

Every value is brought into one form of bytes for which equality, order and substrings are those of Python. Sources:
RFC 4517 and 4518 as OpenLDAP 2.4 to 2.6 implement them (Unicode 3.2; one character is lower-cased at a time, before it
is decomposed), checked by the differential test. What is not in the tables below is asked of the server.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

from collima.directory import dn
from collima.directory.schema import AttributeType, Schema

Place = Literal["whole", "initial", "any", "final"]
"""Where a value stands: a stored or asserted one is whole, the rest are parts of a substring assertion."""


class Unsure(Exception):
    """This value, or this rule, is outside the allow-list."""


class Invalid(Exception):
    """The value is none of the assertion syntax."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One equality rule with the ordering and substrings rules that go with it; "" where there is none."""

    prepare: Callable[[bytes, Place], bytes]  # raises Invalid or Unsure
    ordering: str = ""
    substrings: str = ""


def rule(type: AttributeType, kind: Literal["equality", "ordering", "substrings"], schema: Schema) -> Rule | None:
    """How values of this type are compared; None where the type has no rule of this kind: the result is Undefined.

    Raises Unsure.
    """
    wanted = {"equality": type.equality, "ordering": type.ordering, "substrings": type.substrings}[kind]
    if not wanted:
        return None
    if type.peculiar or not type.syntax.startswith(_SYNTAXES):
        raise Unsure
    syntax = type.syntax.removeprefix(_SYNTAXES)
    known = _RULES.get((syntax, type.equality))
    if (syntax, type.equality) == ("12", "distinguishedNameMatch"):
        known = Rule(lambda value, _: name(value, schema))
    if known is None or wanted not in {type.equality, known.ordering, known.substrings}:
        raise Unsure
    return known


def name(value: bytes, schema: Schema) -> bytes:
    """A distinguished name, the same for every spelling. Raises Unsure for one that is not simple."""
    try:
        names = dn.parse(value.decode())
    except ValueError:
        raise Unsure from None
    return b",".join(b"+".join(sorted(_ava(attribute, part, schema) for attribute, part in parts)) for parts in names)


def _ava(attribute: str, value: bytes, schema: Schema) -> bytes:
    found = schema.type(attribute)
    if found is None or found.syntax.removeprefix(_SYNTAXES) not in {*_DIRECTORY_STRINGS, "26"}:
        raise Unsure
    known = rule(found, "equality", schema)
    if known is None:
        raise Unsure
    try:
        return found.oid.encode() + b"=" + known.prepare(value, "whole").hex().encode()
    except Invalid:
        raise Unsure from None


# ---- strings


class _Lower(dict[int, int]):
    """Unicode 3.2's simple lower case of letters (not of numerals and circled letters), for str.translate."""

    def __missing__(self, code: int) -> int:
        lower = chr(code).lower()
        simple = len(lower) == 1 and _U.category(chr(code)) in {"Lu", "Lt"} and _U.category(lower) != "Cn"
        self[code] = ord(lower) if simple and code not in _LATER else code
        return self[code]


_U = unicodedata.ucd_3_2_0
_LATER = frozenset({0x04C0, *range(0x10A0, 0x10C6)})
"""Letters of Unicode 3.2 that were given their lower case in later versions."""
_LOWER = _Lower({0x130: 0x69})
_SPACES = re.compile(rb" {2,}")


def _utf8(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as err:
        raise (Unsure if value else Invalid) from err


def _ignore_case(value: bytes, place: Place) -> bytes:
    if value.isascii():
        return _squeeze(value.lower(), place)
    return _squeeze(_U.normalize("NFKC", _utf8(value).translate(_LOWER)).encode(), place)


def _exact_case(value: bytes, place: Place) -> bytes:
    if value.isascii():
        return _squeeze(value, place)
    return _squeeze(_U.normalize("NFKC", _utf8(value)).encode(), place)


def _squeeze(value: bytes, place: Place) -> bytes:
    """Spaces at the ends of the whole are nothing, several are one."""
    if not value:
        raise Invalid
    if not value.strip(b" "):
        if place == "whole":
            return b" "
        raise Unsure
    if b"  " in value:
        value = _SPACES.sub(b" ", value)
    if place in {"whole", "initial"}:
        value = value.lstrip(b" ")
    if place in {"whole", "final"}:
        value = value.rstrip(b" ")
    return value


def _ia5(value: bytes, place: Place) -> bytes:
    if not value.isascii():
        raise Invalid
    if b"\0" in value:
        raise Unsure
    value = value.strip(b" ")
    if b"  " in value:
        value = _SPACES.sub(b" ", value)
    if not value and place != "whole":
        raise Unsure
    return value


def _ia5_ignore_case(value: bytes, place: Place) -> bytes:
    return _ia5(value.lower(), place)


_PRINTABLE = re.compile(rb"[A-Za-z0-9'()+,./:?= -]+")
_NUMERIC = re.compile(rb"[0-9 ]+")


def _telephone(value: bytes, place: Place) -> bytes:
    """Case is left as it is, which RFC 4517 would ignore."""
    if not _PRINTABLE.fullmatch(value):
        raise Invalid
    return _without(b" -", value, place)


def _numeric(value: bytes, place: Place) -> bytes:
    if not _NUMERIC.fullmatch(value):
        raise Invalid
    return _without(b" ", value, place)


def _without(nothing: bytes, value: bytes, place: Place) -> bytes:
    left = value.translate(None, nothing)
    if not left and place != "whole":
        raise Unsure
    return left or b" "


def _octets(value: bytes, _place: Place) -> bytes:
    return value


# ---- other things

_INTEGER = re.compile(rb"0|-?[1-9][0-9]*")
_TIME = re.compile(rb"(\d{10})(\d\d)?(\d\d)?(?:[.,](\d+))?(?:Z|([+-])(\d\d)(\d\d)?)")


_FIRST_YEAR, _LAST_YEAR = b"0002", b"8700"
"""Beyond, slapd's index on times wraps round (in 8710) and its answer depends on whether there is one."""


def _boolean(value: bytes, _place: Place) -> bytes:
    if value not in {b"TRUE", b"FALSE"}:
        raise Invalid
    return value


def _integer(value: bytes, _place: Place) -> bytes:
    """Bytes in the order of the numbers: sign, count of digits, digits (all turned round below zero)."""
    if not _INTEGER.fullmatch(value):
        raise Invalid
    digits = value.lstrip(b"-")
    ordered = len(digits).to_bytes(4, "big") + digits
    return b"-" + bytes(255 - octet for octet in ordered) if value.startswith(b"-") else b"0" + ordered


def _time(value: bytes, _place: Place) -> bytes:
    """`YYYYmmddHHMMSS[.fraction]` in UTC."""
    match = _TIME.fullmatch(value)
    if not match:
        raise Invalid
    hour, minute, second, fraction, sign, hours, minutes = match.groups()
    if fraction and not second:
        raise Unsure  # of an hour or a minute: slapd takes it for one of a second
    if second == b"60" or not _FIRST_YEAR <= hour[:4] <= _LAST_YEAR:
        raise Unsure
    if int(hours or 0) > 23 or int(minutes or 0) > 59:
        raise Invalid
    date = (int(hour[:4]), int(hour[4:6]), int(hour[6:8]), int(hour[8:]), int(minute or 0), int(second or 0))
    ahead = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        moment = datetime(*date, tzinfo=timezone(-ahead if sign == b"-" else ahead))
    except ValueError:
        raise Invalid from None
    utc = moment.astimezone(UTC)
    rest = (fraction or b"").rstrip(b"0")
    return f"{utc.year:04}{utc:%m%d%H%M%S}".encode() + (b"." + rest if rest else b"")


_SYNTAXES = "1.3.6.1.4.1.1466.115.121.1."
_DIRECTORY_STRINGS = ("15", "44", "11")  # directory, printable and country strings
_RULES = {
    **{
        (syntax, "caseIgnoreMatch"): Rule(_ignore_case, "caseIgnoreOrderingMatch", "caseIgnoreSubstringsMatch")
        for syntax in _DIRECTORY_STRINGS
    },
    **{
        (syntax, "caseExactMatch"): Rule(_exact_case, "caseExactOrderingMatch", "caseExactSubstringsMatch")
        for syntax in _DIRECTORY_STRINGS
    },
    ("26", "caseIgnoreIA5Match"): Rule(_ia5_ignore_case, substrings="caseIgnoreIA5SubstringsMatch"),
    ("26", "caseExactIA5Match"): Rule(_ia5, substrings="caseExactIA5SubstringsMatch"),
    ("50", "telephoneNumberMatch"): Rule(_telephone, substrings="telephoneNumberSubstringsMatch"),
    ("36", "numericStringMatch"): Rule(_numeric, "numericStringOrderingMatch", "numericStringSubstringsMatch"),
    ("40", "octetStringMatch"): Rule(_octets, "octetStringOrderingMatch", "octetStringSubstringsMatch"),
    ("27", "integerMatch"): Rule(_integer, "integerOrderingMatch"),
    ("7", "booleanMatch"): Rule(_boolean),
    ("24", "generalizedTimeMatch"): Rule(_time, "generalizedTimeOrderingMatch"),
}
