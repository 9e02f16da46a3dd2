"""What a connector's session offers: rosters, accounts, mail, snapshots. `collima.directory.ports` adds people."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from email.message import EmailMessage
from typing import Literal, NewType, Protocol, runtime_checkable

from collima.core.model import Level

Id = NewType("Id", str)
"""What a target knows a member by: an address, a user id. Two addresses of one account have one Id."""
OPTED_OUT = "opted out"
"""Why somebody is refused by their own choice: told, and nothing to see to."""


# ---- targets that hold rosters


@dataclass(frozen=True, slots=True)
class NameRule:
    """What a target accepts as the name of a roster, after lower-casing and folding of accents."""

    allowed: str = "a-z0-9.+_-"  # inside a character class; anything else becomes "-"
    first: str = "a-z0-9"
    longest: int = 50
    reserved: tuple[str, ...] = ("-request", "-editor", "-owner", "-subscribe", "-unsubscribe", "-bounce")  # suffixes


@dataclass(frozen=True, slots=True)
class Roster:
    """One roster as the target has it now."""

    members: frozenset[Id] = frozenset()
    refused: Mapping[Id, str] | None = None  # who must not be added, and why: OPTED_OUT, suspended, owner …
    missing: bool = False  # the target has no such roster
    fault: str = ""  # this roster alone could not be read: it fails, the others go on
    findings: tuple[tuple[Level, str, str], ...] = ()  # (level, code, text)
    manual: frozenset[Id] = frozenset()  # in it by another way than ours: respected and shown, never removed
    pending: frozenset[Id] = frozenset()  # not in it yet, and to come by our source, whoever put them there
    lost: frozenset[Id] = frozenset()  # members whom our source does not name any more, whoever took them out of it
    torn: bool = False  # our source does not say who is in it: an Edit of nobody puts that right
    remedy: str = ""  # what a person does about a roster that is missing
    barred: Mapping[Id, str] | None = None  # who must not be in it, and why: neither added nor kept (suspended)
    apart: Mapping[Id, str] | None = None  # in it as more than a member, and as what (owner): never added, and kept
    guests: Mapping[str, Id] | None = None  # addresses without an account that `expect` named -> who they are in it


Circle = Literal["nobody", "owners", "staff", "members", "domain", "anyone"]
CIRCLES: Sequence[Circle] = ("nobody", "owners", "staff", "members", "domain", "anyone")
"""Who may do something with a roster, each with those before it. `staff`: its owners and managers; `domain`: everybody
with an account."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a roster says beside who is in it. An empty tuple: nothing."""

    posting: tuple[Circle, ...] = ()  # who may write to it
    seeing: tuple[Circle, ...] = ()  # who may read what was written
    named: frozenset[str] = frozenset()  # addresses that it names one by one, to be in or out


@dataclass(frozen=True, slots=True)
class Standing:
    """How the members of one roster came to be in it, before it is handed over. One Id may be in several of these."""

    ours: frozenset[Id] = frozenset()  # by the source that we write
    manual: frozenset[Id] = frozenset()  # by hand
    others: Mapping[str, frozenset[Id]] | None = None  # by another source, by its label
    opted_out: frozenset[Id] = frozenset()  # must not be put in again
    sources: tuple[str, ...] = ()  # the sources that its configuration names, ours included, as they are written there
    missing: bool = False  # the target has no such roster


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a person's way: what it does, and the lines to paste. Printed, never run."""

    told: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """What one roster must gain and lose. Doing it twice does no harm."""

    roster: str
    add: frozenset[Id]
    remove: frozenset[Id]


@dataclass(frozen=True, slots=True)
class Settled:
    """The outcome for one member of one edit; `error` empty: it is so now."""

    roster: str
    member: Id
    error: str = ""
    transient: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """Left at a target by the state that manages it: tells a lost state, or one restored from a backup."""

    state: str  # the id of the state database
    token: str  # one of those that this state issued for this target, and has stored before


@runtime_checkable
class Place(Protocol):
    """A target that can keep a mark. Not every one has room for it."""

    def mark(self) -> Mark | None:
        """The mark found at the target; None: nobody's. Raises SourceError when it cannot be told."""

    def leave_mark(self, mark: Mark) -> None:
        """Replaces the mark that is there. Raises Refused when the target cannot be written."""


class Rosters(Protocol):
    """A live session on a target that holds rosters, and nearly always a Place. Complete or SourceError."""

    @property
    def rule(self) -> NameRule: ...

    @property
    def immediate(self) -> bool:
        """Whether a read right after a change tells the truth, so that verifying means something."""

    def exists(self) -> bool:
        """Whether the place itself is there (a folder not mounted is not)."""

    def identify(self, address: str) -> Id | None:
        """Pure after open(). None: the target has no account for it. Case, dots and aliases are folded here."""

    def address(self, member: Id) -> str:
        """The one address by which people know this member. identify(address(x)) == x."""

    def read(self, names: Collection[str]) -> Mapping[str, Roster]:
        """Every name asked for."""

    def apply(self, edits: Sequence[Edit]) -> Iterator[Settled]:
        """One Settled per member of each edit, in any order. Never raises for one roster's sake."""


@runtime_checkable
class Expectant(Protocol):
    """What a target offers beside Rosters when more can be told of its rosters than who is in them."""

    def expect(self, expected: Mapping[str, Expected]) -> None:
        """Before `read`: what each roster says, so that what differs is among its findings."""


@runtime_checkable
class Adoptable(Protocol):
    """What a target offers beside Rosters when its rosters were kept by other means before (`collima adopt`)."""

    def standing(self, names: Collection[str]) -> Mapping[str, Standing]:
        """Every name asked for. Complete or SourceError."""

    def backup(self, names: Collection[str]) -> Step:
        """How to save today's lists before anything is touched."""

    def handover(self, name: str, standing: Standing, wanted: frozenset[Id], guests: frozenset[Id]) -> Sequence[Step]:
        """Pure. The order in which a roster is handed over so that nobody is lost on the way. `guests`: who came by
        hand with an address that is not of our own domains; no line takes them out."""

    def ending(self, name: str, *, close: bool) -> Sequence[Step]:
        """Pure. What a person does at the target when a roster is retired: closed there, or kept without our source."""

    def renaming(self, old: str, new: str) -> Sequence[Step]:
        """Pure. What a person does at the target when a roster gets another name."""


# ---- targets that hold accounts

AccountState = Literal["active", "suspended", "archived"]
Turn = Literal["suspend", "reactivate", "archive", "delete", "undelete"]


@dataclass(frozen=True, slots=True)
class Account:
    """One account as the target has it now."""

    id: Id  # the target's own, never given again: an address may go to another person
    address: str  # primary, lower-cased
    state: AccountState
    aliases: frozenset[str] = frozenset()
    megabytes: int | None = None  # that it occupies; None: not known


@dataclass(frozen=True, slots=True)
class Turned:
    """The outcome of one turn; `error` empty: it is so now."""

    account: Id
    turn: Turn
    error: str = ""
    transient: bool = False


class Accounts(Protocol):
    """A live session on a target that holds accounts. Complete or SourceError."""

    @property
    def immediate(self) -> bool:
        """Whether a read right after a change tells the truth, so that verifying means something."""

    def accounts(self) -> Mapping[Id, Account]:
        """Every account that is not deleted."""

    def turn(self, turns: Sequence[tuple[Id, Turn]]) -> Iterator[Turned]:
        """One Turned for each, in any order; doing one twice does no harm. Never raises for one account's sake."""


class Mail(Protocol):
    @property
    def spacing(self) -> float:
        """Seconds from one mail to the next that whoever takes it asks for; 0.0: none."""

    def send(self, message: EmailMessage, to: Sequence[str], handing_over: Callable[[], None] | None = None) -> None:
        """Hand over one message with an empty envelope sender, to each recipient at most once. Raises Undelivered.

        `handing_over` is called just before the first byte of the content goes out: until it returns nobody can have
        the mail, and what it raises keeps it from going. Whoever gives it keeps account of a mail, and tries again
        himself: there is one attempt only, and it does not wait for `spacing`.
        """


# ---- volumes that snapshots are taken of


@dataclass(frozen=True, slots=True)
class Snapshot:
    volume: str  # as the system that took it calls it; "" where it knows only one
    taken: datetime  # aware


class Snapshots(Protocol):
    """A live session on a system that takes snapshots. Complete or SourceError."""

    def read(self, volume: str, zone: tzinfo) -> Sequence[Snapshot]:
        """Exactly those of this volume, in any order; of "" all that there are, which may turn out to be of several.

        `zone` is meant where the system writes a time without an offset.
        """
