"""Flag and folder changes, and new names of list mail, in the copy before rsync looks: nothing of these is sent."""

import contextlib
import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from connectors.rsync.contents import Contents, Difference, homes, one
from connectors.rsync.here import Entry, Here
from connectors.rsync.pattern import Pattern


@dataclass(slots=True)
class Renames:
    """From `source` into the tree `copy`, both mounted here. A name is followed only where size and mtime, to the
    nanosecond, are the source's own: an inode number that was given again shows nothing. What cannot be followed is
    left to rsync."""

    pattern: Pattern
    source: Path
    copy: Path
    linkable: Collection[int]  # inodes of what was to come
    count: int = 0
    _known: dict[int, str] = field(default_factory=dict)  # such an inode -> where the copy has it
    _open: list[tuple[int, str]] = field(default_factory=list)  # (inode, path) that nothing is known of yet

    def follow(self, only: Collection[str] | None = None) -> None:
        """`only`: just in these mailboxes. Raises SourceError."""
        for home in homes(Here(self.source), "", self.pattern, {}):
            if only is None or self.pattern.name(home) in only:
                self._one(home)
        for inode, path in self._open:
            if inode in self._known:
                self._link(self._known[inode], path)

    def _one(self, home: str) -> None:
        source, copy = (Contents.of(one(Here(root), "", home) or (), home) for root in (self.source, self.copy))
        if not copy.entries and not self._known:
            self._await(home, source.messages.values())
            return
        differs = Difference.between(source, copy)
        moved = {new for _, new in differs.moved}
        for old, new in differs.moved:
            self._move(f"{home}/{old}", f"{home}/{new}")
        for key, entry in source.messages.items():
            if entry.inode in self.linkable and entry.path not in moved and key in copy.messages:
                self._known.setdefault(entry.inode, f"{home}/{entry.path}")
        self._await(home, differs.come)

    def _await(self, home: str, come: Collection[Entry]) -> None:
        for entry in come:
            path = f"{home}/{entry.path}"
            if known := self._known.get(entry.inode):
                self._link(known, path)
            elif self._several(path):
                self._open.append((entry.inode, path))

    def _several(self, path: str) -> bool:
        try:
            return os.lstat(self.source / path).st_nlink > 1
        except OSError:
            return False

    def _move(self, old: str, new: str) -> None:
        with contextlib.suppress(OSError):
            if self._same(new, old) and not os.path.lexists(self.copy / new):
                (self.copy / new).parent.mkdir(parents=True, exist_ok=True)
                (self.copy / old).rename(self.copy / new)
                self.count += 1

    def _link(self, known: str, new: str) -> None:
        with contextlib.suppress(OSError):
            if self._same(new, known) and not os.path.lexists(self.copy / new):
                (self.copy / new).parent.mkdir(parents=True, exist_ok=True)
                os.link(self.copy / known, self.copy / new, follow_symlinks=False)
                self.count += 1

    def _same(self, in_source: str, in_copy: str) -> bool:
        one, other = os.lstat(self.source / in_source), os.lstat(self.copy / in_copy)
        return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)
