"""A target with accounts, as unkind as a real one: aliases, renames, refused members, rosters that fail."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from collima.core.targets import Edit, Id, Mark, NameRule, Roster, Settled


@dataclass
class MemoryRosters:
    """Lives as long as a test. `accounts`: id -> its addresses, the primary first."""

    accounts: dict[str, list[str]] = field(default_factory=dict)
    rosters: dict[str, set[str]] = field(default_factory=dict)
    refused: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    faulty: dict[str, str] = field(default_factory=dict)  # roster -> why it cannot be read
    refusing: dict[str, str] = field(default_factory=dict)  # member -> why the target does not take it
    manual: dict[str, set[str]] = field(default_factory=dict)
    pending: dict[str, set[str]] = field(default_factory=dict)
    torn: set[str] = field(default_factory=set)
    lost: dict[str, set[str]] = field(default_factory=dict)
    writable: bool = True  # whether what is torn can be put right
    left: Mark | None = None

    @contextmanager
    def open(self) -> Iterator["MemorySession"]:
        yield MemorySession(self, {a.lower(): Id(i) for i, all_ in self.accounts.items() for a in all_})


@dataclass
class MemorySession:
    target: MemoryRosters
    ids: dict[str, Id]
    rule: NameRule = field(default_factory=NameRule)
    immediate: bool = True

    def exists(self) -> bool:
        return True

    def identify(self, address: str) -> Id | None:
        return self.ids.get(address.lower())

    def address(self, member: Id) -> str:
        return self.target.accounts[member][0].lower()

    def read(self, names: Collection[str]) -> Mapping[str, Roster]:
        return {
            name: Roster(
                members=frozenset(map(Id, self.target.rosters.get(name, ()))),
                refused={Id(i): why for i, why in self.target.refused.get(name, {}).items()},
                missing=name in self.target.missing,
                fault=self.target.faulty.get(name, ""),
                manual=frozenset(map(Id, self.target.manual.get(name, ()))),
                pending=frozenset(map(Id, self.target.pending.get(name, ()))),
                torn=name in self.target.torn,
                lost=frozenset(map(Id, self.target.lost.get(name, ()))),
            )
            for name in names
        }

    def apply(self, edits: Sequence[Edit]) -> Iterator[Settled]:
        for edit in edits:
            members = self.target.rosters.setdefault(edit.roster, set())
            if self.target.writable:
                self.target.torn.discard(edit.roster)
            self.target.pending[edit.roster] = self.target.pending.get(edit.roster, set()) - edit.remove
            for member in sorted(edit.add | edit.remove):
                error = self.target.refusing.get(member, "")
                if not error:
                    (members.add if member in edit.add else members.discard)(member)
                yield Settled(edit.roster, member, error)

    def mark(self) -> Mark | None:
        return self.target.left

    def leave_mark(self, mark: Mark) -> None:
        self.target.left = mark
