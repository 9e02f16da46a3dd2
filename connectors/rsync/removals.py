"""What goes from the copy, by exact names and on its own side, when all that is new has come. rsync alone deletes what it
does not find, and what it does not find is also what went away a moment ago: it is never told to."""

from dataclasses import dataclass, field

from connectors.rsync.contents import Contents, below
from connectors.rsync.here import Here
from connectors.rsync.maildir import guid
from connectors.rsync.survey import above
from connectors.rsync.there import There


@dataclass(frozen=True, slots=True)
class Surplus:
    """What may go from the copy of one mailbox. Paths are relative to it."""

    files: list[str]
    folders: list[str]
    gone: int  # messages and other files that the source has under no name

    @classmethod
    def between(cls, source: Contents, copy: Contents, most: int) -> "Surplus":
        """`most`: of what is gone so many may go, or nothing of it. Older names of what is there always go."""
        extra = [f"{part}/{name}" for part, names in copy.messages.items() for name in names - _names(source, part)]
        gone = sorted(copy.others.keys() - source.others.keys())
        renamed = []
        if extra:
            there = {guid(name) for names in source.messages.values() for name in names}
            same = {guid(n) for part, names in source.messages.items() for n in names & _names(copy, part)}
            of = {path: guid(path.rpartition("/")[2]) for path in extra}
            renamed = [path for path in extra if of[path] in same]
            gone += [path for path in extra if of[path] not in there]
        if len(gone) > most or not most:
            return cls(renamed, [], len(gone))
        files = {*renamed, *gone}
        return cls([*files], _empty(source, copy, files), len(gone))


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

    def take(self, home: str, surplus: Surplus) -> None:
        self.files += [f"{home}/{path}" for path in surplus.files]
        self.folders += [f"{home}/{path}" for path in surplus.folders]

    def end(self) -> set[str]:
        """Files, and then each folder before the one that it is in. Returns the folders that these were in, and that
        stay. Raises OSError or SourceError."""
        deepest = sorted(self.folders, key=lambda path: (-path.count("/"), path))
        self.side.erase(*([below(self.root, path) for path in paths] for paths in (self.files, deepest)))
        return {path.rpartition("/")[0] for path in (*self.files, *self.folders)}.difference(self.folders)
