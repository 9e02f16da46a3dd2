"""Brings an older schema up to date with Alembic; loaded only when there is something to do."""

from datetime import datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from collima.core.errors import StateError
from collima.state import mariadb, schema, sqlite
from collima.state.clock import stamp

MIGRATIONS = Path(__file__).with_name("migrations")


def upgrade(url: URL, file: Path | None, found: int, now: datetime) -> None:
    """From schema `found` to the newest in `MIGRATIONS`. A SQLite file is copied beside itself before.

    Another process may have been faster: then there is nothing to do.
    """
    if file is None:
        with mariadb.engine(url).connect() as connection, mariadb.alone(connection):
            _run(connection)
            connection.commit()
            connection.detach()  # closed at the end, and not kept for more
        return
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": sqlite.BUSY})
    event.listen(engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
    with engine.connect() as connection:  # without foreign keys: a table that is made anew would take others with it
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        if schema.version(connection) == found:
            sqlite.backup(file, file.with_name(f"{file.name}.backup-{found}-{stamp(now)}"))
            _run(connection)
            if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise StateError(f"migrating {file} would break the table {broken[0]}: nothing was changed")
        connection.commit()


def config() -> Config:
    """Alembic's configuration without a file."""
    made = Config()
    made.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    return made


def _run(connection: Connection) -> None:
    made = config()
    made.attributes["connection"] = connection
    command.upgrade(made, "head")
