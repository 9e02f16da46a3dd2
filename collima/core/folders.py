"""Names of folders: as Maildir++ writes them on disk, and as people do.

On disk a folder is `.Archive.2013`, in the modified UTF-7 of RFC 3501 5.1.3; the mailbox itself is "". Here its parts
are a tuple, `("Archive", "2013")`, and () is INBOX: whatever stands between parts is each system's own matter.
"""

import base64
import binascii
import re

Parts = tuple[str, ...]

_RUN = re.compile(r"[\x20-\x7e]+|[^\x20-\x7e]+")
_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")


def from_disk(folder: str) -> Parts:
    return tuple(decoded(part) for part in folder.split(".") if part)


def to_disk(parts: Parts) -> str:
    """Raises ValueError for a part that would be two, or another folder than it says."""
    for part in parts:
        if not part or "." in part or "/" in part or part != part.strip() or not part.isprintable():
            raise ValueError(f"{part!r} is no name of a folder")
    return "".join(f".{encoded(part)}" for part in parts)


def typed(text: str) -> Parts:
    """As a person types it: `Archive/2013`; INBOX, in any case, is the mailbox itself."""
    parts = tuple(part for part in text.split("/") if part)
    return () if len(parts) == 1 and parts[0].upper() == "INBOX" else parts


def shown(parts: Parts) -> str:
    return "/".join(parts) or "INBOX"


def encoded(name: str) -> str:
    """In modified UTF-7. Bytes that are no UTF-8, kept as surrogates, cannot be written in it: they stay."""
    return "".join(run.replace("&", "&-") if " " <= run[0] <= "~" else _shift(run) for run in _RUN.findall(name))


def decoded(name: str) -> str:
    """What is no modified UTF-7 stays as it is: some stores write UTF-8, and some a slash within a name as `&AC8-`,
    which RFC 3501 has not. Dovecot shows such a name as it is written, too, and takes it for a new folder's.
    """
    return _SHIFTED.sub(_unshift, name)


def _shift(run: str) -> str:
    raw = run.encode("utf-16-be", "surrogatepass")
    return f"&{base64.b64encode(raw, b'+,').decode('ascii').rstrip('=')}-"


def _unshift(match: re.Match[str]) -> str:
    digits = match[1]
    if not digits:
        return "&"
    try:
        text = base64.b64decode(digits + "=" * (-len(digits) % 4), b"+,", validate=True).decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError):
        return match[0]
    return text if text.isprintable() and not any(" " <= char <= "~" for char in text) else match[0]
