"""What is in the copies: `core.copies.Originals`. Reads only."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from collima.core.copies import Files, Generation, Message
from collima.core.errors import SourceError
from connectors.rsync import beneath, maildir, originals
from connectors.rsync.beneath import Mounted
from connectors.rsync.fetched import Fetched
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
            with self._opened(self.side, home) as here:
                yield from maildir.messages(here)
            return
        for entry in self.side.walk(home):
            path = entry.path.removeprefix(f"{home}/")
            folder, part, name = maildir.place(path)
            if not entry.folder and maildir.is_message(folder, part, name):
                yield Message(folder, name, maildir.guid(name), maildir.flags(name), part)

    @contextmanager
    def files(self, generation: str, mailbox: str) -> Iterator[Files]:
        home = self._home(generation, mailbox)
        if isinstance(self.side, There):
            yield Fetched(self.side, home)
            return
        with self._opened(self.side, home) as here, closing(Mounted(here)) as files:
            yield files

    @contextmanager
    def _opened(self, side: Here, home: str) -> Iterator[int]:
        try:
            with beneath.folder(side.root, home) as opened:
                yield opened
        except OSError as err:
            raise SourceError(f"{side.root}: the mailbox cannot be read: {err.strerror}") from err

    def original(self, mailbox: str, message: Message) -> int | None:
        if not isinstance(self.source, Here):
            return None
        try:
            return originals.opened(self.source.root, self.pattern.path(mailbox), message)
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
        if not home or not self._is_folder(home):
            raise SourceError(f"{self.side.argument}: generation {generation} does not have this mailbox")
        return home

    def _is_folder(self, path: str) -> bool:
        """Whether it is one, as is each that leads to it: none is a link. Raises SourceError."""
        if isinstance(self.side, Here):
            try:
                with beneath.folder(self.side.root, path):
                    return True
            except beneath.NONE:
                return False
            except OSError as err:
                raise SourceError(f"{self.side.root}: the mailbox cannot be read: {err.strerror}") from err
        above = ""
        for part in path.split("/"):
            if not any(entry.folder and entry.path == part for entry in self.side.names(above)):
                return False
            above = f"{above}/{part}" if above else part
        return True

    def _mirrored(self) -> datetime:
        """When the last good run ended: it touches the folder, and so its change time."""
        if isinstance(self.side, Here):
            return datetime.fromtimestamp(self.side.root.stat().st_ctime, UTC)
        return self.side.time()
