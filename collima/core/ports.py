"""What a job is, and what outlives its runs: Protocols. What connectors offer is in `collima.core.targets`."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from collima.core.model import Change, Finding, Key, Outcome, Plan, Reading
from collima.core.options import Address, Guard
from collima.core.targets import Mark, Place

if TYPE_CHECKING:
    from collima.core.copies import CopyBook
    from collima.core.ledger import Ledger, Post, Stationery
    from collima.core.quarantine import Digests, Purges

D = TypeVar("D")
S = TypeVar("S")
S_contra = TypeVar("S_contra", contravariant=True)


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


@runtime_checkable
class Paced(Protocol):
    """What a job offers beside Job when one of its changes may take hours."""

    def pace(self, seen: Any, progress: Callable[[int, int], None]) -> None:
        """Before `apply` and `mend`: `progress` is told (done, total) as they go on."""


@runtime_checkable
class Bulk(Protocol):
    """What a job offers beside Job when one change of it stands for many things."""

    @property
    def bulk(self) -> frozenset[str]:
        """Verbs that give counts in place of names, 0 included."""


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


def utc_now() -> datetime:
    return datetime.now(UTC)


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
    digests: "Digests | None" = None  # the same of a quarantine
    purges: "Purges | None" = None
    copies: "CopyBook | None" = None
    post: "Post | None" = None
    readers: Sequence[Address] = ()  # of reports: the administrators
    clock: Clock = utc_now  # for reading: planning is told the time
