"""A side that is mounted here: looked at by names, and by lstat only where a name does not tell enough."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from collima.core.errors import SourceError
from collima.core.stores import Room

PASSING = (FileNotFoundError, NotADirectoryError)
"""What a folder that vanishes while it is looked at gives."""


class Entry(NamedTuple):
    """What a side has, relative to its root. Names that are no UTF-8 bear surrogates."""

    path: str
    folder: bool
    size: int = -1  # bytes; -1: not asked for
    mtime: int = 0  # whole seconds since 1970
    inode: int = 0  # 0: not known


@dataclass(frozen=True, slots=True)
class Here:
    root: Path

    @property
    def argument(self) -> str:
        """As rsync is told it."""
        return f"{self.root}/"

    def has(self, path: str) -> bool:
        """Whether something is there. Raises SourceError when that cannot be told."""
        try:
            os.lstat(self._at(path))
        except PASSING:
            return False
        except OSError as err:
            raise _unreadable(self.root, err) from err
        return True

    def names(self, path: str = "") -> list[Entry]:
        """What is in one folder. Raises SourceError."""
        try:
            with os.scandir(self._at(path)) as found:
                return [Entry(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
        except OSError as err:
            raise _unreadable(self.root, err) from err

    def look(self, path: str) -> Entry | None:
        """One file; None: it is not there any more."""
        try:
            known = os.lstat(self._at(path))
        except OSError:
            return None
        return Entry(path, False, known.st_size, int(known.st_mtime), known.st_ino)

    def walk(self, path: str = "", *, sizes: bool = True) -> Iterator[Entry]:
        """Everything below, each folder before what is in it. `sizes`: for files that tell no size by their names.

        Raises SourceError for a folder that cannot be read; what vanishes meanwhile was not there.
        """
        stack = [path]
        while stack:
            here = stack.pop()
            try:
                with os.scandir(self._at(here)) as found:
                    entries = list(found)
            except PASSING:
                if here == path:
                    raise SourceError(f"{self.root}: a folder is not there any more", transient=True) from None
                continue
            except OSError as err:
                raise _unreadable(self.root, err) from err
            prefix = f"{here}/" if here else ""
            for entry in entries:
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    stack.append(name)
                    yield Entry(name, folder=True)
                elif sizes and ",S=" not in entry.name:
                    try:
                        known = entry.stat(follow_symlinks=False)
                    except PASSING:
                        continue
                    yield Entry(name, False, known.st_size, int(known.st_mtime), known.st_ino)
                else:
                    yield Entry(name, False, inode=entry.inode())

    def room(self) -> Room:
        """Raises SourceError where nothing can be written."""
        if not self.root.is_dir():
            raise SourceError(f"{self.root}: there is no such folder (not mounted?)")
        try:
            told = os.statvfs(self.root)
        except OSError as err:
            raise _unreadable(self.root, err) from err
        if told.f_flag & os.ST_RDONLY or not os.access(self.root, os.W_OK | os.X_OK):
            raise SourceError(f"{self.root}: it cannot be written (mounted read-only?)")
        return Room(told.f_frsize, told.f_bavail * told.f_frsize, told.f_favail if told.f_files else -1)

    @contextmanager
    def file(self, path: str) -> Iterator[Path]:
        """A file of this side, to be read. Raises SourceError when it is not there."""
        where = self.root / path
        if not where.is_file():
            raise SourceError(f"{self.root}: the file is not there any more")
        yield where

    # ---- changing: the side of the copy

    def rename(self, old: str, new: str) -> None:
        """Raises OSError."""
        (self.root / old).rename(self.root / new)

    def remove(self, path: str) -> None:
        """A whole tree. Raises OSError; doing it twice does no harm."""
        where = self._at(path)
        if os.path.lexists(where):
            shutil.rmtree(where)

    def _at(self, path: str) -> str:
        return os.path.join(self.root, path)  # noqa: PTH118 - a million times


def _unreadable(root: Path, err: OSError) -> SourceError:
    """Nobody's name: a folder below the root is a person's."""
    return SourceError(f"{root}: a folder in it cannot be read: {err.strerror}")
