"""What is in one mailbox, and what differs between two, by names."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from collima.core.errors import SourceError
from connectors.rsync import maildir
from connectors.rsync.here import Entry, Here
from connectors.rsync.pattern import Pattern
from connectors.rsync.there import There


@dataclass(slots=True)
class Contents:
    """Of one mailbox. Paths are relative to it."""

    messages: dict[str, Entry] = field(default_factory=dict)  # by guid; a second one of the same by guid and folder
    others: dict[str, Entry] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, entries: Iterable[Entry], home: str) -> "Contents":
        self, cut = cls(), len(home) + 1
        for entry in entries:
            path = entry.path[cut:]
            if not path or maildir.PARTIAL in path:
                continue
            if entry.folder:
                self.folders.add(path)
                continue
            folder, part, name = maildir.place(path)
            known = Entry(path, False, entry.size, entry.mtime, entry.inode)
            if maildir.is_message(folder, part, name):
                guid = maildir.guid(name)
                key = f"{guid}/{folder}/{name}" if guid in self.messages else guid
                self.messages[key] = known
            else:
                self.others[path] = known
        return self

    @property
    def entries(self) -> int:
        return len(self.messages) + len(self.others) + len(self.folders)


@dataclass(frozen=True, slots=True)
class Difference:
    """From the copy to the source."""

    moved: list[tuple[str, str]]  # messages: (path in the copy, path in the source)
    come: list[Entry]  # of the source
    leave: int

    @classmethod
    def between(cls, source: Contents, copy: Contents) -> "Difference":
        moved, come = [], []
        for key, entry in source.messages.items():
            known = copy.messages.get(key)
            if known is None:
                come.append(entry)
            elif known.path != entry.path:
                moved.append((known.path, entry.path))
        come += [entry for path, entry in source.others.items() if not same(entry, copy.others.get(path))]
        leave = len(copy.messages.keys() - source.messages.keys()) + len(copy.others.keys() - source.others.keys())
        return cls(moved, come, leave)


def same(one: Entry, other: Entry | None) -> bool:
    """Whether two files that are no messages are taken for the same, as rsync does."""
    return other is not None and (one.size, one.mtime) == (other.size, other.mtime)


Mailbox = tuple[str, list[Entry]]


def mailboxes(side: Here | There, root: str, pattern: Pattern, outside: dict[str, Entry]) -> Iterator[Mailbox]:
    """(name, entries) of each mailbox below `root`, paths relative to `root`; what is in none goes to `outside`.

    Streamed: one mailbox at a time. Raises SourceError.
    """
    if isinstance(side, There):
        yield from _listed(side, root, pattern, outside)
        return
    for path in homes(side, root, pattern, outside):
        if (entries := one(side, root, path)) is not None:
            yield pattern.name(path), list(entries)


def one(side: Here | There, root: str, path: str) -> Iterator[Entry] | None:
    """What is in one folder, paths relative to `root`; None when it is not there."""
    whole = below(root, path)
    if not side.has(whole):
        return None
    cut = len(root) + 1 if root else 0
    return (entry._replace(path=entry.path[cut:]) if cut else entry for entry in side.walk(whole))


def homes(side: Here, root: str, pattern: Pattern, outside: dict[str, Entry]) -> Iterator[str]:
    """The folders of the mailboxes, relative to `root`; what is in none goes to `outside`. Raises SourceError."""
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
                outside.update((found.path, found) for found in one(side, root, path) or ())
            elif known := side.look(below(root, path)):
                outside[path] = known._replace(path=path)


def below(root: str, path: str) -> str:
    return f"{root}/{path}" if root and path else root or path


def _listed(side: There, root: str, pattern: Pattern, outside: dict[str, Entry]) -> Iterator[Mailbox]:
    """One list of the whole tree. rsync tells a folder with all that is in it before it tells the next."""
    cut = len(root) + 1 if root else 0
    told = set()
    entries = (entry._replace(path=entry.path[cut:]) for entry in side.walk(root))
    for name, found in groupby(entries, key=lambda entry: pattern.name(entry.path)):
        if not name:
            outside.update((entry.path, entry) for entry in found)
        elif name in told:
            raise SourceError(f"{side.host}: rsync's list is not in order")
        else:
            told.add(name)
            yield name, list(found)
