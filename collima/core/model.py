"""The nouns that every kind of job shares. Frozen; no input or output here.

The core sees keys, weights and sizes only; what a kind needs for applying travels in its own frozen `detail`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from collima.core.quantities import Amount, Duration

D = TypeVar("D")

Level = Literal["info", "warning", "critical"]
Verdict = Literal["complete", "suspicious", "incomplete"]
State = Literal["failed", "partial", "held", "changed", "in-sync", "planned", "busy", "missed"]

TAKING = frozenset({"remove", "suspend", "archive", "delete", "drop-mailbox"})
"""The verbs that take something away: what the guard calls *removals*."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """All of a change that is stored, fingerprinted, approved and undone."""

    subject: str
    verb: str
    what: str  # address, account, owner; of bulk "" or its measure


@dataclass(frozen=True, slots=True)
class Change(Generic[D]):
    key: Key
    why: str
    detail: D
    weight: int = 1  # messages, rows: the guard sums weights


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    subject: str
    code: str  # stable: one report tells each (subject, code) once
    text: str


@dataclass(frozen=True, slots=True)
class Limit:
    """`max-suspensions: 2%` is Limit("suspend", Amount(200, True), floor=3). `floor` is `small-change`."""

    verb: str
    most: Amount
    floor: int = 0


Mood = Literal["good", "warning", "critical", "none"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One box of a row that a report draws: a day of a volume, a run of a job."""

    label: str  # 2026-11-24
    mood: Mood  # none: nothing was to be there


@dataclass(frozen=True, slots=True)
class Subject:
    """A population that the guard counts: a list, a group, the accounts, the digests, one mailbox, one volume."""

    name: str
    size: int  # the base of percentages: how many there are now
    wanted: int = 0  # how many there should be
    found: int | None = None  # by the filters alone, before `also`; None where nothing is looked for
    limits: tuple[Limit, ...] = ()
    first_fill: Amount | None = None  # judges additions to an empty subject, as a share of `everyone`
    everyone: int = 0
    allow_empty: bool = False
    watch: bool = False  # judged and reported, never applied
    grace: Duration | None = None  # removals wait until something was absent for so long
    cells: tuple[Cell, ...] = ()  # drawn as a row of boxes, oldest first


@dataclass(frozen=True, slots=True)
class Reading:
    """What one source answered. `entries` is the count that `source-drop` compares."""

    connector: str
    scope: str  # hash of what was asked for: histories of different questions are not compared; "" is never compared
    entries: int
    server: str = ""
    csn: tuple[str, ...] = ()  # contextCSN values: a replica older than the last good run is suspicious
    doubt: str = ""  # why the connector itself would not trust it


@dataclass(frozen=True, slots=True)
class Plan(Generic[D]):
    readings: tuple[Reading, ...]
    subjects: tuple[Subject, ...]
    changes: tuple[Change[D], ...]
    findings: tuple[Finding, ...] = ()
    doubts: tuple[str, ...] = ()  # reasons, seen while planning, to hold every removal of the run
    wary: frozenset[str] = frozenset()  # verbs that wait as removals do while a reading is in doubt
    claims: Mapping[str, str] = field(default_factory=dict)  # subject -> its stanza: this job's own from now on
    freezes: frozenset[str] = frozenset()  # owned subjects that no stanza names any more
    renames: Mapping[str, str] = field(default_factory=dict)  # old name -> new name: history and ownership go along
    passing: frozenset[str] = frozenset()  # subjects whose critical finding another try may end
    waits: Mapping[Key, str] = field(default_factory=dict)  # changes that wait for a person, and why; limits spare them
    mends: frozenset[str] = frozenset()  # subjects to put in order at the target, even if nobody comes or goes


@dataclass(frozen=True, slots=True)
class Outcome:
    key: Key
    error: str = ""
    transient: bool = False
