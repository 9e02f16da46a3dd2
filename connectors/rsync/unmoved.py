"""What a mailbox of the source has in the folders to which nothing has happened since it was compared."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from connectors.rsync import maildir
from connectors.rsync.contents import Contents, Difference
from connectors.rsync.here import Here, Touched

SECOND = 1_000_000_000  # ns
FRESH, COARSE = SECOND // 10, 3 * SECOND  # what happens so soon after another thing may have the same time: the latter
# on a file system that knows no parts of a second
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Noted:
    """When folders of messages had been touched last, each noted before it was looked at."""

    side: Here
    home: str
    touched: dict[str, Touched] = field(default_factory=dict)

    def note(self, path: str) -> None:
        """`contents.Told`: for whoever looks."""
        folder, _, part = path.rpartition("/")
        if maildir.is_message(folder, part, "any"):
            touched = self.side.touched(f"{self.home}/{path}")
            if touched and abs(time.time_ns() - touched.changed) > (FRESH if touched.changed % SECOND else COARSE):
                self.touched[path] = touched


@dataclass(slots=True)
class Unmoved:
    """By its copy, in which by now all is that was to come. A clock that is wrong may hide what came since: nothing may
    go for this alone."""

    source: Here
    home: str
    copy: Contents
    differs: Difference  # as it was then
    _odd: set[str] = field(init=False)  # folders with something else than messages
    _only: Mapping[str, set[str]] = field(init=False)  # names by folder, that the copy alone had
    _come: Mapping[str, set[str]] = field(init=False)  # and the source

    def __post_init__(self) -> None:
        self._odd = {path.rpartition("/")[0] for path in (*self.copy.others, *self.copy.folders)}
        self._only = _by_folder((*self.differs.left, *(old for old, _ in self.differs.moved)))
        self._come = _by_folder((*self.differs.come, *(new for _, new in self.differs.moved)))

    def names(self, part: str) -> set[str] | None:
        """`contents.Told`."""
        there, then = self.copy.messages.get(part), self.differs.touched.get(part)
        if there is None or then is None or part in self._odd or self.source.touched(f"{self.home}/{part}") != then:
            return None
        if part in self._only or part in self._come:
            return (there - self._only.get(part, _NONE)) | self._come.get(part, _NONE)
        return there


def _by_folder(paths: Iterable[str]) -> Mapping[str, set[str]]:
    names: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        part, _, name = path.rpartition("/")
        names[part].add(name)
    return names
