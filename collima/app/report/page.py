"""What a report shows, in its order, each section cut to a number of items. The templates only lay it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from collima.app.paste import Commands
from collima.app.summary import Told, asked, by_error, drawn, noteworthy, planned, reasons, told, why, worst
from collima.app.words import Words
from collima.core.model import Cell, Level
from collima.core.result import Result, SourceResult, SubjectResult
from collima.core.text import discreet, line

_LONGEST = 300  # characters of one text
_EXAMPLES = 3  # findings of one code, errors of one subject

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Section(Generic[T]):
    items: tuple[T, ...]
    more: int  # how many were cut


@dataclass(frozen=True, slots=True)
class Hold:
    subject: str
    counts: str  # "43 of 43 removals"
    reason: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Group:
    """Findings of one level and code."""

    level: Level
    code: str
    subjects: int
    lines: Section[str]


@dataclass(frozen=True, slots=True)
class Failed:
    subject: str
    changes: int
    errors: Section[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    state: str
    size: int
    wanted: int
    changes: str


@dataclass(frozen=True, slots=True)
class Boxes:
    """A subject whose cells are drawn as a row of boxes."""

    verdict: str  # the worst level of what is told of it, or ok
    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Page:
    title: str
    job: str
    state: str
    run: str
    when: str
    verdict: str
    holds: Section[Hold]
    because: str  # the reason that all of them share; ""
    approve: str  # the line that approves all of them; ""
    pastes: tuple[tuple[str, str], ...]  # (show | approve | pause, the line)
    boxes: Section[Boxes]
    findings: Section[Group]
    failed: Section[Failed]
    rows: Section[Row]
    quiet: int  # subjects that are in-sync
    sources: Section[SourceResult]
    seconds: tuple[tuple[str, str], ...]


def page(result: Result, words: Words, commands: Commands, now: datetime, cap: int) -> Page:
    """`cap`: how many items each section has at most."""
    notable = noteworthy(result)
    held = [s for s in notable if s.fingerprint]
    because = reasons(held)
    return Page(
        title=f"{result.state.upper()} {line(result.job)}",
        job=line(result.job),
        state=result.state,
        run=line(result.run),
        when=now.strftime("%Y-%m-%d %H:%M %Z").strip(),
        verdict=words.verdict(result),
        holds=cut([_hold(s, because.own.get(s.name, ""), result, words) for s in held], cap),
        because=_tell(because.shared, words),
        approve=commands.approve(result.job, result.fingerprint) if result.fingerprint else "",
        pastes=_pastes(result, commands),
        boxes=cut([Boxes(worst(s, result) or "ok", _name(s.name), s.cells) for s in drawn(result)], cap),
        findings=cut([_group(group, words) for group in told(result)], cap),
        failed=cut([_failed(s, words) for s in notable if s.failed], cap),
        rows=cut([_row(s, result, words) for s in notable], cap),
        quiet=len(asked(result)) - len(notable),
        sources=cut([_source(source, result, words) for source in result.sources], cap),
        seconds=tuple((words.word(phase), f"{seconds:.1f}") for phase, seconds in result.seconds.items()),
    )


def cut(items: Sequence[T], cap: int) -> Section[T]:
    return Section(tuple(items[:cap]), max(0, len(items) - cap))


def _tell(text: str, words: Words) -> str:
    return discreet(line(words.phrase(text), _LONGEST))


def _name(name: str) -> str:
    return line(name, 100)


def _hold(s: SubjectResult, reason: str, result: Result, words: Words) -> Hold:
    counts = words.of(s.held, {verb: planned(s, verb) for verb in result.verbs})
    return Hold(_name(s.name), counts, _tell(reason, words), s.fingerprint)


def _group(group: Told, words: Words) -> Group:
    lines = [": ".join(filter(None, [_name(f.subject), _tell(f.text, words)])) for f in group.items]
    return Group(group.level, group.code, len(group.items), cut(lines, _EXAMPLES))


def _failed(s: SubjectResult, words: Words) -> Failed:
    errors = [(_tell(error, words), count) for error, count in by_error(s.failed)]
    return Failed(_name(s.name), len(s.failed), cut(errors, _EXAMPLES))


def _row(s: SubjectResult, result: Result, words: Words) -> Row:
    state = s.state if s.mode == "apply" else s.mode
    changes = words.all_done(s.applied) or words.all_things({verb: planned(s, verb) for verb in result.verbs})
    return Row(_name(s.name), words.word(state), s.size, s.wanted, changes)


def _source(source: SourceResult, result: Result, words: Words) -> SourceResult:
    return SourceResult(line(source.connector), source.verdict, source.entries, _tell(why(source, result), words))


def _pastes(result: Result, commands: Commands) -> tuple[tuple[str, str], ...]:
    pastes = [("show", commands.show(result.run) if result.run else commands.plan(result.job))]
    if result.fingerprint:
        pastes.append(("approve", commands.approve(result.job, result.fingerprint)))
    if result.run:
        pastes.append(("pause", commands.pause(result.job)))
    return tuple(pastes)
