"""One message of a copy, read whole and compared with what else is known of it."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from collima.core.copies import Message, Originals
from collima.core.errors import SourceError

CHUNK = 2**20
_SIZE = re.compile(r",S=(\d{1,18})(?=[,:]|$)", re.ASCII)
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"Dovecot-LZ4")
"""How compressed files begin (Dovecot's zlib plugin): the size in their name is that of the message inside."""

Fault = Literal["", "unreadable", "size", "live", "generation"]


@dataclass(frozen=True, slots=True)
class Compared:
    """`fault`: why it counts as damaged. `like`: what it was found to agree with: size, live, generation."""

    mailbox: str
    fault: Fault = ""
    like: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Content:
    size: int
    digest: bytes
    packed: bool
    inode: tuple[int, int]


@dataclass
class Comparison:
    """`others`: the generations to compare with, newest first. One mailbox after the other: what was listed of one is
    kept until the next."""

    copies: Originals
    generation: str
    others: tuple[str, ...]
    _of: str = ""  # the mailbox that is listed
    _listed: dict[str, Mapping[str, Message]] = field(default_factory=dict)  # by generation, by guid

    def compare(self, mailbox: str, message: Message) -> Compared:
        """Raises SourceError only for what may pass: of the connection, not of the message."""
        mine = self._content(self.generation, mailbox, message)
        if mine is None:
            return Compared(mailbox, "unreadable")
        like = set[str]()
        live = self.copies.original(mailbox, message)
        if live is not None and (theirs := _read(live)) is not None:
            if theirs.digest != mine.digest:
                return Compared(mailbox, "live")
            like.add("live")
        size = _told(message.name)
        if size is not None and not mine.packed:
            if size == mine.size:
                like.add("size")
            elif not like:  # else the live one has the same wrong name
                return Compared(mailbox, "size")
        if (other := self._elsewhere(mailbox, message, mine)) is not None:
            if other.digest != mine.digest:
                return Compared(mailbox, "generation", frozenset(like))
            like.add("generation")
        return Compared(mailbox, "", frozenset(like))

    def _elsewhere(self, mailbox: str, message: Message, mine: _Content) -> _Content | None:
        """Its content in the newest other generation where it is a file of its own: a link would be like itself."""
        for generation in self.others:
            found = self._names(generation, mailbox).get(message.guid)
            if found and (content := self._content(generation, mailbox, found, but=mine.inode)):
                return content
        return None

    def _names(self, generation: str, mailbox: str) -> Mapping[str, Message]:
        if self._of != mailbox:
            self._of, self._listed = mailbox, {}
        if generation not in self._listed:
            try:
                found = {message.guid: message for message in self.copies.messages(generation, mailbox)}
            except SourceError as err:
                if err.transient:
                    raise
                found = {}  # that generation does not have this mailbox
            self._listed[generation] = found
        return self._listed[generation]

    def _content(
        self, generation: str, mailbox: str, message: Message, but: tuple[int, int] | None = None
    ) -> _Content | None:
        """None: it cannot be read, or is the very file `but`."""
        try:
            with self.copies.files(generation, mailbox) as files:
                return _read(files.open(message), but)
        except OSError:
            return None
        except SourceError as err:
            if err.transient:
                raise
            return None


def _told(name: str) -> int | None:
    """The bytes that a name tells, `,S=1234`."""
    found = _SIZE.search(name)
    return int(found[1]) if found else None


def _read(file: int, but: tuple[int, int] | None = None) -> _Content | None:
    """Closes it."""
    try:
        about = os.fstat(file)
        inode = about.st_dev, about.st_ino
        if inode == but:
            return None
        size, fold, head = 0, hashlib.sha256(), b""
        while chunk := os.read(file, CHUNK):
            head = head or chunk[:16]
            fold.update(chunk)
            size += len(chunk)
    except OSError:
        return None
    finally:
        os.close(file)
    return _Content(size, fold.digest(), head.startswith(_PACKED), inode)
