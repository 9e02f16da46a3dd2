"""A target with accounts, as unkind as a real one: it refuses, it drops the answer, it is killed, it lags."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from collima.core.targets import Account, AccountState, Id, Mark, Turn, Turned

BECOMES: Mapping[Turn, AccountState] = {"suspend": "suspended", "reactivate": "active", "archive": "archived"}


class Killed(BaseException):
    """As kill -9: nothing catches it, nothing is put in order."""


@dataclass
class MemoryAccounts:
    """Lives as long as a test."""

    present: dict[Id, Account] = field(default_factory=dict)
    deleted: dict[Id, Account] = field(default_factory=dict)
    refusing: dict[str, str] = field(default_factory=dict)  # address -> why
    lost: set[str] = field(default_factory=set)  # addresses of which the answer is lost, though it was done
    dies_after: int | None = None  # so many turns
    immediate: bool = True
    left: Mark | None = None
    turns: list[tuple[str, Turn]] = field(default_factory=list)  # that were done

    def add(self, address: str, state: AccountState = "active", id: str = "", **more: object) -> Id:
        known = Id(id or f"id-{address.partition('@')[0]}")
        self.present[known] = Account(known, address, state, **more)  # type: ignore[arg-type]
        return known

    def state(self, address: str) -> str:
        return next((a.state for a in self.present.values() if a.address == address), "none")

    @contextmanager
    def open(self) -> Iterator["MemorySession"]:
        yield MemorySession(self)


@dataclass
class MemorySession:
    target: MemoryAccounts

    @property
    def immediate(self) -> bool:
        return self.target.immediate

    def accounts(self) -> Mapping[Id, Account]:
        return dict(self.target.present)

    def turn(self, turns: Sequence[tuple[Id, Turn]]) -> Iterator[Turned]:
        target = self.target
        for account, turn in turns:
            if target.dies_after is not None and len(target.turns) >= target.dies_after:
                raise Killed
            known = target.present.get(account) or target.deleted.get(account)
            error = target.refusing.get(known.address, "") if known else "there is no such account"
            if not error:
                error = self._turn(account, turn)
            if known and not error:
                target.turns.append((known.address, turn))
                if known.address in target.lost:
                    yield Turned(account, turn, "the answer was lost", transient=True)
                    continue
            yield Turned(account, turn, error)

    def _turn(self, account: Id, turn: Turn) -> str:
        present, deleted = self.target.present, self.target.deleted
        if turn == "delete":
            if account in present:
                deleted[account] = present.pop(account)
        elif turn == "undelete":
            if account in deleted:
                present[account] = deleted.pop(account)
        elif account in present:
            present[account] = replace(present[account], state=BECOMES[turn])
        else:
            return "it is deleted"
        return ""

    def mark(self) -> Mark | None:
        return self.target.left

    def leave_mark(self, mark: Mark) -> None:
        self.target.left = mark
