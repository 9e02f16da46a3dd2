"""One state on each kind of database, with a clock that the test turns."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collima.state import SqlJournal, open_state
from tests.servers.mariadb import PASSWORD, MariaDB, mariadb_server

__all__ = ["mariadb_server"]


@dataclass
class State:
    """One database. Every `open` is another process's journal, as far as the database can tell."""

    url: str
    password: str = ""
    now: datetime = datetime(2026, 11, 24, 5, 30, 12, 345678, tzinfo=UTC)
    stack: ExitStack = field(default_factory=ExitStack)

    def open(self, host: str = "here", command: str = "collima …") -> SqlJournal:
        opened = open_state(self.url, now=lambda: self.now, host=host, password=self.password, command=command)
        return self.stack.enter_context(opened)

    def later(self, **span: int) -> None:
        self.now += timedelta(**span)


@pytest.fixture(params=["sqlite", "mariadb"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    if request.param == "sqlite":
        made = State(f"sqlite:///{tmp_path}/collima.db")
    else:
        server: MariaDB = request.getfixturevalue("mariadb_server")
        made = State(server.url(server.database()), PASSWORD)
    with made.stack:
        yield made


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[State]:
    """On SQLite only."""
    made = State(f"sqlite:///{tmp_path}/collima.db")
    with made.stack:
        yield made


@pytest.fixture
def maria(mariadb_server: MariaDB) -> Iterator[State]:
    made = State(mariadb_server.url(mariadb_server.database()), PASSWORD)
    with made.stack:
        yield made
