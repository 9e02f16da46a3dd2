"""What goes from the copy, by exact names and on its own side, when all that is new has come. rsync alone deletes what
it does not find, and what it does not find is also what went away a moment ago: it is never told to."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from connectors.rsync.contents import Contents, below
from connectors.rsync.here import Here
from connectors.rsync.maildir import counts, guid
from connectors.rsync.survey import above
from connectors.rsync.there import There


@dataclass(frozen=True, slots=True)
class Surplus:
    """What only the copy of one mailbox has. Paths are relative to it."""

    older: list[str]  # names of messages that got another one in this run: they always go
    gone: list[str]  # messages that the source has under no name, or that the copy had under another one before
    others: list[str]
    folders: list[str]  # nothing stays in them when all that goes, and each file of these three lists

    @classmethod
    def between(cls, source: Contents, copy: Contents, come: Collection[str]) -> "Surplus":
        """`come`: guids of what came in this run."""
        extra = [f"{part}/{name}" for part, names in copy.messages.items() for name in names - _names(source, part)]
        only = copy.others.keys() - source.others.keys()
        gone, older = [path for path in only if counts(path)], []
        if extra:
            there, same = _known(source, copy, {guid(path.rpartition("/")[2]) for path in extra})
            for path in extra:
                of = guid(path.rpartition("/")[2])
                if of in same and of in come:
                    older.append(path)
                elif of in same or of not in there:  # else its new name came too late: the next run has it
                    gone.append(path)
        others = [path for path in only if not counts(path)]
        return cls(older, sorted(gone), others, _empty(source, copy, {*older, *gone, *others}))

    def without(self, there: Callable[[str], bool]) -> "Surplus":
        """Messages that are there after all are none of it."""
        older, gone = ([path for path in paths if not there(path)] for paths in (self.older, self.gone))
        return replace(self, older=older, gone=gone)


def _known(source: Contents, copy: Contents, wanted: Collection[str]) -> tuple[set[str], set[str]]:
    """Those of these guids that the source has, and those that both have by one name."""
    there, same = set(), set()
    for part, names in source.messages.items():
        copied = _names(copy, part)
        for name in names:
            if (of := guid(name)) in wanted:
                there.add(of)
                if name in copied:
                    same.add(of)
    return there, same


def _names(of: Contents, part: str) -> set[str]:
    return of.messages.get(part, set())


def _empty(source: Contents, copy: Contents, going: set[str]) -> list[str]:
    """Folders that only the copy has, and of which nothing stays."""
    only = copy.folders - source.folders
    if not only:
        return []
    staying = ({*copy.paths(), *copy.others} - going) | source.folders
    filled = {folder for path in staying for folder in above(path)}
    return [folder for folder in only if folder not in filled]


@dataclass(slots=True)
class Removals:
    """Of one run, from the copy at `root`."""

    side: Here | There
    root: str
    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)

    def take(self, home: str, surplus: Surplus, most: int, *, held: bool) -> list[str]:
        """Returns the files that go. `most`: of what is gone so many may, or nothing of it; then, or where it is held,
        all the rest stays, too: but older names of what is there."""
        whole = not held and len(surplus.gone) <= most
        files = [*surplus.older, *surplus.gone, *surplus.others] if whole else surplus.older
        self.files += [f"{home}/{path}" for path in files]
        self.folders += [f"{home}/{path}" for path in surplus.folders if whole]
        return files

    def end(self) -> set[str]:
        """Files, and then each folder before the one that it is in. Returns the folders that these were in, and that
        stay. Raises OSError or SourceError."""
        deepest = sorted(self.folders, key=lambda path: (-path.count("/"), path))
        self.side.erase(*([below(self.root, path) for path in paths] for paths in (self.files, deepest)))
        return {path.rpartition("/")[0] for path in (*self.files, *self.folders)}.difference(self.folders)
