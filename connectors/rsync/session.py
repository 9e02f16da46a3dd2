"""A live session on a mail store and its copies."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from collima.core.copies import Files, Generation, Message
from collima.core.errors import SourceError
from collima.core.stores import Shape
from connectors.rsync import there
from connectors.rsync.beside import Beside
from connectors.rsync.generations import Kept
from connectors.rsync.here import Here
from connectors.rsync.pattern import Pattern
from connectors.rsync.store import Tree
from connectors.rsync.there import There

if TYPE_CHECKING:
    from connectors.rsync import Rsync


@dataclass(frozen=True, slots=True)
class Session:
    """Offers the ports Originals and Store."""

    options: "Rsync"
    begun: ExitStack  # what runs beside it ends with it
    clock: Callable[[], float] = time.time

    @property
    def source(self) -> Here | There:
        return self._side(self.options.from_)

    @property
    def copy(self) -> Here | There:
        return self._side(self.options.to)

    def _side(self, text: str) -> Here | There:
        return there.parse(text, self.options.ssh) or Here(Path(text))

    def store(self, shape: Shape) -> Tree:
        """Raises ConfigError."""
        return Tree(
            source=self.source,
            side=self.copy,
            sentinel=self.options.sentinel,
            shape=shape,
            pattern=Pattern(shape.mailboxes or self.options.mailboxes),
            ssh=self.options.ssh,
            begun=self.begun,
            beside=self.begun.enter_context(Beside()),
            bandwidth=self.options.bandwidth,
            clock=self.clock,
        )

    def check(self) -> str:
        """What is there; raises SourceError."""
        if not self.source.has(self.options.sentinel):
            raise SourceError(f"{self.options.from_}: there is no {self.options.sentinel}: is it mounted?")
        self.copy.room()
        kept = len(self.generations())
        return f"{self.options.from_} has {self.options.sentinel}, {self.options.to} has {kept} generations"

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

    def files(self, generation: str, mailbox: str) -> AbstractContextManager[Files]:
        return self.kept.files(generation, mailbox)

    def original(self, mailbox: str, message: Message) -> int | None:
        return self.kept.original(mailbox, message)
