"""Transactions on the state, on either database; every failure is a StateError."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from collima.core.errors import ConfigError, StateError
from collima.core.ports import Clock
from collima.core.stopping import undisturbed
from collima.state import mariadb, schema, sqlite
from collima.state.faults import told
from collima.state.tables import metadata

Writes = Callable[[], AbstractContextManager[Connection]]


@dataclass
class Database:
    """One state. Nothing is opened, made or migrated before the first transaction."""

    url: URL
    now: Clock
    command: str  # what was typed, for `sudo -u OWNER …`
    _engine: Engine | None = field(default=None, init=False)
    _used: tuple[int, int] | None = field(default=None, init=False)  # device and inode of the file that is open

    @cached_property
    def file(self) -> Path | None:
        """The file of a SQLite state."""
        return Path(self.url.database or "") if self.url.get_backend_name() == "sqlite" else None

    @cached_property
    def place(self) -> str:
        """For messages: without user and password."""
        return str(self.file or f"{self.url.host or 'localhost'}/{self.url.database}")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that writes nothing. Before there is a state it sees an empty one, and makes none."""
        with undisturbed(), told(self.place):
            engine = self._ready(make=False)
            if engine is None:
                engine = sqlite.empty()
                metadata.create_all(engine)
            with engine.connect() as connection, connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is kept whole or not at all. On SQLite it is the only writer."""
        with undisturbed(), told(self.place):
            engine = self._ready(make=True)
            assert engine is not None
            with engine.connect().execution_options(write=True) as connection, connection.begin():
                yield connection

    @contextmanager
    def kept(self) -> Iterator[Writes]:
        """What gives a connection that is kept, on which each statement is a transaction: a thousand a second.

        What one of them stores outlives this process, whatever becomes of it; on SQLite a power cut may take the last.
        """
        connection: Connection | None = None

        def gone() -> None:
            """Nobody else gets it: it was set up for this."""
            if connection is not None:
                connection.invalidate()
                connection.close()

        @contextmanager
        def write() -> Iterator[Connection]:
            nonlocal connection
            with undisturbed(), told(self.place):
                connection = connection or self._hurried()
                try:
                    yield connection
                except BaseException:  # the next one goes over another connection
                    gone()
                    connection = None
                    raise

        try:
            yield write
        finally:
            gone()

    def _hurried(self) -> Connection:
        """Each statement on it is a transaction; on SQLite none waits for the disk."""
        engine = self._ready(make=True)
        assert engine is not None
        made = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            if self.file is not None:
                made.exec_driver_sql("PRAGMA synchronous = NORMAL")
        except BaseException:
            made.invalidate()
            made.close()
            raise
        return made

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def demand(self) -> None:
        """Raises StateError where a SQLite state would have to be made."""
        if self.file is not None and not (self.file.exists() and self.file.stat().st_size):
            raise StateError(f"the state ({self.place}) is gone: whoever wants this run had one")

    def check(self) -> None:
        """Raises StateError when the SQLite file that is open is not the one of its name any more: others, runs, would
        use another state. It may come back.
        """
        if self._used is None or self.file is None or (found := _identity(self.file)) == self._used:
            return
        what = "is another file than it was: restart the service" if found else "is gone: it was moved or deleted"
        raise StateError(f"the state ({self.place}) {what}", transient=True)

    def migrate(self) -> tuple[int, int]:
        """Brings the schema up to date, whatever the database. Returns (before, after); 0: there was nothing."""
        with told(self.place):
            before = self._version()
            if before == 0:
                self._create()
            elif before < schema.CURRENT:
                self._upgrade(before)
            return before, schema.CURRENT

    def _ready(self, *, make: bool) -> Engine | None:
        """The engine of a state that is up to date; None: there is no state, and none was to be made."""
        if self._engine is not None:
            return self._engine
        found = self._version()
        if found == 0:
            if not make:
                return None
            self._create()
        elif found < schema.CURRENT:
            if self.file is None:
                raise StateError(f"the state ({self.place}) has schema {found}, not {schema.CURRENT}: collima migrate")
            self._upgrade(found)
        self._engine = self._open()
        self._used = _identity(self.file) if self.file is not None else None
        return self._engine

    def _open(self) -> Engine:
        return mariadb.engine(self.url) if self.file is None else sqlite.engine(self.file)

    def _version(self) -> int:
        if self.file is not None:
            sqlite.check_owner(self.file, self.command)
            if not self.file.exists() or self.file.stat().st_size == 0:
                return 0
        engine = self._open()
        try:
            with engine.connect() as connection:
                found = schema.version(connection)
        finally:
            engine.dispose()
        if found > schema.CURRENT:
            newest = schema.CURRENT
            raise StateError(
                f"the state ({self.place}) was made by a newer Collima (schema {found}, this one knows {newest})"
            )
        return found

    def _create(self) -> None:
        if self.file is not None:
            sqlite.create(self.file, _fill)
            return
        engine = self._open()
        try:
            with engine.connect() as connection, mariadb.alone(connection):
                if schema.version(connection) == 0:
                    schema.create(connection)
                connection.commit()
        finally:
            engine.dispose()

    def _upgrade(self, found: int) -> None:
        from collima.state import upgrade  # noqa: PLC0415 - Alembic takes a second to load, and is rarely needed

        upgrade.upgrade(self.url, self.file, found, self.now())


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _fill(engine: Engine) -> None:
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        if schema.version(connection) == 0:
            schema.create(connection)


def database(url: str, *, now: Clock, password: str, command: str) -> Database:
    """Raises ConfigError for a URL that is neither `sqlite:////PATH` nor `mysql+pymysql://USER@HOST/NAME`."""
    try:
        parsed = make_url(url)
    except ArgumentError as err:
        raise ConfigError("state: not a URL; write sqlite:////PATH or mysql+pymysql://USER@HOST/NAME") from err
    backend = parsed.get_backend_name()
    if backend in ("mysql", "mariadb"):
        parsed = parsed.set(drivername="mysql+pymysql")
    elif backend != "sqlite":
        raise ConfigError(f"state: {backend} is not supported; write sqlite:////PATH or mysql+pymysql://USER@HOST/NAME")
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigError("state: the URL names no database; write sqlite:////PATH or mysql+pymysql://USER@HOST/NAME")
    if password:
        parsed = parsed.set(password=password)
    return Database(parsed, now, command)
