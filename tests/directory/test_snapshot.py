"""Answers without a server: what is the whole truth, what only a server can say, and what is checked."""

from collections.abc import Iterable, Sequence
from random import Random

import pytest

from collima.core.errors import SourceError
from collima.core.model import Reading
from collima.core.targets import NameRule
from collima.directory import columns, dn, schema
from collima.directory.answers import answered
from collima.directory.filters import Filter, parse
from collima.directory.names import fold
from collima.directory.ports import Question
from collima.directory.snapshot import Gatherer, Snapshot
from collima.directory.standard import STANDARD

PEOPLE = {
    "cn=a,dc=it": ("objectClass=inetOrgPerson", "cn=Nicolò Rossi", "l=Modena", "uidNumber=9"),
    "cn=b,dc=it": ("objectClass=unimorePerson", "cn=ROSSI  nicolo\u0300", "description;lang-it=x", "uidNumber=10"),
    "cn=c,dc=it": ("objectClass=person", "sn=Bianchi", "sn=Neri", "uidNumber=ten"),
}


def decode(raw: bytes) -> tuple[str, Sequence[bytes]]:
    name, _, value = raw.partition(b"=")
    return name.decode(), [value]


def snapshot(known: schema.Schema = STANDARD, *, whole: bool = True) -> Snapshot:
    gatherer = Gatherer(decode, ("cn", "sn"))
    for name, raws in PEOPLE.items():
        gatherer.add(name.encode(), map(str.encode, raws))
    return gatherer.snapshot(known, whole=whole)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("(cn=rossi NICOLÒ)", 0b010),
        ("(name=*rossi*)", 0b011),
        ("(objectClass=person)", 0b101),
        ("(objectClass=UNIMOREperson)", 0b010),
        ("(description=X)", 0b010),
        ("(description;lang-it=*)", 0b010),
        ("(!(nobodyHasThis=*))", 0b111),
        ("(uidNumber>=10)", 0b010),
        ("(!(uidNumber>=10))", 0b001),  # "ten" is no number: Undefined
        ("(!(uidNumber=x))", 0b000),
        ("(|)", 0b000),
        ("(&)", 0b111),
        ("(cn~=x)", None),
        ("(&(cn~=x)(l=Reggio))", 0b000),
        ("(|(cn~=x)(objectClass=top))", 0b111),
    ],
)
def test_a_file_is_the_whole_truth_but_for_what_needs_a_server(asked: str, found: int | None) -> None:
    assert snapshot().answer(parse(asked)) == found


def test_of_a_server_that_is_not_slapd_everything_is_asked() -> None:
    other = schema.read(["( 2.5.4.3 NAME 'cn' SYNTAX '1.3.6.1.4.1.1466.115.121.1.15' )"], [])
    assert snapshot(other, whole=False).answer(parse("(cn=x)")) is None


def test_what_was_never_seen_may_be_hidden() -> None:
    assert snapshot(whole=False).answer(parse("(title=x)")) is None
    assert snapshot(whole=False).answer(parse("(&(title=x)(cn=nobody))")) == 0


def test_values_come_by_person_and_names_are_found_in_any_spelling() -> None:
    seen = snapshot()
    assert seen.values("SN") == [(), (), ("Bianchi", "Neri")]
    assert seen.locate([b"CN=C, DC=it", b"cn=a,dc=it"]) == 0b101
    with pytest.raises(KeyError):
        seen.locate([b"cn=d,dc=it"])
    with pytest.raises(KeyError):
        seen.values("mail")


def test_settling_loses_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_FRESH", 3)
    gatherer = Gatherer(decode, ("uid",))
    for number in range(50):
        gatherer.add(f"cn={number}".encode(), [f"uid={number // 2}".encode(), b"l=Modena", f"o={number}".encode()])
    seen = gatherer.snapshot(STANDARD, whole=True)
    assert seen.answer(parse("(uid=7)")) == 0b11 << 14
    assert seen.answer(parse("(l=modena)")) == seen.everyone
    assert seen.values("uid") == [(str(number // 2),) for number in range(50)]


QUESTION = Question(parse("(cn=*)"), (parse("(l=Modena)"), parse("(cn~=x)")), ("cn",))
READING = Reading("people", "s", 3)


def server(*told: bytes, from_reading: int = 0, otherwise: Sequence[bytes] = ()) -> tuple[list[int], object, object]:
    readings: list[int] = []

    def read() -> tuple[Snapshot, Reading]:
        readings.append(1)
        return snapshot(), READING

    def ask(filters: Sequence[Filter]) -> Iterable[Iterable[bytes]]:
        return [told if len(readings) > from_reading else otherwise for _ in filters]

    return readings, read, ask


def test_the_server_answers_what_the_snapshot_cannot() -> None:
    readings, read, ask = server(b"cn=a,dc=it")
    people = answered(QUESTION, read, ask, verify=1, rng=Random(1))  # type: ignore[arg-type]
    assert people.answers == (0b001, 0b001)
    assert [people.why(one) for one in QUESTION.filters] == ["snapshot", "server"]
    assert len(readings) == 1


def test_a_difference_is_read_once_more_and_forgiven_when_it_is_gone() -> None:
    readings, read, ask = server(b"cn=a,dc=it", from_reading=1, otherwise=[b"cn=b,dc=it"])
    assert answered(QUESTION, read, ask, verify=1, rng=Random(1)).answers == (0b001, 0b001)  # type: ignore[arg-type]
    assert len(readings) == 2


@pytest.mark.parametrize("told", [b"cn=b,dc=it", b"cn=stranger,dc=it"])
def test_a_difference_in_both_readings_fails_without_naming_anybody(told: bytes) -> None:
    _, read, ask = server(told)
    with pytest.raises(SourceError, match="differ, twice") as caught:
        answered(QUESTION, read, ask, verify=1, rng=Random(1))  # type: ignore[arg-type]
    assert "Modena" not in str(caught.value)
    assert "stranger" not in str(caught.value)


def test_a_file_refuses_what_only_a_server_can_say() -> None:
    _, read, _ = server()
    with pytest.raises(SourceError, match="cn~=…"):
        answered(QUESTION, read, None, verify=0, rng=Random(1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "name"),
    [("Università dell'Emilia", "universita-dell-emilia"), ("Straße Łódź", "strasse-lodz"), ("a/b\\c", "a-b-c")],
)
def test_names_are_folded_to_what_the_target_takes(written: str, name: str) -> None:
    assert fold(written, NameRule()) == name


@pytest.mark.parametrize("written", ["", "..", "日本", "x" * 51, "foo-request"])
def test_what_is_no_name_is_refused(written: str) -> None:
    with pytest.raises(ValueError):
        fold(written, NameRule())


def test_a_name_is_taken_apart_with_its_escapes() -> None:
    assert dn.parse(r"cn=De Rossi\, Anna\c3\a0+SN = x ,dc=it") == (
        (("cn", "De Rossi, Annaà".encode()), ("SN", b"x")),
        (("dc", b"it"),),
    )
    with pytest.raises(dn.DnSyntaxError):
        dn.parse("cn=a,,dc=it")
