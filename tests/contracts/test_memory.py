"""The memory connector keeps to the contract, so what is tested on it means something."""

from collections.abc import Iterable

import pytest

from tests.contracts.memory import MemoryRosters
from tests.contracts.rosters import ANNA, BRUNO, CARLA, RostersContract


class Filled(MemoryRosters):
    def fill(self, roster: str, addresses: Iterable[str]) -> None:
        ids = {address: member for member, all_ in self.accounts.items() for address in all_}
        self.rosters[roster] = {ids[a] for a in addresses}


class TestMemory(RostersContract):
    @pytest.fixture
    def target(self) -> Filled:
        return Filled(accounts={"u1": [ANNA], "u2": [BRUNO], "u3": [CARLA]})
