"""A name of a mailbox as text that any database, report and terminal takes, and back."""

import os
import re

from collima.core.text import spelled

STORE = "store"
"""What reports call the whole: no mailbox's name."""
_ODD = re.compile(r"\\x([0-9a-f]{2})", re.ASCII)


def shown(name: str) -> str:
    r"""Bytes that are no UTF-8, controls and backslashes are written as `\x0a`: no two names become one."""
    if name == STORE:
        return f"\\x{ord(name[0]):02x}{name[1:]}"
    return spelled(name)


def meant(shown: str) -> str:
    """The name that is shown so."""
    if "\\" not in shown:
        return shown
    return os.fsdecode(_ODD.sub(lambda found: chr(int(found[1], 16)), _latin(shown)).encode("latin-1"))


def _latin(text: str) -> str:
    """Each byte of it as a character."""
    return os.fsencode(text).decode("latin-1")
