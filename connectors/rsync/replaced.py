"""What a transfer has replaced in the copy: kept beside it until it is judged.

The content of a message never changes, only its name. One that has another content under the same name was damaged at
the source, and its copy may be the only good one.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.rsync import layout, maildir
from connectors.rsync.contents import below
from connectors.rsync.here import Entry, Here
from connectors.rsync.names import shown
from connectors.rsync.pattern import Pattern
from connectors.rsync.there import There


@dataclass(frozen=True, slots=True)
class Replaced:
    """In the copy at `root`. Raises OSError or SourceError."""

    source: Here | There
    side: Here | There  # of the copies
    root: str
    pattern: Pattern

    @property
    def option(self) -> str:
        """For rsync: absolute, since it is told to both sides, and `rrsync` refuses a way upwards."""
        return f"--backup-dir={self.side.root}/{layout.REPLACED}"

    def messages(self) -> Mapping[str, int]:
        """By mailbox, those that have another size or time now. What was replaced by another name of the same file, as
        rsync does when list mail becomes one file, is none."""
        counts: Counter[str] = Counter()
        if self.side.has(layout.REPLACED):
            for entry in self.side.walk(layout.REPLACED):
                path = entry.path.removeprefix(f"{layout.REPLACED}/")
                name = self.pattern.name(path)
                if name and not entry.folder and maildir.counts(path[len(self.pattern.path(name)) + 1 :]):
                    now = self._now(path)
                    counts[shown(name)] += now is None or (now.size, now.mtime) != (entry.size, entry.mtime)
        return +counts

    def _now(self, path: str) -> Entry | None:
        """As the copy has it, or as the source does where only that is mounted here: rsync has just made them alike."""
        if isinstance(self.side, Here):
            return self.side.look(below(self.root, path))
        return self.source.look(path) if isinstance(self.source, Here) else None

    def put_back(self) -> None:
        """Each where it was. May be stopped at any moment, and done again."""
        self.side.merge(layout.REPLACED, self.root)

    def forget(self) -> bool:
        """Returns whether there was anything."""
        if there := self.side.has(layout.REPLACED):
            self.side.discard(layout.REPLACED)
        return there
