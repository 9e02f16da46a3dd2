"""A quarantine of amavisd for one test, as an account with the least rights sees it."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collima.core.options import Secret
from collima.core.quarantine import Category, Item, ItemId
from connectors.amavis import Amavis
from connectors.amavis.session import Session
from tests.servers.amavis import COLLIMA_PASSWORD, DATABASE
from tests.servers.amavis import Amavis as Server
from tests.servers.mariadb import PASSWORD

ANNA, BRUNO, CARLA = "anna@unimore.it", "bruno@studenti.unimore.it", "carla@unimore.it"
SPAMMER = "win@lottery.example.com"
EVER = datetime(2020, 1, 1, tzinfo=UTC)
CONTENT = {"spam": "S", "banned": "B", "virus": "V", "other": "H"}


@dataclass
class Place:
    server: Server
    slept: list[float] = field(default_factory=list)

    def open(self, **options: Any) -> AbstractContextManager[Session]:
        given: dict[str, Any] = {
            "database": self.server.url,
            "database_password": Secret(env="AMAVIS_PASSWORD"),
            "release": (f"127.0.0.1:{self.server.pdp}",),
        }
        return Amavis(**(given | options)).open(sleep=self.slept.append)

    def open_by_port(self) -> AbstractContextManager[Session]:
        """As an account that may do all. For servers that go: PyMySQL leaves a local socket that it finds dead open."""
        url = self.server.database.url(DATABASE)
        return self.open(database=url, database_password=Secret(env="MARIADB_PASSWORD"))

    def hold(self, *recipients: str, at: datetime, category: Category = "spam", **more: Any) -> list[ItemId]:
        mail = self.server.hold(*recipients, at=at, content=CONTENT[category], **more)
        return [ItemId(f"0:{mail}:{number}") for number in range(1, len(recipients) + 1)]

    def delivered(self) -> list[str]:
        return [recipient for mail in self.server.next_hop.mails for recipient in mail.to]

    def seen(self) -> list[Item]:
        """All that is held, by time."""
        with self.open() as session:
            ids = [ref.id for some in session.held(EVER, datetime.now(UTC) + timedelta(days=1)) for ref in some]
            return sorted(session.items(ids).values(), key=lambda item: (item.at, item.recipient))

    def marks(self) -> Sequence[str]:
        """msgrcpt.rs, by recipient."""
        rows = self.server.query("SELECT rs FROM msgrcpt JOIN maddr ON maddr.id = rid ORDER BY email, mail_id")
        return [str(mark) for (mark,) in rows]


@pytest.fixture
def place(amavis_here: Server, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("AMAVIS_PASSWORD", COLLIMA_PASSWORD)
    monkeypatch.setenv("MARIADB_PASSWORD", PASSWORD)
    return Place(amavis_here)


def fill(server: Server, messages: int, began: datetime, seconds: int = 1) -> None:
    """So many messages, each for two of a thousand people, one each `seconds`, all written by the server itself."""
    first = int(began.timestamp())
    for sql in (
        "INSERT INTO maddr (partition_tag, email, domain) "
        "SELECT 0, CONCAT('p', seq, '@unimore.it'), 'it.unimore' FROM seq_1_to_1000",
        "INSERT INTO msgs (partition_tag, mail_id, secret_id, am_id, time_num, time_iso, sid, size, content, "
        "quar_type, from_addr, subject, host) "
        f"SELECT 0, LPAD(seq, 12, 'm'), 'secret', 'a', {first} + seq * {seconds}, '', "
        "1 + seq % 1000, 2000, 'S', 'Q', 'Spammer <spammer@example.org>', 'Buy now', 'mx1' "
        f"FROM seq_1_to_{messages}",
        "INSERT INTO msgrcpt (partition_tag, mail_id, rseqnum, rid, content, ds, rs, bspam_level) "
        "SELECT 0, LPAD(m.seq, 12, 'm'), r.seq, 1 + (m.seq * 7 + r.seq) % 1000, 'S', 'D', ' ', 9.5 "
        f"FROM seq_1_to_{messages} m JOIN seq_1_to_2 r",
        "INSERT INTO quarantine (partition_tag, mail_id, chunk_ind, mail_text) "
        f"SELECT 0, LPAD(seq, 12, 'm'), 1, REPEAT('x', 200) FROM seq_1_to_{messages}",
    ):
        server.query(sql)


@contextmanager
def setting(server: Server, name: str, value: object) -> Iterator[None]:
    """A global one of the database."""
    ((before,),) = server.query(f"SELECT @@GLOBAL.{name}")
    server.query(f"SET GLOBAL {name} = {value}")
    try:
        yield
    finally:
        server.query(f"SET GLOBAL {name} = {before}")
