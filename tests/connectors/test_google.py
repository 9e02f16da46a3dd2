"""Groups at Google as rosters: who is read, who is left alone, what is written, through the job that fills them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from collima.core.errors import ConfigError, SourceError
from collima.core.options import Address, Person
from collima.core.quantities import Amount
from collima.core.result import Result
from collima.core.targets import Edit, Id
from connectors.google import Google
from connectors.google.people import folded
from jobs.roster_sync import RosterSync
from jobs.roster_sync.explain import explain
from jobs.roster_sync.options import Stanza
from tests.connectors.google_place import HERE, Place, at, place
from tests.contracts.memory import MemoryRosters
from tests.jobs.campus import Campus, codes, guarded, person, stanza, subject
from tests.servers.google import DROP_AFTER, DROP_BEFORE, DROP_WITHIN, Bucket
from tests.servers.google import errors as say
from tests.servers.google.oauth import GROUPS_ADMIN, READING, SETTINGS, WRITING

TUTTI = f"tutti@{HERE}"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as one:
        yield one


@pytest.fixture
def campus(tmp_path: Path, here: Place) -> Campus:
    """People in LDIF, and groups at Google in place of those in memory."""
    (tmp_path / "campus").mkdir()
    return Campus(tmp_path / "campus", target=cast(MemoryRosters, here), everybody=False)


def student(name: str, kind: str = "ST", mail: str = "") -> str:
    return person(name, mail=mail or f"{name}@{HERE}", employeeType=kind)


def students(count: int) -> list[str]:
    return [student(f"s{n}") for n in range(count)]


def tutti(name: str = "tutti", members: str = "(employeeType=ST)", **options: Any) -> Stanza:
    return stanza(name, members, **options)


def filling(campus: Campus, *stanzas: Stanza) -> RosterSync:
    """Nothing of it is held: the guard has tests of its own."""
    limits = ("max_removals", "max_additions", "max_first_fill", "max_removals_total")
    free = guarded(small_change=1000, **dict.fromkeys(limits, Amount(1000, percent=False)))
    return campus.job(*(stanzas or (tutti(allow_empty=True),)), own_domains=(HERE,), guard=free)


def told(result: Result, code: str) -> str:
    return next(f.text for f in result.findings if f.code == code)


def settled(here: Place, *add: str, remove: tuple[str, ...] = (), group: str = "tutti") -> dict[str, str]:
    """Who is asked to come and go, and the errors; by address."""
    with here.open() as session:
        session.read([group])
        ids = {session.identify(a) or Id(a): a for a in (*add, *remove)}
        edit = Edit(
            group,
            frozenset(i for i, a in ids.items() if a in add),
            frozenset(i for i, a in ids.items() if a in remove),
        )
        return {ids[one.member]: one.error for one in session.apply([edit])}


# ---- reading


def test_a_group_is_filled_and_the_next_run_writes_nothing(here: Place, campus: Campus) -> None:
    here.accounts("nina", "ugo", "zeno")
    here.group("tutti", at("zeno"))
    campus.people(student("nina"), student("ugo"), student("zeno", kind="PO"))
    job = filling(campus)
    result = campus.run(job)
    assert (result.state, subject(result, "tutti").applied) == ("changed", {"add": 2, "remove": 1})
    assert here.google.domain.members_of(TUTTI) == set(at("nina", "ugo"))
    here.google.journal.clear()
    again = campus.run(job)
    assert again.state == "in-sync"
    assert here.google.journal.writes == []


def test_every_page_is_read_of_501_accounts_and_201_members(here: Place) -> None:
    names = [f"s{n}" for n in range(501)]
    here.accounts(*names)
    here.group("tutti", at(*names[:201]))
    with here.open() as session:
        assert len(session.read(["tutti"])["tutti"].members) == 201
        assert session.identify(f"s500@{HERE}") is not None


def test_every_page_is_read_of_201_groups(here: Place) -> None:
    names = [f"g{n:03}" for n in range(201)]
    here.accounts("nina")
    for name in names:
        here.group(name)
    with here.open() as session:
        assert not session.read(["g000", "g200"])["g200"].missing
    assert here.google.journal.count("directory.groups.get") == 0


def test_a_plan_holds_no_scope_that_can_change_a_member(here: Place, campus: Campus) -> None:
    here.accounts("nina")
    here.group("tutti")
    campus.people(student("nina"))
    campus.plan(filling(campus))
    held = [token.scopes for token in here.google.authority.tokens.values()]
    assert frozenset.union(*held) == {*READING, SETTINGS}
    assert {SETTINGS} in held  # it has no scope that reads only, so its token can do nothing else
    campus.run(filling(campus))
    writing = [token.scopes for token in here.google.authority.tokens.values() if token.scopes & set(WRITING)]
    assert writing == [{scope for scope in WRITING if scope.endswith("group.member")}]


def test_a_member_that_is_listed_by_an_alias_is_neither_added_nor_removed(here: Place, campus: Campus) -> None:
    here.google.domain.add_user(f"nina@{HERE}", aliases=at("0042"))
    here.group("tutti")
    here.google.domain.enrol(TUTTI, f"nina@{HERE}", listed=f"0042@{HERE}")
    campus.people(student("nina", mail=f"0042@{HERE}"))
    assert campus.run(filling(campus)).state == "in-sync"


def test_a_renamed_account_stays_the_member_that_it_was(here: Place, campus: Campus) -> None:
    here.accounts("nina")
    here.group("tutti", at("nina"))
    user = here.google.domain.user(f"nina@{HERE}")
    here.google.domain.keep_user(replace(user, address=f"nina.olmi@{HERE}", aliases=(user.address,)))
    campus.people(student("nina"))
    assert campus.run(filling(campus)).state == "in-sync"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Nina@Example.org", "nina@example.org", True),
        ("n.i.na@gmail.com", "nina@googlemail.com", True),
        ("n.ina@example.org", "nina@example.org", False),
        (f"n.ina@{HERE}", f"nina@{HERE}", False),
    ],
)
def test_case_never_counts_and_dots_do_but_at_gmail(one: str, other: str, same: bool) -> None:
    assert (folded(one) == folded(other)) is same


def test_a_guest_with_dots_at_gmail_is_added_once(here: Place, campus: Campus) -> None:
    here.accounts("nina")
    here.group("tutti")
    here.google.domain.settings[here.google.domain.group(TUTTI).id] = {"allowExternalMembers": "true"}
    campus.people(student("nina"))
    job = filling(campus, tutti(also=(Person(Address("anna.rossi@googlemail.com")),)))
    assert campus.run(job).state == "changed"
    here.google.domain.drop_member(
        here.google.domain.group(TUTTI), here.google.domain.stranger("annarossi@gmail.com").id
    )
    here.google.domain.enrol(TUTTI, "annarossi@gmail.com")
    assert campus.run(job).state == "in-sync"


# ---- who is left alone


def test_owners_managers_groups_strangers_and_everyone_are_left_alone_and_odd_ones_told(
    here: Place, campus: Campus
) -> None:
    here.accounts("nina", "boss", "aide")
    here.group("altri")
    here.group("tutti", [*at("nina", "altri"), "guest@example.org"])
    domain = here.google.domain
    domain.enrol(TUTTI, *at("boss"), role="OWNER")
    domain.enrol(TUTTI, *at("aide"), role="MANAGER")
    domain.enrol_everyone(TUTTI)
    here.google.faults.roles_ignored = True
    campus.people(student("nina"))
    before = domain.members_of(TUTTI)
    result = campus.run(filling(campus))
    assert result.state == "in-sync"
    assert told(result, "left-alone") == (
        "1 members that mean everybody with an account are left alone; 1 groups in it are left alone; "
        "1 members from outside are left alone"
    )
    assert domain.members_of(TUTTI) == before


def test_a_manager_whom_the_filter_finds_is_neither_added_nor_demoted(here: Place, campus: Campus) -> None:
    here.accounts("nina", "aide")
    here.group("tutti", at("nina"))
    here.google.domain.enrol(TUTTI, *at("aide"), role="MANAGER")
    campus.people(student("nina"), student("aide"))
    assert campus.run(filling(campus)).state == "in-sync"
    assert here.google.domain.members_of(TUTTI, "MANAGER") == set(at("aide"))


def test_except_takes_out_a_manager_and_never_the_last_owner(here: Place, campus: Campus) -> None:
    here.accounts("boss", "aide")
    here.group("tutti")
    here.google.domain.enrol(TUTTI, *at("boss"), role="OWNER")
    here.google.domain.enrol(TUTTI, *at("aide"), role="MANAGER")
    campus.people(students(1))
    both = tuple(Person(Address(a)) for a in at("boss", "aide"))
    result = campus.run(filling(campus, tutti(except_=both)))
    assert here.google.domain.members_of(TUTTI) == set(at("boss"))
    assert "last owner" in subject(result, "tutti").failed[0].error


def test_strangers_and_groups_that_a_roster_names_come_and_go_with_it(here: Place, campus: Campus) -> None:
    here.accounts("nina")
    here.group("altri")
    here.group("tutti", ["stays@example.org"])
    here.google.domain.settings[here.google.domain.group(TUTTI).id] = {"allowExternalMembers": "true"}
    campus.people(student("nina"))
    named = tuple(Person(Address(a)) for a in ("guest@example.org", f"altri@{HERE}"))
    result = campus.run(filling(campus, tutti(also=named)))
    everybody = {*at("nina", "altri"), "guest@example.org", "stays@example.org"}
    assert here.google.domain.members_of(TUTTI) == everybody
    assert campus.run(filling(campus, tutti(also=named))).state == "in-sync"
    campus.undo(filling(campus, tutti(also=named)), result.run)
    assert here.google.domain.members_of(TUTTI) == {"stays@example.org"}
    here.google.domain.enrol(TUTTI, "guest@example.org")
    campus.run(filling(campus, tutti(except_=named[:1])))
    assert "guest@example.org" not in here.google.domain.members_of(TUTTI)


def test_a_stranger_is_named_in_its_own_roster_only(here: Place, campus: Campus) -> None:
    """Else a person of the directory with that address would get into every group that a filter finds."""
    here.accounts("nina")
    here.group("tutti")
    here.group("altri")
    here.google.domain.settings[here.google.domain.group(TUTTI).id] = {"allowExternalMembers": "true"}
    campus.people(student("nina"), student("prof", mail="prof@example.org"))
    rosters = (tutti(also=(Person(Address("prof@example.org")),)), tutti("altri"))
    campus.run(filling(campus, *rosters))
    assert here.google.domain.members_of(f"altri@{HERE}") == set(at("nina"))


def test_an_address_of_ours_in_also_that_nobody_has_is_told_and_not_tried(here: Place, campus: Campus) -> None:
    here.accounts("nina")
    here.group("tutti", at("nina"))
    campus.people(student("nina"))
    result = campus.run(filling(campus, tutti(also=(Person(Address(f"left@{HERE}")),))))
    assert (result.state, codes(result)) == ("in-sync", ["also-unknown"])


def test_explain_knows_owners_guests_and_the_suspended(here: Place, campus: Campus) -> None:
    here.accounts("nina", "boss")
    here.google.domain.add_user(f"ugo@{HERE}", suspended=True)
    here.group("tutti", at("nina", "ugo"))
    here.google.domain.enrol(TUTTI, *at("boss"), role="OWNER")
    campus.people(student("nina"), student("ugo"))
    job = filling(campus, tutti(also=(Person(Address("guest@example.org"), why="RT 4711"),)))

    def explained(address: str) -> tuple[str, str]:
        with campus.desk() as desk:
            sync = campus.task(job, desk).job
            with sync.read() as seen:
                (one,) = explain(sync, seen, (), (), address, campus.now)  # type: ignore[arg-type]
        return one.state, one.why

    assert explained(f"nina@{HERE}") == ("in", "the filter finds this person")
    assert explained(f"boss@{HERE}") == ("in", "left alone, as owner")
    assert explained(f"ugo@{HERE}") == ("to be removed", "refused by the target: suspended")
    assert explained("guest@example.org") == ("to be added", "`also` names this address: RT 4711")
    assert explained("other@example.org") == ("out", "nobody in `among` has this address")


def test_a_target_that_cannot_tell_who_may_post_says_so(tmp_path: Path) -> None:
    plain = Campus(tmp_path)
    plain.people(students(1))
    assert "untold" in codes(plain.run(filling(plain, tutti(posting=("staff",)))))


def test_check_says_when_google_cannot_be_asked(here: Place) -> None:
    with here.open() as session:
        here.google.faults.next("token", DROP_BEFORE, times=None)
        with pytest.raises(SourceError, match="cannot be reached"):
            session.check()


def test_a_person_without_an_account_is_told_and_not_tried(here: Place, campus: Campus) -> None:
    here.accounts("nina")
    here.group("tutti", at("nina"))
    campus.people(student("nina"), student("nobody"))
    result = campus.run(filling(campus))
    assert (result.state, told(result, "no-account")) == ("in-sync", "1 of 2 people have no account at the target")
    assert here.google.journal.writes == []


def test_suspended_accounts_are_taken_out_with_their_number_and_stay_out(here: Place, campus: Campus) -> None:
    here.accounts("nina")
    for name in ("ugo", "zeno"):
        here.google.domain.add_user(f"{name}@{HERE}", suspended=True)
    here.google.domain.add_user(f"olga@{HERE}", archived=True)
    here.group("tutti", at("nina", "ugo", "olga"))
    campus.people(*(student(name) for name in ("nina", "ugo", "zeno", "olga")))
    job = filling(campus)
    result = campus.run(job)
    assert told(result, "barred") == "2 members are taken out: archived, suspended"
    assert told(result, "barred-out") == "1 people stay out: archived, suspended"
    assert here.google.domain.members_of(TUTTI) == set(at("nina"))
    assert campus.run(job).state == "in-sync"
    campus.undo(job, result.run)  # who is suspended is not put in again
    assert here.google.domain.members_of(TUTTI) == set(at("nina"))


def test_whoever_has_an_account_that_is_not_suspended_is_in_with_that_one(here: Place, campus: Campus) -> None:
    here.google.domain.add_user(f"old@{HERE}", suspended=True)
    here.accounts("new")
    here.group("tutti", at("old"))
    campus.people(person("nina", mail=at("old", "new"), employeeType="ST"))
    job = filling(campus)
    campus.run(job)
    assert here.google.domain.members_of(TUTTI) == set(at("new"))
    assert campus.run(job).state == "in-sync"


def test_many_suspended_at_once_wait_for_a_person_like_all_who_would_go(here: Place, campus: Campus) -> None:
    names = [f"s{n}" for n in range(20)]
    here.accounts(*names)
    here.group("tutti", at(*names))
    campus.people(students(20))
    for name in names[:8]:
        user = here.google.domain.user(f"{name}@{HERE}")
        here.google.domain.keep_user(replace(user, suspended=1.0))
    result = campus.run(campus.job(tutti()))
    assert (result.state, len(here.google.domain.members_of(TUTTI))) == ("held", 20)


# ---- groups that are not as they should be


def test_a_group_that_is_not_there_is_never_made_and_the_command_is_printed(here: Place, campus: Campus) -> None:
    here.accounts("nina")
    here.group("tutti")
    campus.people(student("nina"))
    result = campus.run(filling(campus, tutti(), tutti("nuova")))
    assert f"gam create group nuova@{HERE}" in told(result, "roster-missing")
    assert here.google.domain.members_of(TUTTI) == set(at("nina"))
    assert [group.address for group in here.google.domain.groups.now.values()] == [TUTTI]


def test_a_list_of_groups_that_is_empty_makes_no_group_missing(here: Place, campus: Campus) -> None:
    here.accounts("nina")
    here.group("tutti", at("nina"))
    here.google.faults.no_groups = True
    campus.people(student("nina"))
    result = campus.run(filling(campus))
    assert (result.state, codes(result)) == ("in-sync", [])


def test_another_name_of_a_group_is_no_roster(here: Place, campus: Campus) -> None:
    here.accounts("nina")
    here.google.domain.add_group(TUTTI, aliases=at("ognuno"))
    campus.people(student("nina"))
    result = campus.run(filling(campus, tutti(), tutti("ognuno")))
    assert told(result, "roster-unreadable") == f"this is another name of the group {TUTTI}: use that one"


def test_a_list_that_is_not_as_long_as_google_counts_fails_its_group_alone(here: Place, campus: Campus) -> None:
    here.accounts("nina", "ugo")
    here.group("tutti", at("nina", "ugo"))
    here.group("altri")
    here.google.faults.wrong_counts = {TUTTI: 7}
    campus.people(student("nina"))
    result = campus.run(filling(campus, tutti(), tutti("altri")))
    assert result.state == "partial"
    assert told(result, "roster-unreadable") == "it lists 2 members, and counts 9: one of them is not true"
    assert here.google.domain.members_of(TUTTI) == set(at("nina", "ugo"))
    assert here.google.domain.members_of(f"altri@{HERE}") == set(at("nina"))


def test_a_count_that_was_late_is_asked_for_again(here: Place, campus: Campus) -> None:
    here.accounts("nina")
    here.group("tutti", at("nina"))
    campus.people(student("nina"))

    def late(answer: dict[str, Any]) -> dict[str, Any]:
        return {"groups": [{**one, "directMembersCount": "0"} for one in answer["groups"]]}

    here.google.faults.next("groups.list", late)
    assert campus.run(filling(campus)).state == "in-sync"


def test_a_page_that_repeats_a_member_doubles_nobody(here: Place) -> None:
    names = [f"s{n}" for n in range(450)]
    here.accounts(*names)
    here.group("tutti", at(*names))
    here.google.faults.repeats_member = True
    with here.open() as session:
        roster = session.read(["tutti"])["tutti"]
    assert (len(roster.members), roster.fault) == (450, "")


def test_a_page_whose_token_has_run_out_begins_again(here: Place) -> None:
    names = [f"s{n}" for n in range(250)]
    here.accounts(*names)
    here.group("tutti", at(*names))
    here.google.faults.next("members.list", say.invalid("pageToken"), where="pageToken")
    with here.open() as session:
        assert len(session.read(["tutti"])["tutti"].members) == 250


def test_pages_without_an_end_fail_their_group(here: Place) -> None:
    names = [f"s{n}" for n in range(450)]
    here.accounts(*names)
    here.group("tutti", at(*names))
    first: list[str] = []

    def again(page: dict[str, Any]) -> dict[str, Any]:
        first.append(page["nextPageToken"])
        return {**page, "nextPageToken": first[0]}

    here.google.faults.next("members.list", again, times=2)
    with here.open() as session:
        assert session.read(["tutti"])["tutti"].fault == "its pages come again and again"


@pytest.mark.parametrize("error", [say.backend(), say.forbidden(), say.bad_gateway()])
def test_a_group_that_cannot_be_read_fails_alone(here: Place, campus: Campus, error: say.Refused) -> None:
    here.accounts("nina")
    here.group("tutti")
    here.group("altri")
    here.google.faults.next("members.list", error, times=None, where=here.google.domain.group(TUTTI).id)
    campus.people(student("nina"))
    result = campus.run(filling(campus, tutti(), tutti("altri")))
    assert (result.state, codes(result, "tutti")) == ("partial", ["roster-unreadable"])
    assert here.google.domain.members_of(f"altri@{HERE}") == set(at("nina"))


@pytest.mark.parametrize("method", ["users.list", "groups.list"])
def test_accounts_or_groups_that_cannot_be_read_end_the_run_before_any_change(
    here: Place, campus: Campus, method: str
) -> None:
    here.accounts("nina")
    here.group("tutti")
    here.google.faults.next(method, say.backend(), times=None)
    campus.people(student("nina"))
    result = campus.run(filling(campus))
    assert (result.state, result.transient) == ("failed", True)
    assert here.google.journal.writes == []


def test_no_account_at_all_is_not_believed(here: Place) -> None:
    here.google.faults.next("users.list", lambda _: {})
    with here.open() as session, pytest.raises(SourceError, match="no account at all"):
        session.identify(f"nina@{HERE}")


# ---- who may post, and see


def test_who_may_post_and_see_is_told_where_it_differs(here: Place, campus: Campus) -> None:
    here.accounts("nina")
    here.group("tutti", at("nina"))
    here.group("altri", at("nina"))
    domain = here.google.domain
    domain.settings[domain.group(f"altri@{HERE}").id] = {"whoCanPostMessage": "ALL_MANAGERS_CAN_POST"}
    campus.people(student("nina"))
    says: dict[str, Any] = {"posting": ("owners", "staff"), "seeing": ("members",)}
    result = campus.run(filling(campus, tutti(**says), tutti("altri", **says)))
    assert [(f.subject, f.code) for f in result.findings] == [("tutti", "posting")]
    assert told(result, "posting") == (
        f"`domain` may post, and the roster says `staff`: `gam update group {TUTTI} who_can_post_message "
        "all_managers_can_post`"
    )


def test_an_archived_group_lets_nobody_post(here: Place, campus: Campus) -> None:
    here.accounts("nina")
    here.group("tutti", at("nina"))
    here.google.domain.settings[here.google.domain.group(TUTTI).id] = {"archiveOnly": "true"}
    campus.people(student("nina"))
    result = campus.run(filling(campus, tutti(posting=("staff",), seeing=("anyone",))))
    assert told(result, "posting").startswith("`nobody` may post, and the roster says `staff`")
    assert told(result, "seeing").startswith("`members` may read what was posted, and the roster says `anyone`")


def test_settings_that_may_not_be_read_fail_no_group(here: Place, campus: Campus) -> None:
    here.accounts("nina")
    here.group("tutti")
    here.group("altri")
    here.google.authority.withdraw(here.google.account, SETTINGS)
    campus.people(student("nina"))
    result = campus.run(filling(campus, tutti(posting=("staff",)), tutti("altri")))
    assert (result.state, codes(result)) == ("changed", ["settings-unread"])
    assert "apps.groups.settings" in told(result, "settings-unread")


# ---- writing, when Google is not itself


def test_only_what_failed_is_sent_again_in_batches_of_fifty(here: Place, campus: Campus) -> None:
    names = [f"s{n}" for n in range(120)]
    here.accounts(*names)
    here.group("tutti")
    here.google.faults.next("members.insert", say.quota(), times=3)
    campus.people(students(120))
    assert campus.run(filling(campus)).state == "changed"
    assert here.google.journal.batches == [50, 50, 20, 3]
    assert len(here.google.domain.members_of(TUTTI)) == 120


@pytest.mark.parametrize("drop", [DROP_AFTER, DROP_WITHIN])
def test_a_batch_whose_answer_was_lost_was_done_and_that_is_no_error(here: Place, drop: Any) -> None:
    here.accounts("nina", "ugo", "zeno")
    here.group("tutti", at("zeno"))
    here.google.faults.next("batch", drop)
    errors = settled(here, *at("nina", "ugo"), remove=tuple(at("zeno")))
    assert set(errors.values()) == {""}
    assert here.google.domain.members_of(TUTTI) == set(at("nina", "ugo"))


def test_who_is_a_member_already_is_one_after_a_look(here: Place) -> None:
    here.accounts("nina")
    here.group("tutti")
    with here.open() as session:
        session.read(["tutti"])
        here.google.domain.enrol(TUTTI, *at("nina"))
        nina = session.identify(f"nina@{HERE}")
        assert nina is not None
        (one,) = session.apply([Edit("tutti", frozenset({nina}), frozenset())])
    assert one.error == ""
    assert here.google.journal.count("members.get") == 1


def test_who_is_invited_and_has_not_come_is_told_and_tried_again(here: Place) -> None:
    here.accounts("nina")
    here.group("tutti")
    here.google.domain.enrol(TUTTI, *at("nina"), pending=True)
    assert "invited" in settled(here, *at("nina"))[f"nina@{HERE}"]


def test_who_is_gone_already_is_out(here: Place) -> None:
    here.accounts("nina", "ugo")
    here.group("tutti", at("nina", "ugo"))
    with here.open() as session:
        members = session.read(["tutti"])["tutti"].members
        here.google.domain.delete_user(f"nina@{HERE}")
        here.google.domain.drop_member(here.google.domain.group(TUTTI), here.google.domain.user(f"ugo@{HERE}").id)
        assert {one.error for one in session.apply([Edit("tutti", frozenset(), members)])} == {""}


def test_an_address_that_no_account_has_any_more_is_out(here: Place) -> None:
    here.group("tutti")
    assert settled(here, remove=("left@example.org",)) == {"left@example.org": ""}


def test_an_account_that_went_meanwhile_is_an_error_of_its_own(here: Place) -> None:
    here.accounts("nina", "ugo")
    here.group("tutti")
    with here.open() as session:
        session.read(["tutti"])
        add = frozenset(i for i in map(session.identify, at("nina", "ugo")) if i)
        here.google.domain.delete_user(f"nina@{HERE}")
        errors = sorted(one.error for one in session.apply([Edit("tutti", add, frozenset())]))
    assert errors == ["", "Google has no such account any more"]
    assert here.google.domain.members_of(TUTTI) == set(at("ugo"))


def test_a_stranger_whom_the_group_does_not_allow_is_refused_and_the_others_come(here: Place, campus: Campus) -> None:
    here.accounts("nina")
    here.group("tutti")
    campus.people(student("nina"))
    result = campus.run(filling(campus, tutti(also=(Person(Address("guest@example.org")),))))
    assert (result.state, here.google.domain.members_of(TUTTI)) == ("partial", set(at("nina")))
    assert "allow people from outside" in subject(result, "tutti").failed[0].error


def test_412_that_passes_is_tried_again(here: Place) -> None:
    here.accounts("nina")
    here.group("tutti")
    here.google.faults.next("members.insert", say.precondition(), times=2)
    assert settled(here, *at("nina")) == {f"nina@{HERE}": ""}


def test_a_group_just_made_is_waited_for(here: Place) -> None:
    here.accounts("nina")
    here.group("tutti")
    here.google.faults.next("members.insert", say.not_found("groupKey"), times=3)
    assert settled(here, *at("nina")) == {f"nina@{HERE}": ""}


def test_retry_after_is_honoured(here: Place) -> None:
    here.accounts("nina")
    here.group("tutti")
    here.google.faults.next("members.insert", say.too_many(17))
    assert settled(here, *at("nina")) == {f"nina@{HERE}": ""}
    assert 17 in here.clock.slept


def test_a_google_that_stays_away_is_given_up_and_the_rest_is_not_tried_batch_by_batch(here: Place) -> None:
    names = [f"s{n}" for n in range(300)]
    here.accounts(*names)
    here.group("tutti")
    here.google.faults.next("batch", say.backend(), times=None)
    errors = settled(here, *at(*names))
    assert (len(errors), all("503" in error for error in errors.values())) == (300, True)
    assert here.google.domain.members_of(TUTTI) == set()


def test_a_long_outage_costs_minutes_and_not_minutes_for_each_group(here: Place) -> None:
    here.accounts("nina")
    names = [f"g{n}" for n in range(17)]
    for name in names:
        here.group(name)
    here.google.faults.next("members.list", say.backend(), times=None)
    with here.open() as session:
        assert all(roster.fault for roster in session.read(names).values())
    assert sum(here.clock.slept) < 500


def test_settings_that_cannot_be_had_are_asked_for_once(here: Place) -> None:
    for name in ("a", "b", "c"):
        here.group(name)
    here.google.faults.next("groupsSettings.groups.get", say.backend(), times=None)
    with here.open() as session:
        assert not any(roster.fault for roster in session.read(["a", "b", "c"]).values())
    assert here.google.journal.count("groupsSettings.groups.get") == 8


def test_a_group_that_is_not_there_is_not_waited_for(here: Place) -> None:
    with here.open() as session:
        assert session.read(["nuova"])["nuova"].missing
    assert here.clock.slept == []


def test_a_token_that_google_has_forgotten_is_asked_for_anew(here: Place) -> None:
    here.accounts("nina", "ugo")
    here.group("tutti")
    with here.open() as session:
        session.read(["tutti"])
        nina, ugo = (session.identify(a) for a in at("nina", "ugo"))
        assert nina
        assert ugo
        list(session.apply([Edit("tutti", frozenset({nina}), frozenset())]))
        here.google.authority.forget_tokens()
        assert [one.error for one in session.apply([Edit("tutti", frozenset({ugo}), frozenset())])] == [""]
        here.google.authority.forget_tokens()
        assert session.read(["tutti"])["tutti"].members == {nina, ugo}


def test_1500_changes_keep_to_the_quota_of_2400_a_minute(here: Place) -> None:
    names = [f"s{n}" for n in range(1500)]
    here.accounts(*names)
    here.group("tutti")
    with here.open() as session:
        session.read(["tutti"])
        add = frozenset(i for i in map(session.identify, at(*names)) if i)
        here.google.faults.quota = Bucket(per_minute=2400)
        here.google.journal.clear()
        begun = here.clock.now
        assert {one.error for one in session.apply([Edit("tutti", add, frozenset())])} == {""}
    assert here.clock.now - begun <= 1500 / 40 * 1.05
    assert here.google.journal.refused < 15


def test_reads_that_are_late_make_no_harm_and_soon_nothing_is_planned(here: Place, campus: Campus) -> None:
    here.accounts("nina", "ugo", "zeno")
    here.google.faults.lag = 0
    here.group("tutti", at("zeno"))
    here.clock.now += 100
    here.google.faults.lag = 20
    campus.people(student("nina"), student("ugo"))
    job = filling(campus)
    assert campus.run(job).state == "changed"
    late = campus.run(job)  # it still sees what was: the same again, which Google knows is done
    assert late.state in ("changed", "partial")
    here.clock.now += 100
    assert campus.run(job).state == "in-sync"
    assert here.google.domain.members_of(TUTTI) == set(at("nina", "ugo"))


# ---- who may


def failing(here: Place, **options: Any) -> str:
    """What a run is told that reads and writes."""
    with here.open(**options) as session, pytest.raises(SourceError) as failed:
        _ = session.read(["tutti"]), list(session.apply([Edit("tutti", frozenset(), frozenset({Id("1")}))]))
    message = str(failed.value)
    assert here.google.act_as not in message
    assert not failed.value.transient
    return message


def test_a_revoked_key_says_where_to_make_a_new_one(here: Place) -> None:
    here.google.authority.revoke(here.google.account)
    told = failing(here)
    assert "Service accounts > Keys" in told
    assert here.google.account.email in told


@pytest.mark.parametrize("scope", [*READING, WRITING[-1]])
def test_a_missing_scope_says_which_client_and_scopes_to_delegate_where(here: Place, scope: str) -> None:
    here.group("tutti")
    here.google.authority.withdraw(here.google.account, scope)
    told = failing(here)
    assert "Domain-wide delegation" in told
    assert here.google.account.client_id in told
    assert scope in told


def test_a_subject_that_is_nobody_says_act_as(here: Place) -> None:
    assert "`act-as`" in failing(here, act_as=f"nobody@{HERE}")


def test_a_subject_of_another_domain_is_not_delegated(here: Place) -> None:
    assert "Domain-wide delegation" in failing(here, act_as="somebody@example.org")


def test_a_suspended_subject_is_told(here: Place) -> None:
    user = here.google.domain.user(here.google.act_as)
    here.google.domain.keep_user(replace(user, suspended=1.0))
    assert "suspended" in failing(here)


def test_a_subject_without_a_role_says_where_roles_are_given(here: Place) -> None:
    here.google.authority.administrator(here.google.act_as, frozenset())
    assert "Admin roles" in failing(here)


def test_a_clock_that_is_wrong_is_told(here: Place) -> None:
    here.google.authority.wall = lambda: 4_000_000_000.0
    assert "clock" in failing(here)


def test_a_service_account_with_a_role_of_its_own_needs_no_subject(here: Place, tmp_path: Path) -> None:
    here.accounts("nina")
    here.group("tutti")
    (tmp_path / "own").mkdir()
    account = here.google.authority.service_account("own", privileges=GROUPS_ADMIN)
    key = here.google.key(account, "own/key.json")
    with here.open(key_file=key, act_as="") as session:
        session.read(["tutti"])
        nina = session.identify(f"nina@{HERE}")
        assert nina
        assert [one.error for one in session.apply([Edit("tutti", frozenset({nina}), frozenset())])] == [""]
    assert {call.who for call in here.google.journal.calls} == {account.email}


def test_check_says_what_it_may(here: Place) -> None:
    here.group("tutti")
    with here.open() as session:
        assert session.check() == (
            f"accounts, and 1 groups of {HERE}; may read who may post, change members, change accounts"
        )
    here.google.authority.withdraw(here.google.account, WRITING[0])
    with here.open() as session:
        assert session.check().endswith("; may not change accounts")


# ---- options


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("domain", "Studenti"),
        ("act_as", "nobody"),
        ("api_url", "https://example.org"),
        ("rate", "fast"),
        ("batch", 0),
        ("batch", 1001),
    ],
)
def test_an_option_that_cannot_be_meant_is_named(tmp_path: Path, option: str, value: object) -> None:
    given: dict[str, Any] = {"domain": HERE, "key_file": tmp_path / "key.json", option: value}
    with pytest.raises(ConfigError, match=option.replace("_", "-")):
        Google(**given)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"type": "authorized_user"}', '{"type": "service_account"}'])
def test_a_key_file_that_is_none_is_told(here: Place, tmp_path: Path, content: str) -> None:
    key = tmp_path / "other.json"
    key.touch(0o600)
    key.write_text(content)
    with pytest.raises(ConfigError, match=r"other\.json"), here.open(key_file=key) as session:
        session.check()


def test_a_key_file_that_everybody_can_read_is_refused(here: Place) -> None:
    here.google.key_file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod"), here.open():
        pass
