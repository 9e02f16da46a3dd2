"""What a database says when it fails, in words of ours: its own may carry passwords or people."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, SQLAlchemyError

from collima.core.errors import StateError

T = TypeVar("T")

_MARIADB = {
    1040: ("has too many connections", True),
    1044: ("does not let this user in: see its grants", False),
    1045: ("refused user or password", False),
    1049: ("does not have this database: create it", False),
    1142: ("does not allow this: see the user's grants", False),
    1205: ("was locked for too long", True),
    1213: ("was locked by another process", True),
    1698: ("refused user or password", False),
    2002: ("cannot be reached", True),
    2003: ("cannot be reached", True),
    2006: ("closed the connection", True),
    2013: ("closed the connection", True),
    4031: ("closed the connection", True),
}
_UNWRITABLE = ": are the file and its folder there, ours, and on a disk that has room and is not read-only?"
RACES = frozenset({1020, 1205, 1213})
"""What MariaDB answers to one of two transactions that came at once: the same again will do."""
TRIES = 5  # of two processes that want the same rows at once


def raced(do: Callable[[], T]) -> T:
    """What `do` returns, which is one transaction: again when another process came at once."""
    for _ in range(TRIES - 1):
        try:
            return do()
        except StateError as err:
            if not lost_race(err):
                raise
    return do()


def lost_race(err: StateError) -> bool:
    return isinstance(err.__cause__, IntegrityError) or code(err.__cause__) in RACES


@contextmanager
def told(place: str) -> Iterator[None]:
    """Every failure of the database as StateError. `place` is the database without its credentials."""
    try:
        yield
    except SQLAlchemyError as err:
        words, transient = _words(err)
        raise StateError(f"the state ({place}) {words}", transient=transient) from err


def code(err: BaseException | None) -> int:
    """MariaDB's number of an error, 0 for anything else."""
    number = err.orig.args[0] if isinstance(err, DBAPIError) and err.orig is not None and err.orig.args else 0
    return number if isinstance(number, int) else 0


def _words(err: SQLAlchemyError) -> tuple[str, bool]:
    if isinstance(err, DBAPIError) and isinstance(err.orig, sqlite3.Error):
        transient = getattr(err.orig, "sqlite_errorname", "").startswith(
            ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL")
        )
        why = _UNWRITABLE if "unable to open" in str(err.orig) or "readonly" in str(err.orig) else ""
        return f"failed: {err.orig}{why}", transient  # SQLite names tables and columns, never what is in them
    if number := code(err):
        words, transient = _MARIADB.get(number, (f"failed with error {number}", isinstance(err, OperationalError)))
        return f"{words} ({number})", transient
    transient = isinstance(err, OperationalError | InterfaceError) and not isinstance(err, IntegrityError)
    return f"failed: {type(err).__name__}", transient
