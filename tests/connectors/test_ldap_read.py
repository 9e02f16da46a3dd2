"""Reading from a real slapd: everything, or an error that says what to do."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from collima.core.errors import SourceError
from collima.core.quantities import Duration
from collima.directory.filters import parse
from collima.directory.ports import People, Question
from connectors.ldap import Ldap
from tests.connectors.ldap_kinds import at_once, ldap, reader
from tests.servers.slapd import SUFFIX, Slapd, ldif_record, person, slapd
from tests.servers.wire import proxy

EVERYBODY = parse("(objectClass=unimorePerson)")


def ask(kind: Ldap, *filters: str, attributes: tuple[str, ...] = ("unimoreMail",)) -> People:
    with kind.open(sleep=at_once, rng=random.Random(7)) as directory:
        return directory.people(Question(EVERYBODY, tuple(map(parse, filters)), attributes))


def test_people_are_read_over_several_pages_with_their_answers_and_values(campus: Slapd) -> None:
    people = ask(reader(campus, page_size=100), "(l=Modena)", "(!(l=Modena))", "(uid=p0007)")
    assert people.size == people.reading.entries == 1234
    assert [answer.bit_count() for answer in people.answers] == [617, 617, 1]
    only = people.answers[2].bit_length() - 1
    assert people.values("unimoreMail")[only] == ("p0007@unimore.it",)
    assert people.dn(only) == f"uid=p0007,ou=people,{SUFFIX}"


def test_a_reading_knows_its_server_and_how_new_the_data_are(campus: Slapd) -> None:
    reading = ask(reader(campus)).reading
    assert reading.server == f"localhost:{campus.tls_port}"
    (csn,) = reading.csn
    assert csn in campus.search("-s", "base", "contextCSN")


def test_a_server_without_contextcsn_has_none_on_record(tmp_path: Path) -> None:
    with slapd(tmp_path / "slapd", person("a"), access=["access to attrs=contextCSN by * none"]) as server:
        assert ask(reader(server)).reading.csn == ()


def test_the_same_question_has_the_same_scope_and_another_has_another(campus: Slapd) -> None:
    here = ask(reader(campus)).reading.scope
    assert here == ask(reader(campus, base="DC=Unimore, dc=it", page_size=7), "(l=*)").reading.scope
    assert here != ask(reader(campus, base=f"ou=people,{SUFFIX}")).reading.scope


def test_entries_come_in_order_of_dn_with_lower_case_descriptions(campus: Slapd) -> None:
    with reader(campus, page_size=10).open() as directory:
        found = directory.entries(parse("(|(uid=p0003)(uid=p0001)(uid=p0002))"), ["uid", "unimoreMail"])
    assert [entry.attributes["uid"] for entry in found] == [("p0001",), ("p0002",), ("p0003",)]
    assert found[0].attributes["unimoremail"] == ("p0001@unimore.it",)


def test_nobody_found_is_an_answer(campus: Slapd) -> None:
    with reader(campus).open() as directory:
        assert directory.entries(parse("(uid=nobody)"), ["uid"]) == []


def test_a_size_limit_is_an_error_that_names_code_count_and_cure(campus: Slapd) -> None:
    with pytest.raises(SourceError, match=r"stopped after 500 entries with sizeLimitExceeded \(4\).*docs/rights.md"):
        ask(ldap(campus.url))


def test_a_size_limit_inside_one_page_is_an_error_too(campus: Slapd) -> None:
    with pytest.raises(SourceError, match="sizeLimitExceeded"):
        ask(ldap(campus.url, page_size=5000))


def test_a_base_that_does_not_exist_is_an_error(campus: Slapd) -> None:
    with pytest.raises(SourceError, match=r"noSuchObject \(32\): correct `base`"):
        ask(reader(campus, base=f"ou=nosuch,{SUFFIX}"))


def test_what_only_the_server_can_answer_is_asked_of_it(campus: Slapd) -> None:
    people = ask(reader(campus, page_size=100, verify=0), "(cn~=prova)", "(uid:caseExactMatch:=p0009)", "(l=Modena)")
    assert [answer.bit_count() for answer in people.answers] == [1234, 1, 617]
    assert [people.why(parse(text)) for text in ("(cn~=prova)", "(l=Modena)")] == ["server", "snapshot"]


def test_more_questions_than_fit_in_the_window_are_all_answered(campus: Slapd) -> None:
    filters = tuple(f"(uid:caseExactMatch:=p{number:04})" for number in range(0, 1234, 12))
    assert all(answer.bit_count() == 1 for answer in ask(reader(campus, verify=0), *filters).answers)


def test_a_hidden_attribute_is_asked_of_the_server_where_it_is_undefined(tmp_path: Path) -> None:
    with slapd(tmp_path / "slapd", person("a", unimoreNote="x") + person("b")) as server:
        people = ask(reader(server), "(unimoreNote=*)", "(!(unimoreNote=*))")
    assert list(people.answers) == [0, 0]
    assert people.why(parse("(unimoreNote=*)")) == "server"


def test_an_attribute_hidden_of_some_people_only_fails_the_run_when_it_is_verified(tmp_path: Path) -> None:
    people = person("a", l="Modena") + person("b", l="Modena")
    rule = f'access to dn.exact="uid=a,ou=people,{SUFFIX}" attrs=l by * none'
    with slapd(tmp_path / "slapd", people, access=[rule]) as server, pytest.raises(SourceError, match="differ, twice"):
        ask(reader(server, verify=5), "(!(l=Modena))")


def test_a_branch_that_is_hidden_means_fewer_entries_for_the_guard_to_judge(tmp_path: Path) -> None:
    rule = f'access to dn.subtree="ou=people,{SUFFIX}" by * none'
    with slapd(tmp_path / "slapd", person("a"), access=[rule]) as server:
        assert ask(reader(server)).size == 0


def test_supertypes_aliases_and_oids_of_filters_are_read(campus: Slapd) -> None:
    people = ask(reader(campus), "(surname=p0001)", "(2.5.4.4=p0001)", "(name=p0001)")
    assert [answer.bit_count() for answer in people.answers] == [1, 1, 1]


def test_odd_values_are_read_as_they_are(tmp_path: Path) -> None:
    odd = {
        "description": ["two\nlines", "a\0b", " space "],
        "unimoreMail": ['"rossi, mario"@unimore.it', "o'brien@unimore.it"],
        "jpegPhoto": b"\xff\xd8\xff" + bytes(10_000_000),
    }
    with slapd(tmp_path / "slapd", person("odd", **odd)) as server:  # type: ignore[arg-type]
        people = ask(
            reader(server, timeout=Duration(10, "second")),
            "(description=two\\0alines)",
            attributes=("description", "unimoreMail", "jpegPhoto"),
        )
    assert people.answers[0] == 1
    assert set(people.values("description")[0]) == set(odd["description"])  # type: ignore[arg-type]
    assert set(people.values("unimoreMail")[0]) == set(odd["unimoreMail"])  # type: ignore[arg-type]
    assert len(people.values("jpegPhoto")[0][0]) == 10_000_003


def test_an_alias_is_not_followed(tmp_path: Path) -> None:
    alias = ldif_record(
        f"uid=alias,ou=services,{SUFFIX}",
        {
            "objectClass": ["alias", "extensibleObject"],
            "uid": "alias",
            "aliasedObjectName": f"uid=a,ou=people,{SUFFIX}",
        },
    )
    with slapd(tmp_path / "slapd", person("a") + alias) as server:
        assert ask(reader(server)).size == 1
        assert ask(reader(server, base=f"ou=services,{SUFFIX}")).size == 0


def test_a_referral_below_the_base_is_an_error(tmp_path: Path) -> None:
    referral = ldif_record(
        f"ou=away,{SUFFIX}",
        {"objectClass": ["referral", "extensibleObject"], "ou": "away", "ref": "ldap://ldap.example.org/dc=it"},
    )
    people = person("a") + referral
    with slapd(tmp_path / "slapd", people) as server, pytest.raises(SourceError, match=r"referral \(10\)"):
        ask(reader(server))


def test_slapd_killed_between_two_pages_is_an_error_and_brought_back_an_answer(tmp_path: Path) -> None:
    people = "".join(person(f"u{number}") for number in range(300))
    with slapd(tmp_path / "slapd", people) as server, reader(server, page_size=10).open(sleep=at_once) as directory:
        scan = directory._searcher.entries  # type: ignore[union-attr]

        def killed(query: object) -> object:
            for number, found in enumerate(scan(query)):  # type: ignore[arg-type]
                if number == 55:
                    server.kill()
                yield found

        directory._searcher.entries = killed  # type: ignore[union-attr, assignment]
        with pytest.raises(SourceError):
            directory.people(Question(EVERYBODY, (), ()))
        server.start()
        assert directory.people(Question(EVERYBODY, (), ())).size == 300


def test_a_connection_that_was_dropped_while_idle_is_opened_again(tmp_path: Path) -> None:
    with slapd(tmp_path / "slapd", person("a")) as server, reader(server).open(sleep=at_once) as directory:
        server.kill()
        server.start()
        assert directory.people(Question(EVERYBODY, (), ())).size == 1


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> object:
    people = "".join(person(f"u{number:02}") for number in range(35))
    with slapd(tmp_path_factory.mktemp("few") / "slapd", people) as server:
        yield server


def _search(url: str, read: Callable[[Ldap], int]) -> int | None:
    try:
        return read(ldap(url, page_size=10, timeout=Duration(1, "second")))
    except SourceError:
        return None


def _count(kind: Ldap) -> int:
    with kind.open(sleep=at_once) as directory:
        return len(directory.entries(EVERYBODY, ["uid", "cn", "unimoreMail"]))


def test_wherever_a_connection_is_cut_the_answer_is_whole_or_an_error(few: Slapd) -> None:
    with proxy(few.port) as wire:
        assert _search(wire.url, _count) == 35
        octets = wire.passed
        answers = []
        for wire.after in range(0, octets, 29):
            answers.append(_search(wire.url, _count))
        wire.after = octets
        answers.append(_search(wire.url, _count))
    assert set(answers[:-1]) == {None}
    assert answers[-1] == 35


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_server_that_stalls_is_given_up_in_time(few: Slapd, share: float) -> None:
    """One that drips: test_ldap_lies, with a clock of its own."""
    with proxy(few.port) as wire:
        assert _search(wire.url, _count) == 35
        wire.after = int(wire.passed * share)
        wire.fault = "stall"
        with pytest.raises(SourceError, match="nothing came within 1 seconds"):
            _count(ldap(wire.url, page_size=10, timeout=Duration(1, "second")))
