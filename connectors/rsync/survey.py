"""Both sides by names, one mailbox in memory at a time: what a run has to do."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from collima.core.stores import Box, Inventory
from connectors.rsync.beside import listed
from connectors.rsync.contents import Contents, Difference, Parts, contents, homes, mailboxes, same
from connectors.rsync.here import Entry, Here
from connectors.rsync.layout import REPLACED
from connectors.rsync.maildir import is_rest
from connectors.rsync.names import shown
from connectors.rsync.pattern import Pattern
from connectors.rsync.there import There

_Files = dict[str, Entry]
KEPT = 100_000  # names of messages that differ


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
    inodes: set[int] = field(default_factory=set)  # of what is to come, and has several names
    files: int = 0
    blocks: int = 0
    folders: int = 0
    kept: dict[str, Difference] = field(default_factory=dict)  # of the first mailboxes that differ
    names: int = 0  # in them
    turned: dict[str, frozenset[str]] = field(default_factory=dict)  # as `Inventory` has it
    parts: dict[str, Parts] = field(default_factory=dict)  # of the copy

    def inventory(self, *, unfinished: bool) -> Inventory:
        """Raises SourceError."""
        boxes: dict[str, Box] = {}
        gone: list[str] = []
        outside, copied = _Files(), _Files()
        for name, source, copy in self._pairs(outside, copied):
            if source is None:
                gone.append(name)
            boxes[shown(name)] = self._compared(name, source or Contents(), copy or Contents())
        copied = {path: entry for path, entry in copied.items() if path.partition("/")[0] != REPLACED}
        folders = {path for path, entry in outside.items() if entry.folder}
        was = [*(path for path, entry in copied.items() if entry.folder), *map(self.pattern.path, gone)]
        self._turn("", (path for path in was if path in outside and path not in folders))
        fresh = [
            entry
            for path, entry in outside.items()
            if not entry.folder and path not in self.turned.get("", ()) and not same(entry, copied.get(path))
        ]
        for entry in fresh:
            self._weigh(entry)
        return Inventory(
            boxes=boxes,
            gone=frozenset(map(shown, gone)),
            links=frozenset(shown(path) for path, entry in outside.items() if entry.link and self._leads(path)),
            strays=_strays(outside, folders, copied, {top(self.pattern.path(name), folders) for name in gone}),
            fresh=len(fresh),
            files=self.files,
            blocks=self.blocks,
            folders=self.folders + len(copied),
            empty=not copied and not any(box.entries for box in boxes.values()),
            unfinished=unfinished,
            differences=self.kept,
            parts=self.parts,
            turned=self.turned,
        )

    def _turn(self, name: str, paths: Iterable[str]) -> None:
        if found := frozenset(paths):
            self.turned[name] = found

    def _leads(self, path: str) -> bool:
        """Whether a folder at this path would be a mailbox, or lead to one."""
        return all(self.pattern.fits(depth, part) for depth, part in enumerate(path.split("/")))

    def _pairs(self, outside: _Files, copied: _Files) -> Iterator[tuple[str, Contents | None, Contents | None]]:
        """(mailbox, in the source, in the copy) of all; what is in none goes to `outside` and `copied`."""
        turned = self.copy is not None and isinstance(self.copy.at, There)  # a list is read once, and leads
        first, apart, second, other = self.source, outside, self.copy, copied
        if self.copy is not None and turned:
            first, apart, second, other = self.copy, copied, self.source, outside
        told = set()
        for name, one_side, other_side in self._both(first, second, apart):
            told.add(name)
            yield (name, other_side, one_side) if turned else (name, one_side, other_side)
        if second is None or not isinstance(second.at, Here):
            return
        for path in homes(second.at, second.root, self.pattern, other):
            if (name := self.pattern.name(path)) not in told:
                rest = self._contents(second, name)
                yield (name, rest, None) if turned else (name, None, rest)

    def _both(self, first: Side, second: Side | None, apart: _Files) -> Iterator[tuple[str, Contents, Contents | None]]:
        """Of the mailboxes of the first side; what is in none goes to `apart`."""
        if second is None or isinstance(first.at, There) or isinstance(second.at, There):
            for name, found in mailboxes(first.at, first.root, self.pattern, apart):
                yield name, found, self._contents(second, name)
            return
        paths = list(homes(first.at, first.root, self.pattern, apart))
        with listed(second.at, second.root, paths) as others:
            for path, other in zip(paths, others, strict=True):
                if (one := contents(first.at, first.root, path)) is not None:
                    yield self.pattern.name(path), one, other

    def _contents(self, side: Side | None, name: str) -> Contents | None:
        """None: it does not have this mailbox."""
        return None if side is None else contents(side.at, side.root, self.pattern.path(name))

    def _compared(self, name: str, source: Contents, copy: Contents) -> Box:
        differs = Difference.between(source, copy)
        for entry in (*self._closely(name, source, differs.come), *differs.changed):
            self._weigh(entry)
        self._keep(shown(name), differs)
        self.parts[shown(name)] = copy.parts
        home = self.pattern.path(name)
        self._turn(shown(name), (f"{home}/{path}" for path in copy.folders if path in source.others))
        self.folders += len(source.folders | copy.folders)
        come = len(differs.moved) + len(differs.come) + len(differs.changed) + differs.spare
        return Box(
            source=source.count,
            copy=copy.count,
            size=source.size(),
            come=come or int(source.folders != copy.folders),
            leave=differs.leave,
            entries=copy.entries,
            rests=differs.rests > 0,
        )

    def _keep(self, name: str, differs: Difference) -> None:
        """As many as memory is well spent on: whoever renames need not look again."""
        if differs.moved or differs.come:
            self.names += len(differs.moved) + len(differs.come)
            if self.names <= KEPT:
                self.kept[name] = differs

    def _closely(self, name: str, source: Contents, paths: Iterable[str]) -> Iterator[Entry]:
        """Messages of the source with their sizes. What vanished meanwhile does not come."""
        home = self.pattern.path(name)
        for path in paths:
            if isinstance(self.source.at, Here):
                entry = self.source.at.look(f"{home}/{path}")
            else:
                entry = source.known.get(path)
            if entry is not None:
                yield entry

    def _weigh(self, entry: Entry) -> None:
        """List mail takes its room once."""
        if entry.inode:
            if entry.inode in self.inodes:
                return
            self.inodes.add(entry.inode)
        self.files += 1
        self.blocks += -(-entry.size // self.block)


def top(home: str, outside: Collection[str]) -> str:
    """The highest folder above a mailbox, or its own, that the source does not have: it goes, and stays, as a whole."""
    return next((folder for folder in above(home) if folder not in outside), home)


def above(path: str) -> list[str]:
    """The folders that it is in, the highest first."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def _strays(
    outside: Mapping[str, Entry], folders: Collection[str], copied: Mapping[str, Entry], tops: set[str]
) -> Mapping[str, int]:
    """What only the copy has outside of mailboxes: the topmost paths, and how many files and folders each is. What goes
    with a mailbox is none, and what an rsync left."""
    counts: Counter[str] = Counter()
    for path, entry in copied.items():
        known = outside.get(path)
        if known is None or known.folder != entry.folder:
            highest = top(path, folders)
            if highest not in tops and not is_rest(path, folder=entry.folder):
                counts[shown(highest)] += 1
    return counts
