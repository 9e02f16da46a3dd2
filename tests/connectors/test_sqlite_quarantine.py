"""A small quarantine in one file."""

import json
import mailbox
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from collima.core.errors import ConfigError, Refused, SourceError
from collima.core.quarantine import ItemId
from connectors.sqlite_quarantine import SqliteQuarantine, store
from connectors.sqlite_quarantine.session import Session
from tests.contracts.quarantine import ANNA, BRUNO, DAY, HOUR, NASTY, NOW, QuarantineContract, refs

SAMPLE = Path(__file__).parents[2] / "examples/quarantine.json"
CAMPUS = Path(__file__).parents[2] / "examples/campus.ldif"


@dataclass
class Place:
    folder: Path
    sample: Path | None = None

    @property
    def file(self) -> Path:
        return self.folder / "var/quarantine.db"

    @property
    def released(self) -> Path:
        return self.folder / "released"

    def open(self) -> AbstractContextManager[Session]:
        made = SqliteQuarantine(file=self.file, released=self.released, sample=self.sample)
        return made.open(NOW.timestamp)

    def hold(self, *recipients: str, at: datetime, **more: Any) -> list[ItemId]:
        with self.open() as session, closing(store.connect(self.file)) as connection:
            told: dict[str, Any] = {
                "sender": "spammer@example.org",
                "author": "Spammer",
                "subject": "Buy now",
                "score": 9.5,
            } | more
            message = store.Message((NOW - at) / HOUR, recipients, **told)
            connection.execute("BEGIN")
            number = store.insert(connection, message, int(NOW.timestamp()))
            connection.execute("COMMIT")
            return [session._id(number, at) for at in range(1, len(recipients) + 1)]

    def delivered(self) -> list[str]:
        return [str(mail["Delivered-To"]) for mail in mailbox.Maildir(self.released, create=False)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class TestContract(QuarantineContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Place(tmp_path)


def test_a_new_one_holds_the_sample_as_many_hours_old_as_it_says(place: Place, tmp_path: Path) -> None:
    place.sample = tmp_path / "sample.json"
    messages = [{"hours": 3.5, "to": [ANNA, BRUNO], "subject": NASTY}, {"hours": 30, "to": [ANNA], "category": "virus"}]
    place.sample.write_text(json.dumps({"messages": messages}), "utf-8")
    with place.open() as session:
        assert [ref.recipient for ref in refs(session)] == [ANNA, BRUNO]
        assert [-rank.age for rank in session.held_for([ANNA], NOW - 3 * DAY)] == [
            (NOW - hours * HOUR).timestamp() for hours in (3.5, 30)
        ]
    messages.clear()
    with place.open() as session:
        assert len(refs(session)) == 2, "a file that is there is not made again"
    assert place.file.stat().st_mode & 0o077 == 0


def test_two_that_make_it_at_once_have_one(place: Place) -> None:
    place.sample = SAMPLE
    together = threading.Barrier(4)

    def first(_: int) -> list[ItemId]:
        together.wait()
        with place.open() as session:
            return [ref.id for ref in refs(session)]

    with ThreadPoolExecutor(4) as processes:
        seen = list(processes.map(first, range(4)))
    assert seen[0]
    assert seen == [seen[0]] * 4
    assert [name.name for name in place.file.parent.iterdir() if name.name.startswith(".")] == []


def test_ids_of_one_that_was_removed_are_not_those_of_the_next(place: Place) -> None:
    (one,) = place.hold(ANNA, at=NOW - HOUR)
    for file in place.file.parent.iterdir():
        file.unlink()
    (other,) = place.hold(ANNA, at=NOW - HOUR)
    assert one != other
    with place.open() as session:
        assert set(session.items([one, other])) == {other}


def test_a_released_message_is_a_mail_with_clean_headers(place: Place) -> None:
    (one,) = place.hold(ANNA, at=NOW - HOUR, author=f"{NASTY}\r\nBcc: x@example.org", subject=f"{NASTY}\nX: y")
    with place.open() as session:
        session.release(one, ANNA)
    (mail,) = mailbox.Maildir(place.released, create=False)
    assert mail["To"] == ANNA
    assert mail["Bcc"] is mail["X"] is None


def test_a_message_that_cannot_be_delivered_is_held_again(place: Place) -> None:
    (one,) = place.hold(ANNA, at=NOW - HOUR)
    with place.open() as session:
        new = place.released / "new"
        new.rmdir()
        with pytest.raises(Refused):
            session.release(one, ANNA)
        assert [ref.id for ref in refs(session)] == [one]
        new.mkdir()
        session.release(one, ANNA)
    assert place.delivered() == [ANNA]


def test_rows_without_a_message_are_orphans_and_are_swept_away(place: Place) -> None:
    place.hold(ANNA, BRUNO, at=NOW - HOUR)
    with closing(sqlite3.connect(place.file)) as connection:
        connection.execute("DELETE FROM messages")
        connection.commit()
    with place.open() as session:
        assert session.orphans() == 1
        session.sweep()
        assert session.orphans() == 0


def test_a_file_that_is_no_database_is_a_source_error(place: Place) -> None:
    place.file.parent.mkdir()
    place.file.write_bytes(b"this is no database" * 100)
    with pytest.raises(SourceError, match="not a database"), place.open():
        pass


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "no JSON"),
        ("[]", '{"messages"'),
        ('{"messages": [{"to": ["anna@unimore.it"]}]}', "message 1: 'hours'"),
        ('{"messages": [{"hours": 1, "to": "anna@unimore.it"}]}', "message 1: `to` is a list"),
        ('{"messages": [{"hours": 1, "to": ["anna"]}]}', "message 1: not a plain mail address"),
        ('{"messages": [{"hours": 1, "to": ["a@unimore.it"], "category": "ham"}]}', "category: one of spam"),
        ('{"messages": [{"hours": 1, "to": ["a@unimore.it"], "colour": 1}]}', "message 1: .*colour"),
    ],
)
def test_a_sample_that_cannot_be_meant_is_told_with_its_message(place: Place, text: str, told: str) -> None:
    place.sample = place.folder / "sample.json"
    place.sample.write_text(text)
    with pytest.raises(ConfigError, match=told), place.open():
        pass
    assert not place.file.exists()


def test_a_sample_that_is_not_there_is_told(place: Place) -> None:
    place.sample = place.folder / "nowhere.json"
    with pytest.raises(ConfigError, match="No such file"), place.open():
        pass


def test_the_sample_of_the_campus_has_something_of_everything(place: Place) -> None:
    place.sample = SAMPLE
    campus = CAMPUS.read_text("utf-8").lower()
    with place.open() as session:
        held = refs(session, NOW - 5 * DAY)
        items = session.items([ref.id for ref in held])
    assert 24 <= len(items) <= 100
    assert {item.category for item in items.values()} == {"spam", "banned", "virus", "other"}
    assert sum(item.at > NOW - timedelta(hours=20) for item in items.values()) > len(items) // 2
    assert any(item.at < NOW - 2 * DAY for item in items.values())
    assert {recipient for ref in held if f"mail: {(recipient := ref.recipient)}\n" not in campus} == set()
    subjects = " ".join(item.subject for item in items.values())
    assert all(found(subjects) for found in NASTY_ONES)


NASTY_ONES: tuple[Callable[[str], bool], ...] = (
    lambda text: "<" in text,
    lambda text: "\N{RIGHT-TO-LEFT OVERRIDE}" in text,
    lambda text: max(text) > "\U0001f000",
)
