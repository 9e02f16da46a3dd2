"""Accounts at Google: turned one way and back, also when Google is not itself; and what they occupy."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collima.core.errors import SourceError
from collima.core.targets import Id, Turn, Turned
from tests.connectors.google_place import HERE, Place, at, place
from tests.servers.google import DROP_AFTER, DROP_BEFORE
from tests.servers.google import errors as say
from tests.servers.google.oauth import USAGE, WRITING

DAY = 86_400.0


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as one:
        one.accounts("nina", "ugo", "zeno")
        yield one


def id_of(here: Place, name: str = "nina") -> Id:
    return Id(here.google.domain.user(f"{name}@{HERE}").id)


def turned(here: Place, *turns: tuple[Id, Turn]) -> list[Turned]:
    with here.open() as session:
        return sorted(session.turn(turns), key=lambda one: (one.account, one.turn))


def test_only_a_token_for_accounts_can_write_and_only_once_it_is_needed(here: Place) -> None:
    with here.open() as session:
        session.accounts()
        held = frozenset.union(*(token.scopes for token in here.google.authority.tokens.values()))
        assert held.isdisjoint(WRITING)
        assert [one.error for one in session.turn([(id_of(here), "suspend")])] == [""]
    writing = [token.scopes & set(WRITING) for token in here.google.authority.tokens.values()]
    assert [scopes for scopes in writing if scopes] == [{WRITING[0]}]


@pytest.mark.parametrize("turn", ["suspend", "archive", "delete"])
@pytest.mark.parametrize("drop", [DROP_BEFORE, DROP_AFTER])
def test_a_lost_answer_is_asked_for_again(here: Place, turn: Turn, drop: str) -> None:
    here.google.faults.next("batch", drop, times=2)  # type: ignore[arg-type]
    nina, ugo = id_of(here), id_of(here, "ugo")
    assert [one.error for one in turned(here, (nina, turn), (ugo, turn))] == ["", ""]


def test_an_account_that_comes_back_is_in_the_unit_where_it_was(here: Place) -> None:
    user = here.google.domain.user(f"nina@{HERE}")
    here.google.domain.org_units.add("/laureati")
    here.google.domain.keep_user(replace(user, org_unit="/laureati"))
    here.google.domain.delete_user(user.id)
    assert [one.error for one in turned(here, (Id(user.id), "undelete"))] == [""]
    assert here.google.domain.user(user.id).org_unit == "/laureati"


def test_twenty_days_after_its_deletion_an_account_is_gone(here: Place) -> None:
    nina = id_of(here)
    here.google.domain.delete_user(nina)
    here.clock.now += 20 * DAY
    (one,) = turned(here, (nina, "undelete"))
    assert "20 days" in one.error
    assert not one.transient


def test_an_account_whose_address_somebody_else_has_stays_deleted(here: Place) -> None:
    nina = id_of(here)
    here.google.domain.delete_user(nina)
    here.accounts("nina")
    (one,) = turned(here, (nina, "undelete"))
    assert one.error == "somebody else has its address now"


def test_a_yes_that_does_nothing_is_found_out(here: Place) -> None:
    nina = id_of(here)
    here.google.domain.delete_user(nina)
    here.google.authority.administrator(here.google.act_as, {"USERS_ALL"})
    here.google.faults.undelete_ignored = True
    (one,) = turned(here, (nina, "undelete"))
    assert "does not show it" in one.error


def test_licences_that_are_used_up_are_told_and_the_others_go_on(here: Place) -> None:
    here.google.domain.archive_licences = 1
    errors = [one.error for one in turned(here, (id_of(here), "archive"), (id_of(here, "ugo"), "archive"))]
    assert sorted(bool(error) for error in errors) == [False, True]
    assert "Archived User licences" in "".join(errors)


def test_another_administrator_is_not_touched_and_the_message_says_what_is_missing(here: Place) -> None:
    here.google.authority.administrator(here.google.act_as, {"USERS_ALL"})
    here.google.authority.administrator(f"zeno@{HERE}", {"SUPER"})
    errors = {
        one.account: one.error for one in turned(here, (id_of(here, "zeno"), "suspend"), (id_of(here), "suspend"))
    }
    assert errors[id_of(here)] == ""
    assert "Admin roles" in errors[id_of(here, "zeno")]


def test_on_a_bad_day_every_account_is_turned(here: Place) -> None:
    names = [f"s{n}" for n in range(200)]
    here.accounts(*names)
    faults = here.google.faults
    faults.quota_exceeded, faults.backend_error, faults.backend_error_after, faults.dropped_after = 0.1, 0.1, 0.1, 0.1
    done = turned(here, *((id_of(here, name), "delete") for name in names))
    assert {one.error for one in done} == {""}
    assert here.google.domain.owner(at("s0")[0]) is None


def test_an_account_that_was_deleted_by_others_cannot_be_suspended(here: Place) -> None:
    nina = id_of(here)
    here.google.domain.delete_user(nina)
    (one,) = turned(here, (nina, "suspend"))
    assert "no such account" in one.error


def test_a_missing_scope_says_what_to_delegate(here: Place) -> None:
    here.google.authority.withdraw(here.google.account, WRITING[0])
    with here.open() as session, pytest.raises(SourceError, match=r"Domain-wide delegation.*directory\.user"):
        list(session.turn([(id_of(here), "suspend")]))


# ---- what they occupy


@pytest.fixture
def weighed(here: Place) -> Place:
    """Reports are dated: so the domain lives today."""
    here.clock.now = datetime.now(UTC).timestamp()
    here.google.domain.add_user(f"olga@{HERE}", used_mb=1234)
    return here


def test_accounts_tell_what_they_occupy_by_the_newest_report(weighed: Place) -> None:
    with weighed.open() as session:
        assert session.accounts()[id_of(weighed, "olga")].megabytes == 1234


def test_reports_that_are_late_are_looked_for_further_back(weighed: Place) -> None:
    weighed.google.faults.next("userUsageReport.get", say.invalid("date"), times=2)
    with weighed.open() as session:
        assert session.accounts()[id_of(weighed, "olga")].megabytes == 1234


def test_without_the_right_to_reports_nobody_knows_and_nothing_fails(weighed: Place) -> None:
    weighed.google.authority.withdraw(weighed.google.account, USAGE)
    with weighed.open() as session:
        assert {account.megabytes for account in session.accounts().values()} == {None}
