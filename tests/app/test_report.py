"""The mail that tells of one run."""

import email
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from email import policy
from email.message import EmailMessage
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest

from collima.app.paste import Commands
from collima.app.report import Letterhead, compose
from collima.core.model import Finding
from collima.core.result import Failure, Result
from tests.app import results

NOW = datetime(2026, 11, 24, 3, 30, tzinfo=ZoneInfo("Europe/Rome"))
HEAD = Letterhead(sender="collima@unimore.it", to=("posta@unimore.it", "rete@unimore.it"), site="unimore.it")
ITALIAN = replace(HEAD, language="it")


def received(result: Result, letterhead: Letterhead = HEAD, now: datetime = NOW) -> EmailMessage:
    """As the reader's program parses it."""
    return email.message_from_bytes(compose(result, letterhead, now).as_bytes(), policy=policy.default)


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def text(result: Result, letterhead: Letterhead = HEAD) -> str:
    return part(received(result, letterhead), "plain")


class Page(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_text_begins_with_the_verdict_and_ends_with_the_lines_to_paste() -> None:
    assert text(results.held()).replace("-- \n", "--\n") == (
        """\
HELD sympa-lists
43 of 43 removals waiting for approval. Done: 3 added.

Waiting for approval
  docenti: 43 of 43 removals
    43 of 311 would go (13 %, limit 10 %)
    fingerprint 3f2a9c0d41b7e865
  approve what waits:
    run-job sympa-lists --approve 3f2a9c0d41b7e865 --reason '…'

Findings
  warning no-address
    docenti: 3 people have no address

What was not in sync
  docenti: 311 → 270, held, 2 added
  ricercatori: 40 → 41, changed, 1 added
238 others are in sync.

Sources
  people: complete, 43200 entries

To paste
  see it all:
    collima show 01JDF3Z8QK
  approve what waits:
    run-job sympa-lists --approve 3f2a9c0d41b7e865 --reason '…'
  let the job rest for two days:
    collima pause sympa-lists --until '2 days' --reason '…'

--
2026-11-24 03:30 CET · run 01JDF3Z8QK · read 1.2 s, plan 0.3 s, apply 4.0 s
"""
    )


@pytest.mark.parametrize(
    ("result", "subject"),
    [
        (results.held(), "[collima] HELD sympa-lists: 43 of 43 removals"),
        (results.changed(), "[collima] CHANGED sympa-lists: 12 added, 3 removed in 2 lists"),
        (
            results.source_failed(),
            "[collima] FAILED sympa-lists: people: the directory did not answer within 30 seconds",
        ),
        (results.partial(), "[collima] PARTIAL sympa-lists: 2 of 5 lists failed: disk full on the list folder"),
        (results.result("in-sync", *results.quiet(3)), "[collima] IN-SYNC sympa-lists: nothing to do"),
        (results.result("busy"), "[collima] BUSY sympa-lists: another run has it"),
        (results.result("missed"), "[collima] MISSED sympa-lists: it did not run in its time"),
        (results.result("failed"), "[collima] FAILED sympa-lists"),
    ],
)
def test_the_subject_tells_state_job_and_cause(result: Result, subject: str) -> None:
    assert received(result)["Subject"] == subject


def test_the_subject_is_told_in_italian_with_the_state_as_it_is() -> None:
    assert received(results.held(), ITALIAN)["Subject"] == "[collima] HELD sympa-lists: 43 su 43 rimozioni"
    assert received(results.changed(), ITALIAN)["Subject"] == (
        "[collima] CHANGED sympa-lists: 12 aggiunti, 3 rimossi in 2 liste"
    )


def test_the_text_is_told_in_italian() -> None:
    told = text(results.held(), ITALIAN)
    assert "43 su 43 rimozioni in attesa di approvazione. Fatto: 3 aggiunti." in told
    assert "Gli altri 238 sono allineati." in told


def test_a_row_and_the_foot_have_no_english_word_in_italian() -> None:
    told = text(results.held(), ITALIAN)
    assert "docenti: 311 → 270, in attesa, " in told
    assert "lettura 1.2 s, calcolo 0.3 s, applicazione 4.0 s\n" in told


def test_a_run_that_was_killed_ends_its_foot_with_the_run() -> None:
    mail = received(replace(results.result("failed"), seconds={}))
    assert part(mail, "plain").rstrip().endswith("CET · run 01JDF3Z8QK")
    assert "run 01JDF3Z8QK</p>" in part(mail, "html")


def test_a_cause_that_asks_ends_with_its_question_mark() -> None:
    failed = replace(
        results.held(), state="failed", subjects=(), cause="connection refused: is the port in `url` right?"
    )
    assert "is the port in `url` right? Nothing was changed." in text(failed)


def test_headers_let_runs_of_a_job_thread_and_keep_robots_quiet() -> None:
    mail = received(results.held(), ITALIAN)
    assert mail["From"] == "Collima <collima@unimore.it>"
    assert mail["To"] == "posta@unimore.it, rete@unimore.it"
    assert mail["Date"].datetime == NOW
    assert mail["Message-ID"] == "<sympa-lists.20261124T0230Z.01JDF3Z8QK@unimore.it>"
    assert mail["References"] == mail["In-Reply-To"] == "<job.sympa-lists@unimore.it>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert mail["List-Id"] == "<sympa-lists.collima.unimore.it>"
    assert mail["Content-Language"] == "it"
    assert mail.get_content_type() == "multipart/alternative"


def test_two_runs_have_message_ids_of_their_own() -> None:
    one, two = received(results.held()), received(replace(results.held(), run="01JDF3Z8QL"))
    assert one["Message-ID"] != two["Message-ID"]


def test_the_same_run_gives_the_same_bytes() -> None:
    assert compose(results.held(), HEAD, NOW).as_bytes() == compose(results.held(), HEAD, NOW).as_bytes()


def test_the_wire_form_is_ascii_in_short_lines() -> None:
    raw = compose(results.held(), ITALIAN, NOW).as_bytes()
    assert raw.isascii()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 78


def test_commands_name_the_configuration_that_was_named() -> None:
    told = text(results.held(), replace(HEAD, commands=Commands("/srv/our collima/s.yaml")))
    assert "    collima show 01JDF3Z8QK --config '/srv/our collima/s.yaml'\n" in told
    assert "--approve 3f2a9c0d41b7e865 --config '/srv/our collima/s.yaml' --reason '…'\n" in told


def test_a_plan_has_no_run_to_show() -> None:
    told = text(results.held(run=""))
    assert "run-job sympa-lists --plan" in told
    assert "collima show" not in told
    assert "Done" not in told


def test_a_failed_source_is_told_once() -> None:
    told = text(results.source_failed())
    assert told.count("did not answer") == 1
    assert "Nothing was changed." in told
    assert "collima show" in told
    assert "--approve" not in told


def test_failed_changes_are_counted_by_error_and_name_nobody() -> None:
    told = text(results.partial())
    assert "  docenti: 4\n    4 × disk full on the list folder\n" in told
    assert "1 × …@unimore.it has left and must not be added" in told


def test_what_is_only_watched_is_shown_and_counts_nowhere() -> None:
    watched = results.subject("sede-modena", 10, remove=results.people("w", 9), held={"remove": 9}, mode="watch")
    told = text(results.result("in-sync", watched, *results.quiet(2)))
    assert told.startswith("IN-SYNC sympa-lists\n2 lists: nothing to do.\n")
    assert "  sede-modena: 10 → 1, watch, 9 removals\n" in told
    assert "Waiting for approval" not in told


def test_a_run_of_some_subjects_speaks_of_them_alone() -> None:
    some = replace(results.held(), only=("ricercatori",), state="changed", fingerprint="")
    told = text(some)
    assert told.startswith("CHANGED sympa-lists\n1 added.\n")
    assert "  docenti:" not in told.split("Findings")[0]


def test_what_waits_for_its_grace_is_a_sum() -> None:
    waiting = [results.subject(f"l{n}", 10, waiting=2) for n in range(3)]
    assert "Put off by grace or freeze: 6 removals." in text(results.result("in-sync", *waiting))


def test_the_reason_that_all_holds_share_is_told_once() -> None:
    told = text(results.bad_night())
    assert told.count("suspicious source: people") == 1
    assert (
        "  list-00: 30 of 30 removals\n    30 of 100 would go (30 %, limit 10 %)\n    fingerprint 0000000000000000\n"
        in told
    )
    assert "  list-59: 30 of 30 removals\n    fingerprint 000000000000003b\n" in told
    assert "approve everything that waits; or one of them, by its own fingerprint:" in told


def test_findings_are_told_worst_first_and_each_subject_once() -> None:
    findings = [
        Finding("info", "a", "moved", "from b"),
        Finding("warning", "b", "no-address", "1 has no address"),
        Finding("critical", "c", "frozen", "frozen for 31 days"),
        Finding("warning", "b", "no-address", "again"),
    ]
    told = text(results.result("failed", *results.quiet(1), findings=findings))
    assert re.findall(r"^  (\w+ [\w-]+)$", told, re.MULTILINE) == [
        "critical frozen",
        "warning no-address",
        "info moved",
    ]
    assert "again" not in told


@pytest.mark.parametrize("letterhead", [HEAD, ITALIAN])
@pytest.mark.soak
def test_three_hundred_bad_lists_stay_under_the_cap_and_say_what_was_cut(letterhead: Letterhead) -> None:
    wide = "a reason that is as long as reasons are when many things came together at once; " * 4
    bad = [
        results.subject(
            f"list-{n:03}-{'x' * 40}",
            500,
            remove=results.people("r", 99),
            held={"remove": 99},
            reason=wide,
            fingerprint=f"{n:016x}",
            failed=tuple(Failure(f"f{k}@unimore.it", f"<error {k}> & {wide}") for k in range(5)),
            state="partial",
        )
        for n in range(300)
    ]
    findings = [Finding("warning", s.name, f"code-{k:02}", f"<b>{k}</b> {wide}") for s in bad for k in range(30)]
    mail = received(
        replace(results.result("partial", *bad, findings=findings), fingerprint=results.FINGERPRINT), letterhead
    )
    for kind in ("plain", "html"):
        body = part(mail, kind)
        assert 5_000 < len(body.encode()) <= 100_000
        held = {int(n) for n in re.findall(r"(\d+)", "".join(re.findall(r"….*(?:that wait|in attesa)", body)))}
        shown = body.count("99 of 99 removals") + body.count("99 su 99 rimozioni")
        assert held == {300 - shown}
        assert body.rstrip().endswith(("apply 4.0 s", "applicazione 4.0 s", "</html>"))
    assert len(str(mail["Subject"])) <= 160


HOSTILE = 'x\r\nBcc: all@unimore.it\r\n\r\n<script>alert(1)</script> \u202egpj.exe "&\x1b[2J\udcff'


@pytest.mark.parametrize("letterhead", [HEAD, ITALIAN])
def test_names_from_a_hostile_directory_forge_no_header_and_no_markup(letterhead: Letterhead) -> None:
    subject = results.subject(
        HOSTILE,
        5,
        add=[HOSTILE],
        failed=(Failure(HOSTILE, HOSTILE),),
        held={"add": 1},
        reason=HOSTILE,
        fingerprint="f" * 16,
        state="failed",
    )
    result = replace(
        results.result("failed", subject, findings=[Finding("warning", HOSTILE, "code", HOSTILE)]), cause=HOSTILE
    )
    mail = received(result, letterhead)
    assert "Bcc" not in mail
    assert mail.defects == []
    for kind in ("plain", "html"):
        body = part(mail, kind)
        assert not re.search("[\u202e\x1b\x00]", body)
    tags = {tag for tag, _ in Page(part(mail, "html")).tags}
    assert "script" not in tags


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    for tag, attributes in Page(part(received(results.partial()), "html")).tags:
        assert tag not in {"script", "link", "img", "iframe", "style", "form", "object"}
        assert not {"src", "href", "background", "action"} & attributes.keys()
        assert "url(" not in (attributes.get("style") or "")


def test_both_parts_tell_the_same() -> None:
    mail = received(results.held())
    html = re.sub(r"<[^>]+>", " ", part(mail, "html")).replace("&#39;", "'")
    for told in ("43 of 43 removals waiting for approval. Done: 3 added.", "311 → 270", "3 people have no address"):
        assert told in html
    for command in re.findall(r"^    ((?:run-job|collima) .*)$", part(mail, "plain"), re.MULTILINE):
        assert command in html
