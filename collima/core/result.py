"""What a run came to: for `--json`, the report, the history."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from collima.core.model import Cell, Finding, State, Verdict


@dataclass(frozen=True, slots=True)
class SourceResult:
    connector: str
    verdict: Verdict
    entries: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    what: str
    error: str
    transient: bool = False


@dataclass(frozen=True, slots=True)
class SubjectResult:
    """One subject. `planned`, `held` and `applied` have every verb of the kind as a key."""

    name: str
    size: int
    wanted: int
    planned: Mapping[str, tuple[str, ...]]  # names, sorted
    held: Mapping[str, int]
    applied: Mapping[str, int]
    weights: Mapping[str, int] = field(default_factory=dict)  # bulk verbs: what is planned, as a number
    reason: str = ""  # why something is held
    fingerprint: str = ""
    mode: str = "apply"
    waiting: int = 0
    failed: tuple[Failure, ...] = ()
    state: State = "in-sync"
    cells: tuple[Cell, ...] = ()  # drawn as a row of boxes, oldest first


@dataclass(frozen=True, slots=True)
class Result:
    job: str
    run: str  # "" for a plan
    state: State
    fingerprint: str  # of everything held; "" without a hold
    sources: tuple[SourceResult, ...]
    subjects: tuple[SubjectResult, ...]
    findings: tuple[Finding, ...]
    seconds: Mapping[str, float]  # read, plan, apply
    verbs: tuple[str, ...] = ()
    bulk: frozenset[str] = frozenset()  # verbs that give counts in place of names
    cause: str = ""  # one line: why it failed
    transient: bool = False  # whether trying again may help
    only: tuple[str, ...] = ()  # the subjects that state and exit code speak of; () for all
    self_corrected: tuple[str, ...] = ()  # subjects whose hold ended by itself
    exit_code: int = 0
