"""YAML's own words about broken text, in plain ones, with the trap that was probably stepped into."""

import re
from typing import Any

from collima.app.config.faults import Fault

_CRON = 'goes in quotes, like the cron line "*/5 * * * *"'
_NAME = 'goes in quotes, like "{place.ou}-{role.key}"'


def explain(err: Any, lines: list[str]) -> Fault:
    """A ruamel.yaml error as a fault."""
    problem, context = str(getattr(err, "problem", None) or ""), str(getattr(err, "context", None) or "")
    mark, begun = getattr(err, "problem_mark", None), getattr(err, "context_mark", None)
    place = begun if begun is not None and _ends_elsewhere(problem, context) else mark or begun
    if place is None:
        return Fault(1, 1, "", "this cannot be read as YAML")
    line = lines[place.line] if place.line < len(lines) else ""
    return Fault(place.line + 1, place.column + 1, "", _message(problem, context, line, place.column))


def _ends_elsewhere(problem: str, context: str) -> bool:
    """Whether the fault lies where something begins, not where the parser gave up."""
    return (
        "stream end" in problem
        or "end of stream" in problem
        or "document separator" in problem
        or ("simple key" in context and "':'" in problem)
    )


_WORDS: tuple[tuple[str, str], ...] = (
    ("scanning an alias", f"a text that starts with * {_CRON}"),
    ("scanning an anchor", "a text that starts with & goes in quotes"),
    ("tag", "a text that starts with ! goes in quotes"),
    ("mapping values are not allowed", "': ' inside a text: put the text in quotes, or check the indentation"),
    ("escape", "a backslash that is no escape: use single quotes, in which it is nothing special"),
    ("quoted scalar", "this quote is never closed"),
    ("directive", "a line that starts with % goes in quotes"),
    ("could not find expected ':'", "a key without ': ' after it"),
)
"""Words of ruamel.yaml's context and problem, and what they mean to a person."""

_LINES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:^|[:\-,\[{]\s+)\{[^{}\"']*\}[^\s,}\]]"), f"a text that starts with {{ {_NAME}"),
    (re.compile(r"[:\-]\s+([\"']).*?\1\s*[^\s#,}\]:]"), "the text goes on after its closing quote: quote all of it"),
    (re.compile(r"(?:^\s*|[:\-,\[{]\s+)\*"), f"a text that starts with * {_CRON}"),
)
"""What the broken line looks like, for the errors in which the parser names only indentation."""


def _message(problem: str, context: str, line: str, column: int) -> str:
    here = line[column : column + 1]
    if "cannot start any token" in problem:
        return "a tab: indent with spaces" if here == "\t" else f"a text that starts with {here} goes in quotes"
    for words, message in _WORDS:
        if words in f"{context}: {problem}":
            return message
    if "flow" in context:
        return _flow(problem, context, here)
    for pattern, message in _LINES:
        if pattern.search(line):
            return message
    if "expected <block end>" in problem:
        return "this line is not indented like those beside it"
    if "expected the node content" in problem:
        return f"{here!r} where a value should be: a text that starts with {here} goes in quotes"
    return "this cannot be read as YAML"


def _flow(problem: str, context: str, here: str) -> str:
    opening, closing = ("{", "}") if "mapping" in context else ("[", "]")
    if "stream end" in problem:
        return f"this {opening} is never closed by {closing}"
    if here and here in "{}[]":
        return f"inside {opening} {closing} a text with braces or commas goes in quotes"
    return f"a comma or {closing} is missing here; a text with ', ' or braces goes in quotes"
