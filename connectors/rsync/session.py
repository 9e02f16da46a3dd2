"""A live session on a mail store and its copies."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from collima.core.copies import Generation, Message
from connectors.rsync import there
from connectors.rsync.generations import Kept
from connectors.rsync.here import Here
from connectors.rsync.pattern import Pattern
from connectors.rsync.there import There

if TYPE_CHECKING:
    from connectors.rsync import Rsync


@dataclass(frozen=True, slots=True)
class Session:
    """Offers the ports Originals and Store."""

    options: "Rsync"

    @property
    def source(self) -> Here | There:
        return self._side(self.options.from_)

    @property
    def copy(self) -> Here | There:
        return self._side(self.options.to)

    def _side(self, text: str) -> Here | There:
        return there.parse(text, self.options.ssh) or Here(Path(text))

    # ---- core.copies.Originals

    @property
    def kept(self) -> Kept:
        return Kept(self.copy, Pattern(self.options.mailboxes), self.source)

    def generations(self) -> Sequence[Generation]:
        return self.kept.generations()

    def mailboxes(self, generation: str) -> Sequence[str]:
        return self.kept.mailboxes(generation)

    def messages(self, generation: str, mailbox: str) -> Iterator[Message]:
        return self.kept.messages(generation, mailbox)

    def file(self, generation: str, mailbox: str, message: Message) -> AbstractContextManager[Path]:
        return self.kept.file(generation, mailbox, message)

    def original(self, mailbox: str, message: Message) -> Path | None:
        return self.kept.original(mailbox, message)
