"""The accounts file keeps to the contract, and to itself when it is damaged."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from collima.core.errors import Refused, SourceError
from collima.core.targets import Account, Id, Mark
from connectors.accounts_file import AccountsFile
from tests.contracts.accounts import ANNA, BRUNO, NICK, AccountsContract
from tests.contracts.memory_accounts import MemoryAccounts

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)


def record(id: str, address: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "address": address, "state": "active", "aliases": [], "megabytes": None} | more


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.json"
    write(path, record("1", ANNA, aliases=[NICK], megabytes=15), record("2", BRUNO))
    return path


def write(path: Path, *records: dict[str, Any], **more: Any) -> None:
    path.write_text(json.dumps({"accounts": records} | more), "utf-8")


class TestAccountsFile(AccountsContract):
    @pytest.fixture
    def target(self, file: Path) -> AccountsFile:
        return AccountsFile(file=file)


class TestMemory(AccountsContract):
    @pytest.fixture
    def target(self) -> MemoryAccounts:
        target = MemoryAccounts()
        target.add(ANNA, aliases=frozenset({NICK}))
        target.add(BRUNO)
        return target


def test_an_account_is_read_as_it_is_written(file: Path) -> None:
    with AccountsFile(file=file).open() as session:
        assert session.accounts()[Id("1")] == Account(Id("1"), ANNA, "active", frozenset({NICK}), 15)
        assert session.check() == f"{file}: 2 accounts"


def test_a_mark_is_found_again_and_turns_leave_it(file: Path) -> None:
    with AccountsFile(file=file).open() as session:
        assert session.mark() is None
        session.leave_mark(Mark("state-1", "a"))
        list(session.turn([(Id("1"), "suspend")]))
        assert session.mark() == Mark("state-1", "a")


def test_after_twenty_days_nothing_comes_back(file: Path) -> None:
    opened = AccountsFile(file=file).open
    with opened(lambda: NOW) as session:
        assert [done.error for done in session.turn([(Id("1"), "delete"), (Id("2"), "delete")])] == ["", ""]
    with opened(lambda: NOW + timedelta(days=20)) as session:
        assert [done.error for done in session.turn([(Id("1"), "undelete")])] == [""]
    with opened(lambda: NOW + timedelta(days=20, seconds=1)) as session:
        (done,) = session.turn([(Id("2"), "undelete")])
    assert "20 days" in done.error
    assert json.loads(file.read_text("utf-8"))["deleted"] == []


def test_an_address_that_was_given_away_does_not_come_back(file: Path) -> None:
    with AccountsFile(file=file).open() as session:
        list(session.turn([(Id("1"), "delete")]))
        content = json.loads(file.read_text("utf-8"))
        write(file, *content["accounts"], record("3", NICK), deleted=content["deleted"])
        (done,) = session.turn([(Id("1"), "undelete")])
    assert done.error == "its address belongs to another account now"


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_text(path.read_text()[:40]), "no JSON"),
        (lambda path: path.write_text("[]"), "no list `accounts`"),
        (lambda path: write(path, record("1", ANNA), record("1", BRUNO)), "account 2 of 2 is not sound"),
        (lambda path: write(path, record("1", ANNA), record("2", ANNA.upper())), "account 2 of 2"),
        (lambda path: write(path, record("1", ANNA), record("2", BRUNO, aliases=[ANNA])), "account 2 of 2"),
        (lambda path: write(path, record("1", ANNA, state="gone")), "its state is active or suspended or archived"),
        (lambda path: write(path, record("", ANNA)), "`id` is text"),
        (lambda path: write(path, record("1", ANNA, megabytes="much")), "`megabytes` a whole number"),
        (lambda path: write(path, record("1", "nobody")), "not a plain mail address"),
        (lambda path: write(path, {"id": "1"}), "account 1 of 1"),
        (lambda path: write(path, deleted=None), "`deleted` is no list"),
        (lambda path: write(path, deleted=[record("1", ANNA)]), "one that was deleted is not sound"),
        (lambda path: write(path, deleted=[record("1", ANNA, deleted="2026-11-24T03:00:00")]), "no time zone"),
    ],
)
def test_a_damaged_file_is_no_reading_and_no_turn(file: Path, damage: Callable[[Path], None], why: str) -> None:
    damage(file)
    before = file.read_bytes() if file.exists() else None
    with AccountsFile(file=file).open() as session:
        with pytest.raises(SourceError, match=why):
            session.accounts()
        (done,) = session.turn([(Id("1"), "delete")])
        assert done.error
        with pytest.raises(Refused):
            session.leave_mark(Mark("state-1", "a"))
    assert (file.read_bytes() if file.exists() else None) == before


def test_a_damaged_mark_is_told(file: Path) -> None:
    write(file, record("1", ANNA), mark="x")
    with AccountsFile(file=file).open() as session, pytest.raises(SourceError, match="accept-state"):
        session.mark()


def test_the_file_keeps_its_mode_and_nothing_is_left_beside_it(file: Path) -> None:
    file.chmod(0o640)
    with AccountsFile(file=file).open() as session:
        list(session.turn([(Id("1"), "suspend")]))
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(file.parent.iterdir()) == [file]
