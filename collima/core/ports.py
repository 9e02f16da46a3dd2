"""Where jobs, connectors and state meet: Protocols. `collima.directory.ports` adds the one that speaks of filters."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, tzinfo
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any, Literal, NewType, Protocol, TypeVar, runtime_checkable

from collima.core.model import Change, Finding, Key, Level, Outcome, Plan, Reading
from collima.core.options import Guard

if TYPE_CHECKING:
    from collima.core.ledger import Ledger, Stationery

D = TypeVar("D")
S = TypeVar("S")
S_contra = TypeVar("S_contra", contravariant=True)
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


# ---- jobs


class Job(Protocol[S, D]):
    @property
    def target(self) -> str:
        """The connector whose subjects are changed; "" for none."""

    @property
    def verbs(self) -> tuple[str, ...]:
        """Always present as keys in the result."""

    def read(self) -> AbstractContextManager[S]:
        """Everything that planning needs, for-each and server-side filters included, or SourceError."""

    def plan(self, seen: S, now: datetime) -> Plan[D]:
        """Pure."""

    def place(self, seen: S) -> Place | None:
        """Where the state's mark is kept, if the target can keep one."""

    def apply(self, seen: S, go: Sequence[Change[D]]) -> Iterator[Outcome]:
        """One outcome per change, in any order; doing a change twice does no harm."""

    def verify(self, seen: S, done: Collection[Key]) -> Iterable[Finding]:
        """Reads the target again where that can be trusted, and tells what is not as it was left."""

    def invert(self, done: Collection[Key]) -> AbstractContextManager[tuple[S, Plan[D]]]:
        """The way back of what was done and is still in effect, reading the target only (the source may be down).

        Verbs without a way back are findings.
        """


class Mending(Protocol[S_contra]):
    """What a job offers beside Job when its plans may name `mends`."""

    def mend(self, seen: S_contra, subjects: Collection[str]) -> Iterable[Finding]:
        """Puts these subjects in order at the target though nobody comes or goes. Doing it twice does no harm."""


# ---- what outlives a run


@dataclass(frozen=True, slots=True)
class Owned:
    """One roster that a job manages or managed."""

    job: str
    stanza: str
    frozen: datetime | None = None  # since when no stanza names it


@dataclass(frozen=True, slots=True)
class Absence:
    """Since when, and in how many complete runs before this one, a present member was not wanted."""

    since: datetime
    runs: int


@dataclass(frozen=True, slots=True)
class Past:
    """What is on record of the same question (the same `Reading.scope`)."""

    entries: tuple[int, ...] = ()  # of the last 7 complete runs, newest first; an approved count stands for all
    csn: tuple[str, ...] = ()  # of the newest


@dataclass(frozen=True, slots=True)
class Waiting:
    """A stored hold: what of one subject waits for a person. Its fingerprint is `guard.fingerprint(keys)`."""

    subject: str
    keys: frozenset[Key]
    reason: str
    undoes: str = ""  # the undone run whose hold this is


class Registry(Protocol):
    """Who owns which roster of a target. Read while reading, never while planning."""

    def owned(self, target: str) -> Mapping[str, Owned]: ...


class Record(Protocol):
    """One run while it is under way; or, for a plan, a look at the journal that stores nothing."""

    @property
    def run(self) -> str:
        """Its id; "" for a plan."""

    def past(self, scope: str) -> Past: ...
    def approved(self) -> frozenset[Key]:
        """Keys of this job and target with an approval not older than 7 days and not used up."""

    def undone(self) -> Mapping[Key, str]:
        """Keys that a person undid, with the undo's run: they are held until approved or no longer wanted."""

    def absent(self) -> Mapping[Key, Absence]: ...
    def known(self, fingerprint: str) -> frozenset[Key] | None:
        """The keys of a fingerprint that a real run of this job stored in the last 7 days, superseded or not."""

    def identity(self) -> str:
        """This state's own id; "" before there is a state."""

    def issued(self, mark: Mark) -> bool:
        """Whether this state issued the mark for this target: one restored from a backup did not issue the newest."""

    # ---- writing: each is one transaction
    def approve(self, fingerprint: str, keys: Collection[Key], reason: str, who: str) -> None: ...
    def hold(
        self,
        holds: Sequence[Waiting],
        fingerprint: str,
        planned: Collection[Key],
        *,
        concerns: Callable[[str], bool],
        complete: bool,
    ) -> Sequence[str]:
        """Replaces this job's open holds by these, within the subjects that `concerns` accepts; the others stay.

        An undo's hold is left alone by other runs, and an undo replaces only its own (of the same undone run).
        `fingerprint` is the run's, for all its holds. `complete`: what is not in `planned` is no longer wanted, so
        that a hold with nothing left ends by itself (`self-corrected`; its subject is returned) and approvals of such
        keys end; without it, a hold that has no successor stays open, and so do approvals.
        """

    def claim(self, target: str, stanzas: Mapping[str, str]) -> None:
        """This job owns these rosters from now on, and they are not frozen."""

    def freeze(self, target: str, rosters: Collection[str]) -> None:
        """No stanza names them any more. Keeps the date of those already frozen."""

    def rename(self, target: str, old: str, new: str) -> None:
        """Ownership, history and absences of roster `old` are those of `new`; its holds end, and are planned anew."""

    def issue(self) -> Mark:
        """A new mark for this target, stored before it is left there."""

    def intend(self, changes: Iterable[Key], weights: Mapping[Key, int]) -> None: ...
    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Outcomes, in batches. An approval of a done key is used up."""

    def absences(self, absent: Collection[Key]) -> None:
        """The removals that a complete run wants, waiting ones included: others are forgotten, these count one more."""

    def forget_undone(self, keys: Collection[Key]) -> None: ...
    def protect(self, of: str, keys: Collection[Key]) -> None:
        """These changes of run `of` are about to be undone: later runs hold them. Stored before anything is applied."""

    def undo(self, of: str, keys: Collection[Key]) -> None:
        """This run has undone these changes of run `of`."""

    def readings(self, readings: Sequence[Reading], verdicts: Sequence[str], counts: bool) -> None:
        """`counts`: these readings go on record for `past` (complete, and of a whole real run)."""

    def accept(self, scope: str, entries: int) -> None:
        """A person approved a suspicious run: this count stands for all those on record."""

    def discard(self) -> None:
        """The run did nothing and is not recorded (an unknown fingerprint, an unknown subject)."""

    def end(self, state: str, document: Mapping[str, object], *, transient: bool, cause: str) -> None:
        """The run's state and its result without anybody's address (names are in the changes)."""


class Journal(Registry, Protocol):
    def look(self, job: str, target: str) -> Record:
        """For a plan."""

    def begin(
        self, job: str, target: str, *, slot: int | None, kind: str, config: str, undoes: str = ""
    ) -> AbstractContextManager[Record]:
        """Takes the locks of job and target or raises Busy, and renews its lease until the block ends.

        Dead runs of this job are marked failed (`killed`). A block that ends without `end` leaves a failed run;
        `Record.discard` leaves none. `kind` is "run", "only" or "undo"; `config` the hash of the configuration.
        `undoes`: the run that an undo takes back; its approvals and holds are apart from all others.
        """

    def done(self, run: str) -> tuple[str, str, frozenset[Key]]:
        """(job, target, the keys that this run did or may have done). Raises ConfigError for an unknown run."""


class Clock(Protocol):
    def __call__(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Context:
    """What the roof hands to a kind of job: `kind.bind(context) -> Job`."""

    name: str  # of the job
    timezone: tzinfo
    guard: Guard  # defaults and built-in values, below the job's own
    registry: Registry
    connect: Callable[[str], AbstractContextManager[Any]]  # the name of a connector -> its live session
    watch: bool = False  # the job's mode
    ledger: "Ledger | None" = None  # of this job on its target
    stationery: "Stationery | None" = None
