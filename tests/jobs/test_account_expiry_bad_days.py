"""Bad days of account-expiry: what a directory, a clock, a target and a kill can do to it. Nobody loses an account."""

from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from collima.core.targets import Id, Mark
from collima.state.ledger import SqlLedger
from tests.contracts.memory_accounts import Killed
from tests.jobs.alumni import DOMAIN, Alumni, accounts, applied, codes, ended, entry, planned


@pytest.fixture
def alumni(tmp_path: Path) -> Alumni:
    return Alumni(tmp_path)


def due(alumni: Alumni, count: int) -> list[str]:
    """So many who have ended and were told in time; and three runs on record."""
    records = [entry(n, ended(20)) for n in range(10, 10 + count)]
    alumni.people(records)
    alumni.run()
    alumni.post()
    alumni.pass_days(27)
    alumni.people(records)
    alumni.day_after_day(3)
    return records


@pytest.mark.parametrize(
    "value", ["19000101000000Z", "", "18991230000000Z"], ids=["all of 1900", "all empty", "the first day of Excel"]
)
def test_all_graduation_dates_are_wrong(alumni: Alumni, value: str) -> None:
    due(alumni, 5)
    alumni.people([entry(n, value or None) for n in range(10, 40)], crowd=0)
    result = alumni.run()
    assert planned(result) == {}
    assert codes(result)["bad-date" if value else "no-date"].startswith("30 accounts are left alone")
    assert result.sources[0].verdict == "suspicious"
    assert alumni.target.turns == []


def test_dates_that_are_wrong_and_could_be_true_hold_notices_too(alumni: Alumni) -> None:
    alumni.people([entry(n, date(1999, 1, 1)) for n in range(10, 40)], crowd=0)
    result = alumni.run()
    assert (result.state, applied(result)) == ("held", {})
    assert "the newest unimoreGraduationDate in `who` is of 1999-01-01, more than a year ago" in accounts(result).reason
    assert alumni.post() == []


def test_a_whole_unit_of_alumni_is_missing(alumni: Alumni) -> None:
    records = due(alumni, 30)
    alumni.people(records[:20], crowd=20)
    result = alumni.run()
    assert (result.state, applied(result)) == ("held", {})
    assert "40 entries, usually 90" in accounts(result).reason
    assert alumni.target.turns == []


def test_a_unit_of_those_who_came_back_is_missing(alumni: Alumni) -> None:
    back = [entry(500 + n, None, person=f"CF:{n}", status="active") for n in range(40)]
    alumni.people([entry(n, ended(9), person=f"CF:{n}") for n in range(40)], back)
    alumni.day_after_day(3)
    alumni.people([entry(n, ended(9), person=f"CF:{n}") for n in range(40)])
    result = alumni.run()
    assert (result.state, applied(result)) == ("held", {})
    assert planned(result)["notify"]
    assert alumni.post() == []
    alumni.people([entry(n, ended(9), person=f"CF:{n}") for n in range(40)], back)
    assert alumni.run().state == "in-sync"


def test_those_who_came_back_do_not_say_whose_they_are(alumni: Alumni) -> None:
    gone = [entry(n, ended(9), person=f"CF:{n}") for n in (1, 2)]
    alumni.people(gone)
    alumni.run()
    alumni.post()
    alumni.pass_days(30)
    alumni.people(gone, entry(77, None, person=None, status="active"))
    result = alumni.run()
    assert (result.state, applied(result), planned(result)) == ("held", {}, {"suspend": ["1", "2"]})
    assert "nobody in `unless` has a schacPersonalUniqueID" in accounts(result).reason
    alumni.people(gone, entry(77, None, person="CF:1", status="active"))
    assert applied(alumni.run()) == {"suspend": 1}


def test_people_whom_a_run_had_suspended_are_gone_from_the_directory(alumni: Alumni) -> None:
    due(alumni, 3)
    assert alumni.states(10, 11, 12) == ["active"] * 3
    assert applied(alumni.run()) == {"suspend": 3}
    alumni.people()
    alumni.pass_days(100)
    alumni.people()
    result = alumni.run()
    assert planned(result) == {}
    assert codes(result)["left-closed"].startswith("3 accounts")


def test_a_clock_three_years_ahead(alumni: Alumni) -> None:
    alumni.people([entry(n, ended(-20)) for n in range(10, 30)])
    alumni.day_after_day(3)
    right = alumni.now
    alumni.now += timedelta(days=3 * 365 + 20)
    result = alumni.run()
    assert (result.state, applied(result), alumni.post()) == ("held", {}, [])
    assert "suspend" not in planned(result)  # all that was told has lapsed by then, and is not told either
    assert "is this machine's clock right?" in accounts(result).reason
    alumni.now = right
    assert alumni.run().state == "in-sync"


def test_a_clock_that_was_ahead_and_is_right_again(alumni: Alumni) -> None:
    alumni.people(entry(1, ended(-20)))
    alumni.pass_days(40)  # in truth it is 40 days earlier: a month is not told from a late term
    alumni.run()
    alumni.post()
    alumni.pass_days(-40)
    alumni.people(entry(1, ended(-20)), entry(2, ended(9)))
    result = alumni.run()
    assert (result.state, applied(result)) == ("held", {})
    assert "1 notices and closures on record are of a time that has not come" in accounts(result).reason


def test_an_address_is_given_to_another_person_with_an_account_of_its_own(alumni: Alumni) -> None:
    """Neither a notice nor a suspension of the first one counts for the second."""
    alumni.people(entry(1, ended(9), person="CF:FIRST"))
    alumni.run()
    alumni.post()
    alumni.target.present.pop(Id("id-1"))
    alumni.target.add(f"1@{DOMAIN}", id="of-the-second")
    alumni.pass_days(40)
    alumni.people(entry(1, ended(9), person="CF:SECOND"))
    assert planned(alumni.run()) == {"notify": ["1"]}
    (mail,) = alumni.post()
    assert mail["To"] == f"1@{DOMAIN}"


def test_an_account_is_given_to_another_person_as_it_is(alumni: Alumni) -> None:
    alumni.people(entry(1, ended(9), person="CF:FIRST"))
    alumni.run()
    alumni.post()
    alumni.pass_days(40)
    alumni.people(entry(1, ended(9), person="CF:SECOND"))
    assert planned(alumni.run()) == {"notify": ["1"]}
    alumni.post()
    alumni.pass_days(40)
    alumni.people(entry(1, ended(9), person="CF:SECOND"))
    assert planned(alumni.run()) == {"suspend": ["1"]}
    alumni.people(entry(1, ended(9), person="CF:THIRD"))
    alumni.pass_days(100)
    result = alumni.run()
    assert planned(result) == {}
    assert "another-person" in codes(result)


def test_two_people_have_one_address(alumni: Alumni) -> None:
    mail = f"1@{DOMAIN}"
    alumni.people(entry(1, ended(9)), entry(2, None, status="other", mail=mail))
    result = alumni.run()
    assert planned(result) == {}
    assert codes(result)["shared-account"].startswith("1 accounts are left alone")


def test_a_student_number_that_changed_is_still_the_same_person_and_account(alumni: Alumni) -> None:
    """Nobody is told twice, and nobody who came back under another number is touched."""
    alumni.people(entry(1, ended(9), person="CF:X"))
    alumni.run()
    alumni.post()
    account = alumni.target.present.pop(Id("id-1"))
    alumni.target.add(f"2@{DOMAIN}", id=account.id, aliases=frozenset({f"1@{DOMAIN}"}))
    alumni.people(entry(2, ended(9), person="cf:x"))
    assert planned(alumni.run()) == {}
    alumni.pass_days(30)
    assert planned(alumni.run()) == {"suspend": ["2"]}
    alumni.people(entry(2, ended(9), person="CF:X"), entry(3, None, person="CF:X", status="active"))
    assert planned(alumni.run()) == {"reactivate": ["2"]}


def test_a_move_from_student_to_alumnus_to_doctorate_changes_nothing(alumni: Alumni) -> None:
    for status in ("active", "alumn", "active", "alumn"):
        alumni.people(entry(1, ended(-400) if status == "alumn" else None, status=status))
        assert planned(alumni.run()) == {}
        alumni.pass_days(1)
    assert (alumni.states(1), alumni.post()) == (["active"], [])


@pytest.mark.parametrize("after", [0, 1, 5, 6])
def test_killed_in_the_middle_of_suspending_and_run_again(alumni: Alumni, after: int) -> None:
    records = due(alumni, 6)
    alumni.target.dies_after = after
    with suppress(Killed):  # after the last one nobody is left to be killed at
        alumni.run()
    alumni.target.dies_after = None
    alumni.run()
    assert alumni.states(*range(10, 16)) == ["suspended"] * 6
    assert sorted(turn for _, turn in alumni.target.turns) == ["suspend"] * 6
    assert alumni.run().state == "in-sync"
    assert alumni.post() == []
    alumni.pass_days(60)
    alumni.people(records)
    result = alumni.run()
    assert len(planned(result)["delete"]) == 6  # all of them are known as ours
    alumni.people([entry(n, ended(20), status="active") for n in range(10, 16)])
    assert len(planned(alumni.run())["reactivate"]) == 6


def test_killed_between_the_notices_and_their_outcome_nobody_is_told_twice(
    alumni: Alumni, monkeypatch: pytest.MonkeyPatch
) -> None:
    alumni.people([entry(n, ended(9)) for n in range(120)])
    written = 0

    def dies(self: object, *arguments: object, **more: object) -> None:
        nonlocal written
        written += 1
        if written == 2:
            raise Killed
        stored(self, *arguments, **more)

    stored: Any = SqlLedger.notify
    with monkeypatch.context() as patch:
        patch.setattr(SqlLedger, "notify", dies)
        with pytest.raises(Killed):
            alumni.run()
    assert len(planned(alumni.run())["notify"]) == 70
    assert len({str(mail["To"]) for mail in alumni.post()}) == 120
    assert alumni.run().state == "in-sync"


def test_an_answer_that_is_lost_converges(alumni: Alumni) -> None:
    due(alumni, 3)
    alumni.target.lost = {f"11@{DOMAIN}"}
    result = alumni.run()
    assert (result.state, result.exit_code, applied(result)) == ("partial", 75, {"suspend": 2})
    alumni.target.lost = set()
    assert alumni.run().state == "in-sync"
    alumni.pass_days(60)
    alumni.people([entry(n, ended(20)) for n in range(10, 13)])
    assert len(planned(alumni.run())["delete"]) == 3


def test_a_state_that_was_lost_suspends_nobody_and_tells_nobody_again(alumni: Alumni) -> None:
    due(alumni, 3)
    alumni.run()
    alumni.people([entry(n, ended(50)) for n in range(10, 20)])
    (alumni.folder / "collima.db").unlink()
    result = alumni.run()
    assert (result.state, applied(result)) == ("held", {})
    assert planned(result) == {"notify": [str(n) for n in range(13, 20)]}
    assert "managed by another state" in accounts(result).reason
    alumni.target.left = Mark("elsewhere", "x")
    assert applied(alumni.run()) == {}


@pytest.mark.soak
def test_a_year_of_days_at_random_deletes_nothing_that_was_not_told_and_suspended(alumni: Alumni) -> None:
    """Someone at every time of the year: told at most three times, suspended once, after a notice of 30 days."""
    last = {n: alumni.now.date() + timedelta(days=4 * n - 60) for n in range(30)}
    records = [entry(n, day.replace(year=day.year - 3)) for n, day in last.items()]
    told: dict[str, list[date]] = {}
    for _ in range(24):
        alumni.people(records, crowd=5)
        alumni.run()
        today = alumni.now.date()
        for mail in alumni.post():
            told.setdefault(str(mail["To"]), []).append(today)
        for address, turn in alumni.target.turns:
            assert turn == "suspend"
            assert told[address][0] + timedelta(days=30) <= today
            assert last[int(address.partition("@")[0])] < today
        alumni.pass_days(7)
    assert {len(days) for days in told.values()} <= {1, 2, 3}
    assert len(alumni.target.turns) == len({address for address, _ in alumni.target.turns}) == 30
