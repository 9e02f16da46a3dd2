"""YAML's own words about broken text, in plain ones, with the trap that was probably stepped into."""

import re

from ruamel.yaml.error import MarkedYAMLError, YAMLError

from collima.app.config.faults import Fault

UNREADABLE = "this cannot be read as YAML"

_CRON = 'goes in quotes, like the cron line "*/5 * * * *"'
_NAME = 'goes in quotes, like "{place.ou}-{role.key}"'


def explain(err: YAMLError, lines: list[str]) -> Fault:
    """An error of the parser as a fault."""
    if not isinstance(err, MarkedYAMLError):
        return Fault(1, 1, "", UNREADABLE)
    problem, context = err.problem or "", err.context or ""
    mark, begun = err.problem_mark, err.context_mark
    place = begun if begun is not None and _ends_elsewhere(problem, context) else mark or begun
    if place is None:
        return Fault(1, 1, "", UNREADABLE)
    line = lines[place.line] if place.line < len(lines) else ""
    message = _message(problem, context, line, place.column)
    if "flow" in context and begun is not None and begun.line != place.line:
        message += f"; the list or mapping began in line {begun.line + 1}"
    return Fault(place.line + 1, place.column + 1, "", message)


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
    (
        "mapping values are not allowed",
        "': ' inside a text: put the text in quotes, or check the indentation and the line above",
    ),
    ("escape", "a backslash that is no escape: use single quotes, in which it is nothing special"),
    ("quoted scalar", "this quote is never closed"),
    ("directive", "a line that starts with % goes in quotes"),
    ("'<document start>'", "what stands above this line is no 'key: value'"),
    ("sequence entries are not allowed", "'- ' inside a text: put the text in quotes, or check the indentation"),
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
    if _closes_quote(line[:column]):
        return "a quote that was opened above is closed here: one is missing between"
    for pattern, message in _LINES:
        if pattern.search(line):
            return message
    if "expected <block end>" in problem:
        return "this line is not indented like those beside it"
    if "expected the node content" in problem:
        return f"{here!r} where a value should be: a text that starts with {here} goes in quotes"
    return UNREADABLE


def _flow(problem: str, context: str, here: str) -> str:
    opening, closing = ("{", "}") if "mapping" in context else ("[", "]")
    if "stream end" in problem:
        return f"this {opening} is never closed by {closing}"
    if here and here in "{}[]":
        return f"inside {opening} {closing} a text with braces or commas goes in quotes"
    return f"a comma or {closing} is missing here; a text with ', ', ': ' or braces goes in quotes"


def _closes_quote(before: str) -> bool:
    """Whether a quote that this line does not open ends right here."""
    quote = before.rstrip()[-1:]
    return quote in ("'", '"') and before.count(quote) % 2 == 1
