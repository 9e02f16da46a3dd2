"""Both sides by names, one mailbox in memory at a time: what a run has to do."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from collima.core.stores import Box, Inventory
from connectors.rsync import maildir
from connectors.rsync.beside import Beside, Look
from connectors.rsync.contents import NEVER, Contents, Difference, Parts, contents, homes, mailboxes, same
from connectors.rsync.here import Entry, Here, Touched
from connectors.rsync.layout import REPLACED
from connectors.rsync.names import shown
from connectors.rsync.pattern import Pattern
from connectors.rsync.rehearsal import Rehearsal
from connectors.rsync.there import There
from connectors.rsync.unmoved import Noted

_Files = dict[str, Entry]
KEPT = 100_000  # names of messages that differ, and of folders that these are in


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two, and where its tree is."""

    at: Here | There
    root: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """One mailbox on both sides."""

    box: Box
    differs: Difference
    coming: Sequence[Entry]  # files that are to take room
    parts: Parts  # of the copy
    turned: frozenset[str]  # folders of the copy that are none in the source, relative to the mailbox
    folders: int

    @classmethod
    def of(
        cls, at: Here | There, home: str, source: Contents, copy: Contents, touched: Mapping[str, Touched] = NEVER
    ) -> "Pair":
        differs = Difference.between(source, copy, touched)
        come = len(differs.moved) + len(differs.come) + len(differs.changed) + differs.spare
        box = Box(
            source=source.count,
            copy=copy.count,
            size=_size(at, home, source),
            come=come or int(source.folders != copy.folders),
            leave=differs.leave,
            entries=copy.entries,
            rests=differs.rests > 0,
        )
        coming = [*_closely(at, home, source, differs.come), *differs.changed]
        turned = frozenset(path for path in copy.folders if path in source.others)
        return cls(box, differs, coming, copy.parts, turned, len(source.folders | copy.folders))


def _size(at: Here | There, home: str, source: Contents) -> int:
    """The bytes of its messages: as their names tell them, where they do."""
    size = 0
    for part, names in source.messages.items():
        size += sum(told := maildir.sizes(names))
        if len(told) < len(names):
            untold = (f"{part}/{name}" for name in names if not maildir.sizes([name]))
            size += sum(entry.size for entry in _closely(at, home, source, untold))
    return size


def _closely(at: Here | There, home: str, source: Contents, paths: Iterable[str]) -> Iterator[Entry]:
    """Messages of the source with their sizes. What vanished meanwhile does not come."""
    for path in paths:
        entry = at.look(f"{home}/{path}") if isinstance(at, Here) else source.known.get(path)
        if entry is not None:
            yield entry


def _pair(source: Side, copy: Side, home: str) -> Pair | None:
    """Of two sides that are mounted here. None: the source does not have it any more."""
    assert isinstance(source.at, Here)
    noted = Noted(source.at, home)
    if (found := contents(source.at, source.root, home, told=noted.note)) is None:
        return None
    return Pair.of(source.at, home, found, contents(copy.at, copy.root, home) or Contents(), noted.touched)


@dataclass(slots=True)
class Survey:
    """`copy`: None while there is none."""

    pattern: Pattern
    source: Side
    copy: Side | None
    block: int  # bytes, where the copy is
    beside: Beside
    rehearsal: Rehearsal | None = None
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
        for name, pair, there in self._pairs(outside, copied):
            boxes[shown(name)] = self._taken(name, pair)
            if not there:
                gone.append(name)
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
            rehearsing=self.rehearsal is not None and self.rehearsal.goes_on(),
        )

    def _turn(self, name: str, paths: Iterable[str]) -> None:
        if found := frozenset(paths):
            self.turned[name] = found

    def _leads(self, path: str) -> bool:
        """Whether a folder at this path would be a mailbox, or lead to one."""
        return all(self.pattern.fits(depth, part) for depth, part in enumerate(path.split("/")))

    def _pairs(self, outside: _Files, copied: _Files) -> Iterator[tuple[str, Pair, bool]]:
        """(mailbox, what both sides have, whether the source has it) of all; what is in none goes to `outside` and
        `copied`. The list of a side that is not here is read once, and leads."""
        source, copy, told = self.source, self.copy, set[str]()
        if copy is not None and isinstance(copy.at, There):
            for name, found in mailboxes(copy.at, copy.root, self.pattern, copied):
                told.add(name)
                yield self._pair(name, self._contents(source, name), found)
            for name in self._others(source, outside, told):
                yield self._pair(name, self._contents(source, name), None)
            return
        if copy is None or isinstance(source.at, There):
            for name, found in mailboxes(source.at, source.root, self.pattern, outside):
                told.add(name)
                yield self._pair(name, found, self._contents(copy, name))
        else:
            for path, pair in self._looked(partial(_pair, source, copy), outside):
                if pair is not None:
                    told.add(name := self.pattern.name(path))
                    yield name, pair, True
        for name in self._others(copy, copied, told):
            yield self._pair(name, None, self._contents(copy, name))

    def _looked(self, look: Look[Pair | None], outside: _Files) -> Iterator[tuple[str, Pair | None]]:
        """While rsync looks, too, it has the other processor."""
        assert isinstance(self.source.at, Here)
        paths, seen = list(homes(self.source.at, self.source.root, self.pattern, outside)), 0
        while seen < len(paths) and self.rehearsal and self.rehearsal.goes_on():
            yield paths[seen], look(paths[seen])
            seen += 1
        with self.beside.shared(look, paths[seen:]) as pairs:
            yield from pairs

    def _others(self, side: Side | None, apart: _Files, told: Collection[str]) -> Iterator[str]:
        """The mailboxes of a side that is mounted here, without these."""
        if side is not None and isinstance(side.at, Here):
            names = map(self.pattern.name, homes(side.at, side.root, self.pattern, apart))
            yield from (name for name in names if name not in told)

    def _pair(self, name: str, source: Contents | None, copy: Contents | None) -> tuple[str, Pair, bool]:
        pair = Pair.of(self.source.at, self.pattern.path(name), source or Contents(), copy or Contents())
        return name, pair, source is not None

    def _contents(self, side: Side | None, name: str) -> Contents | None:
        """None: it does not have this mailbox."""
        return None if side is None else contents(side.at, side.root, self.pattern.path(name))

    def _taken(self, name: str, pair: Pair) -> Box:
        for entry in pair.coming:
            self._weigh(entry)
        if self.rehearsal and (pair.box.come or pair.box.leave or pair.box.rests):
            self.rehearsal.drop()
        self._keep(shown(name), pair)
        self.parts[shown(name)] = pair.parts
        home = self.pattern.path(name)
        self._turn(shown(name), (f"{home}/{path}" for path in pair.turned))
        self.folders += pair.folders
        return pair.box

    def _keep(self, name: str, pair: Pair) -> None:
        """As many as memory is well spent on: whoever renames or removes need not look again."""
        if pair.box.come or pair.box.leave:
            differs = pair.differs
            self.names += len(differs.moved) + len(differs.come) + len(differs.left) + len(differs.touched)
            if self.names <= KEPT:
                self.kept[name] = differs

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
            if highest not in tops and not maildir.is_rest(path, folder=entry.folder):
                counts[shown(highest)] += 1
    return counts
