"""A private, real amavisd-new with SpamAssassin: its database, its quarantine, and a next hop that keeps the mails.

It takes mail on a port of 127.0.0.1, and requests for release (AM.PDP) on another one and on a socket. Rows are written
by amavisd; `hold` writes many of them at once, as it does.
"""

import base64
import gzip
import hashlib
import os
import secrets
import shutil
import smtplib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from tests.servers import end, free_port, program, require, shared
from tests.servers.mariadb import MariaDB, mariadb
from tests.servers.smtpd import Relay, relay

DATABASE = "amavis"
OWNER, OWNER_PASSWORD = "amavis", "amavispw"
"""Amavis' own account in its database."""
COLLIMA, COLLIMA_PASSWORD = "collima", "co:lli/ma@pw"
"""An account that has the rights of docs/rights.md, and no more. From `localhost`: tests.servers.mariadb has one of
that name for 127.0.0.1."""
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
"""What every SpamAssassin calls spam."""

_SCHEMA = Path("/usr/share/doc/amavisd-new/README.sql-mysql.gz")
_TEMPLATE = Path(__file__).with_name("amavisd.conf")
_RIGHTS = Path(__file__).parents[2] / "docs/rights.md"


@dataclass
class Amavis:
    """`next_hop.mails` are those that were let through or released. `start` and `stop` as often as a test likes."""

    folder: Path
    database: MariaDB
    next_hop: Relay
    smtp: int = field(default_factory=free_port)
    pdp: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """Where it takes requests for release, beside `pdp`."""
        return self.folder / "amavisd.sock"

    @property
    def config(self) -> Path:
        """Outside of the folder that is amavis' own: it takes none that it could write."""
        return self.folder.parent / "amavisd.conf"

    @property
    def url(self) -> str:
        """Of the database for the account with the least rights, for SQLAlchemy, without the password."""
        return f"mysql+pymysql://{COLLIMA}@/{DATABASE}?unix_socket={self.database.socket}"

    # ---- mail

    def send(self, sender: str, to: Sequence[str], message: EmailMessage | bytes) -> None:
        """By SMTP, as from the internet. Its rows are final when this returns."""
        content = message if isinstance(message, bytes) else message.as_bytes(policy=SMTP)
        with smtplib.SMTP("127.0.0.1", self.smtp, timeout=60) as client:
            client.sendmail(sender, list(to), content)

    def hold(
        self,
        *recipients: str,
        at: datetime,
        sender: str = "spammer@example.org",
        author: str = "Spammer <spammer@example.org>",
        subject: str = "Buy now",
        size: int = 2000,
        content: str = "S",
        score: float = 9.5,
        ds: str = "D",
        partition: int = 0,
    ) -> str:
        """The rows of one message that was held (`ds` of all its recipients), and its body. Returns its mail_id."""
        mail, secret = _ids()
        head = f"X-Envelope-From: <{sender}>\nX-Envelope-To: <{recipients[0]}>\nX-Quarantine-ID: <{mail}>\n"
        body = f"{head}From: {author}\nTo: {recipients[0]}\nSubject: {subject}\n\nHeld.\n".encode()
        second = int(at.timestamp())
        connection = self.database.as_root(DATABASE)
        try:
            with connection.cursor() as cursor:

                def address(email: str) -> int:
                    domain = ".".join(reversed(email.rpartition("@")[2].split(".")))
                    cursor.execute(
                        "INSERT INTO maddr (partition_tag, email, domain) VALUES (%s, %s, %s) "
                        "ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id)",
                        (partition, email.encode(), domain),
                    )
                    return int(cursor.lastrowid)

                sid, time_iso = address(sender), f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
                texts = author[:255], subject[:255]
                cursor.execute(
                    "INSERT INTO msgs (partition_tag, mail_id, secret_id, am_id, time_num, time_iso, sid, size, "
                    "content, quar_type, quar_loc, spam_level, from_addr, subject, host) "
                    "VALUES (%s, %s, %s, 'a-1', %s, %s, %s, %s, %s, 'Q', %s, %s, %s, %s, 'mx1.unimore.it')",
                    (partition, mail, secret, second, time_iso, sid, size, content, mail, score, *texts),
                )
                for number, recipient in enumerate(recipients, 1):
                    cursor.execute(
                        "INSERT INTO msgrcpt (partition_tag, mail_id, rseqnum, rid, is_local, content, ds, rs, "
                        "bspam_level) VALUES (%s, %s, %s, %s, 'Y', %s, %s, ' ', %s)",
                        (partition, mail, number, address(recipient), content, ds, score),
                    )
                cursor.execute(
                    "INSERT INTO quarantine (partition_tag, mail_id, chunk_ind, mail_text) VALUES (%s, %s, 1, %s)",
                    (partition, mail, body),
                )
        finally:
            connection.close()
        return mail

    def query(self, sql: str) -> tuple[tuple[object, ...], ...]:
        """What the database's root is answered."""
        return self.database.query(sql, of=DATABASE)

    def clear(self) -> None:
        for table in ("msgs", "msgrcpt", "quarantine", "maddr", "users", "mailaddr", "wblist"):
            self.query(f"TRUNCATE TABLE {table}")
        self.next_hop.mails.clear()
        self.next_hop.answers.clear()

    # ---- the server

    def start(self) -> None:
        """And waits until it takes mail and requests: four seconds or so."""
        log = (self.folder / "out").open("ab")
        self.process = subprocess.Popen(
            [program("amavisd") or program("amavisd-new"), "-c", str(self.config), "foreground"],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
        )
        log.close()
        for _ in range(6000):
            if self.process.poll() is not None:
                raise RuntimeError(f"amavisd ended: {(self.folder / 'out').read_text('utf-8', 'replace')[-2000:]}")
            if all(_answers(port) for port in (self.smtp, self.pdp)):
                return
            time.sleep(0.02)
        raise RuntimeError("amavisd does not answer")

    def stop(self) -> None:
        """With its children."""
        if self.process is not None:
            end(self.process)
            self.process = None


def spam(sender: str, to: str, subject: str = "Buy now", author: str = "") -> EmailMessage:
    """A mail that is held as spam."""
    message = _mail(author or sender, to, subject)
    message.set_content(f"Cheap pills!\n{GTUBE}\n")
    return message


def banned(sender: str, to: str, subject: str = "Invoice") -> EmailMessage:
    """A mail that is held for its attachment."""
    message = _mail(sender, to, subject)
    message.set_content("See the attachment.\n")
    message.add_attachment(b"MZ\x90\x00", maintype="application", subtype="octet-stream", filename="invoice.exe")
    return message


def clean(sender: str, to: str, subject: str = "Lunch") -> EmailMessage:
    message = _mail(sender, to, subject)
    message.set_content("At one?\n")
    return message


def _mail(author: str, to: str, subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = author, to, subject
    message["Date"] = "Tue, 24 Nov 2026 10:00:00 +0000"
    message["Message-ID"] = f"<{secrets.token_hex(8)}@example.org>"
    return message


def _ids() -> tuple[str, str]:
    """A mail_id, and the secret_id that amavisd takes for it: it keeps the secret, and the id is made of that."""
    while True:
        secret = secrets.token_bytes(9)
        mail = base64.urlsafe_b64encode(hashlib.md5(secret).digest()).decode()[:12]
        if mail[0].isalnum():
            return mail, base64.urlsafe_b64encode(secret).decode()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def grants(user: str) -> list[str]:
    """Those that docs/rights.md tells a site to give, for this account."""
    lines = _RIGHTS.read_text("utf-8").splitlines()
    return [line.partition(" TO ")[0] + f" TO {user}" for line in lines if " ON amavis." in line]


@contextmanager
def amavis(database: MariaDB, children: int = 4) -> Iterator[Amavis]:
    """Runs an amavisd on this server's database `amavis`, which is made if it is not there."""
    with tempfile.TemporaryDirectory(prefix="collima-amavis-") as temporary:
        folder = Path(temporary)
        with relay(folder, tls="none") as next_hop:
            (folder / "home").mkdir()
            running = Amavis(folder / "home", database, next_hop)
            _make_database(database)
            _configure(running, children)
            try:
                running.start()
                yield running
            finally:
                running.stop()


def _make_database(database: MariaDB) -> None:
    text = gzip.decompress(_SCHEMA.read_bytes()).decode("utf-8", "replace")
    schema = text[text.index("-- local users") : text.index("-- field msgrcpt.rs is primarily")]
    sql = "\n".join(line.partition("--")[0] for line in schema.splitlines())
    database.query(f"CREATE DATABASE IF NOT EXISTS {DATABASE} CHARACTER SET utf8mb4")
    connection = database.as_root(DATABASE)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW TABLES")
            if not cursor.fetchall():
                for statement in filter(str.strip, sql.split(";")):
                    cursor.execute(statement)
            for user, password in ((OWNER, OWNER_PASSWORD), (COLLIMA, COLLIMA_PASSWORD)):
                for host in ("127.0.0.1", "localhost")[user == COLLIMA :]:
                    cursor.execute(f"CREATE USER IF NOT EXISTS {user}@'{host}' IDENTIFIED BY '{password}'")
            cursor.execute(f"GRANT ALL ON {DATABASE}.* TO {OWNER}@'127.0.0.1'")
            for grant in grants(f"{COLLIMA}@localhost"):
                cursor.execute(grant)
    finally:
        connection.close()


def _configure(running: Amavis, children: int) -> None:
    """As root it becomes its own user, which then has to have its folder."""
    home, user = running.folder, ""
    for name in ("tmp", "db", "var"):
        (home / name).mkdir()
    if os.geteuid() == 0:
        user = "$daemon_user = 'amavis'; $daemon_group = 'amavis';"
        home.parent.chmod(0o755)
        for path in (home, *home.iterdir()):
            shutil.chown(path, "amavis", "amavis")
    values = {
        "user": user,
        "folder": home,
        "smtp": running.smtp,
        "pdp": running.pdp,
        "children": children,
        "next": running.next_hop.port,
        "database": DATABASE,
        "port": running.database.port,
        "password": OWNER_PASSWORD,
    }
    text = _TEMPLATE.read_text("utf-8")
    for word, value in values.items():
        text = text.replace(f"{{{word}}}", str(value))
    running.config.write_text(text)


@pytest.fixture(scope="session")
def amavis_server(request: pytest.FixtureRequest) -> Amavis:
    """One amavisd for all tests of a process; each takes it empty, as `amavis_here`."""
    require("amavisd", "spamassassin", "mariadbd")
    return shared(request.config, "amavis", _with_database)


@contextmanager
def _with_database() -> Iterator[Amavis]:
    with mariadb() as server, amavis(server) as running:
        yield running


@pytest.fixture
def amavis_here(amavis_server: Amavis) -> Iterator[Amavis]:
    """The process's amavisd, empty."""
    amavis_server.clear()
    yield amavis_server
    amavis_server.clear()
