"""A live mail store, by the mailbox: what is in it, what comes back into it, and what is too old: Protocols."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from collima.core.folders import Parts


@dataclass(frozen=True, slots=True)
class Returning:
    """One message that is to be in a mailbox again."""

    guid: str  # of its file; bytes that are no UTF-8 are kept by surrogateescape
    file: int  # a descriptor, only read from
    folder: Parts  # below the one that everything goes into
    flags: str = ""  # letters of a Maildir: "FRS"


@dataclass(frozen=True, slots=True)
class Found:
    """One message of a mailbox, read again as its owner's mail program reads it. Its texts come from a stranger."""

    guid: str  # as `spelled`
    folder: Parts
    received: datetime  # aware
    author: str  # the From header, decoded
    subject: str  # decoded
    size: int  # bytes
    flags: str  # letters of a Maildir, of those that everybody knows
    place: str  # where in its folder: another one each time that it comes into it


@dataclass(frozen=True, slots=True)
class Aged:
    """The ages of one mailbox's messages, as counts."""

    mailbox: str
    all: int
    old: int
    recent: int


class Mailstore(Protocol):
    """A live session on a mail store. Reading is complete or SourceError; changing raises Refused."""

    def there(self, mailbox: str) -> Mapping[str, str]:
        """By what each message in it is known, as `spelled` -> its folder, as the store writes it. One may be known by
        two names: that which it has now, and that which it came with. Raises SourceError for an unknown mailbox."""

    def put(self, mailbox: str, messages: Sequence[Returning], into: Parts) -> Mapping[str, str]:
        """By guid, as it is given, why a message is not there now; "" when it is. Raises Refused.

        Whether it was there before is the caller's to look at: who puts it twice has it twice. The files are only read.
        Folders are made as needed.
        """

    def read(self, mailbox: str, folder: Parts) -> Sequence[Found]:
        """Everything in a folder and below it, by IMAP."""

    # ---- by age
    def aged(self, before: datetime, since: datetime) -> Sequence[Aged]:
        """Every mailbox of the store. `old`: both came in and were saved before `before`; `recent`: saved since."""

    def expunge(self, mailbox: str, before: datetime) -> None:
        """Takes out what `aged` calls old. Twice does no harm. Raises Refused."""
