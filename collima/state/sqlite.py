"""The state as one SQLite file: whose it is, how it is opened, made and copied."""

import os
import pwd
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import StaticPool

from collima.core.errors import StateError

BUSY = 30.0  # seconds that a writer waits for another one


def engine(path: Path) -> Engine:
    """Transactions begin as readers, or, with the execution option `write`, at once as the one writer.

    WAL: readers never wait. FULL: what was committed survives a power cut.
    """
    made = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY})

    @event.listens_for(made, "connect")
    def _connected(raw: sqlite3.Connection, _: object) -> None:
        raw.isolation_level = None  # the driver begins nothing by itself
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = FAST"):
            raw.execute(f"PRAGMA {pragma}")

    @event.listens_for(made, "begin")
    def _begun(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("write") else "BEGIN")

    return made


def empty() -> Engine:
    """A database in memory: what a plan reads before there is a state."""
    return create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})


def check_owner(path: Path, command: str) -> None:
    """Raises StateError when `path` belongs to another user, or would have to: root, too, would leave files of its own.

    The message ends with the line to type.
    """
    me, found = os.geteuid(), _nearest(path)
    owner, inside = found.stat().st_uid, _may(found, os.X_OK)
    if owner == me or (found != path and _may(found, os.W_OK) and inside and (owner == 0 or me != 0)):
        return
    if found != path and owner == 0 and inside:
        raise StateError(f"{found} is not ours to write in; type: sudo install -d -m 700 -o {_user(me)} {path.parent}")
    raise StateError(f"{found} belongs to {_user(owner)}; type: sudo -u {_user(owner)} {command}")


def _may(folder: Path, how: int) -> bool:
    return os.access(folder, how, effective_ids=os.access in os.supports_effective_ids)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def _nearest(path: Path) -> Path:
    """`path`, or the deepest folder above it that can be seen."""
    for place in (path, *path.parents):
        try:
            place.stat()
        except OSError:
            continue
        return place
    return Path("/")


def create(path: Path, fill: Callable[[Engine], None]) -> None:
    """Makes the file at once and whole: `fill(engine)` works on a hidden one, which then gets the name.

    When another process was faster its file stays. Missing folders are made for their owner alone.
    """
    try:
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as err:
        raise StateError(f"{path} cannot be made: {err.strerror}") from err
    try:
        _filled(draft, fill)
        os.link(draft, path)
    except FileExistsError:
        _filled(path, fill)  # an empty file takes its tables; those of the faster process stay
    except OSError as err:
        raise StateError(f"{path} cannot be made: {err.strerror}") from err
    finally:
        for leftover in (draft, *(draft.with_name(draft.name + end) for end in ("-wal", "-shm", "-journal"))):
            leftover.unlink(missing_ok=True)


def _filled(path: Path, fill: Callable[[Engine], None]) -> None:
    made = engine(path)
    try:
        fill(made)
    finally:
        made.dispose()


def backup(path: Path, to: Path) -> None:
    """A consistent copy beside it, 0600. Raises StateError."""
    try:
        os.close(os.open(to, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        source, copy = sqlite3.connect(path), sqlite3.connect(to)
        try:
            source.backup(copy)
        finally:
            copy.close()
            source.close()
    except (OSError, sqlite3.Error) as err:
        raise StateError(f"no backup {to.name} before migrating: {err}") from err
