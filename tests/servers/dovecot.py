"""A private, real Dovecot 2.3 over a folder of Maildirs: IMAP on a free port, doveadm, a master user."""

import grp
import imaplib
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers import end, free_port, program, require, shared, start

PASSWORD = "pw"
"""Of every user."""
MASTER, MASTER_PASSWORD = "collima", "pw-master"
"""Who may open everybody's mailbox: as `anna.rossi*collima`."""
OTHERS = 500
"""So many more there are for `Dovecot.somebody`."""
USERS = ("anna.rossi", "bruno.bianchi", "carla.verdi")

_CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
instance_name = {folder.name}
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_login_user = {login}
default_internal_user = {internal}
default_internal_group = {group}
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
first_valid_gid = 1
mail_home = {folder}/home/%n
mail_location = {location}
maildir_copy_with_hardlinks = yes
auth_master_user_separator = *
namespace inbox {{
  inbox = yes
  separator = {separator}
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/masters
  master = yes
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%n {folder}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%n {folder}/users
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


@dataclass
class Dovecot:
    """`mail` holds a folder for each user, with a Maildir in it, unless `location` says another thing."""

    folder: Path  # its own: short, as a socket's path has 107 bytes at most
    mail: Path
    users: Sequence[str] = USERS
    separator: str = "/"
    location: str = ""  # as Dovecot's mail_location; "" for {mail}/%n/Maildir
    strangers: bool = True
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    others: Iterator[str] = field(default_factory=lambda: (f"anna.rossi{n}" for n in range(1, OTHERS)))

    @property
    def owner(self) -> tuple[int, int]:
        """Whose the mail is. Dovecot opens none for root."""
        if os.geteuid():
            return os.getuid(), os.getgid()
        known = pwd.getpwnam("mail")
        return known.pw_uid, known.pw_gid

    @property
    def configuration(self) -> Path:
        return self.folder / "dovecot.conf"

    @property
    def doveadm(self) -> list[str]:
        """The words before what doveadm is to do."""
        return [program("doveadm"), "-c", str(self.configuration)]

    def run(self, *words: str, check: bool = True) -> str:
        """What doveadm prints."""
        done = subprocess.run([*self.doveadm, *words], capture_output=True, encoding="utf-8", check=False, timeout=60)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    @property
    def complaints(self) -> list[str]:
        """The lines of its log that tell of something wrong."""
        return [line for line in self.log.splitlines() if re.search(r": (Warning|Error|Fatal|Panic): ", line)]

    def maildir(self, user: str) -> Path:
        """The user's own, made when it is not there."""
        there = self.mail / user / "Maildir"
        for part in ("tmp", "new", "cur"):
            (there / part).mkdir(parents=True, exist_ok=True)
        self.own(self.mail / user)
        return there

    def _know(self) -> None:
        """Writes down its users."""
        uid, gid = self.owner
        known = [*self.users, *(f"anna.rossi{n}" for n in range(1, OTHERS) if self.strangers)]
        rows = (f"{user}:{{PLAIN}}{PASSWORD}:{uid}:{gid}::{self.folder / 'home' / user}::\n" for user in known)
        (self.folder / "users").write_text("".join(rows))

    def somebody(self) -> str:
        """A user whom nobody was given before, with an empty mailbox. Users are read at the start, for all tests."""
        user = next(self.others)
        self.maildir(user)
        return user

    def own(self, path: Path) -> None:
        """Gives a tree to the owner of the mail."""
        if os.geteuid() == 0:
            for one in (path, *path.rglob("*")):
                os.chown(one, *self.owner, follow_symlinks=False)

    @contextmanager
    def imap(self, user: str) -> Iterator[imaplib.IMAP4]:
        """Logged in as the user."""
        client = imaplib.IMAP4("127.0.0.1", self.port, timeout=30)
        try:
            client.login(user, PASSWORD)
            yield client
        finally:
            client.logout()

    def _configure(self) -> None:
        uid, gid = self.owner
        root = os.geteuid() == 0
        me = pwd.getpwuid(uid).pw_name
        self._know()
        (self.folder / "masters").write_text(f"{MASTER}:{{PLAIN}}{MASTER_PASSWORD}\n")
        self.configuration.write_text(
            _CONFIGURATION.format(
                folder=self.folder,
                location=self.location or f"maildir:{self.mail}/%n/Maildir",
                login="dovenull" if root else me,
                internal="dovecot" if root else me,
                group="dovecot" if root else grp.getgrgid(gid).gr_name,
                uid=uid,
                gid=gid,
                separator=self.separator,
                port=self.port,
            )
        )

    def start(self, *, tries: int = 3000) -> None:
        """Starts it, and waits until it takes connections."""
        for name in ("home", "state"):
            (self.folder / name).mkdir(exist_ok=True)
        self.own(self.folder / "home")
        self._configure()
        self.process = subprocess.Popen(
            [program("dovecot"), "-F", "-c", str(self.configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(tries):
            if self.process.poll() is not None:
                raise RuntimeError(f"dovecot ended: {self.log[-2000:]}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"dovecot does not answer: {self.log[-2000:]}")

    def stop(self) -> None:
        """Its children end with it."""
        if self.process is not None:
            end(self.process)
            self.process = None


@contextmanager
def dovecot(
    mail: Path | None = None,
    *,
    users: Sequence[str] = USERS,
    separator: str = "/",
    location: str = "",
    strangers: bool = True,
) -> Iterator[Dovecot]:
    """Runs a Dovecot in a new folder, and removes it. `mail`: where the mail is, by default in that folder.

    `strangers`: with users for `Dovecot.somebody`, whom whatever acts on all users meets, too.
    """
    require("dovecot", "doveadm")
    place = Path(tempfile.mkdtemp(prefix="collima-imap-"))
    place.chmod(0o755)
    try:
        server = Dovecot(place, mail or place / "mail", users, separator, location, strangers)
        if mail is None:
            server.mail.mkdir()
            server.own(server.mail)
        start(server)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def dovecot_server(request: pytest.FixtureRequest) -> Dovecot:
    """One server for all the tests of a process: each takes users of its own."""
    return shared(request.config, "dovecot", dovecot)
