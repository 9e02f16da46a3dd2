"""The quarantine in memory keeps to the contract, so what is tested on it means something."""

import pytest

from tests.contracts.memory_quarantine import MemoryQuarantine
from tests.contracts.quarantine import QuarantineContract


class TestMemory(QuarantineContract):
    @pytest.fixture
    def place(self) -> MemoryQuarantine:
        return MemoryQuarantine()
