"""Distinguished names: RFC 4514 text, taken apart."""

import re

_AVA = re.compile(
    r" *([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+) *= *"
    r'((?:[^\\,+"<>;=\0]|=|\\(?:[0-9A-Fa-f]{2}|[ "#+,;<=>\\]))*)(?:([,+])|$)'
)
_ESCAPE = re.compile(r'\\(?:([0-9A-Fa-f]{2})|([ "#+,;<=>\\]))')

Rdn = tuple[tuple[str, bytes], ...]
"""Attribute and value of each part, the attribute as it is written."""


class DnSyntaxError(ValueError):
    """The text is no RFC 4514 name, or one with a value in hexadecimal BER. The message does not repeat it."""


def parse(text: str) -> tuple[Rdn, ...]:
    """The relative names from the entry upwards; () for the empty name. Raises DnSyntaxError."""
    if not text.strip(" "):
        return ()
    names: list[Rdn] = []
    parts: list[tuple[str, bytes]] = []
    at, separator = 0, ","
    while separator:
        match = _AVA.match(text, at)
        if not match or match[2].startswith("#"):
            raise DnSyntaxError(f"no distinguished name: unreadable from character {at + 1}")
        at, separator = match.end(), match[3]
        parts.append((match[1], _unescape(match[2])))
        if separator != "+":
            names.append(tuple(parts))
            parts = []
    return tuple(names)


def _unescape(text: str) -> bytes:
    """Without the spaces around it that are not escaped."""
    while text.endswith(" ") and not text.endswith("\\ "):
        text = text[:-1]
    octets, end = b"", 0
    for escape in _ESCAPE.finditer(text):
        octets += text[end : escape.start()].encode("utf-8", "surrogateescape")
        octets += bytes.fromhex(escape[1]) if escape[1] else escape[2].encode()
        end = escape.end()
    return octets + text[end:].encode("utf-8", "surrogateescape")
