"""A result as an administrator sees it first."""

import io
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from collima.app.paste import Commands
from collima.app.terminal import draw, table
from collima.core.model import Finding
from collima.core.result import Failure, Result
from tests.app import results

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def screen(result: Result, *, width: int = 80, encoding: str = "utf-8", commands: Commands = Commands()) -> str:  # noqa: B008
    """With its colours."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    draw(Console(file=file, force_terminal=True, width=width, color_system="standard"), result, commands)
    file.flush()
    return file.buffer.getvalue().decode(encoding)


def seen(result: Result, width: int = 80) -> list[str]:
    return [line.rstrip() for line in _COLOUR.sub("", screen(result, width=width)).splitlines()]


def pipe(result: Result, commands: Commands = Commands()) -> str:  # noqa: B008
    file = io.StringIO()
    draw(Console(file=file, width=80), result, commands)
    return file.getvalue()


def test_a_hold_is_drawn_with_the_line_that_approves_it() -> None:
    assert seen(results.held()) == [
        "sympa-lists  run 01JDF3Z8QK",
        "people complete, 43200 entries",
        "",
        "  docenti      311 → 270  +2  −43  held",
        "    43 of 311 would go (13 %, limit 10 %)",
        "    + nuovo000@unimore.it, nuovo001@unimore.it",
        "    − via000@unimore.it, via001@unimore.it, via002@unimore.it and 40 more",
        "  ricercatori   40 → 41   +1       changed",
        "    + r000@unimore.it",
        "  238 lists in sync",
        "",
        "warning  no-address",
        "    docenti: 3 people have no address",
        "",
        "HELD  43 of 43 removals waiting for approval. Done: 3 added.",
        "fingerprint  3f2a9c0d41b7e865",
        "approve      run-job sympa-lists --approve 3f2a9c0d41b7e865 --reason '…'",
        "show         collima show 01JDF3Z8QK",
    ]


def test_two_hundred_and_sixty_seven_lists_in_sync_are_one_line() -> None:
    assert seen(results.result("in-sync", *results.quiet(267))) == [
        "sympa-lists  run 01JDF3Z8QK",
        "people complete, 43200 entries",
        "",
        "  267 lists in sync",
        "",
        "IN-SYNC  267 lists: nothing to do.",
    ]


def test_a_directory_that_did_not_answer_is_told_once() -> None:
    assert seen(results.source_failed()) == [
        "sympa-lists  run 01JDF3Z8QK",
        "people incomplete, 0 entries",
        "",
        "FAILED  people: the directory did not answer within 30 seconds. Nothing was",
        "changed.",
        "show  collima show 01JDF3Z8QK",
    ]


def test_a_pipe_gets_plain_lines_that_begin_with_what_they_speak_of() -> None:
    assert pipe(results.held()) == (
        "sympa-lists: run 01JDF3Z8QK\n"
        "source people: complete, 43200 entries\n"
        "docenti: 311 -> 270, +2 -43, held\n"
        "docenti: held 43 removals: 43 of 311 would go (13 %, limit 10 %) (3f2a9c0d41b7e865)\n"
        "docenti: + nuovo000@unimore.it, nuovo001@unimore.it\n"
        "docenti: - via000@unimore.it, via001@unimore.it, via002@unimore.it and 40 more\n"
        "ricercatori: 40 -> 41, +1, changed\n"
        "ricercatori: + r000@unimore.it\n"
        "238 lists in sync\n"
        "warning no-address docenti: 3 people have no address\n"
        "held: 43 of 43 removals waiting for approval. Done: 3 added.\n"
        "fingerprint: 3f2a9c0d41b7e865\n"
        "approve: run-job sympa-lists --approve 3f2a9c0d41b7e865 --reason '…'\n"
        "show: collima show 01JDF3Z8QK\n"
    )


def test_a_pipe_is_never_wrapped_and_never_coloured() -> None:
    long = "because " * 40
    told = pipe(replace(results.partial(), cause=long))
    assert long.strip() in told
    assert "\x1b" not in told
    assert not re.search("[─│┃━╭]", told)


@pytest.mark.parametrize("width", [40, 60, 80, 132])
@pytest.mark.parametrize("result", [results.held(), results.changed(), results.partial()])
def test_a_screen_of_any_width_is_kept_to_but_by_what_is_pasted(result: Result, width: int) -> None:
    for line in seen(result, width):
        assert cell_len(line) <= width or line.startswith(("approve", "show"))


def test_the_line_to_paste_is_one_line_on_any_screen() -> None:
    commands = Commands("/etc/a long way down/collima.yaml")
    told = _COLOUR.sub("", screen(results.held(), width=40, commands=commands))
    assert (
        "run-job sympa-lists --approve 3f2a9c0d41b7e865 --config '/etc/a long way down/collima.yaml' --reason '…'\n"
        in told
    )


@pytest.mark.parametrize("encoding", ["iso-8859-1", "ascii"])
def test_a_terminal_without_utf_8_gets_the_plain_lines(encoding: str) -> None:
    told = screen(results.held(), encoding=encoding)
    assert "docenti: 311 -> 270, +2 -43, held\n" in told
    assert "approve: run-job sympa-lists --approve 3f2a9c0d41b7e865 --reason '...'\n" in told
    assert "\x1b" not in told


def test_a_first_run_of_many_lists_fits_a_screenful_and_says_what_is_left_out() -> None:
    many = [results.subject(f"list-{n:03}", 0, add=results.people("p", n + 1), state="planned") for n in range(267)]
    drawn = seen(results.result("planned", *many, run=""))
    assert len(drawn) < 50
    assert "  list-266    0 → 267  +267" in drawn  # the biggest first
    assert "  and 227 lists more: a pipe shows all of them" in drawn
    assert (
        sum(line.startswith("list-") and "->" in line for line in pipe(results.result("planned", *many)).splitlines())
        == 267
    )


def test_the_reason_that_all_holds_share_is_drawn_once() -> None:
    drawn = seen(results.bad_night(), 132)
    assert len(drawn) < 55
    assert len([line for line in drawn if "suspicious source" in line]) == 1
    assert "    30 of 100 would go (30 %, limit 10 %)" in drawn
    assert pipe(results.bad_night()).count("suspicious source: people") == 60


def test_names_from_a_hostile_directory_drive_no_terminal() -> None:
    evil = "x\x1b]0;owned\x07[bold]y[/bold]\u202e\r\nfailed: z"
    bad = results.subject(
        evil, 3, add=[evil], failed=(Failure(evil, evil),), reason=evil, fingerprint="f" * 16, state="failed"
    )
    result = results.result("failed", bad, findings=[Finding("warning", evil, "code", evil)])
    for told in ("\n".join(seen(result, 200)), pipe(result)):
        assert not re.search("[\x1b\x07\u202e\r]", told)
        assert "[bold]y[/bold]" in told
        assert not re.search("^failed: z", told, re.MULTILINE)


def test_findings_of_many_lists_are_drawn_by_code() -> None:
    findings = [Finding("warning", f"list-{n}", "no-address", f"{n} people have no address") for n in range(300)]
    result = results.result("in-sync", *results.quiet(300), findings=findings)
    drawn = seen(result)
    assert "warning  no-address  300 times" in drawn
    assert "    and 297 more" in drawn
    assert len(drawn) < 20
    assert pipe(result).count("warning no-address") == 300


def test_verbs_of_other_kinds_are_written_out() -> None:
    accounts = replace(
        results.subject("accounts", 40_000),
        planned={"notify": ("a", "b"), "suspend": ("c",)},
        held={"notify": 0, "suspend": 1},
        applied={"notify": 2, "suspend": 0},
        weights={"notify": 2, "suspend": 1},
        reason="too many",
        state="held",
    )
    result = replace(results.result("held", accounts), verbs=("notify", "suspend"))
    assert "accounts: 40000 -> 40000, notify 2 suspend 1, held\n" in pipe(result)
    assert "held: 1 of 1 suspension waiting for approval. Done: 2 notified.\n" in pipe(result)


def test_a_table_is_aligned_in_a_pipe() -> None:
    file = io.StringIO()
    table(Console(file=file), ["job", "state", "changes"], [["sympa-lists", "held", 12], ["a", "", 3]])
    assert file.getvalue() == "job          state  changes\nsympa-lists  held        12\na            -            3\n"


def test_a_table_fits_a_terminal() -> None:
    file = io.StringIO()
    table(
        Console(file=file, force_terminal=True, width=40, color_system=None),
        ["job", "reason"],
        [["sympa-lists", "word " * 30], ["evil\x1b[2J", "[red]x[/red]"]],
    )
    drawn = file.getvalue()
    assert max(cell_len(line) for line in drawn.splitlines()) <= 40
    assert "[red]x[/red]" in drawn
    assert "\x1b[2J" not in drawn


def test_a_table_without_rows_is_its_head() -> None:
    file = io.StringIO()
    table(Console(file=file), ["job", "state"], [])
    assert file.getvalue() == "job  state\n"
