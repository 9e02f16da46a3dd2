"""Names in a Maildir++, never opened: which files are messages, and what of a name stays when its flags change."""

import os
import re
from collections.abc import Iterable, Iterator

from collima.core.copies import Message
from connectors.rsync import beneath

PARTS = ("cur", "new")
_TEMPORARY = re.compile(r"\..+\.[A-Za-z0-9]{6}", re.DOTALL)
_SIZES = re.compile(r",S=(\d{1,18})(?=[,:\0]|$)[^\0]*", re.ASCII)  # of names with a NUL between them


def guid(name: str) -> str:
    """The name without its flags: what Dovecot calls the base name."""
    return name.partition(":")[0]


def flags(name: str) -> str:
    """The letters after `:2,`; other letters are no flags (https://cr.yp.to/proto/maildir.html)."""
    info = name.partition(":")[2]
    return info[2:].partition(",")[0] if info[:2] == "2," else ""


def sizes(names: Iterable[str]) -> list[int]:
    """In bytes, those that names tell: one for each name that tells any."""
    return list(map(int, _SIZES.findall("\0".join(names))))


def place(path: str) -> tuple[str, str, str]:
    """(folder, part, name) of a file, by its path relative to its Maildir."""
    above, _, name = path.rpartition("/")
    folder, _, part = above.rpartition("/")
    return folder, part, name


def is_message(folder: str, part: str, name: str) -> bool:
    """Whether a file at `folder/part/name`, relative to its Maildir, is a message."""
    return part in PARTS and name[:1] != "." and (not folder or (folder[0] == "." and "/" not in folder))


def counts(path: str) -> bool:
    """Whether what is at this path, relative to its Maildir, is worth a question before it goes: each message, in
    whatever layout of folders, and nothing that can be made again."""
    _, part, name = place(path)
    return part in PARTS and name[:1] != "."


def is_rest(path: str, *, folder: bool = False) -> bool:
    """Whether it looks like what an rsync leaves that was killed: `.NAME.x4Yz9A`."""
    name = path.rpartition("/")[2]
    return not folder and _TEMPORARY.fullmatch(name) is not None


def messages(home: int) -> Iterator[Message]:
    """Those of one Maildir, by its descriptor, folder by folder. A link is neither a folder nor a message.

    Raises OSError; a folder that vanishes meanwhile has none.
    """
    for folder in ["", *sorted(_folders(home))]:
        for part in PARTS:
            try:
                with beneath.folder(home, f"{folder}/{part}") as at, os.scandir(at) as found:
                    names = [e.name for e in found if not e.name.startswith(".") and e.is_file(follow_symlinks=False)]
            except beneath.NONE:
                continue
            for name in names:
                yield Message(folder, name, guid(name), flags(name), part)


def _folders(home: int) -> list[str]:
    with os.scandir(home) as found:
        return [e.name for e in found if e.name.startswith(".") and e.is_dir(follow_symlinks=False)]
