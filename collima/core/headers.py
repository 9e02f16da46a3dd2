"""Headers of mail as people read them: found in the first bytes of a message, decoded as far as strangers let it."""

import re
from email.errors import HeaderParseError
from email.header import decode_header

_END = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]+")


def wanting(*names: str) -> re.Pattern[bytes]:
    """For `found`: the fields of these names."""
    return re.compile(
        rb"^(%b)[ \t]*:((?:.*)(?:\n[ \t].*)*)" % "|".join(names).encode("ascii"), re.IGNORECASE | re.MULTILINE
    )


def found(raw: bytes, wanted: re.Pattern[bytes]) -> dict[str, bytes]:
    """Name, lower-cased -> the first field of it, unfolded and not decoded. `raw`: a message, or its beginning."""
    end = _END.search(raw)
    fields: dict[str, bytes] = {}
    for match in wanted.finditer(raw, 0, end.end() if end else len(raw)):
        fields.setdefault(match[1].decode("ascii").lower(), _FOLD.sub(b" ", match[2]).strip())
    return fields


def decoded(field: bytes) -> str:
    """Encoded words of RFC 2047 as text; what cannot be decoded has U+FFFD in it, or stays as it is."""
    if b"=?" not in field:
        return _text(field, "utf-8")
    try:
        parts = decode_header(_text(field, "utf-8"))
    except (HeaderParseError, ValueError):
        return _text(field, "utf-8")
    return "".join(
        part if isinstance(part, str) else _text(part, charset or "utf-8") for part, charset in parts
    ).strip()


def _text(raw: bytes, charset: str) -> str:
    try:
        return raw.decode(charset)
    except (UnicodeDecodeError, LookupError):
        return raw.decode("utf-8", "replace")
