"""What every target that holds accounts keeps to. A connector's test derives from it and says how to make a place."""

from contextlib import AbstractContextManager
from typing import Protocol

import pytest

from collima.core.targets import Account, Accounts, AccountState, Id, Turn

ANNA, BRUNO, CARLA = "100001@studenti.unimore.it", "100002@studenti.unimore.it", "100003@studenti.unimore.it"
NICK = "anna.rossi@studenti.unimore.it"


class Target(Protocol):
    """A place for one test, with accounts for ANNA (whose alias is NICK) and BRUNO, and none for CARLA."""

    def open(self) -> AbstractContextManager[Accounts]: ...


class AccountsContract:
    """Derive, and give a fixture `target: Target`."""

    def account(self, target: Target, address: str = ANNA) -> Account:
        with target.open() as session:
            return next(account for account in session.accounts().values() if account.address == address)

    def turned(self, target: Target, account: Id, *turns: Turn) -> None:
        for turn in turns:
            with target.open() as session:
                (done,) = session.turn([(account, turn)])
                assert (done.account, done.turn, done.error) == (account, turn, "")

    def test_every_account_is_there_by_its_id_with_its_aliases(self, target: Target) -> None:
        with target.open() as session:
            accounts = session.accounts()
        assert {account.address for account in accounts.values()} >= {ANNA, BRUNO}
        assert CARLA not in {account.address for account in accounts.values()}
        assert all(account.id == known for known, account in accounts.items())
        assert NICK in self.account(target).aliases
        assert {account.state for account in accounts.values()} == {"active"}

    @pytest.mark.parametrize(
        ("turns", "state"),
        [
            (("suspend",), "suspended"),
            (("suspend", "suspend"), "suspended"),
            (("suspend", "reactivate"), "active"),
            (("reactivate",), "active"),
            (("suspend", "archive"), "archived"),
            (("archive", "archive"), "archived"),
            (("archive", "reactivate"), "active"),
        ],
    )
    def test_turns_are_there_when_read_again_and_twice_does_no_harm(
        self, target: Target, turns: tuple[Turn, ...], state: AccountState
    ) -> None:
        before = self.account(target)
        self.turned(target, before.id, *turns)
        after = self.account(target)
        assert (after.id, after.state, after.aliases) == (before.id, state, before.aliases)
        assert self.account(target, BRUNO).state == "active"

    def test_what_is_deleted_is_gone_and_comes_back_by_its_id_as_it_was(self, target: Target) -> None:
        before = self.account(target)
        self.turned(target, before.id, "suspend", "delete", "delete")
        with target.open() as session:
            assert before.id not in session.accounts()
        self.turned(target, before.id, "undelete", "undelete")
        after = self.account(target)
        assert (after.id, after.state) == (before.id, "suspended")

    def test_one_that_nobody_knows_is_refused_and_the_others_go_on(self, target: Target) -> None:
        anna, bruno = self.account(target), self.account(target, BRUNO)
        turns: list[tuple[Id, Turn]] = [(anna.id, "suspend"), (Id("999999999"), "suspend"), (bruno.id, "archive")]
        with target.open() as session:
            errors = {done.account: done.error for done in session.turn(turns)}
        assert [account for account, error in errors.items() if error] == ["999999999"]
        assert (self.account(target).state, self.account(target, BRUNO).state) == ("suspended", "archived")

    def test_no_turns_are_no_outcomes(self, target: Target) -> None:
        with target.open() as session:
            assert list(session.turn([])) == []
