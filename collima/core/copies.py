"""Copies of mailboxes: what a copy offers to those who look for something in it, and what is kept of its runs."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from collima.core.model import State


@dataclass(frozen=True, slots=True)
class Generation:
    """One whole copy, as it was at the end of one good run."""

    name: str  # as a person types it; a mirror has one, "mirror"
    at: datetime  # UTC


class Message(NamedTuple):
    """One message in a copied Maildir. Bytes that are no UTF-8 are kept in names by surrogateescape."""

    folder: str  # "" for INBOX; else as Maildir++ writes it: ".Archive.2013"
    name: str  # of the file, flags included
    guid: str  # of the file, without flags: stays the same when these change
    flags: str  # letters: "FRS"
    part: str  # "cur" or "new"


class Files(Protocol):
    """The files of one mailbox in one generation. No link is followed, neither one in place of a file nor of a folder:
    whoever may write into a mailbox could name any other file by it."""

    def open(self, message: Message) -> int:
        """A descriptor to read from, for whoever asked to close. Raises OSError; SourceError where it is fetched."""

    def received(self, message: Message) -> float | None:
        """Seconds since 1970, of a file that need not be opened for it; None where it must be."""


class Copies(Protocol):
    """A live session on a place with copies. Reads only, whatever is asked. Complete or SourceError."""

    def generations(self) -> Sequence[Generation]:
        """Newest first. What a run that goes on, or that was cut, has left is none."""

    def mailboxes(self, generation: str) -> Sequence[str]:
        """Their names: what stands where `mailboxes` has its stars, `anna.rossi` for "*/Maildir"."""

    def messages(self, generation: str, mailbox: str) -> Iterator[Message]:
        """Streamed. Raises SourceError for a mailbox that the generation does not have. A link is no message."""

    def files(self, generation: str, mailbox: str) -> AbstractContextManager[Files]:
        """Of the copy itself where that is mounted here, else fetched one by one. Raises SourceError as `messages`."""


class Originals(Copies, Protocol):
    """The same, where the source can be looked at, too."""

    def original(self, mailbox: str, message: Message) -> int | None:
        """A descriptor, for whoever asked to close, of the message of this guid at the source as it is now, wherever
        in its mailbox it was moved to. None: it is gone, or the source is not mounted here."""


@dataclass(frozen=True, slots=True)
class Past:
    """One earlier run of a copy."""

    at: datetime
    state: State
    mailboxes: int = 0
    messages: int = 0
    bytes: int = 0


class CopyBook(Protocol):
    """What is kept of the runs of one copy job on one store. Each method is one transaction."""

    def past(self, since: datetime) -> Sequence[Past]:
        """The runs since then, oldest first; of those that ended without a count, zeros."""

    def missed(self) -> frozenset[str]:
        """The mailboxes that the newest complete run did not find in the source, and kept."""

    def count(self, run: str, *, mailboxes: int, messages: int, size: int) -> None:
        """What a good run has left in the copy. `run` "": the one under way. `size` in bytes."""
