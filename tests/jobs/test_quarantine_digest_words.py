"""What strangers write is in the mail as text: it drives nothing, hides nothing, and nothing of it can be clicked."""

import re
from email import message_from_bytes, policy
from html.parser import HTMLParser
from pathlib import Path

import pytest

from collima.core.errors import ConfigError
from collima.core.headers import decoded
from collima.core.text import line
from connectors.smtp import _WIRE
from jobs.quarantine_digest.shown import shown
from tests.jobs.held import URL, Held, part, person

NASTY = {
    "html": '<img src="http://evil.example/x.png"><script>alert(1)</script><a href="http://evil.example">qui</a>',
    "attribute": '" onmouseover="alert(1)" x="',
    "jinja": "{{ owner.__class__ }} {% raw %}",
    "header": "Offerta\r\nBcc: tutti@unimore.it\r\n\r\nCorpo",
    "controls": decoded(b"=?utf-8?q?=1B=5B2J=00=07=08Ciao=7F=C2=9B?="),
    "override": "fattura\u202efdp.exe",
    "isolates": "\u2066a\u2069\u200fb\u061c",
    "hidden": "V\u200bi\u00ada\u2060g\ufeffra",
    "emoji": "👨\u200d👩\u200d👧 🇮🇹 ❤\ufe0f 👍🏽",
    "accents": "Z" + "\u0300" * 400 + "algo",
    "long": "lungo " * 11_000,
    "one word": "x" * 64_000,
    "url": "Vinci http://evil.example.com/x?y=z e https://evil.example",
    "bare": "evil.example.com www.evil.example //evil.example \\\\evil.example\\c$ mailto:a@evil.example",
    "surrogates": "a\udcff\ud800b",
    "tag characters": "ok\U000e0001\U000e0041",
    "separators": "a\u2028b\u2029c\x85d",
    "nothing": "\u200b\u200b",
}


class Tags(HTMLParser):
    """The tags of a page, with what they load or lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.targets += [value or "" for name, value in attrs if name in ("href", "src", "background", "action")]


@pytest.mark.parametrize("name", NASTY)
def test_whatever_a_stranger_writes_is_text(tmp_path: Path, name: str) -> None:
    held = Held(tmp_path)
    held.people(person("anna", "a.rossi@unimore.it"))
    text = NASTY[name]
    held.hold("anna", subject=text, author=f"{text} <x@evil.example>", sender="y@evil.example")
    held.run()
    ((mail,),) = held.mails().values()
    back = message_from_bytes(mail.as_bytes(policy=_WIRE), policy=policy.default)
    assert back.defects == []
    assert set(back.keys()) == {
        *("MIME-Version", "Content-Type", "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
        *("X-Auto-Response-Suppress", "Content-Language", "List-Unsubscribe", "List-Unsubscribe-Post"),
    }
    plain, page = part(back), part(back, "html")  # type: ignore[arg-type]
    tags = Tags()
    tags.feed(page)
    assert tags.names <= {
        *("html", "head", "meta", "title", "style", "body", "div", "p", "strong", "br", "bdi", "span", "a")
    }
    assert tags.attributes <= {"lang", "charset", "name", "content", "style", "class", "href"}
    assert tags.targets
    assert all(target.startswith(f"{URL}/") for target in tags.targets)
    ours = len(re.findall(re.escape(URL), plain))
    assert plain.count("://") == ours == len(tags.targets)
    assert page.count("://") == len(tags.targets)
    for told in (plain, page):
        assert "evil.example" not in told
        assert all(line(row) == row.strip() for row in told.replace("\N{REPLACEMENT CHARACTER}", "").split("\n"))
    assert len(mail.as_bytes()) < 20_000


def test_a_subject_is_read_as_it_was_meant() -> None:
    assert shown("Orario 2.0: 10.30, pag. 3", 150) == "Orario 2.0: 10.30, pag. 3"
    assert shown("👨\u200d👩\u200d👧 ciao", 150) == "👨👩👧 ciao"
    assert shown("perche\u0301", 150) == "perche\u0301"
    assert shown("x" * 200, 150) == "x" * 149 + "…"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("http://a.example/b.html", "http: // a. example/b. html"),
        ("a.b@c.example", "a. b@ c. example"),
        ("www.xn--80ak6aa92e.com", "www. xn--80ak6aa92e. com"),
        ("1.2.com", "1.2. com"),
        ("пример.рф", "пример. рф"),
        ("例え。テスト ａ．ｂ", "例え。 テスト ａ． ｂ"),
        ("\\\\host\\share", "\\\\ host\\share"),
        ("file:///etc", "file: // / etc"),
        ("tel:+39059205 skype:anna sip:+39", "tel: +39059205 skype: anna sip: +39"),
        ("192.0.2.7?x=1 192.0.2.7#a [2001:db8::1]/x", "192.0.2.7 ?x=1 192.0.2.7 #a [2001:db8::1] /x"),
        ("tel:(059)1 sms:-1 mailto:%61 h323:anna", "tel: (059)1 sms: -1 mailto: %61 h323: anna"),
        ("192.0.2.7/login 192.0.2.70:8080/x", "192.0.2.7 /login 192.0.2.70 :8080/x"),
    ],
)
def test_nothing_is_left_of_what_looks_like_a_link(text: str, told: str) -> None:
    assert shown(text, 150) == told


def test_a_bounce_has_no_sender_to_allow_or_block(tmp_path: Path) -> None:
    held = Held(tmp_path)
    held.people(person("anna"))
    held.hold("anna", sender="", author="", subject="")
    held.run()
    ((mail,),) = held.mails().values()
    assert "1. <>\n   (senza oggetto)\n" in part(mail)
    assert part(mail).count("rilascia: ") == 1
    assert "blocca il mittente" not in part(mail)


@pytest.mark.parametrize(("language", "word"), [("en-GB, it;q=0.5", "Release"), ("it", "Rilascia"), ("", "Rilascia")])
def test_each_is_written_to_in_their_language(tmp_path: Path, language: str, word: str) -> None:
    held = Held(tmp_path)
    held.people(person("anna", language=language))
    held.hold("anna")
    held.run()
    ((mail,),) = held.mails().values()
    assert f"<strong>{word}</strong>" in part(mail, "html")
    assert mail["From"] == "quarantena@unimore.it"
    for name in ("Auto-Submitted", "X-Auto-Response-Suppress", "List-Unsubscribe-Post"):
        assert mail[name]
    assert re.fullmatch(rf"<{re.escape(URL)}/\S+>", mail["List-Unsubscribe"])
    wire = mail.as_bytes(policy=_WIRE)
    assert b"\nList-Unsubscribe: <https://" in wire  # in no encoded words


@pytest.mark.parametrize("count", [1, 2, 102])
@pytest.mark.parametrize("language", ["it", "en"])
def test_numbers_agree_with_their_words(tmp_path: Path, language: str, count: int) -> None:
    held = Held(tmp_path)
    held.people(person("anna", language=language))
    for _ in range(count):
        held.hold("anna")
    held.run()
    ((mail,),) = held.mails().values()
    both = part(mail) + part(mail, "html")
    assert "  sono" not in both
    assert not re.search(r"\b1 (messaggi|messages|altri)\b", both)
    assert ("un altro" in both or "altri" in both or "more, more likely" in both) == (count > 100)


def test_a_template_of_requests_that_is_broken_stops_the_run_too_where_there_are_any(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail/request.it.txt.j2").write_text("Subject: {{ owner \n")
    held = Held(tmp_path)
    held.people(person("anna"))
    held.hold("anna")
    with pytest.raises(ConfigError, match=r"request\.it\.txt\.j2"):
        held.run(held.job(templates=tmp_path / "mail"))
    assert held.waiting() == []
    assert held.run(held.job(templates=tmp_path / "mail", actions=None)).state == "changed"


def test_a_sites_own_text_and_html_are_used(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail/digest.it.txt.j2").write_text("Subject: {{ count }} da vedere\n\n{{ lines[0].subject }}\n")
    (tmp_path / "mail/digest.it.html.j2").write_text("<p>{{ lines[0].subject }}</p>")
    (tmp_path / "mail/digest.de.txt.j2").write_text("Subject: {{ count }}\n\nGuten Tag {{ owner }}\n")
    held = Held(tmp_path)
    held.people(person("anna"), person("bruno", language="de"))
    held.hold("anna", "bruno", subject="<b>Ciao</b>")
    job = held.job(templates=tmp_path / "mail")
    held.run(job)
    mails = held.mails(job)
    (anna,), (bruno,) = mails["anna@unimore.it"], mails["bruno@unimore.it"]
    assert (anna["Subject"], part(anna).strip()) == ("1 da vedere", "<b>Ciao</b>")
    assert part(anna, "html").strip() == "<p>&lt;b&gt;Ciao&lt;/b&gt;</p>"
    assert bruno.get_content_type() == "text/plain"
