"""A letter that is made of parts is the letter that `email` would make."""

import re
from datetime import datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from collima.app.stationery import Templates
from collima.core.options import Address
from collima.state.outbox import wire

NOW = datetime(2026, 11, 24, 6, 30, tzinfo=timezone(timedelta(hours=1)))
LETTERS = Templates("posta@unimore.it", "unimore.it", "it")

TEXTS = {
    "plain": "Ciao\n",
    "accents": "Perché no, è già così: 100 €\n",
    "emoji": "👨‍👩‍👧 ciao\n",
    "empty lines": "a\n\n\n\nb\n",
    "white space": "a \nb\t\n \n\t\n",
    "dots": ".\n..\n.a\n",
    "from": "From somebody\n>From\n",
    "equals": "a=b =_ =3D --=_x\n",
    "long": "x" * 5_000 + "\n" + "è " * 2_000 + "\n",
    "just a line": "".join("x" * n + "\n" for n in range(70, 82)),
    "just a line of two bytes": "".join("x" * n + "è\n" for n in range(66, 82)),
    "no end": "ciao",
    "returns": "a\r\nb\rc\n",
    "separators": "a\u2028b\x85c\x0cd\n",
    "braces": "{{ text }} {% raw %} <b>&amp;</b>\n",
}
SUBJECTS = (
    *(
        "Ciao",
        "Novità: 3 messaggi trattenuti (24 novembre 2026)",
        "x" * 200,
        "è" * 200,
        "👍🏽 " * 20,
        "a  b",
        "=?utf-8?q?x?=",
    ),
    *(f"[collima] {'no answer ' * 9}"[:length].strip() for length in range(60, 90)),
)
ADDRESSES = (
    *("anna@unimore.it", "a.b+list@studenti.unimore.it", "o'brien@unimore.it", "x" * 64 + "@" + "y" * 60 + ".it"),
    *('".a"@unimore.it', "a_b=c@unimore.it"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one.it.txt.j2").write_text("Subject: {{ subject }}\n\nx{{ text }}")
    (tmp_path / "two.it.txt.j2").write_text("Subject: {{ subject }}\n\nx{{ text }}")
    (tmp_path / "two.it.html.j2").write_text("<p>{{ text }}</p>\n")
    return tmp_path


def both(name: str, folder: Path, to: str = "anna@unimore.it", **values: str) -> tuple[bytes, bytes]:
    """As `email` writes it, and as it is made of its parts."""
    more: dict[str, Any] = {
        "to": Address(to),
        "language": "it",
        "message_id": f"digest.{'0' * 32}",
        "now": NOW,
        "unsubscribe": f"https://posta.unimore.it/{'x' * 300}",
    }
    values = {"subject": "Ciao", "text": "Ciao\n"} | values
    sender = "quarantena@unimore.it"
    usual = LETTERS.write(name, values, folder=folder, sender=sender, **more)
    return wire(usual), LETTERS.pad(name, folder, sender).write(values, **more)


def head(mail: bytes) -> bytes:
    return mail.partition(b"\r\n\r\n")[0]


def bodies(mail: bytes) -> list[tuple[str, str]]:
    parsed: EmailMessage = message_from_bytes(mail, EmailMessage, policy=policy.default)
    found = [part for part in parsed.walk() if not part.is_multipart()]
    assert [part.defects for part in parsed.walk()] == [[]] * (len(found) + (len(found) > 1))
    return [(part.get_content_type(), part.get_content().replace("\r\n", "\n")) for part in found]


def fit(mail: bytes) -> None:
    """For any relay: RFC 5321 4.5.3.1.6, RFC 5322 2.1.1, RFC 2045 6.7."""
    assert mail.isascii()
    assert not set(mail.replace(b"\r\n", b"")) & set(b"\r\n")
    body = mail.partition(b"\r\n\r\n")[2]
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert not re.search(rb"[ \t]\r\n", body)


@pytest.mark.parametrize("name", ["one", "two"])
@pytest.mark.parametrize("text", TEXTS)
def test_whatever_the_text_it_is_the_same_letter(folder: Path, name: str, text: str) -> None:
    usual, ours = both(name, folder, text=TEXTS[text])
    assert head(ours) == head(usual)
    assert bodies(ours) == bodies(usual)
    fit(ours)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_whatever_the_subject_its_fields_are_the_same_bytes(folder: Path, subject: str) -> None:
    usual, ours = both("one", folder, subject=subject)
    assert head(ours) == head(usual)


@pytest.mark.parametrize("to", ADDRESSES)
def test_whatever_the_address_its_fields_are_the_same_bytes(folder: Path, to: str) -> None:
    usual, ours = both("two", folder, to=to)
    assert head(ours) == head(usual)


def test_half_a_character_is_refused_as_email_refuses_it(folder: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        both("one", folder, text="a\ud800b\n")
    with pytest.raises(UnicodeEncodeError):
        LETTERS.pad("one", folder).write(
            {"subject": "x", "text": "a\ud800b"}, to=Address("a@unimore.it"), language="it", message_id="x", now=NOW
        )
