"""amavisd-new, the real one: what it holds, and what it obeys."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from collima.core.options import Secret
from collima.core.quarantine import Category, ItemId
from connectors.amavis import Amavis
from connectors.amavis.session import Session
from tests.contracts.quarantine import QuarantineContract
from tests.servers.amavis import COLLIMA_PASSWORD, amavis_here, amavis_server
from tests.servers.amavis import Amavis as Server

__all__ = ["amavis_here", "amavis_server"]

CONTENT = {"spam": "S", "banned": "B", "virus": "V", "other": "H"}


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMAVIS_PASSWORD", COLLIMA_PASSWORD)


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

    def hold(self, *recipients: str, at: datetime, category: Category = "spam", **more: Any) -> list[ItemId]:
        mail = self.server.hold(*recipients, at=at, content=CONTENT[category], **more)
        return [ItemId(f"0:{mail}:{number}") for number in range(1, len(recipients) + 1)]

    def delivered(self) -> list[str]:
        return [recipient for mail in self.server.next_hop.mails for recipient in mail.to]


@pytest.fixture
def place(amavis_here: Server) -> Place:
    return Place(amavis_here)


class TestContract(QuarantineContract):
    """With an account that has the least rights."""

    @pytest.fixture
    def place(self, amavis_here: Server) -> Place:
        return Place(amavis_here)
