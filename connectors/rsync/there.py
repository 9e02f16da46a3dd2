"""A side on another machine, over ssh. Slower: every look is a list that rsync makes there, with all that it knows."""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from collima.core.errors import SourceError
from collima.core.stores import Room
from connectors.rsync import child
from connectors.rsync.here import Entry

_LINE = re.compile(r"(.)\S{9} +([0-9]+) (\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) (.*)", re.ASCII | re.DOTALL)
_MISSING = 23
_LIST = ("rsync", "--list-only", "--8-bit-output", "--no-human-readable", "--no-motd")

_ROOM = 'if test -d "$1" && test -w "$1"; then df -P -B1 "$1" && df -P -i "$1"; else echo no; fi'
_LINK = """
mkdir -p "$2" && cp -al "$1/." "$2" && exit
most=$(find "$2" -type f -links +1 -printf '%n\\n' | sort -rn | head -n 1)
made=$(find "$2" -type f -links "${most:-0}" -print -exec rm -f {} + | wc -l)
test "$made" -gt 0 && exec rsync -aH --numeric-ids --ignore-existing "$1/" "$2/"
exit 1
"""
"""Files with as many names as the file system allows get a copy in the new tree, one for all of their names there."""


@dataclass(frozen=True, slots=True)
class There:
    host: str
    root: str  # absolute
    ssh: tuple[str, ...]

    @property
    def argument(self) -> str:
        return f"{self.host}:{self.root.rstrip('/')}/"

    def has(self, path: str) -> bool:
        return self._one(path) is not None

    def is_folder(self, path: str) -> bool:
        """A link to one is none."""
        found = self._one(path)
        return found is not None and found.folder

    def _one(self, path: str) -> Entry | None:
        try:
            return next(self._listed(path, "--dirs"), None)
        except child.Failed as err:
            if err.code == _MISSING and err.missing:
                return None
            raise self._failed(err) from err

    def names(self, path: str = "") -> list[Entry]:
        return list(self._list(path, "--dirs"))

    def walk(self, path: str = "") -> Iterator[Entry]:
        prefix = f"{path}/" if path else ""
        for entry in self._list(path, "--recursive"):
            yield entry._replace(path=prefix + entry.path)

    def _list(self, path: str, how: str) -> Iterator[Entry]:
        """What is in a folder. Raises SourceError."""
        try:
            for entry in self._listed(f"{path}/" if path else "", how):
                if entry.path != ".":
                    yield entry
        except child.Failed as err:
            if err.code != child.VANISHED:
                raise self._failed(err) from err

    def _listed(self, path: str, how: str) -> Iterator[Entry]:
        for raw in child.lines([*_LIST, how, *child.over(self.ssh, self.root + path), f"{self.argument}{path}"]):
            if not (found := _LINE.fullmatch(raw)):
                raise SourceError(f"{self.host}: rsync lists what cannot be understood")
            kind, size, when, name = found.groups()
            moment = datetime.strptime(when, "%Y/%m/%d %H:%M:%S").replace(tzinfo=UTC)  # the child's TZ is UTC
            name = name.partition(" -> ")[0] if kind == "l" else name
            yield Entry(child.unescaped(name), kind == "d", int(size), int(moment.timestamp()), link=kind == "l")

    def time(self) -> datetime:
        """Of the folder's last change that rsync tells."""
        for entry in self._listed("", "--dirs"):
            return datetime.fromtimestamp(entry.mtime, UTC)
        raise SourceError(f"{self.argument} is not there")

    @contextmanager
    def file(self, path: str) -> Iterator[Path]:
        """Fetched, and gone after the block."""
        with tempfile.TemporaryDirectory(prefix="collima-copy-") as folder:
            fetched = Path(folder, "message")
            try:
                child.output(
                    ["rsync", "--times", *child.over(self.ssh, self.root + path), self.argument + path, str(fetched)]
                )
            except child.Failed as err:
                raise self._failed(err) from err
            yield fetched

    # ---- changing: the side of the copy. These few words are said to a shell there.

    def room(self) -> Room:
        """Raises SourceError where nothing can be written."""
        told = self._said("sh", "-c", _ROOM, "sh", self.root)
        if told.strip() == "no":
            raise SourceError(f"{self.argument}: it is not there, or cannot be written (not mounted, or read-only?)")
        figures = [line.split() for line in told.splitlines() if "%" in line and line.split()[1].isdecimal()]
        if len(figures) != 2:
            raise SourceError(f"{self.host}: df tells what cannot be understood")
        inodes = int(figures[1][3]) if figures[1][1] != "0" else -1
        return Room(4096, int(figures[0][3]), inodes)

    def rename(self, old: str, new: str) -> None:
        self._said("mv", "-T", f"{self.root}/{old}", f"{self.root}/{new}")

    def remove(self, path: str) -> None:
        self._said("rm", "-rf", f"{self.root}/{path}")

    def discard(self, path: str) -> None:
        """As `Here.discard`."""
        above, _, name = f"{self.root}/{path}".rpartition("/")
        script = 'cd "$1" && test -e "$2" || exit 0; t=$(stat -c %y .) && rm -rf "./$2" && touch -m -d "$t" .'
        self._said("sh", "-c", script, "sh", above, name)

    def merge(self, old: str, new: str) -> None:
        """As `Here.merge`."""
        script = 'cd "$1" && test ! -d "$2" || cp -al --remove-destination "$2/." "./$3/"'
        self._said("sh", "-c", script, "sh", self.root, old, new)
        self.discard(old)

    def erase(self, files: Iterable[str], folders: Iterable[str]) -> None:
        """As `Here.erase`, but folders above get the time of now."""
        for paths, words in ((files, "rm -f"), (folders, "rmdir --ignore-fail-on-non-empty")):
            if given := b"".join(os.fsencode(path) + b"\0" for path in paths):
                self._said("sh", "-c", f'cd "$1" && exec xargs -0 {words} --', "sh", self.root, given=given)

    def link(self, old: str, new: str) -> None:
        """A new folder: a tree of hard links, or empty when `old` is ""."""
        if old:
            self._said("sh", "-c", _LINK, "sh", f"{self.root}/{old}", f"{self.root}/{new}")
        else:
            self._said("mkdir", "-p", f"{self.root}/{new}")

    def _said(self, *words: str, given: bytes = b"") -> str:
        try:
            return child.output([*self.ssh, *child.SSH, "--", self.host, child.spoken(words)], given)
        except child.Failed as err:
            raise self._failed(err) from err

    def _failed(self, err: child.Failed) -> SourceError:
        return SourceError(f"{self.host}: {err}", transient=err.transient)


def parse(text: str, ssh: Sequence[str]) -> There | None:
    """`host:/path`, or None for a path here."""
    host, colon, path = text.partition(":")
    return There(host, path.rstrip("/") or "/", tuple(ssh)) if colon and "/" not in host else None
