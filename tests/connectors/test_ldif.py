"""The kind `ldif`: what RFC 2849 allows is read, and every damage is told with its line."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collima.core.errors import SourceError
from collima.directory.filters import parse
from collima.directory.ports import Question
from connectors.ldif import Ldif
from connectors.ldif.records import Reader, attribute
from tests.servers.slapd import ldif_record, person

EVERYBODY = parse("(objectClass=unimorePerson)")
TWO = "dn: uid=a,dc=x\nobjectClass: unimorePerson\nuid: a\n\ndn: uid=b,dc=x\nobjectClass: unimorePerson\nuid: b\n"


def read(path: Path, text: str | bytes) -> dict[str, dict[str, tuple[str, ...]]]:
    """All entries of a file with this text."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with Ldif(file=path).open() as directory:
        found = directory.entries(parse("(objectClass=*)"), ["uid", "description", "cn"])
    return {entry.dn: dict(entry.attributes) for entry in found}


FORMS = {
    "a version": f"version: 1\n{TWO}",
    "a version on its own": f"version: 1\n\n{TWO}",
    "comments": f"# top\n\n# one\n{TWO.replace('uid: b', '# in: between' + chr(10) + 'uid: b')}# end\n",
    "a folded comment": f"# long\n  comment: of two lines\n{TWO}",
    "CR LF": TWO.replace("\n", "\r\n"),
    "no line feed at the end": TWO.rstrip("\n"),
    "many empty lines": "\n\n" + TWO.replace("\n\n", "\n\n\n\n") + "\n\n\n",
    "folded lines": TWO.replace("unimorePerson", "unimor\n ePerson").replace("uid=b,", "uid=\n b,"),
    "base64": TWO.replace("uid: b", "uid:: Yg==").replace("dn: uid=b,dc=x", "dn:: dWlkPWIsZGM9eA=="),
    "no space after the colon": TWO.replace("uid: b", "uid:b"),
    "spaces after the colon": TWO.replace("uid: b", "uid:   b"),
    "capitals": TWO.replace("dn:", "DN:").replace("uid:", "UID:").replace("objectClass:", "OBJECTCLASS:"),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_rfc_2849_allows_is_read(form: str, tmp_path: Path) -> None:
    found = read(tmp_path / "x.ldif", FORMS[form])
    assert {dn: entry["uid"] for dn, entry in found.items()} == {"uid=a,dc=x": ("a",), "uid=b,dc=x": ("b",)}


def test_an_empty_file_has_no_entries(tmp_path: Path) -> None:
    assert read(tmp_path / "x.ldif", "") == {}


FAULTS = {
    "a line without a colon": (TWO.replace("uid: b", "uid"), 7, "no `attribute: value`"),
    "a known attribute cut before its colon": (TWO + "uid", 8, "no `attribute: value`"),
    "a name that is none": (TWO.replace("uid: b", "u d: b"), 7, "no `attribute: value`"),
    "bad base64": (TWO.replace("uid: b", "uid:: Y*=="), 7, "bad base64"),
    "base64 that is cut": (TWO.replace("uid: b\n", "uid:: Yg="), 7, "bad base64"),
    "bad base64 of an attribute that nobody asked for": (TWO + "photo:: A\n", 8, "bad base64"),
    "a bad DN in base64": (TWO.replace("dn: uid=b,dc=x", "dn:: %%"), 5, "bad base64"),
    "a value elsewhere": (TWO.replace("uid: b", "uid:< file:///etc/passwd"), 7, "not followed"),
    "a change record": (TWO.replace("uid: b", "changetype: delete"), 7, "change record"),
    "a DN alone": (TWO + "\ndn: uid=c,dc=x\n", 9, "without attributes"),
    "a DN twice": (TWO + "\n" + TWO, 9, "came before"),
    "a DN twice in other letters": (TWO + "\ndn: UID=A,DC=X\nuid: a\n", 9, "came before"),
    "two DNs in one entry": (TWO.replace("\n\n", "\n"), 4, "second `dn:`"),
    "no DN": (TWO + "\nuid: c\n", 9, "begins with `dn:`"),
    "another version": (f"version: 2\n{TWO}", 1, "version of LDIF"),
    "the end of an ldapsearch": (TWO + "\nsearch: 2\nresult: 4 Size limit exceeded\n", 9, "ldapsearch -LLL"),
    "a NUL": (TWO.replace("uid: b", "uid: \0"), 5, "NUL"),
    "a lone carriage return": (TWO.replace("uid: b", "uid: b\rc"), 5, "carriage return"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_its_line(fault: str, tmp_path: Path) -> None:
    text, line, told = FAULTS[fault]
    with pytest.raises(SourceError, match=f"x.ldif:{line}: .*{told}"):
        read(tmp_path / "x.ldif", text)


def test_lines_are_counted_through_folds_comments_and_empty_lines(tmp_path: Path) -> None:
    text = "\n# a\n  b\ndn: uid=a,\n dc=x\nuid: a\n\n\n\n# c\ndn: uid=b,dc=x\nuid:\n  b\nbroken\n"
    with pytest.raises(SourceError, match=r"x\.ldif:14:"):
        read(tmp_path / "x.ldif", text)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.ldif", tmp_path):
        with pytest.raises(SourceError), Ldif(file=path).open() as directory:
            directory.check()


def test_a_file_that_grows_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.ldif"
    path.write_text(TWO)
    with path.open("rb") as file:
        entries = Reader("x.ldif", file, lambda _: True).entries()
        next(entries)
        with path.open("a") as more:
            more.write("\n" + TWO.replace("dc=x", "dc=y"))
        with pytest.raises(SourceError, match="changed while it was read"):
            list(entries)


def test_a_file_that_is_replaced_while_it_is_read_is_read_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x.ldif"
    path.write_text(TWO)
    with path.open("rb") as file:
        entries = Reader("x.ldif", file, lambda _: True).entries()
        next(entries)
        (tmp_path / "new").write_text("")
        (tmp_path / "new").replace(path)
        assert len(list(entries)) == 1


def test_people_are_those_in_among_with_every_filter_answered(tmp_path: Path) -> None:
    path = tmp_path / "x.ldif"
    people = "".join(
        person(f"u{number}", l="Modena" if number % 2 else "Reggio", unimoreStatus="active" if number % 3 else "left")
        for number in range(30)
    )
    path.write_text(ldif_record("dc=x", {"objectClass": "domain", "dc": "x"}) + people)
    asked = Question(
        parse("(&(objectClass=unimorePerson)(unimoreStatus=active))"),
        tuple(map(parse, ("(l=modena)", "(!(l=Modena))", "(surname=U1)", "(nosuch=*)"))),
        ("unimoreMail",),
    )
    with Ldif(file=path).open() as directory:
        people_found = directory.people(asked)
        assert directory.check().endswith("31 entries")
    assert people_found.size == people_found.reading.entries == 20
    assert [answer.bit_count() for answer in people_found.answers] == [10, 10, 1, 0]
    assert len(set(people_found.values("unimoreMail"))) == 20


def test_what_only_a_server_can_answer_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.ldif"
    path.write_text(TWO)
    with Ldif(file=path).open() as directory:
        with pytest.raises(SourceError, match="only a server can answer"):
            directory.people(Question(EVERYBODY, (parse("(uid~=a)"),), ()))
        with pytest.raises(SourceError, match="only a server can answer"):
            directory.entries(parse("(uid~=a)"), ["uid"])


def test_blocks_may_end_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = FORMS["folded lines"].replace("\n", "\r\n")
    for size in range(1, 40):
        monkeypatch.setattr("connectors.ldif.records.BLOCK", size)
        assert len(read(tmp_path / "x.ldif", text)) == 2


VALUES = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=4)
NAMES = st.sampled_from(["cn", "description", "description;lang-it", "2.5.4.13", "x-own"])


@given(st.lists(st.dictionaries(NAMES, VALUES, min_size=1), max_size=5), st.booleans(), st.booleans())
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, entries: list[dict[str, list[bytes]]], crlf: bool, fold: bool
) -> None:
    records = [ldif_record(f"cn=e{number},dc=x", {**entry}) for number, entry in enumerate(entries)]
    text = "".join(records)
    if fold:
        text = "\n".join(line[:5] + "".join("\n " + char for char in line[5:]) for line in text.split("\n"))
    path = tmp_path_factory.mktemp("ldif") / "x.ldif"
    path.write_bytes((text.replace("\n", "\r\n") if crlf else text).encode())
    with path.open("rb") as file:
        found = [
            (dn.decode(), dict(map(attribute, raws.values())))
            for dn, raws in Reader("x.ldif", file, lambda _: True).entries()
        ]
    wanted = [
        (f"cn=e{number},dc=x", {name: tuple(values) for name, values in entry.items()})
        for number, entry in enumerate(entries)
    ]
    assert found == wanted


@given(st.text())
def test_any_text_is_read_or_refused_and_never_a_crash(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("ldif") / "x.ldif"
    path.write_bytes(f"dn: {base64.b64encode(text.encode()).decode()}\n{text}".encode("utf-8", "surrogatepass"))
    with Ldif(file=path).open() as directory:
        try:
            directory.check()
        except SourceError:
            return
