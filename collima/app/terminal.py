"""A result drawn for a terminal, and the same facts as plain lines for a pipe.

In a pipe each line says what it speaks of first, is never wrapped, and bears no colour: made for grep.
"""

from collections.abc import Iterable, Sequence

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from collima.app.paste import Commands
from collima.app.summary import asked, by_error, drawn, noteworthy, planned, reasons, told, why, worst
from collima.app.words import Words
from collima.core.result import Result, SubjectResult
from collima.core.text import few, line

_STYLES = {
    "failed": "bold red",
    "partial": "bold red",
    "incomplete": "bold red",
    "critical": "bold red",
    "missed": "bold red",
    "held": "bold yellow",
    "suspicious": "bold yellow",
    "warning": "yellow",
    "busy": "yellow",
    "planned": "bold cyan",
    "info": "cyan",
    "watch": "cyan",
}
_GOOD = "bold green"
_BOXES = {"good": ("■", "green"), "warning": ("!", "yellow"), "critical": ("X", "bold red"), "none": ("·", "dim")}
_SIGNS = {"add": ("+", "green"), "remove": ("−", "red")}

_DETAILED = 12  # so many subjects are drawn with names; more of them with counts alone
_DRAWN = 40  # so many subjects are drawn in a terminal
_NAMES = 3
_EXAMPLES = 3
_WIDEST = 40  # cells of a subject's name


def draw(console: Console, result: Result, commands: Commands) -> None:
    """All that is not in sync, the findings, the verdict and, when something waits, the line that approves it."""
    if _is_screen(console):
        _draw(console, result, commands)
    else:
        for text in plain_lines(result, commands):
            _out(console, text)


def show(result: Result, commands: Commands) -> None:
    """On standard output."""
    draw(Console(), result, commands)


def table(console: Console, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Numbers to the right. In a pipe: two spaces between aligned columns, `-` for an empty cell, one line per row."""
    rows = [tuple(row) for row in rows]
    cells = [[line(str(cell)) for cell in row] for row in rows]
    right = [bool(rows) and all(isinstance(row[i], int) for row in rows) for i in range(len(columns))]
    if _is_screen(console):
        drawn = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
        for name, is_number in zip(columns, right, strict=True):
            drawn.add_column(name, justify="right" if is_number else "left", overflow="fold")
        for row in cells:
            drawn.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
        console.print(drawn)
        return
    lines = [list(columns), *([cell or "-" for cell in row] for row in cells)]
    widths = [max(cell_len(row[i]) for row in lines) for i in range(len(columns))]
    for row in lines:
        aligned = (
            " " * (width - cell_len(cell)) + cell if is_number else set_cell_size(cell, width)
            for cell, width, is_number in zip(row, widths, right, strict=True)
        )
        _out(console, "  ".join(aligned).rstrip())


def _is_screen(console: Console) -> bool:
    """Signs and lines need UTF-8; a terminal without it gets what a pipe gets."""
    return console.is_terminal and console.encoding.startswith("utf")


def _out(console: Console, text: str) -> None:
    """One line as it is, in whatever encoding the other end has."""
    if not console.encoding.startswith("utf"):
        text = text.replace("…", "...").encode(console.encoding, "replace").decode(console.encoding)
    console.out(text, highlight=False)


def _what(result: Result) -> str:
    return f"run {result.run}" if result.run else "no run" if result.state == "busy" else "plan"


# ---- in a pipe


def plain_lines(result: Result, commands: Commands) -> list[str]:
    words, notable = Words(), noteworthy(result)
    lines = [f"{line(result.job)}: {_what(result)}"]
    for source in result.sources:
        reason = f": {line(doubt)}" if (doubt := why(source, result)) else ""
        lines.append(f"source {line(source.connector)}: {source.verdict}, {source.entries} entries{reason}")
    for s in notable:
        lines.extend(_plain_subject(s, result, words))
    if quiet := len(asked(result)) - len(notable):
        lines.append(f"{words.subjects(result, quiet)} in sync")
    for s in drawn(result):
        boxes = "".join(_BOXES[cell.mood][0] for cell in s.cells).replace("■", "+")
        row = f": {boxes} {_span(s)}" if boxes else ""
        lines.append(f"{worst(s, result) or 'ok'} {line(s.name)}{row}")
    for group in told(result):
        for finding in group.items:
            about = f" {line(finding.subject)}" if finding.subject else ""
            lines.append(f"{finding.level} {finding.code}{about}: {line(finding.text)}")
    lines.append(f"{result.state}: {words.verdict(result)}")
    lines.extend(f"{word}: {text}" for word, text in _last(result, commands))
    return lines


def _plain_subject(s: SubjectResult, result: Result, words: Words) -> Iterable[str]:
    name = line(s.name)
    counts = " ".join(text for text, _ in _counts(s, result)).replace("−", "-")
    yield ", ".join(filter(None, [f"{name}: {s.size} -> {s.wanted}", counts, _tag(s)]))
    if s.reason:
        held = ", ".join(words.things(verb, n) for verb, n in s.held.items() if n)
        yield f"{name}: held {held}: {line(s.reason)}{f' ({s.fingerprint})' if s.fingerprint else ''}"
    for sign, _, names, more in _names(s, result):
        yield f"{name}: {sign.replace('−', '-')} {names}{f' and {more} more' if more else ''}"
    for error, count in by_error(s.failed):
        yield f"{name}: {count} failed: {line(error)}"


# ---- in a terminal


def _draw(console: Console, result: Result, commands: Commands) -> None:
    words, notable = Words(), noteworthy(result)
    console.print(Text.assemble((line(result.job), "bold"), ("  " + (_what(result)), "dim")))
    for source in result.sources:
        reason = f": {line(doubt)}" if (doubt := why(source, result)) else ""
        verdict = (source.verdict, _STYLES.get(source.verdict, "green"))
        entries = f", {source.entries} entries{reason}"
        console.print(Text.assemble((f"{line(source.connector)} ", "dim"), verdict, (entries, "dim")))
    console.print()
    _draw_subjects(console, result, notable, words)
    _draw_boxes(console, result)
    _draw_findings(console, result)
    style = _STYLES.get(result.state, _GOOD)
    console.print(Text.assemble((result.state.upper(), style), "  ", words.verdict(result)))
    last = _last(result, commands)
    for word, text in last:
        pasted = Text.assemble(
            (f"{word:<{max(len(w) for w, _ in last)}}  ", "dim"), (text, "bold" if word == "approve" else "")
        )
        console.print(pasted, soft_wrap=True)


def _draw_subjects(console: Console, result: Result, notable: Sequence[SubjectResult], words: Words) -> None:
    shown = notable[:_DRAWN]
    width = min(max((cell_len(line(s.name)) for s in shown), default=0), _WIDEST)
    counts = {s.name: _counts(s, result) for s in shown}
    sizes = max((len(str(n)) for s in shown for n in (s.size, s.wanted)), default=0)
    columns = max((sum(len(text) + 2 for text, _ in c) for c in counts.values()), default=0)
    because = reasons(notable)
    for s in shown:
        row = Text("  ")
        row.append(set_cell_size(_clipped(line(s.name), width), width), "bold")
        row.append(f"  {s.size:>{sizes}} → {s.wanted:<{sizes}}")
        for text, style in counts[s.name]:
            row.append(f"  {text}", style)
        if tag := _tag(s):
            row.append(" " * (columns - sum(len(text) + 2 for text, _ in counts[s.name])))
            row.append(f"  {tag}", _STYLES.get(tag.split()[0], _GOOD))
        console.print(row, no_wrap=True, overflow="ellipsis")
        for detail in _details(s, result, because.own.get(s.name, ""), names=len(notable) <= _DETAILED):
            console.print(Padding(detail, (0, 0, 0, 4), expand=False))
    if because.shared:
        console.print(Padding(Text(f"held: {line(because.shared)}", "yellow"), (0, 0, 0, 2), expand=False))
    if more := len(notable) - len(shown):
        console.print(Text(f"  and {words.subjects(result, more)} more: a pipe shows all of them", "dim"))
    if quiet := len(asked(result)) - len(notable):
        console.print(Text(f"  {words.subjects(result, quiet)} in sync", "dim"))
    if asked(result):
        console.print()


def _details(s: SubjectResult, result: Result, reason: str, *, names: bool) -> Iterable[Text]:
    if reason:
        yield Text(line(reason), "yellow")
    for error, count in by_error(s.failed)[:_EXAMPLES]:
        yield Text(f"{count} failed: {line(error)}", "red")
    if names:
        for sign, style, some, more in _names(s, result):
            yield Text.assemble((f"{sign} ", style), (some + (f" and {more} more" if more else ""), "dim"))


def _draw_boxes(console: Console, result: Result) -> None:
    subjects = drawn(result)
    width = min(max((cell_len(line(s.name)) for s in subjects), default=0), _WIDEST)
    for s in subjects[:_DRAWN]:
        verdict = worst(s, result) or "ok"
        row = Text("  ").append(f"{verdict:<8}", _STYLES.get(verdict, _GOOD))
        row.append(f"  {set_cell_size(_clipped(line(s.name), width), width)}  ", "bold")
        for cell in s.cells:
            row.append(*_BOXES[cell.mood])
        row.append(f"  {_span(s)}", "dim")
        console.print(row, no_wrap=True, overflow="ellipsis")
    if subjects:
        console.print()


def _draw_findings(console: Console, result: Result) -> None:
    groups = told(result)
    for group in groups:
        times = f"  {len(group.items)} times" if len(group.items) > 1 else ""
        console.print(Text.assemble((group.level, _STYLES[group.level]), f"  {group.code}", (times, "dim")))
        for finding in group.items[:_EXAMPLES]:
            text = Text.assemble((f"{line(finding.subject)}: " if finding.subject else "", "bold"), line(finding.text))
            console.print(Padding(text, (0, 0, 0, 4), expand=False))
        if (more := len(group.items) - _EXAMPLES) > 0:
            console.print(Text(f"    and {more} more", "dim"))
    if groups:
        console.print()


# ---- both


def _counts(s: SubjectResult, result: Result) -> list[tuple[str, str]]:
    """(`+12` or `suspend 3`, its style) for each verb of which something is planned."""
    return [
        (f"{_SIGNS[verb][0]}{n}", _SIGNS[verb][1]) if verb in _SIGNS else (f"{verb} {n}", "")
        for verb in result.verbs
        if (n := planned(s, verb))
    ]


def _names(s: SubjectResult, result: Result) -> Iterable[tuple[str, str, str, int]]:
    """(sign, style, the first names, how many more) for each verb that has names."""
    for verb in result.verbs:
        some, more = few([name for name in s.planned.get(verb, ()) if name], _NAMES)
        if some:
            sign, style = _SIGNS.get(verb, (verb, ""))
            yield sign, style, some, more


def _span(s: SubjectResult) -> str:
    """From its first cell to its last."""
    labels = [cell.label for cell in s.cells]
    return " to ".join(dict.fromkeys([*labels[:1], *labels[-1:]]))


def _tag(s: SubjectResult) -> str:
    return s.mode if s.mode == "watch" else "" if s.state in ("planned", "in-sync") else s.state


def _clipped(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def _last(result: Result, commands: Commands) -> list[tuple[str, str]]:
    last = []
    if result.fingerprint:
        last.append(("fingerprint", result.fingerprint))
        last.append(("approve", commands.approve(result.job, result.fingerprint)))
    if result.run and result.state in ("failed", "partial", "held"):
        last.append(("show", commands.show(result.run)))
    return last
