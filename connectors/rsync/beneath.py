"""Opening what is below a root that is ours, in folders that belong to people who may put links into them.

No link below the root is followed, whatever takes its place meanwhile: each part of a path is opened by itself.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collima.core.copies import Message

ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
FOLDER = ROOT | os.O_NOFOLLOW
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""A pipe in a message's place is not waited for."""
NONE = (FileNotFoundError, NotADirectoryError)
"""What a folder that is not there gives, and a link (`ENOTDIR` with these flags, on Linux)."""


@contextmanager
def folder(root: Path | int, path: str = "") -> Iterator[int]:
    """A descriptor of the folder `path` below `root`, which may be one itself. Raises OSError."""
    at = os.dup(root) if isinstance(root, int) else os.open(root, ROOT)
    try:
        for part in filter(None, path.split("/")):
            if part == "..":
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            below = os.open(part, FOLDER, dir_fd=at)
            os.close(at)
            at = below
        yield at
    finally:
        os.close(at)


def file(folder: int, name: str) -> int:
    """A descriptor of a regular file, for whoever asked to close. Raises OSError for anything else."""
    opened = os.open(name, FILE, dir_fd=folder)
    if stat.S_ISREG(os.fstat(opened).st_mode):
        return opened
    os.close(opened)
    raise OSError(errno.EINVAL, "it is no file")


class Mounted:
    """`core.copies.Files` of a Maildir: each folder is opened once. `home`: its descriptor, for the caller to close."""

    def __init__(self, home: int) -> None:
        self._home = home
        self._parts: dict[tuple[str, str], int] = {}

    def close(self) -> None:
        while self._parts:
            os.close(self._parts.popitem()[1])

    def open(self, message: Message) -> int:
        return file(self._part(message), message.name)

    def received(self, message: Message) -> float | None:
        try:
            return os.stat(message.name, dir_fd=self._part(message), follow_symlinks=False).st_mtime
        except OSError:
            return None

    def _part(self, message: Message) -> int:
        at = message.folder, message.part
        if at not in self._parts:
            with folder(self._home, "/".join(at)) as part:
                self._parts[at] = os.dup(part)
        return self._parts[at]
