"""The mails of an invented morning, and pictures of them: `python examples/mails.py FOLDER` (needs chromium).

Makes the pictures of docs/reports.md and docs/quarantine.md: the daily digest, a hold, and what a person gets of a
quarantine; as wide as a phone and on a desktop, by day and by night.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage
from html import escape
from pathlib import Path
from zoneinfo import ZoneInfo

from collima.app.paste import Commands
from collima.app.report import Letterhead, compose
from collima.app.report.digest import Day, Job, Waiting, digest
from collima.app.stationery import Templates
from collima.core.model import Cell, Finding, Mood
from collima.core.options import Address
from collima.core.quarantine import Category
from collima.core.result import Result, SourceResult, SubjectResult
from jobs.quarantine_digest.compose import LETTER, Line
from jobs.quarantine_digest.shown import shown

ROME = ZoneInfo("Europe/Rome")
NOW = datetime(2026, 11, 24, 7, 30, tzinfo=ROME)
HEAD = Letterhead(sender="collima@unimore.it", to=["posta@unimore.it"], site="unimore.it", commands=Commands())
WIDTHS = {"phone": 320, "desktop": 720}
NIGHT = {"light": [], "dark": ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"]}
MOODS: dict[str, Mood] = {"g": "good", "w": "warning", "c": "critical"}

MEASURING = """<iframe id="mail" style="width:%dpx;border:0" srcdoc="%s"></iframe>
<script>onload = () => document.title = document.getElementById("mail").contentDocument.documentElement.scrollHeight
</script>"""


def cells(row: str) -> tuple[Cell, ...]:
    """The last run was this morning, each of the others a day before the next."""
    days = [NOW - timedelta(days=len(row) - 1 - number) for number in range(len(row))]
    return tuple(Cell(f"{day:%Y-%m-%d}", MOODS[mood]) for day, mood in zip(days, row, strict=True))


def morning() -> Day:
    today, tomorrow = NOW.replace(hour=5), NOW + timedelta(days=1)
    return Day(
        jobs=[
            Job(
                name="sympa-lists",
                state="held",
                ran=today.replace(minute=30),
                seconds=12,
                told="43 of 46 removals",
                next=tomorrow.replace(hour=5),
                cells=cells("g" * 29 + "w"),
                findings=(("warning", "no-address", 3, "docenti: 3 of 311 people have no unimoreMail"),),
            ),
            Job(
                name="google-groups",
                state="failed",
                since=NOW.replace(day=22, hour=6, minute=2),
                ran=today.replace(hour=6, minute=0),
                seconds=95,
                told="google: the quota of the directory is used up until midnight",
                next=tomorrow.replace(hour=6, minute=0),
                cells=cells("g" * 27 + "ccc"),
            ),
            Job(
                name="accounts",
                state="changed",
                ran=today.replace(hour=6, minute=30),
                seconds=41,
                told="12 notified, 3 suspended",
                next=tomorrow.replace(hour=6),
                cells=cells("g" * 11 + "w" + "g" * 18),
            ),
            Job(
                name="snapshots",
                state="in-sync",
                ran=today.replace(hour=7, minute=0),
                seconds=2,
                told="all is well",
                next=tomorrow.replace(hour=7, minute=0),
                cells=cells("g" * 8 + "c" + "g" * 21),
            ),
        ],
        waiting=[
            Waiting(
                job="sympa-lists",
                subject="docenti",
                changes=43,
                reason="43 of 311 would go (13 %, limit 10 %)",
                since=today.replace(minute=30),
                fingerprint="3f2a9c0d41b7e865",
            )
        ],
        mails={"failed": 1},
        errors=[("mail relay smtp.unimore.it:25: 550 5.1.1 no such user", 1)],
        pauses=[("mailbox-copy", NOW + timedelta(days=2), "the SAN moves", "rossi")],
        services=[("posta1", NOW - timedelta(days=40), "0.2.0"), ("posta2", NOW - timedelta(days=12), "0.2.0")],
    )


def hold() -> Result:
    verbs = ("add", "remove")
    gone = tuple(f"p{number}@unimore.it" for number in range(43))
    docenti = SubjectResult(
        name="docenti",
        size=311,
        wanted=270,
        planned={"add": ("a@unimore.it", "b@unimore.it"), "remove": gone},
        held={"add": 0, "remove": 43},
        applied={"add": 2, "remove": 0},
        reason="43 of 311 would go (13 %, limit 10 %)",
        fingerprint="3f2a9c0d41b7e865",
        state="held",
    )
    quiet = [
        SubjectResult(f"list-{n}", 90, 90, dict.fromkeys(verbs, ()), dict.fromkeys(verbs, 0), dict.fromkeys(verbs, 0))
        for n in range(238)
    ]
    return Result(
        job="sympa-lists",
        run="20261124T043012-a1b2",
        state="held",
        fingerprint="3f2a9c0d41b7e865",
        sources=(SourceResult("people", "complete", 43_200),),
        subjects=(docenti, *quiet),
        findings=(Finding("warning", "docenti", "no-address", "3 of 311 people have no unimoreMail"),),
        seconds={"read": 1.2, "plan": 0.3, "apply": 4.0},
        verbs=verbs,
        exit_code=3,
    )


HELD: list[tuple[str, str, str, int, Category]] = [  # author, sender, subject, size, category
    ("Rivista di Botanica <redazione@rivista.example>", "", "Call for papers: licheni urbani, proroga", 18_000, "spam"),
    ("Ufficio viaggi", "noreply@voli.example", "La tua prenotazione 7XK2 è confermata", 64_000, "spam"),
    ("Segreteria convegno <info@convegno.example>", "", "Programma definitivo", 2_400_000, "banned"),
    ("Premi <x@estrazione.example>", "", "HAI VINTO!!! http://premi.example/ritira <b>ora</b>", 9_000, "spam"),
    ("PayPaI <service@conti.example>", "bounce-77@invio.example", "Verifica il tuo cont\u202eo", 12_000, "spam"),
    ("", "fatture@ditta.example", "Fattura scaduta", 88_000, "virus"),
]


def quarantine() -> EmailMessage:
    """What a person with two addresses gets."""
    lines = [
        Line(
            author=shown(author or sender, 100),
            sender=shown(sender if author else "", 100),
            to=shown("a.rossi@unimore.it" if number % 2 else "anna.rossi@unimore.it", 100),
            subject=shown(subject, 150),
            at=NOW - timedelta(hours=3 * number + 2, minutes=7 * number),
            size=size,
            category=category,
            release="https://posta.unimore.it/quarantena/release",
            allow="https://posta.unimore.it/quarantena/allow",
            block="https://posta.unimore.it/quarantena/block",
        )
        for number, (author, sender, subject, size, category) in enumerate(HELD)
    ]
    values = {
        "owner": "anna.rossi@unimore.it",
        "today": NOW.date(),
        "count": 8,
        "lines": lines,
        "more": 2,
        "days": 5,
        "page": "https://posta.unimore.it/quarantena/page",
        "off": "https://posta.unimore.it/quarantena/off",
        "older": False,
    }
    return Templates("collima@unimore.it", "unimore.it", "it").write(
        LETTER, values, to=Address("anna.rossi@unimore.it"), language="it", message_id="x", now=NOW, folder=None
    )


def pages() -> Iterator[tuple[str, str]]:
    """(name, HTML) of each mail."""
    yield "digest", html(digest(morning(), NOW, HEAD, NOW))
    yield "held", html(compose(hold(), HEAD, NOW))
    yield "quarantine", html(quarantine())


def html(mail: EmailMessage) -> str:
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def picture(chromium: str, page: str, file: Path, width: int, more: list[str]) -> None:
    """The whole page, at this width."""
    with tempfile.TemporaryDirectory() as folder:
        profile = f"--user-data-dir={folder}/profile"
        browser = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", profile, *more]
        source = Path(folder) / "mail.html"
        source.write_text(MEASURING % (width, escape(page)), "utf-8")
        dom = subprocess.run([*browser, "--dump-dom", source.as_uri()], check=True, capture_output=True, text=True)
        height = re.search(r"<title>(\d+)</title>", dom.stdout)
        assert height, dom.stdout[:500]
        source.write_text(page, "utf-8")
        size = [f"--window-size={width},{height[1]}", f"--screenshot={file}"]
        subprocess.run([*browser, *size, source.as_uri()], check=True, capture_output=True)
    if pngquant := shutil.which("pngquant"):  # a third of the size
        subprocess.run([pngquant, "--force", "--ext", ".png", "--strip", "48", file], check=True)


def pictures(pages: Iterable[tuple[str, str]]) -> None:
    """Of each (name, HTML), in the folder that the command line names."""
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        sys.exit("needs chromium")
    for name, page in pages:
        for screen, width in WIDTHS.items():
            for light, more in NIGHT.items():
                picture(chromium, page, folder / f"{name}-{screen}-{light}.png", width, more)


if __name__ == "__main__":
    pictures(pages())
