"""A mailbox read by IMAP, as its owner's mail program reads it: `doveadm exec imap` speaks it."""

import imaplib
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from collima.core import folders, headers
from collima.core.errors import SourceError
from collima.core.folders import Parts
from collima.core.mailstore import Found
from collima.core.text import line, spelled

WHAT = "(UID X-GUID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)])"
BATCH = 500  # messages at once
_LETTERS = {"\\Answered": "R", "\\Flagged": "F", "\\Seen": "S", "\\Draft": "D", "\\Deleted": "T"}
_LIST = re.compile(rb'\(([^)]*)\) ("(?:[^"\\]|\\.)*"|NIL) (.+)', re.DOTALL)
_UID = re.compile(rb"UID (\d+)")
_GUID = re.compile(rb'X-GUID ("(?:[^"\\]|\\.)*"|[^ ")]+)')
_LITERAL = re.compile(rb"X-GUID (\{\d+\})$")
_FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")
_DATE = re.compile(rb'INTERNALDATE "([^"]+)"')
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")


class Piped(imaplib.IMAP4):
    """Over the pipes of a program, without the shell of `imaplib.IMAP4_stream`. Dovecot takes no socket for them."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin
        assert process.stdout
        self._to, self._from = process.stdin, process.stdout
        super().__init__()
        if self.state != "AUTH":
            raise self.abort("it wants to know who we are")

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        """It is open."""

    def read(self, size: int) -> bytes:
        return self._from.read(size)

    def readline(self) -> bytes:
        return self._from.readline()

    def send(self, data: Any) -> None:
        self._to.write(data)
        self._to.flush()

    def shutdown(self) -> None:
        self._to.close()


@contextmanager
def spoken(command: Sequence[str], seconds: float) -> Iterator[imaplib.IMAP4]:
    """A client that is logged in. The program ends with the block, or after so many seconds. Raises SourceError."""
    try:
        process = subprocess.Popen(  # noqa: S603 - the configuration names it; it is no text for a shell
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as err:
        raise SourceError(f"{command[0]} cannot be run: {err.strerror}") from err
    end = threading.Timer(seconds, process.kill)
    end.start()
    try:
        with process:
            yield (client := Piped(process))
            client.logout()
    except (imaplib.IMAP4.error, OSError) as err:
        raise SourceError(f"doveadm exec imap: {line(str(err) or type(err).__name__, 200)}", transient=True) from err
    finally:
        end.cancel()


def below(client: imaplib.IMAP4, folder: Parts) -> list[tuple[Parts, str]]:
    """(parts, name as IMAP has it) of each folder that can be read, from `folder` on; of () INBOX alone."""
    found = []
    for row in answered(client.list()):
        head, literal = row if isinstance(row, tuple) else (row, None)
        if not (match := _LIST.fullmatch(head)):
            raise SourceError("doveadm exec imap: a folder whose name cannot be read")
        name = (literal if literal is not None else _unquoted(match[3])).decode("utf-8", "replace")
        separator = _unquoted(match[2]).decode("ascii")
        parts = tuple(folders.decoded(part) for part in (name.split(separator) if separator != "NIL" else [name]))
        parts = () if parts == ("INBOX",) else parts
        readable = b"\\noselect" not in match[1].lower()
        if readable and parts[: len(folder)] == folder and (folder or not parts):
            found.append((parts, name))
    return found


def messages(client: imaplib.IMAP4, parts: Parts, name: str) -> Iterator[Found]:
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    count = int(answered(client.select(quoted, readonly=True))[0])
    validity = int(client.response("UIDVALIDITY")[1][0] or 0)
    for first in range(1, count + 1, BATCH):
        for head, header in _whole(answered(client.fetch(f"{first}:{min(count, first + BATCH - 1)}", WHAT))):
            yield _found(head, header, parts, validity)


def _whole(rows: Sequence[Any]) -> Iterator[tuple[bytes, bytes]]:
    """(what is told, the header) of each message. imaplib has a row for each literal: a guid with odd bytes is one."""
    told = b""
    for row in rows:
        if not isinstance(row, tuple):
            told = b""
        elif guid := _LITERAL.search(row[0]):
            told = row[0][: guid.start(1)] + b'"' + re.sub(rb'(["\\])', rb"\\\1", row[1]) + b'"'
        else:
            yield told + row[0], row[1]
            told = b""


def answered(answer: tuple[str, list[Any]]) -> list[Any]:
    """The rows of a good answer. Raises SourceError."""
    status, rows = answer
    if status != "OK":
        raise SourceError(f"doveadm exec imap: answered {status}", transient=True)
    return [row for row in rows if row is not None]


def _found(head: bytes, header: bytes, parts: Parts, validity: int) -> Found:
    uid, guid, flags, date, size = (form.search(head) for form in (_UID, _GUID, _FLAGS, _DATE, _SIZE))
    if not (uid and guid and flags and date and size):
        raise SourceError("doveadm exec imap: a message without what was asked for")
    author, subject = headers.found(header, b"from", b"subject")
    return Found(
        guid=spelled(os.fsdecode(_unquoted(guid[1]))),
        folder=parts,
        received=datetime.strptime(date[1].decode("ascii").strip(), "%d-%b-%Y %H:%M:%S %z"),
        author=headers.decoded(author),
        subject=headers.decoded(subject),
        size=int(size[1]),
        place=f"{validity}.{int(uid[1])}",
        flags="".join(sorted(_LETTERS[word] for word in flags[1].decode("ascii").split() if word in _LETTERS)),
    )


def _unquoted(word: bytes) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", word[1:-1]) if word[:1] == b'"' else word
