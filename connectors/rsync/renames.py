"""Flag and folder changes, and new names of list mail, in the copy before rsync looks: nothing of these is sent."""

import contextlib
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from connectors.rsync.contents import Contents, Difference, contents, homes
from connectors.rsync.here import Here
from connectors.rsync.links import folders
from connectors.rsync.names import meant
from connectors.rsync.pattern import Pattern


@dataclass(slots=True)
class Renames:
    """From `source` into the tree `copy`, both mounted here. A name is followed only where size and mtime, to the
    nanosecond, are the source's own: an inode number that was given again shows nothing. What cannot be followed is
    left to rsync."""

    pattern: Pattern
    source: Path
    copy: Path
    kept: Mapping[str, Difference] = field(default_factory=dict)  # by mailbox, of those that were compared already
    count: int = 0
    _known: dict[int, str] = field(default_factory=dict)  # such an inode -> where the copy has it
    _open: list[tuple[int, str]] = field(default_factory=list)  # (inode, path) that nothing is known of yet

    def follow(self, names: Collection[str]) -> None:
        """In these mailboxes. Raises SourceError."""
        for name in names:
            home = self.pattern.path(meant(name))
            if differs := self.kept.get(name) or self._compared(home):
                self._one(home, differs)
        if self._open:
            self._find()
        for inode, path in self._open:
            if inode in self._known:
                self._link(self._known[inode], path)

    def _compared(self, home: str) -> Difference | None:
        source, copy = (contents(Here(root), "", home, closely=False) for root in (self.source, self.copy))
        return None if source is None else Difference.between(source, copy or Contents())

    def _one(self, home: str, differs: Difference) -> None:
        for old, new in differs.moved:
            self._move(f"{home}/{old}", f"{home}/{new}")
        for path in differs.come:
            if inode := self._inode(f"{home}/{path}"):
                self._open.append((inode, f"{home}/{path}"))

    def _inode(self, path: str) -> int:
        """0: of a file with one name, or of none."""
        known = Here(self.source).look(path)
        return known.inode if known else 0

    def _find(self) -> None:
        """Where else the source has what is to come, by the numbers that its folders tell without a look at the files:
        one name that the copy has, too, of each."""
        wanted = {inode for inode, _ in self._open}
        cut = len(os.fspath(self.source)) + 1
        for home in homes(Here(self.source), "", self.pattern, {}):
            with contextlib.suppress(FileNotFoundError):  # a mailbox that changes while it is looked at
                for here, _, entries in folders(f"{self.source}/{home}", ""):
                    for entry in entries:
                        inode = entry.inode()
                        if inode in wanted and inode not in self._known:
                            path = f"{here}/{entry.name}"[cut:]
                            if os.path.lexists(self.copy / path):
                                self._known[inode] = path

    def _move(self, old: str, new: str) -> None:
        with contextlib.suppress(OSError):
            if self._free(new, old):
                Path(f"{self.copy}/{old}").rename(f"{self.copy}/{new}")
                self.count += 1

    def _link(self, known: str, new: str) -> None:
        with contextlib.suppress(OSError):
            if self._free(new, known):
                os.link(f"{self.copy}/{known}", f"{self.copy}/{new}", follow_symlinks=False)
                self.count += 1

    def _free(self, new: str, known: str) -> bool:
        """Whether the copy can have its file `known` as `new`: nothing is there, and the source has the same so."""
        one, other = os.lstat(f"{self.source}/{new}"), os.lstat(f"{self.copy}/{known}")
        if (one.st_size, one.st_mtime_ns) != (other.st_size, other.st_mtime_ns):
            return False
        try:
            os.lstat(f"{self.copy}/{new}")
        except FileNotFoundError:
            Path(f"{self.copy}/{new}").parent.mkdir(parents=True, exist_ok=True)
            return True
        return False
