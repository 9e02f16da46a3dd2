"""Headers of mail as people read them: found in the first bytes of a message, decoded as far as strangers let it."""

import binascii
import re

_WORD = re.compile(rb"=\?([^?*]+)(?:\*[^?]*)?\?([bBqQ])\?([^?]*)\?=")
_WORDS = re.compile(rb"=\?[^?]+\?[bBqQ]\?[^?]*\?=(?:[ \t]+=\?[^?]+\?[bBqQ]\?[^?]*\?=)*")
_FOLD = re.compile(rb"\r?\n[ \t]+")


def ends(raw: bytes) -> int:
    """Where the headers end; -1 when that is not among these bytes."""
    unix = raw.find(b"\n\n")
    network = raw.find(b"\n\r\n", 0, unix if unix >= 0 else len(raw))
    return network if network >= 0 else unix


def found(raw: bytes, *names: bytes) -> list[bytes]:
    """Of each name (in lower case) the first field, unfolded and not decoded; b"" without one.

    `raw`: a message, or its beginning.
    """
    end = ends(raw)
    head = b"\n" + (raw if end < 0 else raw[: end + 1])
    lowered = head.lower()
    return [_field(head, lowered, name) for name in names]


def _field(head: bytes, lowered: bytes, name: bytes) -> bytes:
    begin = lowered.find(b"\n" + name + b":")
    if begin < 0:
        return b""
    begin += len(name) + 2
    end = head.find(b"\n", begin)
    while end >= 0 and head[end + 1 : end + 2] in (b" ", b"\t"):
        end = head.find(b"\n", end + 1)
    return _FOLD.sub(b" ", head[begin:] if end < 0 else head[begin:end]).strip()


def decoded(field: bytes) -> str:
    """Encoded words of RFC 2047 as text. What cannot be decoded stays as it is, or has U+FFFD in it."""
    if b"=?" not in field:
        return _text(field, "utf-8")
    told, at = [], 0
    for words in _WORDS.finditer(field):
        told += [_text(field[at : words.start()], "utf-8"), _joined(words[0])]
        at = words.end()
    return "".join((*told, _text(field[at:], "utf-8")))


def _joined(words: bytes) -> str:
    """Words in a row, without the white space between them. Some programs cut a character in two: bytes of one charset
    are put together first."""
    parts: list[tuple[str, bytes]] = []
    for charset, how, coded in _WORD.findall(words):
        name, raw = charset.decode("ascii", "replace").lower(), _bytes(how, coded)
        if parts and parts[-1][0] == name:
            parts[-1] = (name, parts[-1][1] + raw)
        else:
            parts.append((name, raw))
    return "".join(_text(raw, name) for name, raw in parts)


def _bytes(how: bytes, coded: bytes) -> bytes:
    if how in b"qQ":
        return binascii.a2b_qp(coded, header=True)
    try:
        return binascii.a2b_base64(coded + b"=" * (-len(coded) % 4))
    except binascii.Error:
        return coded


def _text(raw: bytes, charset: str) -> str:
    try:
        return raw.decode(charset)
    except (UnicodeDecodeError, LookupError):
        return raw.decode("utf-8", "replace")
