"""What stands out in a result: counts over its subjects, the worst first. Shared by the terminal and the report."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from collima.core.model import Finding, Level
from collima.core.result import Failure, Result, SourceResult, SubjectResult

_WORST = ("failed", "partial", "held", "changed", "planned", "in-sync")
_LEVELS: tuple[Level, ...] = ("critical", "warning", "info")


def planned(subject: SubjectResult, verb: str) -> int:
    """How much is planned: the weight of a bulk verb, else the number of names."""
    return subject.weights[verb] if verb in subject.weights else len(subject.planned.get(verb, ()))


def asked(result: Result) -> tuple[SubjectResult, ...]:
    """All subjects or, with `--only`, those named."""
    return tuple(s for s in result.subjects if not result.only or s.name in result.only)


def speaking(result: Result) -> tuple[SubjectResult, ...]:
    """The subjects that the state speaks of: those asked for that are not only watched."""
    return tuple(s for s in asked(result) if s.mode != "watch")


@dataclass(frozen=True, slots=True)
class Totals:
    """By verb, over the subjects that the state speaks of."""

    planned: Counter[str]
    held: Counter[str]
    applied: Counter[str]
    touched: int  # subjects in which something was applied
    concerned: int  # subjects in which something is planned
    waiting: int


def totals(result: Result) -> Totals:
    subjects = speaking(result)
    return Totals(
        planned=Counter({verb: sum(planned(s, verb) for s in subjects) for verb in result.verbs}),
        held=Counter({verb: sum(s.held.get(verb, 0) for s in subjects) for verb in result.verbs}),
        applied=Counter({verb: sum(s.applied.get(verb, 0) for s in subjects) for verb in result.verbs}),
        touched=sum(any(s.applied.values()) for s in subjects),
        concerned=sum(any(planned(s, verb) for verb in result.verbs) for s in subjects),
        waiting=sum(s.waiting for s in subjects),
    )


def noteworthy(result: Result) -> list[SubjectResult]:
    """The subjects asked for that are not in-sync, or are only watched and would not be. Worst and biggest first."""

    def size(s: SubjectResult) -> int:
        return sum(planned(s, verb) for verb in result.verbs)

    def rank(s: SubjectResult) -> tuple[int, int, int, str]:
        badness = _WORST.index(s.state) if s.state in _WORST else 0
        return badness, -sum(s.held.values()), -size(s), s.name

    return sorted((s for s in asked(result) if s.state != "in-sync" or size(s) or s.failed), key=rank)


@dataclass(frozen=True, slots=True)
class Told:
    """Findings of one level and code: each subject once."""

    level: Level
    code: str
    items: tuple[Finding, ...]


def told(result: Result) -> list[Told]:
    """Worst level first, then the code that concerns most subjects. Each (subject, code) once, at its worst level.

    A finding of the whole run that only repeats its cause is left to the verdict.
    """
    once: dict[tuple[str, str], Finding] = {}
    news = (f for f in result.findings if f.subject or f.text != result.cause)
    for finding in sorted(news, key=lambda f: _LEVELS.index(f.level)):
        once.setdefault((finding.subject, finding.code), finding)
    groups: dict[tuple[Level, str], list[Finding]] = defaultdict(list)
    for finding in once.values():
        groups[finding.level, finding.code].append(finding)
    together = [Told(level, code, tuple(items)) for (level, code), items in groups.items()]
    return sorted(together, key=lambda t: (_LEVELS.index(t.level), -len(t.items), t.code))


def worst(subject: SubjectResult, result: Result) -> Level | None:
    """The worst level that something is told of a subject at; None: nothing is."""
    levels = {finding.level for finding in result.findings if finding.subject == subject.name}
    return next((level for level in _LEVELS if level in levels), None)


def drawn(result: Result) -> list[SubjectResult]:
    """Of a kind that draws some as a row of cells: these and what is told of others, the worst first; else none."""
    if not any(s.cells for s in asked(result)):
        return []
    subjects = [s for s in asked(result) if s.cells or worst(s, result)]
    rank = (*_LEVELS, None)
    return sorted(subjects, key=lambda s: (rank.index(worst(s, result)), s.name))


def why(source: SourceResult, result: Result) -> str:
    """Why a source is not trusted: "" if it is, or if the verdict says so already."""
    return "" if source.reason == result.cause else source.reason


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why subjects are held: what all of them share, told once, and what is each one's own."""

    shared: str
    own: Mapping[str, str]  # by subject


def reasons(subjects: Iterable[SubjectResult]) -> Reasons:
    """The guard joins its reasons by "; ": on a bad night a hundred lists are held for one of them."""
    parts = {s.name: s.reason.split("; ") for s in subjects if s.reason}
    first, *others = parts.values() or [[]]
    shared = [part for part in first if others and all(part in other for other in others)]
    return Reasons(
        "; ".join(shared),
        {name: "; ".join(part for part in own if part not in shared) for name, own in parts.items()},
    )


def by_error(failures: Sequence[Failure]) -> list[tuple[str, int]]:
    """(error, how many changes it hit), most frequent first."""
    return Counter(failure.error for failure in failures).most_common()
