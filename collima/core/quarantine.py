"""A quarantine, and what is kept of telling people about it: Protocols.

A message that was held for three recipients is three items: each is listed, released and purged for its own recipient.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Literal, NamedTuple, NewType, Protocol, runtime_checkable

ItemId = NewType("ItemId", str)
"""What a quarantine knows one message for one recipient by. Never given again; 100 characters at most."""
Category = Literal["spam", "banned", "virus", "other"]
"""`banned`: an attachment that is not let through. `other`: a bad header, oversized, not checked."""
Rule = Literal["allow", "block"]


class Ref(NamedTuple):
    """One item as planning sees it: many are in memory at once."""

    id: ItemId
    recipient: str  # lower-cased
    at: int  # when it came in, whole seconds since 1970


@dataclass(frozen=True, slots=True)
class Item:
    """One item as a person sees it. Its texts come from a stranger: nothing in them is safe to show as it is."""

    id: ItemId
    recipient: str  # lower-cased
    at: datetime  # UTC
    sender: str  # of the envelope where it is known, lower-cased; "" for a bounce
    author: str  # the From header, decoded
    subject: str  # decoded
    size: int  # bytes
    category: Category
    score: float  # 0.0 where there is none
    message: str = ""  # what its copies for several recipients share


class Rank(NamedTuple):
    """Where an item stands among all that is held for a person: viruses last, least spammy first, of equals the newest.
    A virus or a banned attachment often has no score at all."""

    virus: bool
    score: float
    age: int  # when it came in, in seconds before 1970
    id: ItemId


@dataclass(frozen=True, slots=True)
class Stale:
    """What a purge would take, and what is there."""

    messages: int  # older than asked for, with what belongs to them
    all: int  # messages of any age
    newest: datetime | None  # of any age


class Quarantine(Protocol):
    """A live session on a quarantine. Reading is complete or SourceError; changing raises Refused."""

    # ---- reading
    def held(self, since: datetime, until: datetime) -> Iterator[Sequence[Ref]]:
        """All that came in from `since` on and before `until`, is final, and is held now (not delivered, not released
        to its recipient), in portions of a thousand or so, streamed: never all at once in memory. The caller may do
        other things between two portions, for minutes if need be."""

    def items(self, ids: Collection[ItemId]) -> Mapping[ItemId, Item]:
        """Those of them that are held now."""

    def held_for(self, recipients: Collection[str], since: datetime) -> Sequence[Rank]:
        """All that is held now for these addresses, in order."""

    def extended(self, recipients: Collection[str]) -> frozenset[str]:
        """Addresses `name+…@host` of one of these, `name@host`, for which something may be held, or has been said."""

    def rules(self, recipients: Collection[str]) -> Mapping[tuple[str, str], Rule]:
        """(recipient, sender) -> what that recipient has said of that sender, one exact address."""

    def said(self, recipient: str, sender: str) -> str:
        """What is on record of this sender for this recipient, in the quarantine's own words: `put_back` takes them.
        "": nothing."""

    def stale(self, before: datetime) -> Stale: ...
    def orphans(self) -> int:
        """Rows that belong to no message any more. Looks at every row there is."""

    # ---- changing
    def release(self, item: ItemId, recipient: str) -> None:
        """Delivers it to exactly this recipient, who must be the item's own. It is released from then on, and not held
        any more. One that is released already is refused. Raises Refused, transient when the next hop is down."""

    def rule(self, recipient: str, sender: str, rule: Rule | None) -> None:
        """One exact sender for one exact recipient, from the next mail on; None: forgets it. Twice does no harm."""

    def put_back(self, recipient: str, sender: str, said: str) -> None:
        """Has on record what `said` told once, be it a rule or something that an administrator wrote."""

    def purge(self, before: datetime) -> Iterator[int]:
        """Deletes what is older, with all that belongs to it, in transactions of 1,000 messages or so. Yields how many
        messages each took."""

    def sweep(self) -> None:
        """Deletes orphans, likewise. Looks at every row there is."""


# ---- what is kept


@dataclass(frozen=True, slots=True)
class Digest:
    """One mail to one person, decided and on record. Its words are written when it goes out."""

    message_id: str  # whole, with < and >
    owner: str  # the person's first address
    addresses: tuple[str, ...]  # all of theirs
    language: str  # values of preferredLanguage
    items: tuple[Ref, ...]
    older: bool = False  # of items from before the ledger began


OLDER = " (older)"
"""What a change is called by after its owner's address when its digest is `older`: of one owner both may be planned."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A person who may see and act on what is held for these addresses, as the last run knew them."""

    owner: str
    addresses: tuple[str, ...]
    language: str
    asked: bool  # `who` names them
    off: datetime | None = None  # they want no digest since then


Deed = Literal["release", "request", "allow", "block", "off", "on"]
ActionState = Literal["doing", "done", "failed", "waiting", "refused", "undone"]
"""`waiting`: for an administrator."""


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody did with one click, and what came of it."""

    id: int
    deed: Deed
    owner: str
    recipient: str
    item: str  # an ItemId; ""
    sender: str
    category: str
    state: ActionState
    at: datetime
    error: str = ""
    subject: str = ""  # of a request, so that whoever decides knows what it is about; empty when it is decided
    before: str = ""  # of allow and block: what was `said` of that sender until then


class Digests(Protocol):
    """The ledger of one quarantine-digest job on one quarantine. Each method is one transaction unless it says so."""

    def began(self) -> datetime | None:
        """Older items wait for a person. None: nothing was ever listed (or the state is a new one)."""

    def begin(self, since: datetime) -> None:
        """The ledger begins: items from before `since` are older than it. Does nothing when it has begun."""

    def listed(self, refs: Sequence[Ref]) -> frozenset[ItemId]:
        """Which of these (a thousand or so) some digest has listed."""

    def usual(self) -> Sequence[int]:
        """How many digests each of the last 7 runs that counted had planned, newest first."""

    def count(self, digests: int) -> None:
        """One more run, for `usual`."""

    def off(self) -> frozenset[str]:
        """Owners who want no digest."""

    def missing(self, owners: Collection[str]) -> tuple[int, int]:
        """How many of those who are known are not among these; and how many are known."""

    def know(self, holders: Iterable[Holder], spare: datetime | None = None) -> None:
        """Who they are, now; keeps `off`. In portions. Who is not among them has no address any more, but for those who
        were found since `spare`."""

    def list(self, digests: Iterable[Digest], via: str) -> Iterator[str]:
        """Each digest: its items and its mail in the outbox in one transaction. Yields the message ids that are on
        record, those that were there already included. An item that another digest lists is left out of it."""

    def digest(self, message_id: str) -> Digest | None: ...
    def digests(self, message_ids: Sequence[str]) -> Mapping[str, Digest]:
        """Those of them (a hundred or so) that are on record."""

    def unlist(self, message_id: str, items: Collection[ItemId]) -> None:
        """These leave that digest, which is no more when nothing is left of it: no digest has listed them."""

    def newest(self) -> datetime | None:
        """When the newest item came in that a digest lists."""

    def forget(self, before: datetime) -> int:
        """Items that came in earlier, digests without items, and people of whom nothing is left. The ledger begins
        there, if it began before: what is forgotten, and seen again, is older than it."""

    # ---- for the pages
    def holder(self, owner: str) -> Holder | None: ...
    def holders(self, owners: Sequence[str]) -> Mapping[str, Holder]:
        """Those of them (a hundred or so) whom the last run has found, by `owner`."""

    def turn(self, owner: str, *, off: bool) -> None: ...
    def act(self, action: Action) -> tuple[Action, bool]:
        """Puts it on record before it is done (`id` is given). False: the same one (deed and item; deed, recipient and
        sender) is under way, done or waiting already, and that is returned."""

    def acted(self, id: int, state: str, error: str = "", *, waiting: bool = False) -> None:
        """What became of it. `waiting`: only if it waits still; somebody else's word stands."""

    def action(self, id: int) -> Action | None: ...
    def actions(
        self, *, owner: str | None = None, waiting: bool = False, of: tuple[str, str] | None = None
    ) -> Sequence[Action]:
        """Newest first, 200 at most. `of`: allow and block alone, of this (recipient, sender)."""

    def done(self, owner: str, items: Collection[str]) -> Sequence[Action]:
        """Of each deed of theirs on each of these items (some hundred at most) the newest."""

    def words(self, recipients: Collection[str]) -> Mapping[tuple[str, str], Deed]:
        """(recipient, sender) -> allow or block, the newest that people said for these addresses and have not taken
        back."""

    def owned(self, addresses: Collection[str]) -> frozenset[str]:
        """Which of these, with a `+` in them, are just so an address of somebody whom the last run has found."""

    def released(self, since: datetime) -> Mapping[str, int]:
        """Sender -> how many of theirs were released since then, most first."""

    def post(self, letters: Iterable[tuple[EmailMessage, Sequence[str]]], via: str) -> None:
        """Into the outbox; those whose Message-ID is there already are not sent again."""


class Purges(Protocol):
    """What is kept of one quarantine-purge job on one quarantine."""

    def keep(self) -> int | None:
        """The seconds that the last run kept, or wanted to; None: there was none."""

    def kept(self, seconds: int) -> None: ...


Compose = Callable[[Sequence[str]], Iterator[bytes | None]]
"""Message-IDs (a hundred or so) -> each one's mail as it is to go over the wire now; None: nothing is left to tell.

What they tell is read when the first is asked for, and written one by one. Raises SourceError, ConfigError."""


@runtime_checkable
class Composing(Protocol):
    """What a job offers beside `ports.Job` when its mail is written just before it goes out."""

    def composing(self) -> AbstractContextManager[Compose]: ...
