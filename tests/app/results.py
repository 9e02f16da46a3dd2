"""Results as the engine gives them, for the tests of what draws them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from collima.core.model import Finding, State
from collima.core.result import Failure, Result, SourceResult, SubjectResult

VERBS = ("add", "remove")
FINGERPRINT = "3f2a9c0d41b7e865"
RUN = "01JDF3Z8QK"


def people(prefix: str, count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{number:03}@unimore.it" for number in range(count))


def subject(
    name: str,
    size: int,
    *,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    held: Mapping[str, int] | None = None,
    applied: Mapping[str, int] | None = None,
    reason: str = "",
    fingerprint: str = "",
    state: State = "in-sync",
    mode: str = "apply",
    waiting: int = 0,
    failed: tuple[Failure, ...] = (),
) -> SubjectResult:
    return SubjectResult(
        name=name,
        size=size,
        wanted=size + len(add) - len(remove),
        planned={"add": tuple(add), "remove": tuple(remove)},
        held=dict.fromkeys(VERBS, 0) | dict(held or {}),
        applied=dict.fromkeys(VERBS, 0) | dict(applied or {}),
        weights={"add": len(add), "remove": len(remove)},
        reason=reason,
        fingerprint=fingerprint,
        mode=mode,
        waiting=waiting,
        failed=failed,
        state=state,
    )


def quiet(count: int) -> tuple[SubjectResult, ...]:
    return tuple(subject(f"quiet-{number}", 10) for number in range(count))


def result(state: State, *subjects: SubjectResult, findings: Sequence[Finding] = (), run: str = RUN) -> Result:
    return Result(
        job="sympa-lists",
        run=run,
        state=state,
        fingerprint="",
        sources=(SourceResult("people", "complete", 43_200),),
        subjects=subjects,
        findings=tuple(findings),
        seconds={"read": 1.234, "plan": 0.256, "apply": 4.0},
        verbs=VERBS,
    )


def held(run: str = RUN) -> Result:
    """One list of which 43 removals wait and 2 additions were applied, one that changed, 238 in sync."""
    docenti = subject(
        "docenti",
        311,
        add=people("nuovo", 2),
        remove=people("via", 43),
        held={"remove": 43},
        applied={"add": 2} if run else {},
        reason="43 of 311 would go (13 %, limit 10 %)",
        fingerprint=FINGERPRINT,
        state="held",
    )
    changed = subject(
        "ricercatori", 40, add=people("r", 1), applied={"add": 1} if run else {}, state="changed" if run else "planned"
    )
    finding = Finding("warning", "docenti", "no-address", "3 people have no address")
    drawn = result("held", docenti, changed, *quiet(238), findings=[finding], run=run)
    return replace(drawn, fingerprint=FINGERPRINT, exit_code=3)


def bad_night() -> Result:
    """A source that lost a third of its people: the removals of sixty lists are held for that."""
    reason = "suspicious source: people: 30000 entries, usually 43200 (30 % fewer, limit 10 %)"
    lists = [
        subject(
            f"list-{number:02}",
            100,
            remove=people("r", 30),
            held={"remove": 30},
            reason=reason if number else f"30 of 100 would go (30 %, limit 10 %); {reason}",
            fingerprint=f"{number:016x}",
            state="held",
        )
        for number in range(60)
    ]
    source = SourceResult("people", "suspicious", 30_000, "30000 entries, usually 43200 (30 % fewer, limit 10 %)")
    return replace(result("held", *lists, *quiet(7)), sources=(source,), fingerprint=FINGERPRINT, exit_code=3)


def changed() -> Result:
    return result(
        "changed",
        subject(
            "docenti", 311, add=people("a", 9), remove=people("b", 1), applied={"add": 9, "remove": 1}, state="changed"
        ),
        subject(
            "sede-modena",
            900,
            add=people("c", 3),
            remove=people("d", 2),
            applied={"add": 3, "remove": 2},
            state="changed",
        ),
        *quiet(3),
    )


def source_failed() -> Result:
    cause = "people: the directory did not answer within 30 seconds"
    return replace(
        result("failed", findings=[Finding("critical", "", "source-failed", cause)]),
        sources=(SourceResult("people", "incomplete", 0, cause),),
        cause=cause,
        transient=True,
        exit_code=1,
    )


def partial() -> Result:
    """Of 5 lists one fails for every change, and one for some of them."""
    full = "disk full on the list folder"
    return replace(
        result(
            "partial",
            subject(
                "docenti",
                311,
                add=people("a", 4),
                failed=tuple(Failure(a, full) for a in people("a", 4)),
                state="failed",
            ),
            subject(
                "comitato",
                12,
                add=people("x", 2),
                applied={"add": 1},
                failed=(Failure("x001@unimore.it", "x001@unimore.it has left and must not be added", True),),
                state="partial",
            ),
            *quiet(3),
        ),
        cause=full,
        exit_code=4,
    )
