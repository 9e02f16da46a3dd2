"""The file of a small quarantine, and what a new one holds.

A sample is {"messages": [{"hours": 3.5, "to": ["anna@example.org"], "sender": "win@example.org", "author": "…",
"subject": "…", "size": 4200, "category": "spam", "score": 9.1, "text": "…"}]}; only `hours` and `to` must be there.
"""

import json
import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, get_args

from collima.core.errors import ConfigError, SourceError
from collima.core.options import address
from collima.core.quarantine import Category
from connectors import whole

_SCHEMA = """
CREATE TABLE store (token TEXT NOT NULL);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, sender TEXT NOT NULL, author TEXT NOT NULL,
    subject TEXT NOT NULL, size INTEGER NOT NULL, category TEXT NOT NULL, score REAL NOT NULL, text TEXT NOT NULL
);
CREATE INDEX messages_at ON messages (at);
CREATE TABLE recipients (
    message INTEGER NOT NULL, number INTEGER NOT NULL, recipient TEXT NOT NULL, released INTEGER,
    PRIMARY KEY (message, number)
) WITHOUT ROWID;
CREATE INDEX recipients_recipient ON recipients (recipient);
CREATE TABLE rules (
    recipient TEXT NOT NULL, sender TEXT NOT NULL, rule TEXT NOT NULL, PRIMARY KEY (recipient, sender)
) WITHOUT ROWID;
"""
_BUSY = 30.0  # seconds to wait for another process


class Message(NamedTuple):
    """As a sample tells of it."""

    hours: float
    to: tuple[str, ...]
    sender: str = ""
    author: str = ""
    subject: str = ""
    size: int = 2000
    category: Category = "spam"
    score: float = 0.0
    text: str = ""


def connect(file: Path) -> sqlite3.Connection:
    """Each statement is a transaction unless one is begun. Raises SourceError."""
    with reading(file):
        connection = sqlite3.connect(f"file:{file}?mode=rw", _BUSY, isolation_level=None, uri=True)
        try:
            connection.execute("PRAGMA journal_mode = WAL")  # who reads for minutes keeps nobody from writing
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def reading(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as err:
        raise SourceError(f"{file}: {err}", transient=isinstance(err, sqlite3.OperationalError)) from err


def make(file: Path, sample: Path | None, now: int) -> None:
    """Whole, or not at all; when another process is quicker, its file stands. Raises SourceError, ConfigError."""
    messages = _sample(sample) if sample else []
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        whole.write(draft, b"", 0o600)
        with reading(draft), closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            connection.executescript(f"BEGIN; {_SCHEMA}")
            connection.execute("INSERT INTO store VALUES (?)", (secrets.token_hex(4),))
            for message in messages:
                insert(connection, message, now)
            connection.execute("COMMIT")
        with suppress(FileExistsError):
            os.link(draft, file)
        whole.sync(file.parent)
    except OSError as err:
        raise SourceError(f"{file} cannot be made: {err.strerror}") from err
    finally:
        draft.unlink(missing_ok=True)


def insert(connection: sqlite3.Connection, message: Message, now: int) -> int:
    """Its number."""
    values = (now - round(message.hours * 3600), message.sender.lower(), *message[3:])
    columns = "at, sender, author, subject, size, category, score, text"
    added = connection.execute(f"INSERT INTO messages ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608
    number = added.lastrowid or 0
    rows = [(number, at, recipient.lower()) for at, recipient in enumerate(message.to, 1)]
    connection.executemany("INSERT INTO recipients (message, number, recipient) VALUES (?, ?, ?)", rows)
    return number


def _sample(file: Path) -> list[Message]:
    try:
        found = json.loads(file.read_bytes())
    except OSError as err:
        raise ConfigError(f"{file}: {err.strerror}") from err
    except ValueError as err:
        raise ConfigError(f"{file}: no JSON: {err}") from err
    listed = found.get("messages") if isinstance(found, Mapping) else None
    if not isinstance(listed, list):
        raise ConfigError(f'{file}: write {{"messages": […]}}')
    messages = []
    for number, fields in enumerate(listed, 1):
        try:
            messages.append(_message(fields))
        except (TypeError, ValueError, KeyError) as err:
            raise ConfigError(f"{file}: message {number}: {err}") from err
    return messages


def _message(fields: Mapping[str, Any]) -> Message:
    """Raises TypeError, ValueError, KeyError."""
    to: Sequence[str] = fields["to"]
    if isinstance(to, str) or not to:
        raise ValueError("`to` is a list of addresses")
    known = Message(**{**fields, "hours": float(fields["hours"]), "to": tuple(map(address, to))})
    if known.category not in get_args(Category):
        raise ValueError(f"category: one of {', '.join(get_args(Category))}")
    return known
