"""A job of digests over a quarantine in memory and a real state, as the pages use it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from collima.app.wiring import Letters
from collima.core.options import BUILT_IN_GUARD, Address
from collima.core.ports import Context
from collima.core.quarantine import Action, Holder, ItemId
from collima.directory.filters import parse
from collima.state import SqlJournal, open_state
from jobs.quarantine_digest.actions import Actions
from jobs.quarantine_digest.options import Options
from jobs.quarantine_digest.requests import Requests
from jobs.quarantine_digest.tokens import Links
from tests.contracts.memory_quarantine import MemoryQuarantine

NOW = datetime(2026, 11, 24, 7, tzinfo=UTC)
END = NOW + timedelta(days=4)
ANNA, ALIAS, MARCO = "anna.rossi@unimore.it", "arossi@unimore.it", "marco.bianchi@unimore.it"
ADMIN = Address("posta@unimore.it")
JOB, URL = "quarantine-digest", "https://posta.unimore.it/quarantena"
KEY = "a key of sixteen characters and more"


@dataclass
class Desk:
    journal: SqlJournal
    held: MemoryQuarantine = field(default_factory=MemoryQuarantine)
    now: datetime = NOW
    slept: list[float] = field(default_factory=list)
    options: Options = field(
        default_factory=lambda: Options(
            source="people",
            quarantine="quarantine",
            via="mail",
            who=parse("(unimoreDigest=TRUE)"),
            addresses=("mail",),
            from_=Address("quarantena@unimore.it"),
            own_domains=("spin-off.example",),
        )
    )

    def __post_init__(self) -> None:
        self.know(Holder(ANNA, (ANNA, ALIAS), "it", asked=True), Holder(MARCO, (MARCO,), "en-GB", asked=True))

    def know(self, *holders: Holder) -> None:
        self.journal.digests(JOB, "quarantine").know(holders)

    @property
    def actions(self) -> Actions:
        context = Context(
            name=JOB,
            timezone=ZoneInfo("Europe/Rome"),
            guard=BUILT_IN_GUARD,
            registry=self.journal,
            connect=self._connect,
            stationery=Letters("collima@unimore.it", "unimore.it", "it"),
            digests=self.journal.digests(JOB, "quarantine"),
        )
        return Actions(self.options, context, lambda: self.now, self.slept.append)

    @property
    def links(self) -> Links:
        return Links(URL, JOB, [KEY])

    @property
    def requests(self) -> Requests:
        return Requests(self.actions, self.links, [ADMIN])

    def holder(self, owner: str = ANNA) -> Holder:
        found = self.actions.holder(owner)
        assert found is not None
        return found

    def hold(self, *recipients: str, **more: Any) -> ItemId:
        """The first recipient's item of a new message."""
        return self.held.hold(*(recipients or (ANNA,)), at=more.pop("at", NOW - timedelta(hours=5)), **more)[0]

    def release(self, item: ItemId, owner: str = ANNA) -> None:
        self.actions.release(self.holder(owner), item, self.requests.ask)

    def newest(self, deed: str, owner: str = ANNA) -> Action:
        return next(action for action in self.actions.digests.actions(owner=owner) if action.deed == deed)

    def states(self, deed: str, owner: str = ANNA) -> list[str]:
        """Newest first."""
        return [action.state for action in self.actions.digests.actions(owner=owner) if action.deed == deed]

    def letters(self) -> list[str]:
        """Mails in the outbox, as they would go."""
        return [self.journal.outbox.message(row) for row in self.journal.outbox.due("mail", 100, bulk=True)]

    def _connect(self, name: str) -> AbstractContextManager[Any]:
        assert name == "quarantine"
        return self.held.open()


@contextmanager
def desk(folder: Path) -> Iterator[Desk]:
    with open_state(f"sqlite:///{folder}/state.db", now=lambda: NOW, host="here") as journal:
        yield Desk(journal)
