"""Text that came from outside, made fit to be shown: on a terminal, in a mail's header, in a log.

Names come from directories that many people may write: a newline would forge a header or a log line, an escape
sequence would drive a terminal, a right-to-left override would show a name as another one.
"""

import os
import re
import unicodedata
from collections.abc import Sequence

_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # controls, format (bidi), surrogates, separators
_AT = re.compile(r"@(?=[\w-])")
_BOUND = re.compile(r"[\s<>\"(),;:=|\[\]{}]")  # no local part goes beyond it
_LOCAL_PART = 256  # characters of it at most


def line(text: str, longest: int = 500) -> str:
    """One line without controls, bidirectional overrides or invisible characters; each becomes U+FFFD, white space " ".

    Longer text is cut, which an ellipsis tells.
    """
    if not text.isascii() or not text.isprintable():
        text = "".join(
            " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _UNSAFE else c
            for c in text[: longest * 2]
        )
    text = text.strip()
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def spelled(name: str) -> str:
    r"""A file's name as text that any database, report and terminal takes: bytes that are no UTF-8, controls and
    backslashes are written as `\x0a`, so that no two names become one."""
    if name.isprintable() and "\\" not in name:
        return name
    return "".join(
        char if char.isprintable() and char != "\\" else "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))
        for char in name
    )


def discreet(text: str) -> str:
    """The same text, each mail address without its local part: `…@example.org`. Its cost grows with the length only."""
    kept, begin = [], 0
    for at in _AT.finditer(text):
        before = text[begin : at.start()]
        local = len(_BOUND.split(before[-_LOCAL_PART:])[-1].lstrip("'"))
        kept += [before[: len(before) - local], "…@" if local else "@"]
        begin = at.end()
    return "".join((*kept, text[begin:]))


def few(names: Sequence[str], most: int) -> tuple[str, int]:
    """The first names, joined by commas, and how many more there are."""
    return ", ".join(line(name, 100) for name in names[:most]), max(0, len(names) - most)
