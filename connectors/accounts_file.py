"""Accounts in one JSON file: a target for machines without one, and for trying things out.

{"accounts": [{"id": "7", "address": "100001@studenti.unimore.it", "state": "active", "aliases": [], "megabytes": 5}],
 "deleted": [{…, "deleted": "2026-11-24T03:00:00+00:00"}], "mark": {"state": …, "token": …}}
"""

import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, ClassVar, get_args

from collima.core.errors import Refused, SourceError
from collima.core.options import address
from collima.core.targets import Account, AccountState, Id, Mark, Turn, Turned
from connectors import whole

KEPT = timedelta(days=20)  # as Google keeps what was deleted
TURNS = 100  # that are written at once

_BECOMES: Mapping[Turn, AccountState] = {"suspend": "suspended", "reactivate": "active", "archive": "archived"}

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsFile:
    """Accounts in one JSON file, for a machine without a mail service and for trying things out.

    The file is replaced as a whole; what is deleted stays in it for 20 days, and can come back. It is never made anew.
    """

    offers: ClassVar[frozenset[str]] = frozenset({"accounts"})

    file: Annotated[Path, "the JSON file"]

    @contextmanager
    def open(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Iterator["Session"]:
        yield Session(self.file, clock)


@dataclass(slots=True)
class Session:
    """Offers `targets.Accounts`, and keeps a mark."""

    path: Path
    clock: Callable[[], datetime]
    immediate: bool = field(default=True, init=False)

    def check(self) -> str:
        """For `collima check --connect`. Raises SourceError."""
        count = len(self.accounts())
        if not os.access(self.path.parent, os.W_OK | os.X_OK):
            raise SourceError(f"{self.path.parent}: the user that runs Collima must be able to write here")
        return f"{self.path}: {count} accounts"

    def accounts(self) -> Mapping[Id, Account]:
        return {Id(record["id"]): _account(record) for record in self._read()["accounts"]}

    def turn(self, turns: Sequence[tuple[Id, Turn]]) -> Iterator[Turned]:
        rest = iter(turns)
        while some := list(islice(rest, TURNS)):
            try:
                yield from self._turn(some)
            except (SourceError, OSError) as err:
                told = f"its file cannot be changed: {getattr(err, 'strerror', None) or err}"
                yield from (Turned(account, turn, told) for account, turn in some)

    def _turn(self, turns: Sequence[tuple[Id, Turn]]) -> list[Turned]:
        content = self._read()  # anew: somebody may have edited it meanwhile
        present = {record["id"]: record for record in content["accounts"]}
        deleted = {record["id"]: record for record in content["deleted"]}
        outcomes = [
            Turned(account, turn, _turned(account, turn, present, deleted, self.clock())) for account, turn in turns
        ]
        kept = [one for one in deleted.values() if datetime.fromisoformat(one["deleted"]) >= self.clock() - KEPT]
        self._write({**content, "accounts": list(present.values()), "deleted": kept})
        return outcomes

    def mark(self) -> Mark | None:
        match self._read().get("mark"):
            case None:
                return None
            case {"state": str(state), "token": str(token)}:
                return Mark(state, token)
        raise SourceError(
            f"{self.path}: `mark` is not as Collima left it: take it out, then `collima check --accept-state`"
        )

    def leave_mark(self, mark: Mark) -> None:
        try:
            self._write({**self._read(), "mark": {"state": mark.state, "token": mark.token}})
        except (SourceError, OSError) as err:
            raise Refused(f"{self.path} cannot be written: {getattr(err, 'strerror', None) or err}") from err

    def _read(self) -> dict[str, Any]:
        """Complete and sound, or SourceError: of an account that is not in it nobody knows anything."""
        try:
            content = json.loads(self.path.read_text("utf-8"))
        except OSError as err:
            raise SourceError(
                f"{self.path}: {str(err.strerror).lower()}: it holds the accounts, and is never made anew"
            ) from err
        except ValueError as err:
            raise SourceError(
                f"{self.path}: no JSON (cut, or written by something else): {type(err).__name__}"
            ) from err
        if not isinstance(content, dict) or not isinstance(content.get("accounts"), list):
            raise SourceError(f"{self.path}: has no list `accounts`")
        if not isinstance(content.setdefault("deleted", []), list):
            raise SourceError(f"{self.path}: `deleted` is no list")
        taken: set[str] = set()
        for number, record in enumerate(content["accounts"], 1):
            taken |= self._sound(record, f"account {number} of {len(content['accounts'])}", taken)
        for record in content["deleted"]:
            self._sound({"deleted": "", **record}, "one that was deleted")
        return content

    def _sound(self, record: Record, which: str, taken: AbstractSet[str] = frozenset()) -> set[str]:
        """Its id and names, which nobody else may have. Raises SourceError."""
        try:
            account = _account(record)
            if "deleted" in record:
                _moment(record["deleted"])
        except (AttributeError, KeyError, TypeError, ValueError) as err:
            raise SourceError(f"{self.path}: {which} is not sound: {err}") from err
        names = {f"id {account.id}", account.address, *account.aliases}
        if not names.isdisjoint(taken):
            raise SourceError(f"{self.path}: {which} is not sound: its id, address or alias is another one's, too")
        return names

    def _write(self, content: Mapping[str, Any]) -> None:
        new = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        whole.write(new, json.dumps(content, ensure_ascii=False, indent=1).encode(), 0o600)
        whole.replace(self.path, new)


def _moment(text: str) -> datetime:
    """Raises TypeError or ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("`deleted` has no time zone")
    return moment


def _account(record: Record) -> Account:
    """Raises KeyError, TypeError, AttributeError or ValueError."""
    if record["state"] not in get_args(AccountState):
        raise ValueError(f"its state is {' or '.join(get_args(AccountState))}")
    megabytes = record.get("megabytes")
    if not (isinstance(record["id"], str) and record["id"] and (megabytes is None or isinstance(megabytes, int))):
        raise TypeError("`id` is text, and `megabytes` a whole number")
    return Account(
        id=Id(record["id"]),
        address=address(record["address"]),
        state=record["state"],
        aliases=frozenset(map(address, record.get("aliases", ()))),
        megabytes=megabytes,
    )


def _turned(account: Id, turn: Turn, present: dict[str, Record], deleted: dict[str, Record], now: datetime) -> str:
    """Turns one account; returns why it cannot be done."""
    if turn == "undelete":
        if account in present:
            return ""
        if (record := deleted.get(account)) is None or datetime.fromisoformat(record["deleted"]) < now - KEPT:
            return f"there is nothing to bring back: it was deleted more than {KEPT.days} days ago, or never was"
        held = {name for other in present.values() for name in (other["address"], *other.get("aliases", ()))}
        if not held.isdisjoint((record["address"], *record.get("aliases", ()))):
            return "its address belongs to another account now"
        present[account] = {key: value for key, value in deleted.pop(account).items() if key != "deleted"}
    elif turn == "delete":
        if account in present:
            deleted[account] = {**present.pop(account), "deleted": now.isoformat()}
        elif account not in deleted:
            return "there is no such account"
    elif account not in present:
        return "there is no such account"
    else:
        present[account]["state"] = _BECOMES[turn]
    return ""
