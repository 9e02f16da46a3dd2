"""Looking for messages in the copies of one mailbox: names first, and of each file its headers only."""

import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import NamedTuple

from collima.core import folders, headers
from collima.core.copies import Copies, Files, Generation, Message
from collima.core.errors import ConfigError, SourceError
from collima.core.folders import Parts
from collima.core.text import line, spelled

ALL = "all"
FIRST, MOST = 4096, 256 * 1024  # bytes that are read of a message, at first and at most

_SIZE = re.compile(r",S=(\d{1,18})(?=[,:]|$)", re.ASCII)
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"Dovecot-LZ4")


@dataclass(frozen=True, slots=True)
class Criteria:
    """What is looked for. Texts are parts of a header, in any case."""

    folder: Parts | None = None  # None: everywhere
    author: str = ""
    subject: str = ""
    since: datetime | None = None  # received from then on
    until: datetime | None = None  # and before then


@dataclass(frozen=True, slots=True)
class Hit:
    id: str
    generation: str  # the newest that has it
    folder: str
    received: datetime
    author: str
    subject: str
    size: int
    flags: str
    fault: str = ""  # why it could not be put back


class Look(NamedTuple):
    """The beginning of one file."""

    name: str
    raw: bytes = b""
    size: int = 0  # bytes
    received: float = 0.0  # seconds since 1970
    error: str = ""  # why it cannot be read

    @property
    def fault(self) -> str:
        """Why it is no whole message. Dovecot ends a session in which it meets a file that is not as long as its name
        says."""
        if self.error or not self.raw:
            return self.error or "is empty"
        if not self.raw[0]:
            return "begins with zeros"
        told = _SIZE.search(self.name)
        if told and int(told[1]) != self.size and not self.raw.startswith(_COMPRESSED):
            return f"has {self.size} bytes of {told[1]}"
        return ""


def look(files: Files, message: Message) -> Look:
    """Never raises for one message's sake."""
    found = look_if(files, message, bool)
    assert found is not None
    return found


def look_if(files: Files, message: Message, wanted: Callable[[bytes], bool]) -> Look | None:
    """The same of one whose beginning is wanted, or cannot be read. None: it is not."""
    try:
        return _look(files.open(message), message, wanted)
    except OSError as err:
        return Look(message.name, error=f"cannot be read: {err.strerror}")
    except SourceError as err:
        return Look(message.name, error=f"cannot be read: {err}")


def _look(file: int, message: Message, wanted: Callable[[bytes], bool]) -> Look | None:
    try:
        raw = os.read(file, FIRST)
        while FIRST <= len(raw) < MOST and headers.ends(raw) < 0 and (more := os.read(file, FIRST)):
            raw += more
        if raw and not wanted(raw):
            return None
        about = os.fstat(file)
    finally:
        os.close(file)
    return Look(message.name, raw, about.st_size, about.st_mtime)


def _plain(raw: bytes) -> bytes:
    """The beginning of a message that Dovecot's zlib plugin has compressed with gzip; of others as it is."""
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    try:
        return zlib.decompressobj(31).decompress(raw, MOST)
    except zlib.error:
        return b""


def generations(copies: Copies, wanted: str) -> Sequence[Generation]:
    """The newest for "", all of them for `all`, or the one of this name. Raises ConfigError for an unknown one."""
    known = copies.generations()
    if not known:
        raise SourceError("there is no copy yet")
    if wanted == ALL:
        return known
    chosen = [one for one in known if one.name == wanted] if wanted else known[:1]
    if not chosen:
        raise ConfigError(f"there is no generation {wanted}: there are {', '.join(one.name for one in known)}")
    return chosen


def having(copies: Copies, some: Sequence[Generation], mailbox: str) -> Sequence[Generation]:
    """Those of them that have this mailbox. Raises ConfigError when none has."""
    found = [one for one in some if mailbox in copies.mailboxes(one.name)]
    if not found:
        where = some[0].name if len(some) == 1 else f"any of {len(some)} generations"
        raise ConfigError(f"there is no mailbox {mailbox!r} in {where}: write it as its folder in the copy is called")
    return found


def folder(message: Message) -> Parts:
    """Where it was, fit to be shown and made again."""
    return tuple(filter(None, (line(part) for part in folders.from_disk(message.folder))))


def search(copies: Copies, some: Sequence[Generation], mailbox: str, criteria: Criteria, zone: tzinfo) -> Iterator[Hit]:
    """Newest generation first, each message once. One that cannot be read is found by folder and name alone."""
    seen: set[str] = set()
    author, subject = _Part.of(b"from", criteria.author), _Part.of(b"subject", criteria.subject)
    since = criteria.since.timestamp() if criteria.since else 0.0
    until = criteria.until.timestamp() if criteria.until else float("inf")
    dated = bool(criteria.since or criteria.until)
    for generation in some:
        with copies.files(generation.name, mailbox) as files:
            for message in copies.messages(generation.name, mailbox):
                if message.guid in seen or (criteria.folder is not None and folder(message) != criteria.folder):
                    continue
                seen.add(message.guid)
                at = files.received(message) if dated else None
                if at is not None and not since <= at < until:
                    continue
                seen_of = look_if(files, message, lambda raw: subject.likely(raw) and author.likely(raw))
                if seen_of is None:
                    continue
                raw = _plain(seen_of.raw)
                if not (subject.within(raw) and author.within(raw)):
                    continue
                if seen_of.error or since <= seen_of.received < until:
                    fields = headers.found(raw, b"from", b"subject")
                    yield Hit(
                        id=spelled(message.guid),
                        generation=generation.name,
                        folder=folders.shown(folder(message)),
                        received=datetime.fromtimestamp(int(seen_of.received), zone),
                        author=headers.decoded(fields[0]),
                        subject=headers.decoded(fields[1]),
                        size=seen_of.size,
                        flags=message.flags,
                        fault=seen_of.fault,
                    )


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a header, in any case."""

    name: bytes
    text: str
    words: Sequence[bytes]

    @classmethod
    def of(cls, name: bytes, text: str) -> "_Part":
        folded = text.casefold()
        return cls(name, folded, folded.encode("utf-8", "surrogateescape").split())

    def within(self, raw: bytes) -> bool:
        """Whether it is in that header of the beginning of a message."""
        return not self.text or self.text in headers.decoded(headers.found(raw, self.name)[0]).casefold()

    def likely(self, raw: bytes) -> bool:
        """False only where it cannot be: in the headers nothing is encoded or compressed, and a word of it is nowhere.
        Of fifty thousand messages all but a few are passed over so."""
        if not self.text:
            return True
        end = headers.ends(raw)
        head = raw if end < 0 else raw[:end]
        lowered = head.lower()
        for word in self.words:
            if word not in lowered:
                return b"=?" in head or not head.isascii()
        return True
