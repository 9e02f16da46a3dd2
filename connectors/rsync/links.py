"""A tree of hard links: what a new generation begins as."""

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

NEW = ".collima-link"


@dataclass(slots=True)
class Links:
    """From `old` to `new`. Where a file has as many names as its file system allows, the new tree gets a copy of it,
    one for all of its names there. `limit`: as if no file could have more names than this; 0: no such limit."""

    old: Path
    new: Path
    limit: int = 0
    copied: dict[int, str] = field(default_factory=dict)  # inode in the old tree -> its copy in the new one

    def make(self) -> None:
        """Folders get the owner, rights and times of the old ones: rsync sees only those that the source has, too.

        May be stopped at any moment, and made again: what is there stays. Raises OSError.
        """
        self.new.mkdir(exist_ok=True)
        for here, there, entries in folders(os.fspath(self.old), os.fspath(self.new)):
            for entry in entries:
                target = f"{there}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    Path(target).mkdir(exist_ok=True)
                else:
                    self._link(f"{here}/{entry.name}", target, entry.inode())
            like(here, there)
        if self.copied:
            self._gather()

    def _link(self, source: str, target: str, inode: int) -> None:
        source = self.copied.get(inode, source)
        try:
            self._name(source, target)
        except FileExistsError:
            return
        except OSError as err:
            if err.errno != errno.EMLINK:
                raise
            duplicate(source, target)
            self.copied[inode] = target

    def _name(self, source: str, target: str) -> None:
        if self.limit and os.lstat(source).st_nlink >= self.limit:
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))
        os.link(source, target, follow_symlinks=False)

    def _gather(self) -> None:
        """Names that were given before the limit was reached go to the copy, too: rsync keeps one file one file."""
        for here, old, entries in folders(os.fspath(self.new), os.fspath(self.old)):
            for entry in entries:
                copy = self.copied.get(entry.inode())
                if copy and not entry.is_dir(follow_symlinks=False):
                    try:
                        relink(copy, f"{here}/{entry.name}")
                    except OSError as err:
                        if err.errno != errno.EMLINK:
                            raise
            like(old, here)


def like(old: str, new: str) -> None:
    """A folder, or a file, gets the owner, the rights and the times of another."""
    known = os.lstat(old)
    with contextlib.suppress(PermissionError):  # of those who may not give files away
        os.chown(new, known.st_uid, known.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(known.st_mode):
        Path(new).chmod(stat.S_IMODE(known.st_mode))
    os.utime(new, ns=(known.st_atime_ns, known.st_mtime_ns), follow_symlinks=False)


def folders(old: str, new: str) -> Iterator[tuple[str, str, list["os.DirEntry[str]"]]]:
    """(a folder of the old tree, the same of the new one, what is in the old one) of all. Raises OSError."""
    stack = [(old, new)]
    while stack:
        here, there = stack.pop()
        with os.scandir(here) as found:
            entries = list(found)
        yield here, there, entries
        stack.extend((f"{here}/{e.name}", f"{there}/{e.name}") for e in entries if e.is_dir(follow_symlinks=False))


def relink(source: str, name: str) -> None:
    """`name` becomes another name of `source`, at once."""
    with_new = f"{name.rpartition('/')[0]}/{NEW}"
    Path(with_new).unlink(missing_ok=True)
    os.link(source, with_new, follow_symlinks=False)
    Path(with_new).rename(name)
    Path(with_new).unlink(missing_ok=True)  # a rename of two names of one file does nothing


def duplicate(source: str, target: str) -> None:
    """A file of its own, with the owner and the times of the other."""
    new = f"{target.rpartition('/')[0]}/{NEW}"
    shutil.copyfile(source, new, follow_symlinks=False)
    like(source, new)
    Path(new).rename(target)
