"""A private, real Sympa with a MariaDB of its own: lists are made by writing their configuration. Needs root.

It lives in a folder that its user can read, and listens to nobody: its command is run when a test wants it. A Sympa of
this machine is neither started nor read: `SYMPA_CONFIG` points into the folder.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers import cannot, program, require, shared
from tests.servers.mariadb import MariaDB, mariadb

ROBOT = "liste.unimore.it"
DATABASE = "sympa"
OWNER, OWNER_PASSWORD = "sympa", "sympapw"
"""Sympa's own account in its database."""
READER, READER_PASSWORD = "reader", "rea:der/pw"
"""An account that may read Sympa's tables, and nothing else."""

_CONFIG = """\
domain {robot}
listmaster listmaster@{robot}
lang en-US
db_type MySQL
db_name {database}
db_host 127.0.0.1
db_port {port}
db_user {owner}
db_passwd {password}
etc {folder}/etc
home {folder}/list_data
arc_path {folder}/arc
bounce_path {folder}/bounce
css_path {folder}/css
pictures_path {folder}/pictures
spool {folder}/spool
queue {folder}/spool/msg
queuemod {folder}/spool/moderation
queuedigest {folder}/spool/digest
queueauth {folder}/spool/auth
queueoutgoing {folder}/spool/outgoing
queuesubscribe {folder}/spool/subscribe
queuetopic {folder}/spool/topic
queuebounce {folder}/spool/bounce
queuetask {folder}/spool/task
queueautomatic {folder}/spool/automatic
queuebulk {folder}/spool/bulk
tmpdir {folder}/spool/tmp
viewmail_dir {folder}/spool/viewmail
sendmail {folder}/sendmail
sendmail_aliases none
aliases_program none
create_list listmaster
wwsympa_url http://{robot}/wws
cookie abcdef0123456789
"""

_SENDMAIL = """\
#!/bin/sh
# one file for each message
file=$(mktemp {folder}/mail/XXXXXXXX); {{ echo "ARGS: $*"; cat; }} > $file
"""

_COMMAND = """\
#!/bin/sh
SYMPA_CONFIG={folder}/etc/sympa.conf exec {program} "$@"
"""

_LIST = """\
subject {name}

status open

visibility noconceal

send owner

review owner

subscribe closed

process_archive off

owner
email postmaster@{robot}
profile privileged

{sources}{more}creation
date_epoch 1700000000
email postmaster@{robot}

serial 0

"""

_COLUMNS = (
    "list_subscriber, robot_subscriber, user_subscriber, subscribed_subscriber, inclusion_subscriber, "
    "inclusion_ext_subscriber, inclusion_label_subscriber, date_epoch_subscriber, update_epoch_subscriber, "
    "reception_subscriber, visibility_subscriber, number_messages_subscriber"
)


@dataclass
class Sympa:
    folder: Path
    database: MariaDB
    robot: str = ROBOT
    _made: set[str] = field(default_factory=set)

    @property
    def command(self) -> Path:
        """`sympa`, of this installation."""
        return self.folder / "bin" / "sympa"

    @property
    def lists(self) -> Path:
        """The folder with one folder for each list."""
        return self.folder / "list_data" / self.robot

    @property
    def include_dir(self) -> Path:
        """Where include files are, one for each list, named as the list."""
        return self.folder / "include"

    @property
    def url(self) -> str:
        """Of its database, for one who may read only, without the password."""
        return f"mysql+pymysql://{READER}@127.0.0.1:{self.database.port}/{DATABASE}"

    def run(self, *arguments: str, stdin: str = "", check: bool = True) -> str:
        """What `sympa ARGUMENTS` said, on both outputs. Its exit code says little; with `check` it must be 0."""
        done = subprocess.run(
            [self.command, *arguments], input=stdin, capture_output=True, text=True, timeout=100, check=False
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def include(self, name: str) -> str:
        """What Sympa's own include of one list said.

        The next one begins in a later second: Sympa takes whom it stamped in the same one for found again.
        """
        said = self.run("include", f"{name}@{self.robot}")
        time.sleep(1.01 - time.time() % 1)
        return said

    def query(self, sql: str, *values: object) -> tuple[tuple[object, ...], ...]:
        """On its database, as the server's root."""
        return self.database.query(sql, *values, of=DATABASE)

    # ---- lists

    def make(self, *names: str, sources: str | None = None, more: str = "") -> None:
        """Lists that exist from now on. `sources`: paragraphs of their configuration; default: their include file."""
        uid, gid = _owner()
        for name in names:
            place = self.lists / name
            place.mkdir(exist_ok=True)
            text = f"include_file {self.include_dir / name}\n\n" if sources is None else sources
            config = place / "config"
            config.write_text(_LIST.format(name=name, robot=self.robot, sources=text, more=more))
            for stale in place.glob("config.bin"):
                stale.unlink()
            os.chown(place, uid, gid)
            os.chown(config, uid, gid)
            self._made.add(name)

    def fill(self, name: str, addresses: Iterable[str]) -> None:
        """Makes the list if need be, and has Sympa include exactly these from its include file."""
        if name not in self._made:
            self.make(name)
        file = self.include_dir / name
        file.write_text("".join(f"{address}\n" for address in addresses))
        said = self.include(name)
        assert "succeeded" in said, said

    def plant(self, name: str, addresses: Iterable[str], *, file: bool = True) -> None:
        """As `fill`, without Sympa and its second of time: the same file, and the rows that an include leaves."""
        if name not in self._made:
            self.make(name)
        known = list(addresses)
        if file:
            (self.include_dir / name).write_text("".join(f"{address}\n" for address in known))
        at = int(time.time()) - 60
        self.query("DELETE FROM subscriber_table WHERE list_subscriber = %s AND subscribed_subscriber = 0", name)
        if known:
            row = f"('{name}', '{self.robot}', %s, 0, {at}, {at}, '{name[:15]}', {at}, {at}, 'mail', 'noconceal', 0)"
            self.query(f"INSERT INTO subscriber_table ({_COLUMNS}) VALUES {', '.join([row] * len(known))}", *known)

    def add(self, name: str, *addresses: str) -> None:
        """By hand, as an owner adds them."""
        self.run("add", "--quiet", f"{name}@{self.robot}", stdin="".join(f"{a}\n" for a in addresses), check=False)

    def delete(self, name: str, *addresses: str) -> None:
        """By hand; whoever was included is an opt-out from now on."""
        self.run("del", "--quiet", f"{name}@{self.robot}", stdin="".join(f"{a}\n" for a in addresses), check=False)

    def members(self, name: str) -> set[str]:
        """Everybody, however they came to be in it."""
        rows = self.query(
            "SELECT user_subscriber FROM subscriber_table WHERE list_subscriber = %s AND robot_subscriber = %s",
            name,
            self.robot,
        )
        return {str(row[0]) for row in rows}

    def included(self, name: str) -> set[str]:
        rows = self.query(
            "SELECT user_subscriber FROM subscriber_table WHERE list_subscriber = %s AND robot_subscriber = %s "
            "AND inclusion_subscriber IS NOT NULL",
            name,
            self.robot,
        )
        return {str(row[0]) for row in rows}

    def file(self, name: str) -> list[str]:
        """The lines of its include file; none when there is no file."""
        file = self.include_dir / name
        return file.read_text("utf-8", "replace").splitlines() if file.exists() else []

    def clear(self) -> None:
        """No lists, no members, no include files: as it was started. (The mark and other leftovers go, too.)"""
        for table in ("subscriber", "exclusion", "admin", "list", "user", "inclusion"):
            self.query(f"DELETE FROM {table}_table")
        for folder in (self.lists, self.include_dir, self.folder / "mail"):
            for entry in folder.iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        self._made.clear()


def _owner() -> tuple[int, int]:
    known = pwd.getpwnam("sympa")
    return known.pw_uid, known.pw_gid


def _own(folder: Path) -> None:
    uid, gid = _owner()
    for place in (folder, *folder.rglob("*")):
        os.chown(place, uid, gid, follow_symlinks=False)


def _files(folder: Path, port: int, settings: Mapping[str, str]) -> None:
    for name in ("create_list_templates", "custom_actions", "data_sources", "families", "mail_tt2", "scenari"):
        (folder / "etc" / name).mkdir(parents=True)
    for name in ("search_filters", "tasks", "web_tt2", ROBOT):
        (folder / "etc" / name).mkdir()
    for name in ("arc", "bounce", "css", "pictures", "spool", "mail", "bin", "include", f"list_data/{ROBOT}"):
        (folder / name).mkdir(parents=True)
    config = _CONFIG.format(
        robot=ROBOT, database=DATABASE, port=port, owner=OWNER, password=OWNER_PASSWORD, folder=folder
    )
    config += "".join(f"{key} {value}\n" for key, value in settings.items())
    (folder / "etc" / "sympa.conf").write_text(config)
    (folder / "etc" / ROBOT / "robot.conf").write_text(f"listmaster listmaster@{ROBOT}\n")
    for file, text in (("sendmail", _SENDMAIL), ("bin/sympa", _COMMAND)):
        (folder / file).write_text(text.format(folder=folder, program=program("sympa")))
        (folder / file).chmod(0o755)


@contextmanager
def sympa(server: MariaDB, settings: Mapping[str, str] | None = None, *, below: Path | None = None) -> Iterator[Sympa]:
    """A Sympa of its own in a new folder, on this database server; `settings` are lines of sympa.conf. A few seconds.

    `below`: where that folder is made; by default in memory.
    """
    require("sympa")
    if os.geteuid() != 0:
        cannot("a private Sympa needs root: its command changes to the user sympa")
    memory = Path("/dev/shm")  # where many small files are fast
    folder = Path(tempfile.mkdtemp(prefix="collima-sympa-", dir=below or (memory if memory.is_dir() else None)))
    try:
        folder.chmod(0o755)
        _files(folder, server.port, settings or {})
        server.query(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
        for user, password in ((OWNER, OWNER_PASSWORD), (READER, READER_PASSWORD)):
            server.query(f"CREATE USER {user}@'127.0.0.1' IDENTIFIED BY '{password}'")
        server.query(f"GRANT ALL ON {DATABASE}.* TO {OWNER}@'127.0.0.1'")
        _own(folder)
        running = Sympa(folder, server)
        running.run("check")  # makes the tables
        for table in ("subscriber_table", "exclusion_table"):  # the rights of docs/rights.md
            server.query(f"GRANT SELECT ON {DATABASE}.{table} TO {READER}@'127.0.0.1'")
        version = running.run("version").split()[1]
        (folder / "etc" / "data_structure.version").write_text(f"{version}\n")
        _own(folder)
        yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sympa_server(request: pytest.FixtureRequest) -> Sympa:
    """One Sympa for all tests of a session; each takes lists of its own, or `sympa_here` for an empty one."""
    require("sympa", "mariadbd")
    return shared(request.config, "sympa", _with_database)


@contextmanager
def _with_database() -> Iterator[Sympa]:
    with mariadb() as server, sympa(server) as running:
        yield running


@pytest.fixture
def sympa_here(sympa_server: Sympa) -> Iterator[Sympa]:
    """The session's Sympa, empty."""
    sympa_server.clear()
    yield sympa_server
    sympa_server.clear()
