"""What a side has, by names: a mailbox at a time, and what is in none.

An unchanged mail store is read here in a fraction of the time that rsync takes for it: names are held and compared as
sets, folder by folder, and only what differs, or is no message, is looked at more closely.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from collima.core.errors import SourceError
from connectors.rsync import maildir
from connectors.rsync.here import Entry, Here, Touched
from connectors.rsync.pattern import Pattern
from connectors.rsync.there import There

_NONE: frozenset[str] = frozenset()
NEVER: Mapping[str, Touched] = {}
Parts = Mapping[str, int]
"""How many messages are in each folder of a mailbox that has any."""
Told = Callable[[str], set[str] | None]
"""The names in a folder of messages that need not be looked at; None for every other one."""


def untold(folder: str) -> set[str] | None:  # noqa: ARG001
    """All are looked at."""
    return None


@dataclass(slots=True)
class Contents:
    """Of one mailbox. Paths are relative to it."""

    messages: dict[str, set[str]] = field(default_factory=dict)  # "cur", ".Sent/new" -> the names in it
    others: dict[str, Entry] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    known: dict[str, Entry] = field(default_factory=dict)  # messages that the side has told more of than their names

    @classmethod
    def listed(cls, entries: Iterable[Entry], home: str) -> "Contents":
        """Of a list with all that there is to know."""
        self, cut = cls(), len(home) + 1
        for entry in entries:
            path = entry.path[cut:]
            if not path:
                continue
            folder, part, name = maildir.place(path)
            if entry.folder:
                self._folder(path)
            elif maildir.is_message(folder, part, name):
                self.messages.setdefault(below(folder, part), set()).add(name)
                self.known[path] = entry._replace(path=path)
            else:
                self.others[path] = entry._replace(path=path)
        return self

    @classmethod
    def seen(cls, side: Here, home: str, *, closely: bool, told: Told) -> "Contents | None":
        """By names alone. None: it is not there. `closely`: what is no message is looked at, too.

        Raises SourceError for a folder that cannot be read.
        """
        self, stack = cls(), [""]
        while stack:
            path = stack.pop()
            if (known := told(path)) is not None:
                self._folder(path)
                self.messages[path] = known
                continue
            if (found := side.folder(below(home, path))) is None:
                if not path:
                    return None
                continue
            stack += [below(path, name) for name in found.folders]
            if path:
                self._folder(path)
            if found.files:
                self._files(side, home, path, found.files, closely=closely)
        return self

    def _files(self, side: Here, home: str, path: str, names: list[str], *, closely: bool) -> None:
        others: Iterable[str] = names
        if (messages := self.messages.get(path)) is not None:
            messages.update(names)
            if min(names) >= "/":  # none begins with a dot, which comes before that: so it is in most folders
                return
            others = [name for name in names if name[:1] == "."]
            messages.difference_update(others)
        for other in (below(path, name) for name in others):
            entry = side.look(f"{home}/{other}") if closely else Entry(other, False)
            if entry is not None:
                self.others[other] = entry._replace(path=other)

    def _folder(self, path: str) -> None:
        self.folders.add(path)
        folder, _, part = path.rpartition("/")
        if maildir.is_message(folder, part, "any"):
            self.messages.setdefault(path, set())

    @property
    def count(self) -> int:
        """Of messages."""
        return sum(map(len, self.messages.values()))

    @property
    def parts(self) -> Parts:
        return {part: len(names) for part, names in self.messages.items() if names}

    @property
    def entries(self) -> int:
        return self.count + len(self.others) + len(self.folders)

    def paths(self) -> Iterator[str]:
        """Of messages."""
        for part, names in self.messages.items():
            for name in names:
                yield f"{part}/{name}"


@dataclass(frozen=True, slots=True)
class Difference:
    """From the copy to the source."""

    moved: list[tuple[str, str]]  # messages: (path in the copy, path in the source)
    come: list[str]  # messages, paths in the source
    changed: list[Entry]  # of the source: what is no message
    left: list[str]  # messages that only the copy has
    asked: int  # what else it has alone, and that is as good as a message
    spare: int  # and what nobody is asked about
    rests: int  # and what a killed rsync left
    touched: Mapping[str, Touched]  # as `unmoved.Noted` has it, of the source

    @classmethod
    def between(cls, source: Contents, copy: Contents, touched: Mapping[str, Touched] = NEVER) -> "Difference":
        left: dict[str, list[str]] = {}  # guid -> where only the copy has it
        for path in _only(copy, source):
            left.setdefault(maildir.guid(path.rpartition("/")[2]), []).append(path)
        moved, come = [], []
        for path in _only(source, copy):
            known = left.get(maildir.guid(path.rpartition("/")[2]))
            if known:
                moved.append((known.pop(), path))
            else:
                come.append(path)
        changed = [entry for path, entry in source.others.items() if not same(entry, copy.others.get(path))]
        only = copy.others.keys() - source.others.keys()
        asked = sum(map(maildir.counts, only))
        rests = sum(map(maildir.is_rest, only))
        alone = [path for paths in left.values() for path in paths]
        return cls(moved, come, changed, alone, asked, len(only) - asked - rests, rests, touched)

    @property
    def leave(self) -> int:
        """So much is only in the copy, and worth a question before it goes."""
        return len(self.left) + self.asked


def _only(one: Contents, other: Contents) -> Iterator[str]:
    """Messages by names that the other has not."""
    for part, names in one.messages.items():
        for name in names - other.messages.get(part, _NONE):
            yield f"{part}/{name}"


def same(one: Entry, other: Entry | None) -> bool:
    """Whether two files that are no messages are taken for the same, as rsync does."""
    return other is not None and (one.size, one.mtime) == (other.size, other.mtime)


Mailbox = tuple[str, Contents]


def mailboxes(
    side: Here | There, root: str, pattern: Pattern, outside: dict[str, Entry], *, closely: bool = True
) -> Iterator[Mailbox]:
    """(name, contents) of each mailbox below `root`; what is in none goes to `outside`, by its path below `root`.

    Streamed: one mailbox at a time. Raises SourceError.
    """
    if isinstance(side, There):
        yield from _listed(side, root, pattern, outside)
        return
    for path in homes(side, root, pattern, outside):
        if (found := Contents.seen(side, below(root, path), closely=closely, told=untold)) is not None:
            yield pattern.name(path), found


def contents(side: Here | There, root: str, home: str, *, closely: bool = True, told: Told = untold) -> Contents | None:
    """Of the mailbox at `home` below `root`; None: it is not there, or a link is. Raises SourceError."""
    whole = below(root, home)
    if isinstance(side, Here):
        return Contents.seen(side, whole, closely=closely, told=told) if side.is_folder(whole) else None
    return Contents.listed(side.walk(whole), whole) if side.has(whole) else None


def homes(side: Here, root: str, pattern: Pattern, outside: dict[str, Entry]) -> Iterator[str]:
    """The folders of the mailboxes, relative to `root`; what is in none goes to `outside`. Raises SourceError."""
    cut = len(root) + 1 if root else 0
    stack = [("", 0)]
    while stack:
        here, depth = stack.pop()
        for entry in side.names(below(root, here)):
            path = below(here, entry.path)
            leads = entry.folder and pattern.fits(depth, entry.path)
            if leads and depth + 1 == len(pattern.parts):
                yield path
            elif leads:
                outside[path] = Entry(path, True)
                stack.append((path, depth + 1))
            elif entry.folder:
                outside[path] = Entry(path, True)
                found = side.walk(below(root, path))
                outside.update((one.path[cut:], one._replace(path=one.path[cut:])) for one in found)
            elif known := side.look(below(root, path)):
                outside[path] = known._replace(path=path)


def below(root: str, path: str) -> str:
    return f"{root}/{path}" if root and path else root or path


def _listed(side: There, root: str, pattern: Pattern, outside: dict[str, Entry]) -> Iterator[Mailbox]:
    """One list of the whole tree. rsync tells a folder with all that is in it before it tells the next."""
    cut = len(root) + 1 if root else 0
    told = set()
    entries = (entry._replace(path=entry.path[cut:]) for entry in side.walk(root))

    def mailbox(entry: Entry) -> str:
        """A link in the place of one is outside of all."""
        at_home = entry.path.count("/") + 1 == len(pattern.parts)
        return "" if at_home and not entry.folder else pattern.name(entry.path)

    for name, found in groupby(entries, key=mailbox):
        if not name:
            outside.update((entry.path, entry) for entry in found)
        elif name in told:
            raise SourceError(f"{side.host}: rsync's list is not in order")
        else:
            told.add(name)
            yield name, Contents.listed(found, pattern.path(name))
