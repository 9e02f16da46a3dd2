"""roster-sync, from people in a directory to members of a target, in the contract's words."""

from datetime import date
from pathlib import Path

import pytest

from collima.core.errors import ConfigError
from collima.core.options import Address, Person
from collima.directory.filters import parse
from jobs.roster_sync.options import Every
from tests.jobs.campus import Campus, codes, person, place, staff, stanza, subject


@pytest.fixture
def campus(tmp_path: Path) -> Campus:
    return Campus(tmp_path)


def line(address: str, until: str | None = None, why: str = "") -> Person:
    return Person(Address(address), date.fromisoformat(until) if until else None, why)


def others(count: int = 60) -> list[str]:
    """People who are in no roster, so that a roster is a small part of everyone."""
    return staff(count, first=1000, employeeType="PTA")


# ---- the thinnest path


def test_a_plan_stores_and_applies_nothing(campus: Campus) -> None:
    campus.people(staff(5, employeeType="PO"), others())
    result = campus.plan(campus.job(stanza()))
    assert (result.state, result.exit_code, result.run, result.fingerprint) == ("planned", 0, "", "")
    assert subject(result).planned["add"] == tuple(f"p{n}@unimore.it" for n in range(5))
    assert campus.members("docenti") == []
    assert not (campus.folder / "collima.db").exists()


def test_a_run_applies_and_the_next_is_in_sync(campus: Campus) -> None:
    campus.people(staff(5, employeeType="PO"), others())
    job = campus.job(stanza())
    result = campus.run(job)
    assert (result.state, result.exit_code) == ("changed", 0)
    assert subject(result).applied == {"add": 5, "remove": 0}
    assert campus.members("docenti") == [f"p{n}@unimore.it" for n in range(5)]
    again = campus.run(job)
    assert (again.state, again.exit_code) == ("in-sync", 0)
    assert (subject(again).size, subject(again).wanted) == (5, 5)


def test_only_people_in_among_are_members(campus: Campus) -> None:
    campus.people(staff(3, employeeType="PO"), person("old", employeeType="PO", status="alumn"), others())
    campus.run(campus.job(stanza()))
    assert campus.members("docenti") == ["p0@unimore.it", "p1@unimore.it", "p2@unimore.it"]


def test_one_stanza_fills_a_roster_for_every_combination(campus: Campus) -> None:
    campus.people(
        place("Fisica", departmentNumber="F1"),
        place("Scienze della Vità", departmentNumber="V1"),
        person("a", employeeType="PO", departmentNumber="F1"),
        person("b", employeeType="PA", departmentNumber="F1"),
        person("c", employeeType="PTA", departmentNumber="V1"),
        others(),
    )
    job = campus.job(
        stanza(
            "{place.ou}-{role.key}",
            "(&(departmentNumber={place.departmentNumber})(employeeType={role.value}))",
            for_each={
                "place": parse("(&(objectClass=organizationalUnit)(departmentNumber=*))"),
                "role": {"docenti": ("PO", "PA"), "tecnici": ("PTA",)},
            },
        )
    )
    result = campus.run(job)
    assert [s.name for s in result.subjects] == [
        "fisica-docenti",
        "fisica-tecnici",
        "scienze-della-vita-docenti",
        "scienze-della-vita-tecnici",
    ]
    assert campus.members("fisica-docenti") == ["a@unimore.it", "b@unimore.it"]
    assert campus.members("scienze-della-vita-tecnici") == ["c@unimore.it"]


# ---- addresses


def test_of_several_addresses_the_one_that_is_a_member_stays(campus: Campus) -> None:
    campus.people(person("a", employeeType="PO", mail=["z@unimore.it", "a@unimore.it"]), others())
    campus.target.rosters["docenti"] = {"id-z@unimore.it"}
    assert campus.run(campus.job(stanza())).state == "in-sync"


def test_else_our_own_domains_decide_and_then_the_alphabet(campus: Campus) -> None:
    mail = ["a@example.org", "b@studenti.unimore.it", "d@unimore.it", "c@unimore.it"]
    campus.people(person("a", employeeType="PO", mail=mail), others())
    campus.run(campus.job(stanza()))
    assert campus.members("docenti") == ["c@unimore.it"]


def test_every_takes_all_addresses(campus: Campus) -> None:
    campus.people(person("a", employeeType="PO", mail=["b@unimore.it", "A@Unimore.it"]), others())
    campus.run(campus.job(stanza(), address=Every(every="unimoreMail")))
    assert campus.members("docenti") == ["A@Unimore.it", "b@unimore.it"]


def test_who_has_no_address_a_bad_one_or_no_account_is_counted(campus: Campus) -> None:
    campus.people(
        person("a", employeeType="PO"),
        person("b", employeeType="PO", mail=()),
        person("c", employeeType="PO", mail="no address"),
        others(),
    )
    campus.records.append(person("d", employeeType="PO", mail="x,y@unimore.it"))
    campus.records.append(person("e", employeeType="PO", mail="nobody@unimore.it"))
    (campus.folder / "people.ldif").write_text("".join(campus.records))
    result = campus.run(campus.job(stanza()))
    assert campus.members("docenti") == ["a@unimore.it"]
    texts = {f.code: f.text for f in result.findings}
    assert texts["no-address"] == "1 of 5 people have no unimoreMail"
    assert texts["bad-address"].startswith("2 of 5 people")
    assert texts["no-account"] == "1 of 5 people have no account at the target"
    assert result.state == "changed"


def test_a_member_listed_by_an_alias_is_neither_added_nor_removed(campus: Campus) -> None:
    campus.everybody = False
    campus.account("anna.rossi@unimore.it", "a@unimore.it", id="u1")
    campus.people(person("a", employeeType="PO"), others())
    campus.target.rosters["docenti"] = {"u1"}
    assert campus.run(campus.job(stanza())).state == "in-sync"


def test_a_primary_address_that_was_renamed_makes_no_loop(campus: Campus) -> None:
    campus.people(person("a", employeeType="PO"), others())
    job = campus.job(stanza())
    campus.run(job)
    campus.target.accounts["id-a@unimore.it"].insert(0, "anna.bianchi@unimore.it")
    assert campus.run(job).state == "in-sync"


def test_refused_members_are_not_added_and_told_with_the_reason(campus: Campus) -> None:
    campus.people(staff(3, employeeType="PO"), others())
    campus.target.refused["docenti"] = {"id-p1@unimore.it": "opted out"}
    result = campus.run(campus.job(stanza()))
    assert campus.members("docenti") == ["p0@unimore.it", "p2@unimore.it"]
    told = [(f.level, f.text) for f in result.findings if f.code == "refused"]
    assert told == [("info", "1 people are not added: opted out")]
    assert campus.run(campus.job(stanza())).state == "in-sync"
    campus.target.refused["docenti"]["id-p1@unimore.it"] = "no such account"
    told = [(f.level, f.text) for f in campus.run(campus.job(stanza())).findings if f.code == "refused"]
    assert told == [("warning", "1 people are not added: no such account")]


# ---- also and except


def test_also_counts_through_its_last_day(campus: Campus) -> None:
    campus.people(staff(10, employeeType="PO"), others())
    campus.account("esterno@example.org")
    job = campus.job(stanza(also=(line("esterno@example.org", until="2026-11-24"),)))
    campus.run(job)
    assert "esterno@example.org" in campus.members("docenti")
    campus.pass_days(0.7)  # 23:18 in Rome is still the 24th
    campus.pass_days(-0.01)
    assert campus.run(job).state == "in-sync"
    campus.pass_days(0.05)
    result = campus.run(job)
    assert "esterno@example.org" not in campus.members("docenti")
    assert codes(result, "docenti") == ["also-expired"]


def test_except_means_the_person_by_any_address_and_wins_over_also(campus: Campus) -> None:
    campus.people(
        person("a", employeeType="PO", mail=["a@unimore.it", "rettore@unimore.it"]),
        staff(4, employeeType="PO"),
        others(),
    )
    lines = {"also": (line("rettore@unimore.it"),), "except_": (line("rettore@unimore.it"),)}
    campus.run(campus.job(stanza(**lines)))
    assert campus.members("docenti") == [f"p{n}@unimore.it" for n in range(4)]


def test_an_expired_exception_has_no_effect_and_is_told(campus: Campus) -> None:
    campus.people(staff(2, employeeType="PO"), others())
    result = campus.run(campus.job(stanza(except_=(line("p0@unimore.it", until="2026-11-23"),))))
    assert campus.members("docenti") == ["p0@unimore.it", "p1@unimore.it"]
    assert codes(result) == ["except-expired"]


def test_one_of_us_in_also_who_is_no_longer_active_is_told(campus: Campus) -> None:
    campus.people(staff(2, employeeType="PO"), person("gone", status="alumn"), others())
    campus.account("esterno@example.org")
    also = (line("gone@unimore.it"), line("esterno@example.org"), line("p1@unimore.it"))
    result = campus.run(campus.job(stanza(also=also)))
    assert [f.text for f in result.findings if f.code == "also-inactive"] == [
        "1 of our own addresses in `also` belong to nobody in `among` any more"
    ]
    assert "gone@unimore.it" in campus.members("docenti")


def test_also_does_not_count_as_found(campus: Campus) -> None:
    campus.people(staff(6, employeeType="PO"), others())
    campus.account("esterno@example.org")
    job = campus.job(stanza(also=(line("esterno@example.org"),)))
    campus.settled(job)
    campus.people(others())
    result = campus.run(job)
    assert subject(result).held == {"add": 0, "remove": 6}
    assert "the filters find nobody" in subject(result).reason


# ---- names


def test_two_rosters_of_one_name_fail_and_are_not_touched(campus: Campus) -> None:
    campus.people(place("Fisica", l="Modena"), place("fìsica", l="Reggio"), staff(3, employeeType="PO"), others())
    searched = {"p": parse("(objectClass=organizationalUnit)")}
    job = campus.job(stanza("{p.ou}", "(l={p.l})", for_each=searched), stanza())
    result = campus.run(job)
    assert (result.state, result.exit_code) == ("partial", 4)
    assert codes(result, "fisica") == ["name-clash"]
    assert subject(result).state == "changed"


def test_a_roster_that_gets_no_name_is_told_with_the_dn_and_freezes_nothing(campus: Campus) -> None:
    searched = {"p": parse("(objectClass=organizationalUnit)")}
    job = campus.job(stanza("{p.l}", "(departmentNumber={p.departmentNumber})", for_each=searched), stanza())
    campus.people(place("a", l="Modena", departmentNumber="1"), staff(3, employeeType="PO"), others())
    campus.settled(job)
    campus.people(place("a", departmentNumber="1"), staff(3, employeeType="PO"), others())
    result = campus.run(job)
    assert result.state == "partial"
    assert codes(result, "{p.l} ou=a,dc=unimore,dc=it") == ["no-name"]
    assert codes(result, "modena") == []


def test_a_placeholder_without_value_fails_its_roster_alone(campus: Campus) -> None:
    searched = {"p": parse("(objectClass=organizationalUnit)")}
    job = campus.job(stanza("{p.ou}", "(departmentNumber={p.departmentNumber})", for_each=searched))
    campus.people(place("a", departmentNumber="1"), place("b"), person("x", departmentNumber="1"), others())
    result = campus.run(job)
    assert result.state == "partial"
    assert codes(result, "b") == ["no-value"]
    assert campus.members("a") == ["x@unimore.it"]


def test_an_ou_of_dots_and_slashes_never_leaves_the_folder(campus: Campus) -> None:
    searched = {"p": parse("(objectClass=organizationalUnit)")}
    campus.people(place("../x", departmentNumber="1"), person("x", departmentNumber="1"), others())
    result = campus.run(campus.job(stanza("{p.ou}", "(departmentNumber={p.departmentNumber})", for_each=searched)))
    assert [s.name for s in result.subjects] == ["x"]


# ---- what is no longer named


def test_a_roster_that_is_no_longer_named_is_frozen_and_told_each_day(campus: Campus) -> None:
    campus.people(staff(3, employeeType="PO"), others())
    both = campus.job(stanza(), stanza("tecnici", "(employeeType=PTA)"))
    campus.settled(both)
    one = campus.job(stanza("tecnici", "(employeeType=PTA)"))
    campus.people(others())
    result = campus.run(one)
    assert codes(result, "docenti") == ["frozen"]
    assert result.state == "in-sync"
    assert len(campus.members("docenti")) == 3
    campus.pass_days(30)
    late = campus.run(one)
    assert [f.level for f in late.findings if f.code == "frozen"] == ["critical"]
    assert (late.state, late.exit_code) == ("partial", 4)


def test_many_rosters_of_a_search_that_vanish_at_once_make_the_source_suspicious(campus: Campus) -> None:
    searched = {"p": parse("(objectClass=organizationalUnit)")}
    job = campus.job(stanza("{p.ou}", "(departmentNumber={p.ou})", for_each=searched))
    places = [place(f"d{n}") for n in range(8)]
    campus.people(*places, [person(f"x{n}", departmentNumber=f"d{n % 8}") for n in range(40)], others())
    campus.settled(job)
    campus.people(*places[:7], [person(f"x{n}", departmentNumber=f"d{n % 8}") for n in range(1, 40)], others())
    result = campus.run(job)
    assert result.sources[0].verdict == "suspicious"
    assert "1 of 8 rosters" in result.sources[0].reason
    assert subject(result, "d0").held["remove"] == 1


def test_a_renamed_roster_keeps_its_owner_and_history(campus: Campus) -> None:
    campus.people(staff(3, employeeType="PO"), others())
    campus.settled(campus.job(stanza()))
    campus.target.rosters["professori"] = set(campus.target.rosters["docenti"])
    result = campus.run(campus.job(stanza("professori"), renamed={"docenti": "professori"}))
    assert (result.state, codes(result)) == ("in-sync", [])
    with campus.desk() as desk:
        assert {name: o.job for name, o in desk.journal.owned("lists").items()} == {"professori": "sympa-lists"}
        assert desk.journal.archive.since("sympa-lists", "lists", "professori", "p0@unimore.it")


def test_a_roster_belongs_to_the_job_that_ran_it_first_even_without_a_change(campus: Campus) -> None:
    campus.people(staff(3, employeeType="PO"), others())
    campus.target.rosters["docenti"] = {f"id-p{n}@unimore.it" for n in range(3)}
    assert campus.run(campus.job(stanza()), name="first").state == "in-sync"
    result = campus.run(campus.job(stanza(), stanza("altri", "(employeeType=RU)")), name="second")
    assert (result.state, codes(result, "docenti")) == ("partial", ["owned-by-another"])
    assert "first" in next(f.text for f in result.findings)


# ---- watch


def test_watch_is_judged_and_reported_and_does_nothing(campus: Campus) -> None:
    campus.people(staff(40, employeeType="PO"), others(20))
    job = campus.job(stanza(mode="watch"))
    result = campus.run(job)
    assert (result.state, result.exit_code, result.fingerprint) == ("in-sync", 0, "")
    shown = subject(result)
    assert (shown.mode, len(shown.planned["add"]), shown.held["add"], shown.applied["add"]) == ("watch", 40, 40, 0)
    assert "first fill" in shown.reason
    with campus.desk() as desk:
        assert not desk.journal.owned("lists")
        assert desk.journal.look("sympa-lists", "lists").known(shown.fingerprint or "-") is None


def test_a_broken_roster_in_watch_does_not_fail_the_run(campus: Campus) -> None:
    campus.people(staff(3, employeeType="PO"), others())
    campus.target.faulty["docenti"] = "no rights"
    assert campus.run(campus.job(stanza(mode="watch"))).state == "in-sync"


# ---- one bad roster never stops the others


def test_a_roster_that_cannot_be_read_fails_alone(campus: Campus) -> None:
    campus.people(staff(3, employeeType="PO"), others())
    campus.target.faulty["tecnici"] = "no rights"
    result = campus.run(campus.job(stanza(), stanza("tecnici", "(employeeType=RU)")))
    assert (result.state, result.exit_code) == ("partial", 4)
    assert campus.members("docenti") == ["p0@unimore.it", "p1@unimore.it", "p2@unimore.it"]


def test_a_member_that_the_target_does_not_take_is_recorded_and_the_rest_goes_on(campus: Campus) -> None:
    campus.people(staff(3, employeeType="PO"), others())
    campus.target.refusing["id-p1@unimore.it"] = "invalid"
    result = campus.run(campus.job(stanza()))
    assert (result.state, result.exit_code) == ("partial", 4)
    assert [(f.what, f.error) for f in subject(result).failed] == [("p1@unimore.it", "invalid")]
    assert campus.members("docenti") == ["p0@unimore.it", "p2@unimore.it"]


def test_a_missing_roster_gets_no_changes_and_is_critical_once_it_was_ours(campus: Campus) -> None:
    campus.people(staff(3, employeeType="PO"), others())
    job = campus.job(stanza(), stanza("tecnici", "(employeeType=PTA)", mode="watch"))
    campus.target.missing.add("docenti")
    result = campus.run(job)
    assert (subject(result).planned["add"], codes(result)) == ((), ["roster-missing"])
    assert result.state == "in-sync"
    campus.target.missing.clear()
    campus.run(job)
    campus.target.missing.add("docenti")
    assert campus.run(job).state == "failed"


def test_a_refused_member_who_is_in_already_stays(campus: Campus) -> None:
    campus.people(staff(3, employeeType="PO"), others())
    campus.target.rosters["docenti"] = {"id-p1@unimore.it"}
    campus.target.refused["docenti"] = {"id-p1@unimore.it": "an owner"}
    campus.run(campus.job(stanza()))
    assert campus.members("docenti") == ["p0@unimore.it", "p1@unimore.it", "p2@unimore.it"]


def test_a_name_that_is_taken_does_not_stop_a_job_with_renamed(campus: Campus) -> None:
    campus.people(staff(3, employeeType="PO"), others())
    campus.run(campus.job(stanza("professori")), name="first")
    campus.run(campus.job(stanza()))
    job = campus.job(
        stanza("professori"), stanza("altri", "(employeeType=PTA)", mode="watch"), renamed={"docenti": "professori"}
    )
    result = campus.run(job)
    assert codes(result, "professori") == ["owned-by-another"]
    assert codes(result, "docenti") == ["frozen"]


# ---- only


def test_only_applies_what_is_named_and_speaks_of_it_alone(campus: Campus) -> None:
    campus.people(staff(3, employeeType="PO"), staff(40, 50, employeeType="RU"), others(20))
    job = campus.job(stanza(), stanza("ricercatori", "(employeeType=RU)"))
    result = campus.run(job, only=("docenti",))
    assert (result.state, result.exit_code) == ("changed", 0)
    assert campus.members("docenti")
    assert not campus.members("ricercatori")
    assert campus.run(job, only=("ricercatori",)).exit_code == 3


def test_only_leaves_the_holds_of_others_as_they_were(campus: Campus) -> None:
    campus.people(staff(40, employeeType="RU"), others(20))
    job = campus.job(stanza(), stanza("ricercatori", "(employeeType=RU)"))
    fingerprint = campus.run(job).fingerprint
    campus.people(staff(5, employeeType="PO"), others(20))
    campus.run(job, only=("docenti",))
    with campus.desk() as desk:
        assert desk.journal.look("sympa-lists", "lists").known(fingerprint)


def test_an_unknown_subject_is_refused_before_anything_is_done(campus: Campus) -> None:
    campus.people(staff(3, employeeType="PO"), others())
    with pytest.raises(ConfigError, match="this job has no docent"):
        campus.run(campus.job(stanza()), only=("docent",))
    assert not campus.members("docenti")
