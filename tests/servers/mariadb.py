"""A private, real MariaDB: no password for root on its socket and port, one empty database for each who asks."""

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pymysql
import pytest

from tests.servers import free_port, program, require, start

USER, PASSWORD = "collima", "pa:ss/w@rd"
"""Who may do everything in every database, over TCP. The password would break a URL that is glued together."""

_QUICK = (
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=64M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=0",
    "--aria-pagecache-buffer-size=1M",
    "--key-buffer-size=1M",
    "--performance-schema=OFF",
)

_numbers = itertools.count(1)


@dataclass
class MariaDB:
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    durable: bool = False  # as a server is by default: what is committed is on the disk

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    def url(self, name: str) -> str:
        """Of a database, for SQLAlchemy, without the password."""
        return f"mysql+pymysql://{USER}@127.0.0.1:{self.port}/{name}"

    def database(self) -> str:
        """The name of a new, empty database. Its default collation ignores case and accents, as on most servers."""
        name = f"state{next(_numbers)}"
        self.query(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
        return name

    def as_root(self, database: str | None = None) -> pymysql.Connection:
        """A connection by its socket. Without TLS, for which every connection would read all authorities again."""
        return pymysql.connect(
            unix_socket=str(self.socket), user="root", database=database, autocommit=True, ssl_disabled=True
        )

    def query(self, sql: str, *values: object, of: str | None = None) -> tuple[tuple[object, ...], ...]:
        """What the server's root is answered; `of`: a database."""
        connection = self.as_root(of)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, values or None)
                return tuple(cursor.fetchall())
        finally:
            connection.close()

    def start(self, *, tries: int = 3000) -> None:
        """Starts it, and waits until it takes connections."""
        self.process = subprocess.Popen(
            [
                program("mariadbd"),
                "--no-defaults",
                f"--datadir={self.folder / 'data'}",
                f"--socket={self.socket}",
                f"--port={self.port}",
                f"--pid-file={self.folder / 'pid'}",
                f"--log-error={self.folder / 'log'}",
                _apart(self.folder),
                "--bind-address=127.0.0.1",
                "--skip-log-bin",
                "--skip-name-resolve",
                *([] if self.durable else _QUICK),
                *_as_root(),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(tries):
            if self.process.poll() is not None:
                raise RuntimeError(f"mariadbd ended: {(self.folder / 'log').read_text('utf-8', 'replace')[-2000:]}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        self.kill()
        raise RuntimeError("mariadbd does not answer")

    def stop(self) -> None:
        self._end("terminate")

    def kill(self) -> None:
        """kill -9. `start` brings it back on the same port."""
        self._end("kill")

    def _end(self, signal: str) -> None:
        if self.process is not None:
            getattr(self.process, signal)()
            self.process.wait(30)
            self.process = None


def _roomy(memory: Path = Path("/dev/shm")) -> Path | None:
    """Where a database is five times as fast, if there is room for it."""
    usable = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**30
    return memory if usable else None


def _apart(folder: Path) -> str:
    """A server that starts removes the temporary tables of all others in the same folder."""
    (folder / "tmp").mkdir(exist_ok=True)
    return f"--tmpdir={folder / 'tmp'}"


def _as_root() -> list[str]:
    return ["--user=root"] if os.geteuid() == 0 else []


@contextmanager
def mariadb(folder: Path | None = None, *, durable: bool = False) -> Iterator[MariaDB]:
    """Runs a MariaDB in a new folder, below `folder` or in memory, and removes it. Takes a second or two.

    `durable`: with the settings that a server has by default, for measuring.
    """
    require("mariadbd", "mariadb-install-db")
    place = Path(
        tempfile.mkdtemp(prefix="collima-db-", dir=folder or _roomy())
    )  # short: a socket's path has 107 bytes at most
    try:
        made = subprocess.run(
            [
                program("mariadb-install-db"),
                "--no-defaults",
                f"--datadir={place / 'data'}",
                _apart(place),
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                *_as_root(),
            ],
            capture_output=True,
            check=False,
            timeout=120,
        )
        if made.returncode:
            raise RuntimeError(f"mariadb-install-db: {made.stderr.decode(errors='replace')[-2000:]}")
        server = MariaDB(place, durable=durable)
        start(server)
        try:
            server.query(f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
            server.query(f"GRANT ALL ON *.* TO {USER}@'127.0.0.1'")
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDB]:
    """One server for all tests of a session; each takes a database of its own."""
    with mariadb() as server:
        yield server
