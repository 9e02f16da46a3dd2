"""The state in a MariaDB database."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL

from collima.core.errors import StateError

ANSWER = 100  # seconds that a server may take to answer: one that lost its power never says so
MODES = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"


def engine(url: URL) -> Engine:
    """READ COMMITTED, texts in full Unicode, and never a value cut to fit."""
    return create_engine(
        url.update_query_dict({"charset": "utf8mb4"}),
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,  # a run may be silent for longer than the server's wait_timeout
        connect_args={
            "connect_timeout": 10,
            "read_timeout": ANSWER,
            "write_timeout": ANSWER,
            "init_command": f"SET sql_mode = '{MODES}'",
        },
    )


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """Only one process at a time changes the tables."""
    name = {"name": f"collima:{connection.engine.url.database}"[:64]}
    if not connection.execute(text("SELECT GET_LOCK(:name, 60)"), name).scalar():
        raise StateError("another process is changing the state's tables", transient=True)
    try:
        yield
    finally:
        connection.execute(text("SELECT RELEASE_LOCK(:name)"), name)
