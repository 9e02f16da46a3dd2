"""Letters to people: in their language, by our templates or a site's, and never by one that is broken."""

import re
from datetime import UTC, date, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest

from collima.app.stationery import Templates
from collima.core.errors import ConfigError
from collima.core.options import Address

VALUES = {
    "address": "1@studenti.unimore.it",
    "last": date(2026, 12, 1),
    "closes": date(2026, 12, 2),
    "deletes": date(2027, 2, 1),
    "days": 8,
    "today": date(2026, 11, 24),
    "also": False,
}


def written(
    language: str = "", folder: Path | None = None, usual: str = "it", **values: object
) -> tuple[str, str, str]:
    """(language, subject, text)."""
    message = Templates("posta@unimore.it", "unimore.it", usual).write(
        "expiry",
        VALUES | values,
        to=Address("one@example.org"),
        language=language,
        message_id="alumni-expiry.0",
        now=datetime(2026, 11, 24, 3, tzinfo=UTC),
        folder=folder,
    )
    assert message["Message-ID"] == "<alumni-expiry.0@unimore.it>"
    assert message["To"] == "one@example.org"
    assert message["Auto-Submitted"] == "auto-generated"
    text = message.get_content().replace("\r\n", "\n")
    assert "\n\n\n" not in text
    return message["Content-Language"], message["Subject"], text


@pytest.mark.parametrize(
    ("language", "usual", "spoken"),
    [
        ("", "it", "it"),
        ("", "en", "en"),
        ("en", "it", "en"),
        ("EN-gb", "it", "en"),
        ("de, en;q=0.5", "it", "en"),
        ("fr", "it", "it"),
        ("english", "it", "it"),
        ("../../etc", "it", "it"),
    ],
)
def test_a_reader_gets_their_language_or_the_sites(language: str, usual: str, spoken: str) -> None:
    assert written(language, usual=usual)[0] == spoken


def test_dates_are_told_as_people_tell_them() -> None:
    assert "1° dicembre 2026" in written("it")[2]
    assert written("it")[1] == "1@studenti.unimore.it sarà chiuso il 2 dicembre 2026"
    assert "1 December 2026" in written("en")[2]


@pytest.mark.parametrize("language", ["it", "en"])
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"closes": None, "deletes": None},
        {"deletes": None},
        {"days": 1},
        {"also": True},
        {"last": date(2024, 2, 29)},
    ],
)
def test_every_letter_of_ours_names_takeout_and_has_no_holes(language: str, values: dict[str, object]) -> None:
    text = written(language, **values)[2]
    assert "https://takeout.google.com" in text
    assert "None" not in text
    assert "  " not in text


def test_a_sites_folder_comes_first_and_adds_languages(tmp_path: Path) -> None:
    (tmp_path / "expiry.de.txt.j2").write_text("Subject: Ende am {{ last|day('de') }}\n\nGuten Tag.\n")
    assert written("de", tmp_path)[1] == "Ende am 2026-12-01"
    assert written("it", tmp_path)[0] == "it"


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("Ciao", "its first line is `Subject: …`"),
        ("Subject: x\nno empty line", "its first line is"),
        ("Subject: {{ nothing }}\n\nx", "'nothing' is undefined"),
        ("Subject: x\n\n{{ 1 / 0 }}", "division by zero"),
        ("Subject: x\n\n{{ address.__class__.__mro__ }}", "unsafe"),
    ],
)
def test_a_template_that_does_not_work_is_told_with_its_file(tmp_path: Path, template: str, why: str) -> None:
    (tmp_path / "expiry.it.txt.j2").write_text(template)
    with pytest.raises(ConfigError, match=r"expiry\.it\.txt\.j2: ") as told:
        written("it", tmp_path)
    assert why in str(told.value)
    assert str(tmp_path) in str(told.value)


@pytest.mark.parametrize("content", [b"Subject: {{ x\n\nx", b"Subject: {% if %}\n\nx", b"Subject: \xff\n\nx"])
def test_what_is_no_template_is_found_before_anything_is_done(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "expiry.it.txt.j2").write_bytes(content)
    with pytest.raises(ConfigError, match=r"expiry\.it\.txt\.j2: "):
        Templates("posta@unimore.it", "unimore.it", "it").check("expiry", tmp_path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no folder"):
        Templates("posta@unimore.it", "unimore.it", "it").check("expiry", tmp_path / "none")


def test_a_subject_from_a_template_stays_one_header(tmp_path: Path) -> None:
    (tmp_path / "expiry.it.txt.j2").write_text("Subject: {{ address }}\n\nx\n")
    assert written("it", tmp_path, address="a\u202eb")[1] == "a\N{REPLACEMENT CHARACTER}b"


def both(folder: Path | None = None, language: str = "it", **values: object) -> EmailMessage:
    return Templates("posta@unimore.it", "unimore.it", "it").write(
        "greeting",
        {"name": "Anna", **values},
        to=Address("one@example.org"),
        language=language,
        message_id="x",
        now=datetime(2026, 11, 24, 3, tzinfo=UTC),
        folder=folder,
    )


@pytest.fixture
def greeting(tmp_path: Path) -> Path:
    (tmp_path / "greeting.it.txt.j2").write_text("Subject: Ciao\n\nCiao {{ name }}.\n")
    (tmp_path / "greeting.it.html.j2").write_text("{% extends 'greeting.html.j2' %}{% set word = 'Ciao' %}")
    (tmp_path / "greeting.html.j2").write_text("<p>{{ word }} {{ name }}</p>")
    return tmp_path


def test_a_letter_with_html_is_one_mail_of_two_parts_and_always_the_same_bytes(greeting: Path) -> None:
    mail = both(greeting, name="<Anna>")
    assert mail.get_content_type() == "multipart/alternative"
    text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text
    assert html
    assert text.get_content() == "Ciao <Anna>.\n"
    assert html.get_content() == "<p>Ciao &lt;Anna&gt;</p>\n"
    assert mail.as_bytes() == both(greeting, name="<Anna>").as_bytes()
    assert mail["Content-Language"] == "it"


def test_a_language_without_html_gets_text_alone(greeting: Path) -> None:
    (greeting / "greeting.en.txt.j2").write_text("Subject: Hello\n\nHello {{ name }}.\n")
    assert both(greeting, "en").get_content_type() == "text/plain"


@pytest.mark.parametrize("file", ["greeting.it.html.j2", "greeting.html.j2"])
def test_html_that_is_no_template_is_found_before_anything_is_done(greeting: Path, file: str) -> None:
    templates = Templates("posta@unimore.it", "unimore.it", "it")
    templates.check("greeting", greeting)
    whole = (greeting / file).read_text()
    (greeting / file).write_text(whole + "{% if %}")
    # A folder is looked up once in the life of a process: as another run, this one has another name for it.
    with pytest.raises(ConfigError, match=rf"{re.escape(file)}: "):
        templates.check("greeting", greeting / ".." / greeting.name)
    (greeting / "greeting.html.j2").unlink()
    (greeting / "greeting.it.html.j2").write_text("{% extends 'greeting.html.j2' %}")
    with pytest.raises(ConfigError, match=r"greeting\.html\.j2"):
        templates.check("greeting", greeting / "." / ".." / greeting.name)


@pytest.mark.parametrize("name", ["expiry", "digest"])
def test_our_own_letters_compile(name: str) -> None:
    Templates("posta@unimore.it", "unimore.it", "it").check(name, None)


@pytest.mark.parametrize(("size", "told"), [(0, "1 KB"), (1_499, "1 KB"), (999_000, "999 KB"), (3_450_000, "3,5 MB")])
def test_sizes_are_told_as_people_read_them(greeting: Path, size: int, told: str) -> None:
    (greeting / "greeting.it.txt.j2").write_text("Subject: x\n\n{{ size|bytes('it') }}\n")
    mail = both(greeting / ".." / greeting.name, size=size)
    body = mail.get_body(("plain",))
    assert body
    assert body.get_content().strip() == told


def test_a_url_longer_than_a_line_stays_whole_in_its_header() -> None:
    url = f"https://posta.unimore.it/{'x' * 300}"
    mail = Templates("posta@unimore.it", "unimore.it", "it").write(
        "expiry",
        VALUES,
        to=Address("one@example.org"),
        language="",
        message_id="x",
        now=datetime(2026, 11, 24, 3, tzinfo=UTC),
        folder=None,
        sender="quarantena@unimore.it",
        unsubscribe=url,
    )
    assert mail["From"] == "quarantena@unimore.it"
    assert f"\r\nList-Unsubscribe: <{url}>\r\n".encode() in mail.as_bytes()
