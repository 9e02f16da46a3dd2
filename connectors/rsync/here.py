"""A side that is mounted here: looked at by names, and by lstat only where a name does not tell enough."""

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from collima.core.errors import SourceError
from collima.core.stores import Room
from connectors.rsync import beneath

PASSING = (FileNotFoundError, NotADirectoryError)
"""What a folder that vanishes while it is looked at gives."""


class Touched(NamedTuple):
    """Which folder it is, and its last change, ns since 1970: as the file system sets it, and as anybody can."""

    inode: int
    changed: int
    modified: int


class Folder(NamedTuple):
    """The names in one folder. What is no folder counts as a file."""

    folders: list[str]
    files: list[str]


class Entry(NamedTuple):
    """What a side has, relative to its root. Names that are no UTF-8 bear surrogates."""

    path: str
    folder: bool
    size: int = -1  # bytes; -1: not asked for
    mtime: int = 0  # whole seconds since 1970
    inode: int = 0  # of a file with several names; 0: of another, or not known
    link: bool = False  # symbolic


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

    def is_folder(self, path: str) -> bool:
        """Whether it is one, as is each that leads to it: none is a link. Raises SourceError."""
        try:
            with beneath.folder(self.root, path):
                return True
        except beneath.NONE:
            return False
        except OSError as err:
            raise _unreadable(self.root, err) from err

    def names(self, path: str = "") -> list[Entry]:
        """What is in one folder. Raises SourceError."""
        if (found := self.folder(path)) is None:
            raise SourceError(f"{self.root}: a folder is not there any more", transient=True)
        return [*(Entry(name, True) for name in found.folders), *(Entry(name, False) for name in found.files)]

    def folder(self, path: str) -> Folder | None:
        """What is in one folder; None: it is not there any more, or no folder. Raises SourceError."""
        folders: list[str] = []
        files: list[str] = []
        try:
            with os.scandir(self._at(path)) as found:
                for entry in found:
                    (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
        except PASSING:
            return None
        except OSError as err:
            raise _unreadable(self.root, err) from err
        return Folder(folders, files)

    def look(self, path: str) -> Entry | None:
        """One file; None: it is not there any more."""
        try:
            known = os.lstat(self._at(path))
        except OSError:
            return None
        return _entry(path, known)

    def touched(self, folder: str) -> Touched | None:
        """Another one than before when a name in it has come or gone; None: it cannot be told."""
        try:
            known = os.lstat(self._at(folder))
        except OSError:
            return None
        return Touched(known.st_ino, known.st_ctime_ns, known.st_mtime_ns)

    def walk(self, path: str = "") -> Iterator[Entry]:
        """Everything below, each folder before what is in it.

        Raises SourceError for a folder that cannot be read; what vanishes meanwhile was not there.
        """
        stack = [path]
        while stack:
            here = stack.pop()
            if (found := self.folder(here)) is None:
                if here == path:
                    raise SourceError(f"{self.root}: a folder is not there any more", transient=True)
                continue
            prefix = f"{here}/" if here else ""
            for name in found.folders:
                stack.append(prefix + name)
                yield Entry(prefix + name, folder=True)
            yield from filter(None, (self.look(prefix + name) for name in found.files))

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

    # ---- changing: the side of the copy

    def rename(self, old: str, new: str) -> None:
        """Raises OSError."""
        (self.root / old).rename(self.root / new)

    def remove(self, path: str) -> None:
        """A file, or a whole tree. Raises OSError; doing it twice does no harm."""
        where = Path(self._at(path))
        if where.is_dir() and not where.is_symlink():
            shutil.rmtree(where)
        else:
            where.unlink(missing_ok=True)

    def discard(self, path: str) -> None:
        """As `remove`, and the folder that it is in keeps its times."""
        if self.has(path):
            with self._unmoved(_above(path)):
                self.remove(path)

    def merge(self, old: str, new: str) -> None:
        """What is in one tree takes the place of what another has by the same names. Raises OSError."""
        one, other = self._at(old), self._at(new).rstrip("/")
        stack = [""] if self.has(old) else []
        while stack:
            here = stack.pop()
            Path(f"{other}{here}").mkdir(exist_ok=True)
            found = self.folder(f"{old}{here}") or Folder([], [])
            for name in found.files:
                with contextlib.suppress(IsADirectoryError):
                    Path(f"{one}{here}/{name}").replace(f"{other}{here}/{name}")
            stack += [f"{here}/{name}" for name in found.folders]
        self.discard(old)

    def erase(self, files: Iterable[str], folders: Iterable[str]) -> None:
        """Just these files, and then these folders, as far as nothing is in them: each before the one that it is in.

        No link is followed, and the folders above keep their times. Raises OSError; doing it twice does no harm.
        """
        for paths, gone in ((sorted(files, key=_above), os.unlink), (folders, os.rmdir)):
            for above, some in groupby(paths, key=_above):
                with contextlib.suppress(*beneath.NONE), self._unmoved(above) as at:
                    for path in some:
                        try:
                            gone(path.rpartition("/")[2], dir_fd=at)
                        except FileNotFoundError:
                            continue
                        except OSError as err:
                            if err.errno != errno.ENOTEMPTY:
                                raise

    @contextlib.contextmanager
    def _unmoved(self, folder: str) -> Iterator[int]:
        """Its descriptor; in the end it has the times that it has now."""
        with beneath.folder(self.root, folder) as at:
            times = os.fstat(at)
            yield at
            with contextlib.suppress(PermissionError):
                os.utime(at, ns=(times.st_atime_ns, times.st_mtime_ns))

    def _at(self, path: str) -> str:
        return f"{self.root}/{path}"  # a million times: no `Path`


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _entry(path: str, known: os.stat_result) -> Entry:
    inode = known.st_ino if known.st_nlink > 1 else 0
    return Entry(path, False, known.st_size, int(known.st_mtime), inode, stat.S_ISLNK(known.st_mode))


def _unreadable(root: Path, err: OSError) -> SourceError:
    """Nobody's name: a folder below the root is a person's."""
    return SourceError(f"{root}: a folder in it cannot be read: {err.strerror}")
