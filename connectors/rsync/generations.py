"""What is in the copies: `core.copies.Originals`. Reads only."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from collima.core.copies import Generation, Message
from collima.core.errors import SourceError
from connectors.rsync import maildir
from connectors.rsync.here import Here
from connectors.rsync.layout import INCOMING, LINKING, MIRROR, moment, stamps
from connectors.rsync.pattern import Pattern
from connectors.rsync.there import There


@dataclass(frozen=True, slots=True)
class Kept:
    """`core.copies.Originals` of one folder of copies, mounted here or not."""

    side: Here | There
    pattern: Pattern
    source: Here | There

    def generations(self) -> Sequence[Generation]:
        entries = self.side.names()
        names = [entry.path for entry in entries if entry.folder]
        if found := stamps(names):
            return [Generation(name, at) for name in found if (at := moment(name))]
        if {INCOMING, LINKING} & set(names) or not names:
            return []
        return [Generation(MIRROR, self._mirrored())]

    def mailboxes(self, generation: str) -> Sequence[str]:
        root, below = self._root(generation), [""]
        for depth in range(len(self.pattern.parts)):
            below = [
                f"{path}/{entry.path}" if path else entry.path
                for path in below
                for entry in self.side.names("/".join(filter(None, (root, path))))
                if entry.folder and self.pattern.fits(depth, entry.path)
            ]
        return sorted(self.pattern.name(path) for path in below)

    def messages(self, generation: str, mailbox: str) -> Iterator[Message]:
        home = self._home(generation, mailbox)
        if isinstance(self.side, Here):
            yield from self._mounted(self.side.root / home)
            return
        for entry in self.side.walk(home):
            path = entry.path.removeprefix(f"{home}/")
            folder, part, name = maildir.place(path)
            if not entry.folder and maildir.is_message(folder, part, name):
                yield Message(folder, name, maildir.guid(name), maildir.flags(name), part)

    def _mounted(self, home: Path) -> Iterator[Message]:
        try:
            yield from maildir.messages(os.fspath(home))
        except OSError as err:
            raise SourceError(f"{self.side.root}: the mailbox cannot be read: {err.strerror}") from err

    def home(self, generation: str, mailbox: str) -> Path | None:
        return self.side.root / self._home(generation, mailbox) if isinstance(self.side, Here) else None

    @contextmanager
    def file(self, generation: str, mailbox: str, message: Message) -> Iterator[Path]:
        path = "/".join(filter(None, (self._home(generation, mailbox), message.folder, message.part, message.name)))
        with self.side.file(path) as file:
            yield file

    def original(self, mailbox: str, message: Message) -> Path | None:
        if not isinstance(self.source, Here):
            return None
        try:
            home = self.source.root / self.pattern.path(mailbox)
            there = home.joinpath(message.folder, message.part, message.name)
            if there.is_file():
                return there
            found = (m for m in maildir.messages(os.fspath(home)) if m.guid == message.guid)
            return next((home.joinpath(m.folder, m.part, m.name) for m in found), None)
        except (OSError, ValueError):
            return None

    def _root(self, generation: str) -> str:
        """Relative to the folder of the copies."""
        if generation not in {known.name for known in self.generations()}:
            raise SourceError(f"{self.side.argument}: there is no generation {generation!r}")
        return "" if generation == MIRROR else generation

    def _home(self, generation: str, mailbox: str) -> str:
        """Where a mailbox is in a generation. Raises SourceError when it is not there."""
        try:
            home = "/".join(filter(None, (self._root(generation), self.pattern.path(mailbox))))
        except ValueError:
            home = ""
        if not home or not self.side.has(home):
            raise SourceError(f"{self.side.argument}: generation {generation} does not have this mailbox")
        return home

    def _mirrored(self) -> datetime:
        """When the last good run ended: it touches the folder, and so its change time."""
        if isinstance(self.side, Here):
            return datetime.fromtimestamp(self.side.root.stat().st_ctime, UTC)
        return self.side.time()
