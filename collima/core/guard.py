"""What of a plan must wait for a person, and why. Pure, and in integers.

Rules, in the contract's words: `max-removals`, `max-additions`, `small-change`, `max-first-fill`, `allow-empty`,
`max-removals-total`, and doubts about a source, which hold every removal of the run.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from collima.core.model import TAKING, Change, D, Key, Limit, Plan, Subject
from collima.core.ports import Past
from collima.core.quantities import Amount

ON_RECORD = 3
"""So many complete runs of the same question make a history that `source-drop` can compare with."""


@dataclass(frozen=True, slots=True)
class Whole:
    """What is judged over the whole run. None: no such limit for this kind."""

    removals_total: Amount | None = None
    source_drop: Amount | None = None
    small_change: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    keys: frozenset[Key]
    reasons: Mapping[str, str]  # by subject


def fingerprint(job: str, target: str, keys: Iterable[Key]) -> str:
    """The hash of a set of changes, 16 hexadecimal digits; "" of none. Nothing else enters it."""
    ordered = sorted(keys)
    if not ordered:
        return ""
    fold = hashlib.sha256()
    for part in (job, target, *(text for key in ordered for text in (key.subject, key.verb, key.what))):
        raw = part.encode("utf-8", "surrogateescape")
        fold.update(b"%d:" % len(raw) + raw)  # netstring-like: no two sets have one spelling
    return fold.hexdigest()[:16]


def doubt(entries: int, past: Past, drop: Amount) -> str:
    """Why a reading is suspicious by its count: "" if it is not, or if too little is on record to tell."""
    if len(past.entries) < ON_RECORD:
        return ""
    ordered = sorted(past.entries)
    half = len(ordered) // 2
    twice = ordered[half] + ordered[-half - 1]  # twice the median: stays an integer
    lost = twice - 2 * entries
    if lost <= 0 or not (drop.exceeded_by(lost, twice) if drop.percent else lost > 2 * drop.value):
        return ""
    return f"{entries} entries, usually {twice // 2} ({share(lost, twice)} fewer, limit {drop})"


def share(count: int, base: int) -> str:
    return f"{count * 100 // base} %" if base else "100 %"


def judge(
    plan: Plan[D],
    whole: Whole,
    doubts: Sequence[str],
    *,
    unproven: bool = False,
    approved: Collection[Key] = frozenset(),
    undone: Mapping[Key, str] | None = None,
) -> Held:
    """What of the plan waits. `approved` is taken out before the rest is judged.

    `doubts`: reasons to hold every removal of the run. `unproven`: fewer than ON_RECORD readings are on record, so that
    more removals than `small-change` wait. `undone`: keys that a person took back, with the undo's run.
    Subjects in `watch` are judged, and count in no total.
    """
    subjects = {s.name: s for s in plan.subjects}
    weights: dict[tuple[str, str], int] = defaultdict(int)
    keys: dict[tuple[str, str], set[Key]] = defaultdict(set)
    for change in plan.changes:
        if change.key not in approved and change.key not in plan.waits:
            weights[change.key.subject, change.key.verb] += change.weight
            keys[change.key.subject, change.key.verb].add(change.key)
    reasons: dict[str, list[str]] = defaultdict(list)
    held: set[Key] = set()

    def hold(which: Collection[Key], subject: str, reason: str) -> None:
        held.update(which)
        if reason not in reasons[subject]:
            reasons[subject].append(reason)

    for (name, verb), count in weights.items():
        if reason := _judge_subject(subjects[name], verb, count):
            hold(keys[name, verb], name, reason)

    removals = {at: n for at, n in weights.items() if at[1] in TAKING}
    for run_reason, spares_empty in _judge_run(plan, whole, doubts, removals, unproven=unproven):
        for name, verb in removals:
            if not (spares_empty and _may_empty(subjects[name])):
                hold(keys[name, verb], name, run_reason)

    for name, verb in weights:
        if verb in plan.wary:
            for text in doubts:
                hold(keys[name, verb], name, _suspicious(text))

    each = {**plan.waits, **{key: f"undone by {run}" for key, run in (undone or {}).items()}}
    for change in plan.changes:
        if (key := change.key) in each and key not in approved:
            hold({key}, key.subject, each[key])
    return Held(frozenset(held), {name: "; ".join(texts) for name, texts in reasons.items()})


def _may_empty(subject: Subject) -> bool:
    return subject.found == 0 and subject.allow_empty


def _judge_subject(subject: Subject, verb: str, count: int) -> str:
    takes = verb in TAKING
    if takes and subject.found == 0 and subject.size:
        return "" if subject.allow_empty else f"the filters find nobody, {subject.size} are there"
    if not takes and subject.size == 0 and subject.first_fill:
        if subject.first_fill.exceeded_by(count, subject.everyone):
            part = share(count, subject.everyone)
            return f"first fill with {count} of {subject.everyone} people ({part}, limit {subject.first_fill})"
        return ""
    for limit in subject.limits:
        if limit.verb == verb and _exceeds(limit, count, subject.size, takes=takes):
            part = share(count, subject.size)
            return f"{count} of {subject.size} would {_GOING.get(verb, verb)} ({part}, limit {limit.most})"
    return ""


_GOING = {
    "remove": "go",
    "add": "come",
    "suspend": "be suspended",
    "archive": "be archived",
    "delete": "be deleted",
    "send": "get a digest",
}


def _exceeds(limit: Limit, count: int, size: int, *, takes: bool) -> bool:
    if not limit.most.exceeded_by(count, size):
        return False
    small = count <= limit.floor and not (takes and 2 * count > size)
    return not (limit.most.percent and small)


def _judge_run(
    plan: Plan[D], whole: Whole, doubts: Sequence[str], removals: Mapping[tuple[str, str], int], *, unproven: bool
) -> Iterable[tuple[str, bool]]:
    """(reason, whether a roster that may be emptied is spared) for holding every removal of the run."""
    watched = {s.name for s in plan.subjects if s.watch}
    total = sum(n for (name, _), n in removals.items() if name not in watched)
    size = sum(s.size for s in plan.subjects if not s.watch)
    for text in doubts:
        yield _suspicious(text), False
    if total > whole.small_change:
        if unproven:
            yield (
                f"fewer than {ON_RECORD} complete runs on record, {total} removals (limit {whole.small_change})",
                False,
            )
        if whole.removals_total and whole.removals_total.exceeded_by(total, size):
            yield f"{total} of {size} in the whole run ({share(total, size)}, limit {whole.removals_total})", True


def _suspicious(doubt: str) -> str:
    return f"suspicious source: {doubt}"


def of_subject(changes: Iterable[Change[D]]) -> dict[str, list[Change[D]]]:
    """The changes of each subject, in the plan's order."""
    grouped: dict[str, list[Change[D]]] = defaultdict(list)
    for change in changes:
        grouped[change.key.subject].append(change)
    return grouped
