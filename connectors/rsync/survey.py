"""Both sides by names, one mailbox in memory at a time: what a run has to do."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from collima.core.stores import Box, Inventory
from connectors.rsync import maildir
from connectors.rsync.contents import Contents, Difference, homes, mailboxes, one, same
from connectors.rsync.here import Entry, Here
from connectors.rsync.names import shown
from connectors.rsync.pattern import Pattern
from connectors.rsync.there import There

_Files = dict[str, Entry]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two, and where its tree is."""

    at: Here | There
    root: str = ""


@dataclass(slots=True)
class Survey:
    """`copy`: None while there is none."""

    pattern: Pattern
    source: Side
    copy: Side | None
    block: int  # bytes, where the copy is
    inodes: set[int] = field(default_factory=set)  # of what is to come
    files: int = 0
    blocks: int = 0
    folders: int = 0

    def inventory(self, *, unfinished: bool) -> Inventory:
        """Raises SourceError."""
        boxes: dict[str, Box] = {}
        gone: list[str] = []
        outside, copied = _Files(), _Files()
        for name, source, copy in self._pairs(outside, copied):
            if source is None:
                gone.append(name)
            boxes[shown(name)] = self._compared(source or Contents(), copy or Contents())
        fresh = [entry for path, entry in outside.items() if not entry.folder and not same(entry, copied.get(path))]
        for entry in fresh:
            self._weigh(entry, entry.size)
        return Inventory(
            boxes=boxes,
            gone=frozenset(map(shown, gone)),
            strays=_strays(outside, copied, {self._top(outside, name) for name in gone}),
            fresh=len(fresh),
            files=self.files,
            blocks=self.blocks,
            folders=self.folders + len(copied),
            empty=not copied and not any(box.entries for box in boxes.values()),
            unfinished=unfinished,
            linkable=frozenset(self.inodes),
        )

    def _pairs(self, outside: _Files, copied: _Files) -> Iterator[tuple[str, Contents | None, Contents | None]]:
        """(mailbox, in the source, in the copy) of all; what is in none goes to `outside` and `copied`."""
        turned = self.copy is not None and isinstance(self.copy.at, There)  # a list is read once, and leads
        first, apart, second, other = self.source, outside, self.copy, copied
        if self.copy is not None and turned:
            first, apart, second, other = self.copy, copied, self.source, outside
        told = set()
        for name, entries in mailboxes(first.at, first.root, self.pattern, apart):
            told.add(name)
            one_side, other_side = Contents.of(entries, self.pattern.path(name)), self._contents(second, name)
            yield (name, other_side, one_side) if turned else (name, one_side, other_side)
        if second is None or not isinstance(second.at, Here):
            return
        for path in homes(second.at, second.root, self.pattern, other):
            if (name := self.pattern.name(path)) not in told:
                rest = self._contents(second, name)
                yield (name, rest, None) if turned else (name, None, rest)

    def _contents(self, side: Side | None, name: str) -> Contents | None:
        """None: it does not have this mailbox."""
        home = self.pattern.path(name)
        if side is None or (entries := one(side.at, side.root, home)) is None:
            return None
        return Contents.of(entries, home)

    def _compared(self, source: Contents, copy: Contents) -> Box:
        differs = Difference.between(source, copy)
        for entry in differs.come:
            self._weigh(entry, maildir.size(entry.path) if entry.size < 0 else entry.size)
        self.folders += len(source.folders | copy.folders)
        come, leave = len(differs.moved) + len(differs.come), differs.leave
        return Box(
            source=len(source.messages),
            copy=len(copy.messages),
            size=sum(maildir.size(m.path) or 0 if m.size < 0 else m.size for m in source.messages.values()),
            come=come or int(bool(source.folders - copy.folders)),
            leave=leave or int(bool(copy.folders - source.folders)),
            entries=copy.entries,
        )

    def _weigh(self, entry: Entry, size: int | None) -> None:
        """List mail takes its room once."""
        if entry.inode and entry.inode in self.inodes:
            return
        if entry.inode:
            self.inodes.add(entry.inode)
        self.files += 1
        self.blocks += -(-(size or 0) // self.block)

    def _top(self, outside: Mapping[str, Entry], name: str) -> str:
        return top(self.pattern.path(name), outside)


def top(home: str, outside: Mapping[str, object]) -> str:
    """The highest folder above a mailbox, or its own, that the source does not have: it goes, and stays, as a whole."""
    parts = home.split("/")
    above = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
    return next((folder for folder in above if folder not in outside), home)


def _strays(outside: Mapping[str, Entry], copied: Mapping[str, Entry], tops: set[str]) -> Mapping[str, int]:
    """What only the copy has outside of mailboxes: the topmost paths, and how many files and folders each is. What goes
    with a mailbox is none."""
    counts: Counter[str] = Counter()
    for path, entry in copied.items():
        known = outside.get(path)
        if known is None or known.folder != entry.folder:
            highest = top(path, outside)
            if highest not in tops:
                counts[shown(highest)] += 1
    return counts
