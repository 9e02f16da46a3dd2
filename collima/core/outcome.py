"""From a judged plan and what came of it to a Result: states and exit codes, as the contract names them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from collima.core import guard
from collima.core.model import D, Finding, Key, Outcome, Plan, State, Subject
from collima.core.result import Failure, Result, SourceResult, SubjectResult


@dataclass(slots=True)
class Told:
    """What was applied so far. A plan tells of nothing (`real` is false)."""

    real: bool
    only: frozenset[str] = frozenset()
    self_corrected: tuple[str, ...] = ()
    done: set[Key] = field(default_factory=set)
    failures: list[Outcome] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def take(self, outcomes: Sequence[Outcome]) -> None:
        self.done.update(o.key for o in outcomes if not o.error)
        self.failures.extend(o for o in outcomes if o.error)


def tell(
    job: str,
    target: str,
    verbs: tuple[str, ...],
    run: str,
    plan: Plan[D],
    held: guard.Held,
    waiting: Sequence[Key],
    sources: tuple[SourceResult, ...],
    told: Told,
    seconds: Mapping[str, float],
    *,
    bulk: frozenset[str] = frozenset(),
) -> Result:
    """Pure. `held` includes what subjects in watch would hold; `waiting` is outside the plan's changes."""
    findings = _once([*plan.findings, *told.findings, *_corrected(told)])
    watched = {s.name for s in plan.subjects if s.watch}

    def spoken_of(name: str) -> bool:
        return name not in watched and (not told.only or name in told.only)

    speaking = [f for f in findings if spoken_of(f.subject)]
    critical = {f.subject for f in speaking if f.level == "critical"}
    broken = {f.subject for f in findings if f.level == "critical"}
    planned: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    applied: dict[tuple[str, str], int] = defaultdict(int)
    stuck: dict[tuple[str, str], int] = defaultdict(int)
    held_keys: dict[str, set[Key]] = defaultdict(set)
    for change in plan.changes:
        at = (change.key.subject, change.key.verb)
        planned[at].append((change.key.what, change.weight))
        if change.key in held.keys:
            stuck[at] += change.weight
            held_keys[change.key.subject].add(change.key)
        if change.key in told.done:
            applied[at] += change.weight
    failures: dict[str, list[Failure]] = defaultdict(list)
    for outcome in told.failures:
        failures[outcome.key.subject].append(Failure(outcome.key.what, outcome.error, outcome.transient))
    waits: dict[str, int] = defaultdict(int)
    for key in waiting:
        waits[key.subject] += 1

    def one(subject: Subject) -> SubjectResult:
        name = subject.name
        each = {verb: (name, verb) for verb in verbs}
        counts = {verb: sum(weight for _, weight in planned[at]) for verb, at in each.items()}
        result = SubjectResult(
            name=name,
            size=subject.size,
            wanted=subject.wanted,
            planned={verb: tuple(sorted(what for what, _ in planned[at])) for verb, at in each.items()},
            held={verb: stuck[at] for verb, at in each.items()},
            applied={verb: applied[at] for verb, at in each.items()},
            weights=counts,
            reason=held.reasons.get(name, ""),
            fingerprint="" if subject.watch else guard.fingerprint(job, target, held_keys[name]),
            mode="watch" if subject.watch else "apply",
            waiting=waits[name],
            failed=tuple(failures[name]),
            cells=subject.cells,
        )
        return replace(result, state=_state(result, broken, told))

    subjects = tuple(one(s) for s in plan.subjects)
    asked = [s for s in subjects if spoken_of(s.name)]
    state = _run_state([s.state for s in asked], len(critical - {s.name for s in subjects}))
    failed = [f for s in asked for f in s.failed]
    transient = bool(failed or critical) and all(f.transient for f in failed) and critical <= plan.passing
    return Result(
        job=job,
        run=run,
        state=state,
        fingerprint=guard.fingerprint(job, target, (k for k in held.keys if spoken_of(k.subject))),
        sources=sources,
        subjects=subjects,
        findings=findings,
        seconds=seconds,
        verbs=verbs,
        bulk=bulk,
        cause=_cause(speaking, failed) if state in ("failed", "partial") else "",
        transient=transient,
        only=tuple(sorted(told.only)),
        self_corrected=told.self_corrected,
        exit_code=_exit_code(state, passing=transient and not critical, held=any(any(s.held.values()) for s in asked)),
    )


def _state(subject: SubjectResult, broken: set[str], told: Told) -> State:
    applied, failed = sum(subject.applied.values()), len(subject.failed)
    if subject.name in broken or (failed and not applied):
        return "failed"
    if failed:
        return "partial"
    if any(subject.held.values()):
        return "held"
    if applied:
        return "changed"
    if not told.real and any(subject.weights.values()):
        return "planned"
    return "in-sync"


def _run_state(states: Sequence[State], outside: int) -> State:
    """Worst first. `outside`: critical findings of what is no subject of the plan (frozen rosters) fail, too."""
    if all(state == "failed" for state in states) and (states or outside):
        return "failed"
    if outside or "failed" in states or "partial" in states:
        return "partial"
    order: tuple[State, ...] = ("held", "changed", "planned")
    return next((state for state in order if state in states), "in-sync")


def _exit_code(state: State, *, passing: bool, held: bool) -> int:
    """`passing`: changes failed that another try may do, and nothing is critical."""
    if state == "partial" and passing and not held:
        return 75
    return {"failed": 1, "held": 3, "partial": 4, "busy": 75}.get(state, 0)


def _cause(findings: Sequence[Finding], failed: Sequence[Failure]) -> str:
    """What is worst, with the subject of which it is said."""
    worst = next((": ".join(filter(None, [f.subject, f.text])) for f in findings if f.level == "critical"), "")
    return worst or (failed[0].error if failed else "")


def _corrected(told: Told) -> list[Finding]:
    return [
        Finding("info", name, "self-corrected", "what was held is no longer wanted: the hold has ended by itself")
        for name in told.self_corrected
    ]


def _once(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Each (subject, code) once, the worst of them; worst first."""
    rank = {"critical": 0, "warning": 1, "info": 2}
    kept: dict[tuple[str, str], Finding] = {}
    for finding in sorted(findings, key=lambda f: rank[f.level]):
        kept.setdefault((finding.subject, finding.code), finding)
    return tuple(kept.values())
