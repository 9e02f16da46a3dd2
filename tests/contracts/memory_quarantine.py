"""A quarantine in memory, as unkind as a real one: it refuses, it loses the answer, it is killed, it goes away."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from collima.core.errors import Refused, SourceError
from collima.core.quarantine import Category, Item, ItemId, Rank, Ref, Rule, Stale
from tests.contracts.memory_accounts import Killed


@dataclass
class MemoryQuarantine:
    """Lives as long as a test."""

    all: dict[ItemId, Item] = field(default_factory=dict)  # held, and released ones until they are purged
    released: list[tuple[ItemId, str]] = field(default_factory=list)  # delivered, and to whom
    said: dict[tuple[str, str], str] = field(default_factory=dict)  # rules, and words of administrators
    orphans: int = 0
    sweeps: int = 0  # times that orphans were looked for to be deleted
    portion: int = 1000
    refusing: dict[str, Refused] = field(default_factory=dict)  # recipient -> what a release for them raises
    lost: set[str] = field(default_factory=set)  # recipients of whose releases the answer is lost: they are delivered
    gone: bool = False  # it cannot be reached
    gone_after: int | None = None  # portions of `held` or of a purge, and then it cannot be reached any more
    killed_in_purge: bool = False  # as kill -9, after the first portion
    reads: int = 0  # times that something was asked
    count: int = 0  # messages that ever came in

    def hold(
        self,
        *recipients: str,
        at: datetime,
        sender: str = "spammer@example.org",
        author: str = "Spammer <spammer@example.org>",
        subject: str = "Buy now",
        size: int = 2000,
        category: Category = "spam",
        score: float = 9.5,
    ) -> list[ItemId]:
        """One message, held for each of these."""
        self.count += 1
        message = f"m{self.count}"
        made = []
        for number, recipient in enumerate(map(str.lower, recipients), 1):
            key = ItemId(f"{message}:{number}")
            self.all[key] = Item(key, recipient, at, sender.lower(), author, subject, size, category, score, message)
            made.append(key)
        return made

    def delivered(self) -> list[str]:
        """To whom, in the order of the releases."""
        return [recipient for _, recipient in self.released]

    @contextmanager
    def open(self) -> Iterator["MemorySession"]:
        yield MemorySession(self)


@dataclass
class MemorySession:
    """`collima.core.quarantine.Quarantine`."""

    of: MemoryQuarantine

    def check(self) -> str:
        return f"{len({item.message for item in self._asked()})} messages"

    # ---- reading

    def held(self, since: datetime, until: datetime) -> Iterator[Sequence[Ref]]:
        found = [Ref(i.id, i.recipient, int(i.at.timestamp())) for i in self._asked() if since <= i.at < until]
        found.sort(key=lambda ref: ref.at)
        for number, at in enumerate(range(0, len(found), self.of.portion)):
            if number == self.of.gone_after:
                raise SourceError("the quarantine went away", transient=True)
            yield found[at : at + self.of.portion]

    def items(self, ids: Collection[ItemId]) -> Mapping[ItemId, Item]:
        wanted = frozenset(ids)
        return {item.id: item for item in self._asked() if item.id in wanted}

    def held_for(self, recipients: Collection[str], since: datetime) -> Sequence[Rank]:
        wanted = frozenset(recipients)
        found = [item for item in self._asked() if item.recipient in wanted and item.at >= since]
        return sorted(Rank(one.category == "virus", one.score, -int(one.at.timestamp()), one.id) for one in found)

    def extended(self, recipients: Collection[str]) -> frozenset[str]:
        known = {item.recipient for item in self.of.all.values()} | {recipient for recipient, _ in self.of.said}
        return frozenset(
            one
            for one in known
            for local, at, host in (one.rpartition("@"),)
            if "+" in local and f"{local.partition('+')[0]}{at}{host}" in recipients
        )

    def rules(self, recipients: Collection[str]) -> Mapping[tuple[str, str], Rule]:
        self._asked()
        of_theirs = {key: rule for key, rule in self.of.said.items() if key[0] in recipients}
        return {key: rule for key, rule in of_theirs.items() if rule in ("allow", "block")}  # type: ignore[misc]

    def said(self, recipient: str, sender: str) -> str:
        self._asked()
        return self.of.said.get((recipient.lower(), sender.lower()), "")

    def stale(self, before: datetime) -> Stale:
        self._asked()
        every = {item.message: item.at for item in self.of.all.values()}
        old = sum(at < before for at in every.values())
        return Stale(old, len(every), max(every.values(), default=None))

    def orphans(self) -> int:
        self._asked()
        return self.of.orphans

    def _asked(self) -> list[Item]:
        """What is held now."""
        self.of.reads += 1
        if self.of.gone:
            raise SourceError("the quarantine cannot be reached", transient=True)
        freed = {key for key, _ in self.of.released}
        return [item for item in self.of.all.values() if item.id not in freed]

    # ---- changing

    def release(self, item: ItemId, recipient: str) -> None:
        if self.of.gone:
            raise Refused("the quarantine cannot be reached", transient=True)
        found = self.of.all.get(item)
        if found is None or found.recipient != recipient:
            raise Refused("it is not there any more, or it is not theirs")
        if any(key == item for key, _ in self.of.released):
            raise Refused("it was released before")
        if refusal := self.of.refusing.get(recipient):
            raise refusal
        self.of.released.append((item, recipient))
        if recipient in self.of.lost:
            raise Refused("the answer was lost: it may have been delivered")

    def rule(self, recipient: str, sender: str, rule: Rule | None) -> None:
        if self.of.gone:
            raise Refused("the quarantine cannot be reached", transient=True)
        if rule is None:
            self.of.said.pop((recipient.lower(), sender.lower()), None)
        else:
            self.of.said[recipient.lower(), sender.lower()] = rule

    def put_back(self, recipient: str, sender: str, said: str) -> None:
        self.rule(recipient, sender, said or None)  # type: ignore[arg-type]

    def purge(self, before: datetime) -> Iterator[int]:
        old: dict[str, list[ItemId]] = {}
        for item in self.of.all.values():
            if item.at < before.astimezone(UTC):
                old.setdefault(item.message, []).append(item.id)
        messages = list(old.values())
        for number, at in enumerate(range(0, len(messages), self.of.portion)):
            if self.of.gone or number == self.of.gone_after:
                raise Refused("the quarantine went away", transient=True)
            if number and self.of.killed_in_purge:
                raise Killed
            portion = messages[at : at + self.of.portion]
            for key in (key for keys in portion for key in keys):
                del self.of.all[key]
            yield len(portion)

    def sweep(self) -> None:
        self.of.sweeps += 1
        self.of.orphans = 0
