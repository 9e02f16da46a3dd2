"""account-expiry, from a date in the directory to an account that has ended, in the contract's words."""

import re
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from collima.core.model import Key
from collima.core.options import Address, Person
from collima.core.quantities import Duration, amount, duration
from collima.core.result import Result
from jobs.account_expiry import AccountExpiry
from jobs.account_expiry.explain import explain
from jobs.account_expiry.options import ExpiryGuard
from tests.jobs.alumni import DOMAIN, Alumni, accounts, applied, codes, ended, entry, planned, then


@pytest.fixture
def alumni(tmp_path: Path) -> Alumni:
    return Alumni(tmp_path)


def noticed(alumni: Alumni, days: int = 30) -> None:
    """Everybody who should have a notice has one, so many days old."""
    alumni.run()
    alumni.post()
    alumni.pass_days(days)


def closed(alumni: Alumni, *records: str) -> Result:
    """The run that suspends those of these who have ended."""
    alumni.people(*records)
    noticed(alumni)
    return alumni.run()


# ---- the thinnest path


def test_a_plan_stores_sends_and_changes_nothing(alumni: Alumni) -> None:
    alumni.people(entry(1, ended(5)))
    result = alumni.plan()
    assert (result.state, result.exit_code, planned(result)) == ("planned", 0, {"notify": ["1"]})
    assert not (alumni.folder / "collima.db").exists()
    assert alumni.states(1) == ["active"]


def test_an_account_is_told_of_its_end_then_suspended_then_deleted_after_approval(alumni: Alumni) -> None:
    last = date(2027, 2, 22)
    seen: list[tuple[int, str, str]] = []
    for days in (-91, -90, -89, -31, -30, -8, -7, -1, 0, 1, 2, 60, 61, 62):
        alumni.now = datetime.combine(last + timedelta(days=days), datetime.min.time(), UTC)
        alumni.people(entry(1, date(2024, 2, 22), personalMail="one@example.org"))
        result = alumni.run()
        for verb, names in planned(result).items():
            seen += [(days, verb, result.state) for _ in names]
        alumni.post()
        if result.fingerprint:
            alumni.run(approve=(result.fingerprint,))
    assert seen == [
        (-90, "notify", "changed"),
        (-30, "notify", "changed"),
        (-7, "notify", "changed"),
        (1, "suspend", "changed"),
        (61, "delete", "held"),
    ]
    assert alumni.target.turns == [(f"1@{DOMAIN}", "suspend"), (f"1@{DOMAIN}", "delete")]


def test_in_watch_nothing_is_sent_or_changed(alumni: Alumni) -> None:
    alumni.people(entry(1, ended(5)))
    result = alumni.run(alumni.job(mode="watch"))
    assert (result.state, accounts(result).mode, planned(result)) == ("in-sync", "watch", {"notify": ["1"]})
    assert alumni.post() == []
    assert planned(alumni.run()) == {"notify": ["1"]}


def test_a_site_that_says_nothing_only_watches_and_deletes_nothing() -> None:
    options = {field.name: field.default for field in fields(AccountExpiry)}
    assert options["mode"] == "watch"
    assert [verb for step in options["then"] for verb, _ in step.said] == ["suspend"]


# ---- the calendar


@pytest.mark.parametrize(
    ("graduated", "last"),
    [
        ("20240229120000Z", date(2027, 2, 28)),
        ("20240228233000Z", date(2027, 2, 28)),  # in Rome it is the 29th already
        ("20231124120000Z", date(2026, 11, 24)),
        ("20231123230000Z", date(2026, 11, 24)),  # midnight in Rome
        ("20231123225959Z", date(2026, 11, 23)),
        ("2023112323Z", date(2026, 11, 24)),
        ("202311240030+0100", date(2026, 11, 24)),
        ("20231124003000.5+01", date(2026, 11, 24)),
        ("20231123225960Z", date(2026, 11, 23)),  # a leap second
    ],
)
def test_an_account_lives_through_its_last_day_by_the_calendar_here(alumni: Alumni, graduated: str, last: date) -> None:
    alumni.now = datetime.combine(last, datetime.min.time(), UTC) - timedelta(days=40)
    alumni.people(entry(1, graduated))
    noticed(alumni, days=0)
    alumni.now = datetime.combine(last, datetime.min.time(), UTC) + timedelta(hours=22, minutes=59)
    alumni.people(entry(1, graduated))
    assert "suspend" not in planned(alumni.plan())
    alumni.now += timedelta(minutes=1)  # midnight in Rome
    assert planned(alumni.plan()) == {"suspend": ["1"]}


def test_of_several_dates_the_latest_counts_over_all_entries_of_a_person(alumni: Alumni) -> None:
    alumni.people(
        entry(1, (f"{ended(400):%Y%m%d}120000Z", f"{ended(-400):%Y%m%d}120000Z")),
        entry(2, ended(400), person="CF:X"),
        entry(3, ended(-400), person="cf:x "),
        entry(4, ended(400)),
    )
    assert planned(alumni.plan()) == {"notify": ["4"]}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "no-date"),
        ("20290101120000Z", "future-date"),
        ("19000101000000Z", "bad-date"),
        ("19700101000000Z", "bad-date"),
        ("00010101000000Z", "bad-date"),
        ("24/11/2023", "bad-date"),
        ("20231341120000Z", "bad-date"),
        ("20230229120000Z", "bad-date"),
        ("20231124", "bad-date"),
        ("20231124120000", "bad-date"),
        ("20231124120000+0170", "bad-date"),
        ("99991231235959Z", "future-date"),
        ((f"{ended(9):%Y%m%d}12Z", "?"), "bad-date"),
    ],
)
def test_without_a_date_that_can_be_true_nothing_ends(
    alumni: Alumni, value: str | tuple[str, ...] | None, code: str
) -> None:
    alumni.people(entry(1, value))
    result = alumni.plan()
    assert planned(result) == {}
    assert codes(result)[code].startswith("1 accounts are left alone")


def test_without_a_person_nothing_ends(alumni: Alumni) -> None:
    alumni.people(entry(1, ended(9), person=None), entry(2, ended(9), person="  "))
    result = alumni.plan()
    assert planned(result) == {}
    assert codes(result) == {"no-person": "2 accounts are left alone: their entries do not say whose they are"}


# ---- who came back


@pytest.mark.parametrize("how", [{"status": "active"}, {"status": "x", "unimoreRole": "dottorando"}])
def test_who_came_back_is_never_touched_by_whatever_entry_and_account(alumni: Alumni, how: dict[str, str]) -> None:
    alumni.people(entry(1, ended(9), person="CF:X"), entry(77, None, person="CF:X", **how), entry(2, ended(9)))
    result = alumni.plan()
    assert planned(result) == {"notify": ["2"]}
    assert codes(result)["came-back"] == "1 accounts are spared: their owners came back (`unless`)"


def test_entries_with_any_key_in_common_are_one_person(alumni: Alumni) -> None:
    alumni.people(
        entry(1, ended(9), person="CF:X"),
        entry(2, ended(9), person="CF:Z", schacPersonalUniqueID="CF:Y"),
        entry(3, None, person="CF:Y", status="active", schacPersonalUniqueID="CF:X"),
        entry(4, ended(9), person="CF:W"),
    )
    assert planned(alumni.plan()) == {"notify": ["4"]}


def test_all_accounts_of_a_person_end_together(alumni: Alumni) -> None:
    alumni.people(
        entry(1, ended(9), person="CF:X"), entry(2, ended(400), person="CF:X"), entry(3, ended(9), mail=f"3@{DOMAIN}")
    )
    assert planned(alumni.plan()) == {"notify": ["1", "2", "3"]}


def test_a_second_degree_without_a_date_does_not_end_with_the_first(alumni: Alumni) -> None:
    alumni.people(entry(1, ended(400), person="CF:X"), entry(2, None, person="CF:X"), entry(3, ended(9)))
    result = alumni.plan()
    assert planned(result) == {"notify": ["3"]}
    assert codes(result)["no-date"].startswith("2 accounts are left alone")


def test_an_account_that_no_entry_in_who_names_is_another_matter(alumni: Alumni) -> None:
    """A person who is alumnus and works here keeps the account of the work, whatever `unless` says."""
    staff = entry("p.rossi", None, person="CF:X", status="staff", mail="p.rossi@unimore.it")
    alumni.people(entry(1, ended(9), person="CF:X"), staff)
    noticed(alumni)
    assert applied(alumni.run()) == {"suspend": 1}
    assert alumni.target.state("p.rossi@unimore.it") == "active"
    assert alumni.run().state == "in-sync"


def test_who_comes_back_is_reactivated_if_a_run_had_suspended_them(alumni: Alumni) -> None:
    gone = [entry(1, ended(9)), entry(2, ended(9))]
    assert applied(closed(alumni, *gone)) == {"suspend": 2}
    alumni.people(entry(1, ended(9), person="CF:X"), *gone[1:])
    alumni.people(*gone, entry(77, None, person="urn:schac:personaluniqueid:IT:CF:1", status="active"))
    result = alumni.run()
    assert (planned(result), alumni.states(1, 2)) == ({"reactivate": ["1"]}, ["active", "suspended"])
    assert alumni.run().state == "in-sync"


def test_who_comes_back_in_the_same_entry_is_reactivated(alumni: Alumni) -> None:
    closed(alumni, entry(1, ended(9)))
    alumni.people(entry(1, ended(9), status="active"))
    assert planned(alumni.run()) == {"reactivate": ["1"]}
    assert alumni.run().state == "in-sync"


def test_who_graduates_once_more_has_another_three_years(alumni: Alumni) -> None:
    closed(alumni, entry(1, ended(9)))
    alumni.people(entry(1, alumni.now.date() - timedelta(days=3)))
    assert planned(alumni.run()) == {"reactivate": ["1"]}
    assert planned(alumni.run()) == {}


def test_what_somebody_else_suspended_is_neither_reactivated_nor_deleted(alumni: Alumni) -> None:
    alumni.target.add(f"1@{DOMAIN}", "suspended")
    alumni.target.add(f"2@{DOMAIN}", "suspended")
    alumni.people(entry(1, ended(400)), entry(2, ended(400), status="active"))
    result = alumni.run()
    assert planned(result) == {}
    assert "closed-elsewhere" in codes(result)


def test_what_a_run_had_closed_and_somebody_opened_is_left_alone_until_except_names_it(alumni: Alumni) -> None:
    closed(alumni, entry(1, ended(9)))
    alumni.target.add(f"1@{DOMAIN}")
    result = alumni.run()
    assert (planned(result), "reopened" in codes(result)) == ({}, True)
    today = alumni.now.date()
    line = Person(Address(f"1@{DOMAIN}"), until=today, why="RT 4812")
    assert planned(alumni.run(alumni.job(except_=(line,)))) == {"reactivate": ["1"]}
    assert planned(alumni.run(alumni.job(except_=(line,)))) == {}
    alumni.pass_days(1)
    result = alumni.run(alumni.job(except_=(line,)))
    assert planned(result) == {"suspend": ["1"]}
    assert "except-expired" in codes(result)


def test_except_means_the_person_by_any_address_and_reactivates(alumni: Alumni) -> None:
    alumni.target.add(f"1@{DOMAIN}", aliases=frozenset({f"anna.rossi@{DOMAIN}"}))
    records = [entry(1, ended(9), person="CF:X"), entry(2, ended(9), person="CF:X"), entry(3, ended(9))]
    closed(alumni, *records)
    lines = (Person(Address(f"anna.rossi@{DOMAIN}")), Person(Address("nobody@unimore.it")))
    result = alumni.run(alumni.job(except_=lines))
    assert planned(result) == {"reactivate": ["1", "2"]}
    assert codes(result)["except-unknown"] == "1 addresses in `except` have no account at the target"
    assert "excepted" in codes(alumni.run(alumni.job(except_=lines)))


def test_except_knows_addresses_that_have_no_account_at_the_target(alumni: Alumni) -> None:
    records = [entry(1, ended(9), person="CF:X", personalMail="Anna@example.org"), entry(2, ended(9))]
    alumni.people(*records)
    noticed(alumni)
    result = alumni.run(alumni.job(except_=(Person(Address("anna@example.org")),)))
    assert planned(result) == {"suspend": ["2"]}
    assert "except-unknown" not in codes(result)


# ---- notices


def test_each_stage_is_told_once_and_only_the_latest_that_is_true(alumni: Alumni) -> None:
    alumni.people(entry(1, ended(-29)), entry(2, ended(-90)), entry(3, ended(-91)), entry(4, ended(-6)))
    result = alumni.run()
    assert planned(result) == {"notify": ["1", "2", "4"]}
    assert len(alumni.post()) == 3
    assert alumni.run().state == "in-sync"
    assert alumni.post() == []
    alumni.pass_days(70)  # nobody ran for weeks: of 2 the 30 days were missed, and of 3 the first
    assert planned(alumni.run()) == {"notify": ["2", "3"], "suspend": ["1", "4"]}
    assert len(alumni.post()) == 2
    assert planned(alumni.run()) == {}


def test_a_notice_says_the_day_on_which_it_will_be_closed_indeed(alumni: Alumni) -> None:
    alumni.people(entry(1, ended(-29), preferredLanguage="en-GB"), entry(2, ended(400), preferredLanguage="fr"))
    alumni.run()
    told = {str(mail["To"]): mail for mail in alumni.post()}
    english, italian = told[f"1@{DOMAIN}"], told[f"2@{DOMAIN}"]
    assert english["Subject"] == f"1@{DOMAIN} will be closed on 24 December 2026"
    assert "Google Takeout: https://takeout.google.com" in english.get_content()
    assert "not before 22 February 2027" in english.get_content()
    assert italian["Subject"] == f"2@{DOMAIN} sarà chiuso il 24 dicembre 2026"
    texts = [mail.get_content().replace("\r\n", "\n") for mail in (italian, english)]
    assert "Mancano 30 giorni.\nPosta e documenti saranno poi cancellati, non prima del 22" in texts[0]
    assert not any("\n\n\n" in text for text in texts)
    assert italian["Auto-Submitted"] == "auto-generated"
    alumni.pass_days(29)
    assert planned(alumni.plan()) == {"notify": ["1"]}
    alumni.pass_days(1)
    assert planned(alumni.plan()) == {"suspend": ["1", "2"]}


def test_every_recipient_has_a_mail_of_their_own_and_sees_no_other_address_of_it(alumni: Alumni) -> None:
    alumni.people(entry(1, ended(9), personalMail="one@example.org"), entry(2, ended(9), personalMail="no address"))
    alumni.run()
    mails = alumni.post()
    assert sorted(str(mail["To"]) for mail in mails) == [f"1@{DOMAIN}", f"2@{DOMAIN}", "one@example.org"]
    copy = next(mail for mail in mails if mail["To"] == "one@example.org")
    assert copy.get_content().count("Riceve questa copia") == 1
    assert len({mail["Message-ID"] for mail in mails}) == 3


def test_nobody_is_suspended_without_a_notice_that_is_old_enough(alumni: Alumni) -> None:
    alumni.people(entry(1, ended(400)))
    noticed(alumni, days=29)
    result = alumni.run()
    assert planned(result) == {}
    assert "too-early" in codes(result)
    alumni.pass_days(1)
    assert planned(alumni.run()) == {"suspend": ["1"]}


def test_a_notice_that_was_refused_or_still_waits_does_not_count(alumni: Alumni) -> None:
    alumni.people(
        entry(1, ended(9)), entry(2, ended(9)), entry(3, ended(9), personalMail="three@example.org"), entry(4, ended(9))
    )
    alumni.run()
    alumni.post(refused=[f"1@{DOMAIN}", f"3@{DOMAIN}"])
    alumni.people(
        entry(1, ended(9)),
        entry(2, ended(9)),
        entry(3, ended(9), personalMail="three@example.org"),
        entry(4, ended(9)),
        entry(5, ended(9)),
    )
    alumni.run()  # the relay is down: the notice to 5 waits
    alumni.pass_days(60)
    result = alumni.run()
    assert planned(result) == {"suspend": ["2", "3", "4"]}
    assert (
        codes(result)["notice-lost"]
        == "1 accounts have ended, and no notice is known to have reached them: suspend them by hand"
    )
    assert "too-early" in codes(result)


@pytest.mark.parametrize("back", ["except", "entry"])
def test_who_was_spared_for_long_is_told_anew_before_the_account_ends(alumni: Alumni, back: str) -> None:
    records = [entry(1, ended(9), person="CF:X")]
    closed(alumni, *records)
    alumni.pass_days(1)
    spared = alumni.job(except_=(Person(Address(f"1@{DOMAIN}")),)) if back == "except" else alumni.job()
    alumni.people(*records, *([entry(77, None, person="CF:X", status="active")] if back == "entry" else []))
    assert planned(alumni.run(spared)) == {"reactivate": ["1"]}
    alumni.pass_days(120)
    alumni.people(*records)
    assert planned(alumni.run()) == {"notify": ["1"]}
    assert planned(alumni.run()) == {}
    (mail,) = alumni.post()
    assert str((alumni.now + timedelta(days=30)).day) in mail["Subject"]
    assert planned(alumni.run()) == {}
    alumni.pass_days(29)
    assert planned(alumni.run()) == {}
    alumni.pass_days(1)
    assert planned(alumni.run()) == {"suspend": ["1"]}
    assert alumni.run().state == "in-sync"


def test_a_new_date_has_notices_of_its_own(alumni: Alumni) -> None:
    alumni.people(entry(1, ended(-5)))
    noticed(alumni)
    alumni.people(entry(1, ended(-25)))  # five days ago
    result = alumni.run()
    assert planned(result) == {"notify": ["1"]}


def test_a_template_of_the_site_is_used_and_a_broken_one_stops_the_run(alumni: Alumni) -> None:
    folder = alumni.folder / "templates"
    folder.mkdir()
    (folder / "expiry.it.txt.j2").write_text("Subject: Ciao\n\nFino al {{ last|day('it') }}.\n")
    alumni.people(entry(1, ended(9)), entry(2, ended(9), preferredLanguage="en"))
    job = alumni.job(templates=folder)
    alumni.run(job)
    assert sorted(str(mail["Subject"])[:4] for mail in alumni.post()) == ["2@st", "Ciao"]
    (folder / "expiry.it.txt.j2").write_text("Subject: {{ nobody }}\n\nx")
    alumni.people(entry(3, ended(9)), entry(4, ended(9), preferredLanguage="en"))
    result = alumni.run(job)
    assert (applied(result), [f.error.split(": ")[-1] for f in accounts(result).failed]) == (
        {"notify": 1},
        ["'nobody' is undefined"],
    )


# ---- pace and guard


def test_a_backlog_of_years_is_paced_and_who_ends_in_time_comes_first(alumni: Alumni) -> None:
    alumni.people([entry(n, ended(400 - n)) for n in range(10, 30)], entry(1, ended(-20)))
    job = alumni.job(per_run=5)
    result = alumni.run(job)
    assert planned(result) == {"notify": ["10", "11", "12", "13", "1"]}
    assert codes(result)["paced"] == "16 notices and 0 suspensions wait for later runs (per-run 5)"
    for _ in range(4):
        alumni.post()
        alumni.run(job)
    alumni.post()
    alumni.pass_days(30)
    result = alumni.plan(job)
    assert planned(result)["suspend"] == ["10", "11", "12", "13", "14"]


def test_more_suspensions_than_allowed_are_held_while_notices_go_on(alumni: Alumni) -> None:
    six = [entry(n, ended(9)) for n in range(10, 16)]
    alumni.people(six)
    noticed(alumni)
    alumni.people(six, entry(1, ended(9)))
    job = alumni.job(guard=ExpiryGuard(max_suspensions=amount(5), small_change=6, max_removals_total=amount("100%")))
    result = alumni.run(job)
    assert (result.state, applied(result)) == ("held", {"notify": 1})
    assert accounts(result).reason == "6 of 67 would be suspended (8 %, limit 5)"
    assert alumni.states(*range(10, 16)) == ["active"] * 6


def test_without_a_word_of_its_own_suspensions_are_removals(alumni: Alumni) -> None:
    alumni.people([entry(n, ended(9)) for n in range(10, 20)], crowd=30)
    noticed(alumni)
    guard = ExpiryGuard(max_removals=amount("20%"), small_change=0, max_removals_total=amount("100%"))
    assert "10 of 40 would be suspended (25 %, limit 20 %)" in accounts(alumni.run(alumni.job(guard=guard))).reason


def test_a_percentage_is_of_who(alumni: Alumni) -> None:
    alumni.people([entry(n, ended(9)) for n in range(10, 20)], entry(1, None, status="other"), crowd=90)
    result = alumni.plan()
    assert accounts(result).size == 100
    noticed(alumni)
    guard = ExpiryGuard(
        max_suspensions=amount("9%"), small_change=0, source_drop=None, max_removals_total=amount("100%")
    )
    for _ in range(3):
        result = alumni.run(alumni.job(guard=guard))
    assert accounts(result).reason == "10 of 100 would be suspended (10 %, limit 9 %)"
    assert applied(alumni.run(alumni.job(guard=guard), approve=(result.fingerprint,))) == {"suspend": 10}


def test_deletions_always_wait_for_a_person(alumni: Alumni) -> None:
    closed(alumni, entry(1, ended(9)))
    alumni.pass_days(60)
    for _ in range(2):
        result = alumni.run()
        assert (result.state, result.exit_code, planned(result)) == ("held", 3, {"delete": ["1"]})
        assert accounts(result).reason == "1 of 61 would be deleted (1 %, limit 0)"
    assert alumni.states(1) == ["suspended"]
    assert applied(alumni.run(approve=(result.fingerprint,))) == {"delete": 1}
    assert alumni.states(1) == ["none"]
    assert alumni.run().state == "in-sync"


def test_archive_comes_between(alumni: Alumni) -> None:
    job = alumni.job(then=then(("suspend", "2 days"), ("archive", "5 days"), ("delete", "1 month")))
    alumni.people(entry(1, ended(-30)))
    alumni.run(job)
    alumni.post()
    alumni.pass_days(32)
    assert planned(alumni.run(job)) == {"notify": ["1"]}
    alumni.pass_days(1)
    assert planned(alumni.run(job)) == {"suspend": ["1"]}
    alumni.pass_days(5)
    assert planned(alumni.run(job)) == {"archive": ["1"]}
    assert planned(alumni.run(job)) == {}
    alumni.pass_days(26)
    assert planned(alumni.run(job)) == {"delete": ["1"]}


# ---- taking back


def test_undo_reactivates_and_the_next_run_holds_it(alumni: Alumni) -> None:
    done = closed(alumni, entry(1, ended(9)))
    undone = alumni.undo(done.run)
    assert (planned(undone), alumni.states(1)) == ({"reactivate": ["1"]}, ["active"])
    held = alumni.run()
    assert (held.state, accounts(held).reason) == ("held", f"undone by {undone.run}")
    alumni.pass_days(200)
    alumni.people(entry(1, ended(9)))
    held = alumni.run()
    assert (held.state, accounts(held).reason) == ("held", f"undone by {undone.run}")
    alumni.run(approve=(held.fingerprint,))
    assert alumni.states(1) == ["suspended"]


def test_undo_brings_back_what_was_deleted_by_the_id_that_was_kept(alumni: Alumni) -> None:
    closed(alumni, entry(1, ended(9)))
    (known,) = [i for i, account in alumni.target.present.items() if account.state == "suspended"]
    alumni.pass_days(60)
    deleted = alumni.run(approve=(alumni.run().fingerprint,))
    alumni.target.add(f"1@{DOMAIN}", id="another-one")  # the address has another owner since
    undone = alumni.undo(deleted.run)
    assert (undone.state, planned(undone)) == ("changed", {"reactivate": ["1"]})
    assert alumni.target.present[known].state == "suspended"
    assert known not in alumni.target.deleted


def test_undo_of_a_return_suspends_again_as_ours(alumni: Alumni) -> None:
    closed(alumni, entry(1, ended(9)))
    alumni.people(entry(1, ended(9), status="active"))
    back = alumni.run()
    assert alumni.states(1) == ["active"]
    undone = alumni.undo(back.run)
    assert (planned(undone), alumni.states(1)) == ({"suspend": ["1"]}, ["suspended"])


def test_notices_cannot_be_taken_back_and_undo_says_so(alumni: Alumni) -> None:
    alumni.people(entry(1, ended(9)))
    done = alumni.run()
    undone = alumni.undo(done.run)
    assert (undone.state, codes(undone)) == ("in-sync", {"no-way-back": "1 notices cannot be taken back"})


# ---- what the run tells


def test_what_is_to_come_and_what_it_frees_is_told(alumni: Alumni) -> None:
    alumni.target.add(f"1@{DOMAIN}", megabytes=1500)
    alumni.target.add(f"2@{DOMAIN}", megabytes=700)
    alumni.people(
        entry(1, ended(9)), entry(2, ended(-10)), entry(3, ended(-60)), entry(4, ended(-300)), entry(5, mail=None)
    )
    result = alumni.plan()
    told = {f.code: f.text for f in result.findings}
    assert told["ends-soon"] == "1 accounts end within 30 days, 2 within 90, 3 within 365"
    assert told["storage"] == "the accounts that have ended hold 1.5 GB: deleting them frees it"
    assert told["not-there"] == "1 people of `who` have no account at the target"


def test_one_account_that_is_refused_does_not_stop_the_others(alumni: Alumni) -> None:
    alumni.people(entry(1, ended(9)), entry(2, ended(9)))
    noticed(alumni)
    alumni.target.refusing = {f"1@{DOMAIN}": "it is an administrator's"}
    result = alumni.run()
    assert (result.state, applied(result)) == ("partial", {"suspend": 1})
    alumni.target.refusing = {}
    assert planned(alumni.run()) == {"suspend": ["1"]}


def test_messages_name_nobody(alumni: Alumni) -> None:
    alumni.people(entry(1, ended(9)), entry(2, None), entry(3, ended(9), person=None), entry(4, "?"))
    result = alumni.plan()
    assert not any(re.search(r"@|CF:", f.text) for f in result.findings)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"then": then(("delete", "60 days"))}, ("then", 0, "delete")),
        ({"then": then(("archive", "0 days"), ("delete", "60 days"))}, ("then", 1, "delete")),
        ({"then": then(("archive", "0 days"), ("suspend", "60 days"))}, ("then", 1, "suspend")),
        ({"then": then(("suspend", "0 days"), ("suspend", "60 days"))}, ("then", 1, "suspend")),
        ({"notify": ()}, ("notify",)),
        ({"notify": (Duration(1, "week"), duration("7 days"))}, ("notify",)),
        ({"per_run": 0}, ("per-run",)),
        ({"expires_after": duration("0 years")}, ("expires-after",)),
        ({"since": "no attribute"}, ("since",)),
        ({"expires_after": duration("101 years")}, ("expires-after",)),
        ({"notify": (duration("99999999 weeks"),)}, ("notify",)),
        ({"min_notice": duration("9999999999 seconds")}, ("min-notice",)),
        ({"then": then(("suspend", "0 days"), ("delete", "2000 months"))}, ("then",)),
        ({"guard": ExpiryGuard(max_deletions=amount(5))}, ("guard", "max-deletions")),
    ],
)
def test_options_that_do_not_fit_are_told_with_their_place(
    alumni: Alumni, options: dict[str, object], where: tuple[str | int, ...]
) -> None:
    job = alumni.job()
    assert [way for way, _ in replace(job, **options).faults()] == [where]  # type: ignore[arg-type]


# ---- explained


@pytest.mark.parametrize(
    ("records", "due", "why"),
    [
        ([entry(1, ended(-400))], "", "nothing is due today"),
        ([entry(1, ended(-5))], "notify", "7 days before its last day, 2026-11-29"),
        ([entry(1, None)], "", "accounts are left alone: their owners have no date"),
        ([entry(1, ended(9), status="active")], "", "no entry in `who` names it"),
        (
            [entry(1, ended(9)), entry(2, None, person="urn:schac:personalUniqueID:it:CF:1", status="active")],
            "",
            "came back",
        ),
        ([], "", "nobody in the directory has its address"),
    ],
)
def test_an_account_is_explained(alumni: Alumni, records: list[str], due: str, why: str) -> None:
    alumni.target.add(f"1@{DOMAIN}")
    alumni.people(records)
    with alumni.desk(alumni.job()) as (task, _), task.job.read() as seen:
        told = explain(task.job, seen, (), (), f"1@{DOMAIN}", alumni.now)
        assert explain(task.job, seen, (), (), f"nobody@{DOMAIN}", alumni.now) == ()
    assert (told[0].account, told[0].due) == (f"1@{DOMAIN}", due)
    assert why in told[0].why
    assert len(told) == (2 if len(records) == 2 else 1)


def test_what_is_held_is_explained(alumni: Alumni) -> None:
    closed(alumni, entry(1, ended(9)))
    alumni.pass_days(60)
    key = Key("accounts", "delete", f"1@{DOMAIN}")
    with alumni.desk(alumni.job()) as (task, _), task.job.read() as seen:
        (told,) = explain(task.job, seen, {key}, (), f"1@{DOMAIN}", alumni.now)
    assert (told.state, told.last, told.due) == ("suspended", date(2026, 11, 15), "held: delete")
