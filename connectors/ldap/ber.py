"""BER as LDAP uses it (RFC 4511, section 5.1): definite lengths only, and no more of ASN.1 than a search needs.

Decoders raise Garbage for whatever is not well-formed; they never read past the end that they are given.
"""

from collections.abc import Iterator

from collima.core.errors import SourceError

SEQUENCE, SET, INTEGER, OCTETS, BOOLEAN, ENUMERATED = 0x30, 0x31, 0x02, 0x04, 0x01, 0x0A

LONGEST = 64 * 2**20
"""More octets than this in one element are no answer of a directory. (A photograph may well have 10 MB.)"""


class Garbage(SourceError):
    """What was received is not LDAP."""

    def __init__(self, what: str) -> None:
        super().__init__(f"what it sends is not LDAP: {what}; check `url`, and look for a proxy between")


def element(tag: int, *parts: bytes) -> bytes:
    """One element with these parts, already encoded, as its content."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def octets(value: bytes | str, tag: int = OCTETS) -> bytes:
    return element(tag, value.encode() if isinstance(value, str) else value)


def boolean(value: bool, tag: int = BOOLEAN) -> bytes:
    return element(tag, b"\xff" if value else b"\x00")


def header(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """(tag, start, end) of the content of the element that begins at `at` and must lie before `end`."""
    if at + 2 > end:
        raise Garbage("an element is cut short")
    length = data[at + 1]
    start = at + 2
    if length >= 0x80:
        size = length & 0x7F
        start += size
        if not 1 <= size <= 4 or start > end:
            raise Garbage("a length is not one that LDAP allows")
        length = int.from_bytes(data[at + 2 : start], "big")
    if start + length > end:
        raise Garbage("an element is longer than what contains it")
    return data[at], start, start + length


def children(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(tag, start, end) of the content of each element between `at` and `end`."""
    while at < end:
        tag, start, at = header(data, at, end)
        yield tag, start, at


def attribute(raw: bytes) -> tuple[str, tuple[bytes, ...]]:
    """The description, as it was sent, and the values of one whole PartialAttribute."""
    tag, start, end = header(raw, 0, len(raw))
    parts = list(children(raw, start, end))
    if tag != SEQUENCE or end != len(raw) or [part[0] for part in parts] != [OCTETS, SET]:
        raise Garbage("an attribute is malformed")
    (_, start, end), (_, first, last) = parts
    values = []
    for tag, begin, stop in children(raw, first, last):
        if tag != OCTETS:
            raise Garbage("an attribute value is malformed")
        values.append(raw[begin:stop])
    try:
        return raw[start:end].decode("ascii"), tuple(values)
    except UnicodeDecodeError as err:
        raise Garbage("an attribute has a name that is not ASCII") from err


def description(raw: bytes) -> bytes:
    """The description alone, lower-cased, of one whole PartialAttribute: asked of every distinct one."""
    length = raw[1]
    at = 2 if length < 0x80 else 2 + (length & 0x7F)
    size = raw[at + 1]
    if raw[at] != OCTETS or size >= 0x80 or at + 2 + size > len(raw):
        raise Garbage("an attribute is malformed, or has a name of more than 127 octets")
    return raw[at + 2 : at + 2 + size].lower()


def encoded_attribute(description: str, values: tuple[bytes, ...]) -> bytes:
    """The inverse of `attribute`."""
    return element(SEQUENCE, octets(description), element(SET, *map(octets, values)))


def entry(data: bytes, at: int, end: int) -> tuple[bytes, list[bytes]]:
    """The DN and the whole PartialAttributes, each as raw bytes, of the SearchResultEntry with this content.

    The one loop that sees every attribute of every entry: one slice for each, and nothing is looked at inside.
    """
    tag, start, stop = header(data, at, end)
    if tag != OCTETS:
        raise Garbage("an entry has no DN")
    dn = data[start:stop]
    tag, at, last = header(data, stop, end)
    if tag != SEQUENCE or last != end:
        raise Garbage("an entry has no attributes")
    raws = []
    try:
        while at < end:
            length = data[at + 1]
            if data[at] != SEQUENCE:
                raise Garbage("an entry's attributes are malformed")
            if length < 0x80:
                stop = at + 2 + length
            elif length == 0x81:
                stop = at + 3 + data[at + 2]
            elif length == 0x82:
                stop = at + 4 + (data[at + 2] << 8) + data[at + 3]
            else:
                stop = header(data, at, end)[2]
            raws.append(data[at:stop])
            at = stop
    except IndexError as err:
        raise Garbage("an entry is cut short") from err
    if at != end:
        raise Garbage("an entry's attributes are longer than the entry")
    return dn, raws
