"""Rows of boxes: what the last days of each volume were, wherever a result is told."""

from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO

import pytest
from rich.console import Console

from collima.app.paste import Commands
from collima.app.report.compose import _environment
from collima.app.result_json import document, restored, stored
from collima.app.terminal import draw, plain_lines
from collima.core.model import Cell, Finding, Mood
from collima.core.result import Result, SourceResult, SubjectResult
from tests.app import results
from tests.app.test_report import HEAD, ITALIAN, NOW, part, received

MOODS: dict[str, Mood] = {"+": "good", "!": "warning", "X": "critical", ".": "none"}


def volume(name: str, row: str, state: str = "in-sync") -> SubjectResult:
    cells = tuple(Cell(f"2026-11-{24 - len(row) + at:02}", MOODS[mark]) for at, mark in enumerate(row, 1))
    return SubjectResult(name, 7, 7, {}, {}, {}, state=state, cells=cells)  # type: ignore[arg-type]


def checked() -> Result:
    late = "the newest is of 2026-11-21 02:30: 77 hours old (limit 26)"
    return Result(
        job="snapshots",
        run=results.RUN,
        state="partial",
        fingerprint="",
        sources=(SourceResult("nas", "complete", 21),),
        subjects=(volume("mail", "+++++++"), volume("archive", "++!++++"), volume("home", "++++XXX", "failed")),
        findings=(
            Finding("critical", "home", "too-old", late),
            Finding("warning", "archive", "some-missing", "1 of the last 7 missing: 2026-11-20"),
        ),
        seconds={"read": 0.1, "plan": 0.0, "apply": 0.0},
        cause=late,
        exit_code=4,
    )


def test_the_text_begins_with_the_verdict_and_then_draws_each_volume_the_worst_first() -> None:
    assert part(received(checked()), "plain").startswith(
        """\
PARTIAL snapshots
1 of 3 volumes failed: the newest is of 2026-11-21 02:30: 77 hours old (limit 26).

The last days
  critical  home     ■■■■XXX  2026-11-18 … 2026-11-24
  warning   archive  ■■!■■■■  2026-11-18 … 2026-11-24
  ok        mail     ■■■■■■■  2026-11-18 … 2026-11-24
  ■ as it should be  ! warning  X critical

Findings
  critical too-old
    home: the newest is of 2026-11-21 02:30: 77 hours old (limit 26)
  warning some-missing
    archive: 1 of the last 7 missing: 2026-11-20
"""
    )


class Boxes(HTMLParser):
    """(mark, background, title) of each box, and what there is of pictures."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.boxes: list[tuple[str, str, str]] = []
        self.pictures = 0
        self.open: tuple[str, str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.pictures += tag in {"img", "svg"} or "url(" in (given.get("style") or "")
        if tag == "td" and given.get("bgcolor"):
            self.open = (str(given["bgcolor"]), str(given["title"]))

    def handle_data(self, data: str) -> None:
        if self.open:
            self.boxes.append((data, *self.open))
            self.open = None


def test_the_boxes_of_a_mail_are_table_cells_that_need_no_pictures_and_no_colours() -> None:
    page = Boxes(part(received(checked()), "html"))
    assert page.pictures == 0
    assert "".join(mark for mark, _, _ in page.boxes) == "✓✓✓✓XXX✓✓!✓✓✓✓✓✓✓✓✓✓✓"
    assert len({colour for mark, colour, _ in page.boxes}) == 3
    assert page.boxes[0][2] == "2026-11-18"
    html = part(received(checked()), "html")
    assert html.index("volumes failed") < html.index("The last days") < html.index("too-old")


def test_what_nobody_drew_cells_of_has_no_such_section() -> None:
    for kind in ("plain", "html"):
        assert "The last days" not in part(received(results.held()), kind)


def test_a_volume_that_could_not_be_read_is_in_its_place_without_boxes() -> None:
    unread = replace(checked().subjects[2], cells=())
    drawn = part(received(replace(checked(), subjects=(*checked().subjects[:2], unread))), "plain")
    assert "\n  critical  home\n  warning   archive" in "\n".join(line.rstrip() for line in drawn.split("\n"))


def test_an_italian_report_says_it_in_italian() -> None:
    told = part(received(checked(), ITALIAN), "plain")
    for text in ("1 su 3 volumi in errore", "Gli ultimi giorni", "■ come deve essere", "ne mancano 1 degli ultimi 7"):
        assert text in told
    well = replace(checked(), state="in-sync", findings=(), cause="", subjects=(volume("mail", "+++"),))
    assert "1 volume: tutto a posto." in part(received(well, ITALIAN), "plain")
    assert received(well, ITALIAN, NOW)["Subject"] == "[collima] IN-SYNC snapshots: tutto a posto"
    assert "1 volume: all is well." in part(received(well, HEAD), "plain")


def test_cells_are_on_record_and_not_in_the_object_of_the_contract() -> None:
    kept = restored(stored(checked()))
    assert [s.cells for s in kept.subjects] == [s.cells for s in checked().subjects]
    assert all("cells" not in subject for subject in document(checked())["subjects"])
    assert "cells" not in stored(results.held())["subjects"][0]


def test_in_a_pipe_a_row_is_a_line_of_ascii() -> None:
    lines = plain_lines(checked(), Commands())
    assert "critical home: ++++XXX 2026-11-18 to 2026-11-24" in lines
    assert "ok mail: +++++++ 2026-11-18 to 2026-11-24" in lines


def test_in_a_terminal_a_row_is_drawn_with_its_verdict_first() -> None:
    screen = StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None, legacy_windows=False)
    draw(console, checked(), Commands())
    lines = [line.rstrip() for line in screen.getvalue().split("\n")]
    assert "  critical  home     ■■■■XXX  2026-11-18 to 2026-11-24" in lines
    assert "  ok        mail     ■■■■■■■  2026-11-18 to 2026-11-24" in lines


@pytest.mark.parametrize(("name", "row"), [("txt", "■X  1 … 2"), ("html", "1 … 2")])
def test_other_pages_can_use_the_rows(name: str, row: str) -> None:
    page = _environment("en").from_string(f'{{% from "cells.{name}.j2" import row %}}{{{{ row(cells) }}}}')
    assert row in page.render(cells=(Cell("1", "good"), Cell("2", "critical")))
    assert page.render(cells=()).strip() in {
        "",
        '<table role="presentation" style="border-collapse:separate;border-spacing:2px"></table>',
    }
