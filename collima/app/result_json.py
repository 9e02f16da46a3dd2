"""A result as one JSON object: what `run-job --json` prints, and what the state keeps of a run."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from collima.app.summary import planned
from collima.core.model import Cell, Finding
from collima.core.result import Failure, Result, SourceResult, SubjectResult
from collima.core.text import discreet


def document(result: Result) -> dict[str, Any]:
    """The object of the contract, keys in its order, names included. `seconds` are rounded to hundredths."""
    return {
        "job": result.job,
        "run": result.run,
        "state": result.state,
        "fingerprint": result.fingerprint,
        "sources": [
            {"connector": s.connector, "verdict": s.verdict, "entries": s.entries, "reason": s.reason}
            for s in result.sources
        ],
        "subjects": [_subject(subject, result) for subject in result.subjects],
        "findings": [{"level": f.level, "code": f.code, "subject": f.subject, "text": f.text} for f in result.findings],
        "seconds": {phase: round(seconds, 2) for phase, seconds in result.seconds.items()},
    }


def _subject(s: SubjectResult, result: Result) -> dict[str, Any]:
    return {
        "name": s.name,
        "size": s.size,
        "wanted": s.wanted,
        **{verb: _planned(s, verb, result.bulk) for verb in result.verbs},
        "held": {
            **{verb: s.held.get(verb, 0) for verb in result.verbs},
            "reason": s.reason,
            "fingerprint": s.fingerprint,
        },
        "mode": s.mode,
        "waiting": s.waiting,
        "applied": {verb: s.applied.get(verb, 0) for verb in result.verbs},
        "failed": [{"what": f.what, "error": f.error} for f in s.failed],
    }


def _planned(s: SubjectResult, verb: str, bulk: Collection[str]) -> list[str] | int:
    """Names; a count where a bulk change stands for many things, or where names are not kept."""
    names = s.planned.get(verb, ())
    count = planned(s, verb)
    return list(names) if len(names) == count and verb not in bulk and "" not in names else count


def stored(result: Result) -> dict[str, Any]:
    """What is kept of a run: counts in place of names, addresses without their local parts, nothing that is empty."""
    return {
        "job": result.job,
        "run": result.run,
        "state": result.state,
        "verbs": list(result.verbs),
        "exit_code": result.exit_code,
        "sources": [
            _said(connector=s.connector, verdict=s.verdict, entries=s.entries, reason=discreet(s.reason))
            for s in result.sources
        ],
        "subjects": [_stored_subject(s, result) for s in result.subjects],
        "findings": [
            _said(level=f.level, subject=f.subject, code=f.code, text=discreet(f.text)) for f in result.findings
        ],
        "seconds": {phase: round(seconds, 2) for phase, seconds in result.seconds.items()},
        **_said(
            fingerprint=result.fingerprint,
            cause=discreet(result.cause),
            transient=result.transient,
            only=list(result.only),
            self_corrected=list(result.self_corrected),
        ),
    }


def restored(kept: Mapping[str, Any]) -> Result:
    """The result that `stored` made `kept` of: counts, states and texts are the same, names are not there any more."""
    verbs = tuple(kept["verbs"])
    return Result(
        job=kept["job"],
        run=kept["run"],
        state=kept["state"],
        fingerprint=kept.get("fingerprint", ""),
        sources=tuple(SourceResult(**{"entries": 0, **s}) for s in kept["sources"]),
        subjects=tuple(_restored_subject(s, verbs) for s in kept["subjects"]),
        findings=tuple(Finding(**{"subject": "", "text": "", **f}) for f in kept["findings"]),
        seconds=kept["seconds"],
        verbs=verbs,
        cause=kept.get("cause", ""),
        transient=kept.get("transient", False),
        only=tuple(kept.get("only", ())),
        self_corrected=tuple(kept.get("self_corrected", ())),
        exit_code=kept["exit_code"],
    )


def _stored_subject(s: SubjectResult, result: Result) -> dict[str, Any]:
    failures = Counter((discreet(f.error), f.transient) for f in s.failed)
    return {
        "name": s.name,
        "size": s.size,
        "wanted": s.wanted,
        **_said(
            state="" if s.state == "in-sync" else s.state,
            mode="" if s.mode == "apply" else s.mode,
            planned=_said(**{verb: planned(s, verb) for verb in result.verbs}),
            held=_said(**s.held),
            applied=_said(**s.applied),
            reason=discreet(s.reason),
            fingerprint=s.fingerprint,
            waiting=s.waiting,
            failed=[
                {"error": error, "count": count, **_said(transient=transient)}
                for (error, transient), count in failures.items()
            ],
            cells=[[cell.label, cell.mood] for cell in s.cells],
        ),
    }


def _restored_subject(kept: Mapping[str, Any], verbs: tuple[str, ...]) -> SubjectResult:
    def every(counts: str) -> dict[str, int]:
        return {verb: kept.get(counts, {}).get(verb, 0) for verb in verbs}

    return SubjectResult(
        name=kept["name"],
        size=kept["size"],
        wanted=kept["wanted"],
        planned=dict.fromkeys(verbs, ()),
        held=every("held"),
        applied=every("applied"),
        weights=every("planned"),
        reason=kept.get("reason", ""),
        fingerprint=kept.get("fingerprint", ""),
        mode=kept.get("mode", "apply"),
        waiting=kept.get("waiting", 0),
        failed=tuple(
            Failure("", f["error"], f.get("transient", False))
            for f in kept.get("failed", ())
            for _ in range(f["count"])
        ),
        state=kept.get("state", "in-sync"),
        cells=tuple(Cell(label, mood) for label, mood in kept.get("cells", ())),
    )


def _said(**values: object) -> dict[str, Any]:
    """Without what is empty."""
    return {name: value for name, value in values.items() if value}
