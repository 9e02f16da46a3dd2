"""Rosters whose members come in several ways: by our source, by hand, or about to come; and sources that are torn."""

from pathlib import Path

import pytest

from jobs.roster_sync.explain import explain
from tests.jobs.campus import Campus, codes, staff, stanza, subject


@pytest.fixture
def campus(tmp_path: Path) -> Campus:
    """Ten professors in their roster, and sixty others."""
    campus = Campus(tmp_path)
    campus.people(staff(10, employeeType="PO"), staff(60, first=1000, employeeType="PTA"))
    assert campus.run(campus.job(stanza())).exit_code == 0
    return campus


TWO = (
    "dn: uid=two,dc=unimore,dc=it\nobjectClass: person\nuid: two\ncn: two\nsn: x\nunimoreMail: two@unimore.it\n"
    "unimoreMail: zwei@studenti.unimore.it\nunimoreStatus: active\nemployeeType: PO\n\n"
)
"""One person with two addresses."""


def ids(*names: str) -> set[str]:
    return {f"id-{name}@unimore.it" for name in names}


def test_what_is_torn_is_put_right_though_nobody_comes_or_goes(campus: Campus) -> None:
    campus.target.torn.add("docenti")
    assert campus.plan(campus.job(stanza())).state == "in-sync"
    assert campus.target.torn == {"docenti"}  # a plan writes nothing
    result = campus.run(campus.job(stanza()))
    assert (result.state, codes(result)) == ("in-sync", [])
    assert not campus.target.torn


def test_members_whom_their_source_has_lost_are_told_unless_they_are_to_go_anyway(campus: Campus) -> None:
    campus.target.torn.add("docenti")
    campus.target.lost["docenti"] = ids("p1", "p2", "p3")
    (finding,) = campus.run(campus.job(stanza())).findings
    assert (finding.level, finding.code, finding.text[:9]) == ("warning", "source-changed", "3 of its ")
    campus.people(staff(10, employeeType="PO")[4:], staff(60, first=1000, employeeType="PTA"))
    result = campus.plan(campus.job(stanza()))
    assert len(subject(result).planned["remove"]) == 4
    assert codes(result) == []


@pytest.mark.parametrize(
    "order", [{"watch": True}, {"only": ("altri",)}], ids=["a job in watch", "a run of other rosters only"]
)
def test_what_is_torn_is_left_alone_by(campus: Campus, order: dict[str, object]) -> None:
    campus.target.torn.add("docenti")
    campus.run(campus.job(stanza(), stanza("altri", "(uid=p1*)")), **order)
    assert campus.target.torn == {"docenti"}


def test_what_cannot_be_put_right_fails_its_roster(campus: Campus) -> None:
    campus.target.torn.add("docenti")
    campus.target.writable = False
    result = campus.run(campus.job(stanza()))
    assert (result.state, result.exit_code, codes(result)) == ("failed", 1, ["not-mended"])


def test_who_is_about_to_come_and_is_not_wanted_is_taken_out_like_a_member(campus: Campus) -> None:
    campus.account("stranger@example.org")
    campus.target.pending["docenti"] = {"id-stranger@example.org"}
    result = campus.run(campus.job(stanza()))
    assert subject(result).applied == {"add": 0, "remove": 1}
    assert not campus.target.pending["docenti"]


def test_many_who_are_about_to_come_and_are_not_wanted_wait_for_a_person(campus: Campus) -> None:
    campus.target.pending["docenti"] = ids(*(f"p{n}" for n in range(1000, 1020)))
    result = campus.run(campus.job(stanza()))
    assert (result.exit_code, subject(result).held) == (3, {"add": 0, "remove": 20})
    assert len(campus.target.pending["docenti"]) == 20


def test_who_came_by_hand_is_told_by_count_and_never_removed(campus: Campus) -> None:
    campus.account("guest@example.org")
    campus.account("gone@unimore.it")
    campus.target.manual["docenti"] = ids("p1", "p1000", "gone") | {"id-guest@example.org"}
    result = campus.run(campus.job(stanza()))
    assert subject(result).planned == {"add": (), "remove": ()}
    assert [(f.level, f.code, f.text[:1]) for f in result.findings] == [
        ("warning", "manual-left", "1"),
        ("info", "manual", "2"),
    ]


def test_of_several_addresses_the_one_that_came_by_hand_is_kept(campus: Campus) -> None:
    campus.people(campus.records, TWO)
    campus.target.manual["docenti"] = {"id-zwei@studenti.unimore.it"}
    result = campus.run(campus.job(stanza()))
    assert subject(result).planned["add"] == ("zwei@studenti.unimore.it",)


def test_who_opted_out_by_one_of_his_addresses_is_not_put_in_by_another(campus: Campus) -> None:
    campus.people(campus.records, TWO)
    campus.target.refused["docenti"] = {"id-zwei@studenti.unimore.it": "opted out"}
    result = campus.run(campus.job(stanza()))
    assert subject(result).planned == {"add": (), "remove": ()}
    assert codes(result) == ["refused"]


def test_who_opted_out_by_an_old_address_stays_in_by_the_other(campus: Campus) -> None:
    campus.people(campus.records, TWO)
    assert subject(campus.run(campus.job(stanza()))).applied["add"] == 1
    campus.target.refused["docenti"] = {"id-zwei@studenti.unimore.it": "opted out"}
    result = campus.run(campus.job(stanza()))
    assert (result.state, codes(result)) == ("in-sync", [])


def test_who_came_by_hand_is_explained_as_being_in(campus: Campus) -> None:
    campus.target.manual["docenti"] = ids("p1000")
    job = campus.job(stanza())
    with campus.desk() as desk:
        task = campus.task(job, desk)
        with task.job.read() as seen:
            (told,) = explain(task.job, seen, (), (), "p1000@unimore.it", campus.now)
    assert (told.state, told.member, told.why) == ("in", True, "left alone, as put in by hand")
