"""Google keeps to what every target with rosters, and every target with accounts, keeps to."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

import pytest

from collima.core.targets import Accounts, Rosters
from tests.connectors.google_place import HERE, Place, place
from tests.contracts import accounts
from tests.contracts.rosters import ANNA, BRUNO, CARLA, RostersContract


class Groups:
    def __init__(self, place: Place) -> None:
        self.place = place
        for address in (ANNA, BRUNO, CARLA):
            place.google.domain.add_user(address)
        for name in ("docenti", "tecnici", "nuova"):
            place.group(name)

    def open(self) -> AbstractContextManager[Rosters]:
        return self.place.open()

    def fill(self, roster: str, addresses: Iterable[str]) -> None:
        self.place.google.domain.enrol(f"{roster}@{HERE}", *addresses)


class TestGroups(RostersContract):
    keeps_marks: ClassVar[bool] = False

    @pytest.fixture
    def target(self, tmp_path: Path) -> Iterator[Groups]:
        with place(tmp_path, "unimore.it", "studenti.unimore.it") as one:
            yield Groups(one)


class People:
    def __init__(self, place: Place) -> None:
        self.place = place
        place.google.domain.add_user(accounts.ANNA, aliases=[accounts.NICK])
        place.google.domain.add_user(accounts.BRUNO)

    def open(self) -> AbstractContextManager[Accounts]:
        return self.place.open()


class TestAccounts(accounts.AccountsContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> Iterator[People]:
        with place(tmp_path, "studenti.unimore.it") as one:
            yield People(one)
