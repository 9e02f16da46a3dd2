"""What a person does about what is held for them: once, for themselves only, and on record."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from collima.core.errors import Refused, SourceError, StateError
from collima.core.quarantine import Action, Holder, ItemId
from collima.state.digests import SqlDigests
from jobs.quarantine_digest.actions import Declined
from jobs.quarantine_digest.requests import MOST, Requests
from tests.jobs.held import NAME, TARGET, Held, person
from tests.jobs.quarantine_desk import ALIAS, ANNA, MARCO, NOW, Desk, desk


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path) as made:
        yield made


# ---- release


def test_a_message_is_released_to_its_own_recipient_alone(here: Desk) -> None:
    item = here.hold(ALIAS, MARCO)
    here.release(item)
    assert here.held.delivered() == [ALIAS]
    assert here.states("release") == ["done"]


def test_a_second_click_shows_what_happened_and_delivers_nothing(here: Desk) -> None:
    item = here.hold()
    for _ in range(3):
        here.release(item)
    assert here.held.delivered() == [ANNA]
    assert here.states("release") == ["done"]
    assert here.actions.standing(here.holder(), item).done["release"].state == "done"


def test_clicks_at_once_deliver_once(here: Desk) -> None:
    item = here.hold()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: here.release(item), range(16)))
    assert here.held.delivered() == [ANNA]
    assert here.states("release") == ["done"]


@pytest.mark.parametrize("stranger", [MARCO, "carla.verdi@unimore.it"])
def test_a_message_of_somebody_else_is_out_of_reach(here: Desk, stranger: str) -> None:
    item = here.hold(stranger)
    with pytest.raises(Declined, match="gone"):
        here.release(item)
    with pytest.raises(Declined, match="gone"):
        here.actions.rule(here.holder(), item, "allow")
    with pytest.raises(Declined, match="gone"):
        here.actions.standing(here.holder(), item)
    assert (here.held.released, here.held.said) == ([], {})


def test_whoever_is_not_known_any_more_has_no_page(here: Desk) -> None:
    here.know(Holder(MARCO, (MARCO,), "it", asked=True))
    assert here.actions.holder("carla.verdi@unimore.it") is None


def test_a_message_to_an_extension_of_the_own_address_is_released(here: Desk) -> None:
    item = here.hold("anna.rossi+lista@unimore.it")
    here.release(item)
    assert here.held.delivered() == ["anna.rossi+lista@unimore.it"]


LIST = "anna.rossi+lista@unimore.it"


def test_what_is_held_for_an_extension_is_on_the_page_and_its_senders_are(here: Desk) -> None:
    item = here.hold(LIST, sender="news@example.org")
    here.hold("anna.rossi+x@studenti.unimore.it")
    here.actions.rule(here.holder(), item, "allow")
    seen = here.actions.everything(here.holder())
    assert [one.id for one in seen.items] == [item]
    assert seen.rules == [(LIST, "news@example.org", "allow", True)]
    here.actions.forget(here.holder(), LIST, "news@example.org")
    assert here.held.said == {}


def test_an_extension_that_is_just_so_an_address_of_somebody_else_is_theirs(here: Desk) -> None:
    here.know(Holder(ANNA, (ANNA,), "it", asked=True), Holder(MARCO, (MARCO, LIST), "it", asked=True))
    item = here.hold(LIST)
    assert here.actions.everything(here.holder()).items == []
    with pytest.raises(Declined, match="gone"):
        here.release(item)
    with pytest.raises(Declined, match="gone"):
        here.actions.forget(here.holder(), LIST, "news@example.org")
    assert [one.id for one in here.actions.everything(here.holder(MARCO)).items] == [item]
    here.release(item, MARCO)
    assert here.held.delivered() == [LIST]


def test_a_next_hop_that_is_down_is_told_and_may_be_tried_again(here: Desk) -> None:
    item = here.hold()
    here.held.refusing[ANNA] = Refused("451 the next hop is down", transient=True)
    here.release(item)
    assert here.states("release") == ["failed"]
    here.held.refusing.clear()
    here.release(item)
    assert here.states("release") == ["done", "failed"]
    assert here.held.delivered() == [ANNA]


def test_what_is_refused_for_good_is_not_tried_again(here: Desk) -> None:
    item = here.hold()
    here.held.refusing[ANNA] = Refused("450 failure")
    here.release(item)
    here.held.refusing.clear()
    here.release(item)
    assert here.states("release") == ["refused"]
    assert here.held.delivered() == []


def test_a_release_that_was_killed_when_it_was_not_held_any_more_is_in_doubt_and_not_repeated(here: Desk) -> None:
    item = here.hold()
    begun(here, item)
    here.held.released.append((item, ANNA))
    here.release(item)
    assert fate(here, item) == "under-way"
    here.now += timedelta(minutes=6)
    assert fate(here, item) == "lost"
    here.release(item)
    assert here.states("release") == ["refused"]
    assert fate(here, item) == "lost"
    assert here.held.delivered() == [ANNA]


def test_a_release_whose_answer_was_lost_is_in_doubt_and_not_repeated(here: Desk) -> None:
    item = here.hold()
    here.held.lost.add(ANNA)
    here.release(item)
    here.release(item)
    assert fate(here, item) == "lost"
    assert here.held.delivered() == [ANNA]


def test_a_release_under_way_is_left_alone_and_one_that_was_cut_short_is_for_an_administrator(here: Desk) -> None:
    item = here.hold()
    begun(here, item)
    here.release(item)
    assert here.states("release") == ["doing"]
    here.now += timedelta(minutes=6)
    here.release(item)
    here.release(item)
    assert (here.states("release"), here.states("request")) == (["refused"], ["waiting"])
    assert here.held.delivered() == []
    here.requests.decide(str(here.newest("request").id), approve=True)
    assert here.held.delivered() == [ANNA]


@pytest.mark.parametrize(("away", "told"), [(3, False), (9, True)])
def test_a_state_that_is_away_right_after_the_delivery_is_waited_for_and_then_a_doubt(
    here: Desk, monkeypatch: pytest.MonkeyPatch, away: int, told: bool
) -> None:
    left, acted = [away], SqlDigests.acted

    def away_for_a_while(*args: Any, **more: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise StateError("the disk is full")
        acted(*args, **more)

    monkeypatch.setattr(SqlDigests, "acted", away_for_a_while)
    item = here.hold()
    with pytest.raises(Declined, match="doubt") if told else nullcontext():
        here.release(item)
    assert here.held.delivered() == [ANNA]
    assert 0.5 < sum(here.slept) < 10
    assert here.states("release") == (["doing"] if told else ["done"])
    assert fate(here, item) == ("under-way" if told else "released")


def test_what_was_purged_is_gone(here: Desk) -> None:
    item = here.hold()
    list(here.actions.quarantine().__enter__().purge(NOW))
    with pytest.raises(Declined, match="gone"):
        here.release(item)


def test_a_quarantine_that_is_away_is_no_answer(here: Desk) -> None:
    item = here.hold()
    here.held.gone = True
    with pytest.raises(SourceError):
        here.release(item)
    assert here.states("release") == []


def fate(here: Desk, item: ItemId) -> str:
    return here.actions.standing(here.holder(), item).fate(here.now)


def begun(here: Desk, item: ItemId) -> Action:
    """Another process has begun it."""
    made = Action(0, "release", ANNA, ANNA, item, "spammer@example.org", "spam", "doing", here.now)
    return here.actions.digests.act(made)[0]


# ---- allow and block


@pytest.mark.parametrize("rule", ["allow", "block"])
def test_exactly_one_sender_is_allowed_or_blocked_for_exactly_one_address(here: Desk, rule: str) -> None:
    item = here.hold(ALIAS, sender="news@example.org")
    for _ in range(2):
        here.actions.rule(here.holder(), item, rule)  # type: ignore[arg-type]
    assert here.held.said == {(ALIAS, "news@example.org"): rule}
    assert here.states(rule) == ["done"]


def test_allow_is_undone_and_said_again(here: Desk) -> None:
    item = here.hold(sender="news@example.org")
    here.actions.rule(here.holder(), item, "allow")
    here.actions.undo(here.holder(), item)
    assert here.held.said == {}
    here.actions.rule(here.holder(), item, "allow")
    assert here.states("allow") == ["done", "undone"]
    assert here.held.said == {(ANNA, "news@example.org"): "allow"}


def test_block_after_allow_is_the_last_word(here: Desk) -> None:
    item = here.hold(sender="news@example.org")
    here.actions.rule(here.holder(), item, "allow")
    here.actions.rule(here.holder(), item, "block")
    here.actions.rule(here.holder(), item, "allow")
    assert here.held.said == {(ANNA, "news@example.org"): "allow"}


@pytest.mark.parametrize("before", ["block", "3.5", " "])
def test_undo_brings_back_what_an_administrator_had_written(here: Desk, before: str) -> None:
    item = here.hold(sender="news@example.org")
    here.held.said = {(ANNA, "news@example.org"): before}
    for _ in range(2):  # said twice, it is one word
        here.actions.rule(here.holder(), item, "allow")
    here.actions.undo(here.holder(), item)
    assert here.held.said == {(ANNA, "news@example.org"): before}
    assert here.states("allow") == ["undone"]


def test_undo_brings_back_their_own_word_before_and_the_next_undo_what_was_before_that(here: Desk) -> None:
    item = here.hold(sender="news@example.org")
    here.held.said = {(ANNA, "news@example.org"): "3.5"}
    here.actions.rule(here.holder(), item, "allow")
    here.actions.rule(here.holder(), item, "block")
    here.actions.undo(here.holder(), item)
    assert here.held.said == {(ANNA, "news@example.org"): "allow"}
    here.actions.undo(here.holder(), item)
    assert here.held.said == {(ANNA, "news@example.org"): "3.5"}


def test_to_forget_takes_back_all_that_they_said(here: Desk) -> None:
    item = here.hold(sender="news@example.org")
    here.held.said = {(ANNA, "news@example.org"): "3.5"}
    here.actions.rule(here.holder(), item, "allow")
    here.actions.rule(here.holder(), item, "block")
    here.actions.forget(here.holder(), ANNA, "news@example.org")
    assert here.held.said == {(ANNA, "news@example.org"): "3.5"}


def test_what_somebody_else_said_since_is_not_overwritten_with_what_was_before(here: Desk) -> None:
    item = here.hold(sender="news@example.org")
    here.actions.rule(here.holder(), item, "allow")
    here.held.said = {(ANNA, "news@example.org"): "block"}
    here.actions.rule(here.holder(), item, "allow")
    here.actions.undo(here.holder(), item)
    assert here.held.said == {(ANNA, "news@example.org"): "block"}
    here.actions.undo(here.holder(), item)  # nothing of theirs is left
    assert here.held.said == {(ANNA, "news@example.org"): "block"}


def test_what_an_administrator_wrote_is_neither_undone_nor_forgotten_by_whoever_said_nothing(here: Desk) -> None:
    item = here.hold(sender="boss@phish.example")
    written = {(ANNA, "@phish.example"): "block", (ANNA, "boss@phish.example"): "allow"}
    here.held.said = dict(written)
    for sender in ("@phish.example", "boss@phish.example", "x"):
        here.actions.forget(here.holder(), ANNA, sender)
    here.actions.undo(here.holder(), item)
    assert here.held.said == written
    here.actions.rule(here.holder(), item, "block")
    here.held.said[ANNA, "boss@phish.example"] = "allow"  # and again, after a word of theirs
    here.actions.forget(here.holder(), ANNA, "boss@phish.example")
    assert here.held.said == written
    assert here.states("block") == ["undone"]


def test_what_was_done_before_is_known_after_hundreds_of_other_deeds(here: Desk) -> None:
    item, other = here.hold(sender="news@example.org"), here.hold(sender="win@example.org")
    here.held.refusing[ANNA] = Refused("450 failure")
    here.release(item)
    here.held.said = {(ANNA, "news@example.org"): "3.5"}
    here.actions.rule(here.holder(), item, "allow")
    here.held.refusing.clear()
    for _ in range(101):
        here.actions.turn(here.holder(), off=True)
        here.actions.turn(here.holder(), off=False)
    here.release(item)
    assert here.held.delivered() == []
    here.actions.undo(here.holder(), item)
    assert here.held.said == {(ANNA, "news@example.org"): "3.5"}
    here.release(other)
    assert here.held.delivered() == [ANNA]


def test_the_sender_of_a_message_that_was_released_is_allowed_after_it(here: Desk) -> None:
    item = here.hold(sender="news@example.org")
    here.release(item)
    here.actions.rule(here.holder(), item, "allow")
    assert here.held.said == {(ANNA, "news@example.org"): "allow"}


@pytest.mark.parametrize(
    ("sender", "why"),
    [
        ("", "nobody"),
        ("rettore@unimore.it", "own"),
        ("someone@ing.unimore.it", "own"),
        ("boss@spin-off.example", "own"),
        ("*@example.org", None),
        ("@example.org", "odd"),
        ("example.org", "odd"),
        ('"a b"@example.org', "odd"),
        ("paypal@exämple.org", "odd"),
    ],
)
def test_who_is_neither_allowed_nor_blocked(here: Desk, sender: str, why: str | None) -> None:
    item = here.hold(sender=sender)
    if why is None:  # a character like others in a local part, and no pattern
        here.actions.rule(here.holder(), item, "block")
        assert here.held.said == {(ANNA, sender): "block"}
        return
    for rule in ("allow", "block"):
        with pytest.raises(Declined, match=why):
            here.actions.rule(here.holder(), item, rule)  # type: ignore[arg-type]
    assert here.held.said == {}


def test_for_whoever_has_an_address_elsewhere_the_site_is_our_own_as_well(here: Desk) -> None:
    student = "s@studenti.example"
    here.know(Holder(student, (student,), "it", asked=True))
    for sender, why in (("rettore@unimore.it", "own"), ("x@ing.unimore.it", "own"), ("x@notunimore.it", None)):
        assert here.actions.barred(here.holder(student), sender) == why


def test_a_rule_that_was_changed_elsewhere_is_put_right(here: Desk) -> None:
    item = here.hold(sender="news@example.org")
    here.actions.rule(here.holder(), item, "allow")
    here.held.said.clear()
    here.actions.rule(here.holder(), item, "allow")
    assert here.held.said == {(ANNA, "news@example.org"): "allow"}


def test_a_rule_is_forgotten_from_the_own_page_and_nobody_elses(here: Desk) -> None:
    here.actions.rule(here.holder(), here.hold(ALIAS, sender="news@example.org"), "allow")
    here.held.said[MARCO, "news@example.org"] = "allow"
    here.actions.forget(here.holder(), ALIAS, "news@example.org")
    with pytest.raises(Declined):
        here.actions.forget(here.holder(), MARCO, "news@example.org")
    assert here.held.said == {(MARCO, "news@example.org"): "allow"}


def test_what_was_said_for_an_address_is_for_whoever_has_it_now_to_take_back(here: Desk) -> None:
    here.actions.rule(here.holder(), here.hold(ALIAS, sender="news@example.org"), "block")
    new = Holder("anna.verdi@unimore.it", ("anna.verdi@unimore.it", ALIAS), "it", asked=True)  # she has married
    here.know(new)
    assert here.actions.everything(new).rules == [(ALIAS, "news@example.org", "block", True)]
    here.actions.forget(new, ALIAS, "news@example.org")
    assert here.held.said == {}


# ---- the page, and digests


def test_the_page_shows_what_is_held_for_all_addresses_least_spammy_first_and_no_older_than_is_kept(
    here: Desk,
) -> None:
    worst, mild = here.hold(ALIAS, score=30.0), here.hold(ANNA, score=7.0)
    here.hold(MARCO)
    here.hold(ANNA, at=NOW - timedelta(days=6))
    here.held.said = {(ANNA, "b@example.org"): "block", (MARCO, "c@example.org"): "allow"}
    seen = here.actions.everything(here.holder())
    assert [one.id for one in seen.items] == [mild, worst]
    assert seen.rules == [(ANNA, "b@example.org", "block", False)]


def test_digests_are_turned_off_and_on_and_off_again(here: Desk) -> None:
    for off in (True, True, False, True):
        here.actions.turn(here.holder(), off=off)
        assert bool(here.holder().off) is off
    assert here.states("off") == ["done", "done"]
    assert here.states("on") == ["done"]


# ---- requests


def test_a_banned_attachment_becomes_a_request_of_which_administrators_are_told_once(here: Desk) -> None:
    item = here.hold(category="banned", subject="Fattura\r\nBcc: all@unimore.it")
    for _ in range(3):
        here.release(item)
    assert here.held.delivered() == []
    assert here.states("request") == ["waiting"]
    (letter,) = here.letters()
    assert "To: posta@unimore.it" in letter
    assert "\nBcc:" not in letter
    assert "quarantena/" in letter


def test_an_administrator_approves_and_the_message_goes_once(here: Desk) -> None:
    item = here.hold(category="virus")
    here.release(item)
    request = str(here.newest("request").id)
    for _ in range(2):
        here.requests.decide(request, approve=True)
    assert here.held.delivered() == [ANNA]
    assert here.states("request") == ["done"]
    here.release(item)
    assert here.held.delivered() == [ANNA]
    assert here.newest("request").subject == ""


def test_an_administrator_refuses_and_that_stays(here: Desk) -> None:
    item = here.hold(category="virus")
    here.release(item)
    request = str(here.newest("request").id)
    here.requests.decide(request, approve=False)
    here.requests.decide(request, approve=True)
    here.release(item)
    assert here.states("request") == ["refused"]
    assert here.held.delivered() == []


def test_an_approval_while_the_next_hop_is_down_waits_on(here: Desk) -> None:
    here.release(here.hold(category="virus"))
    request = str(here.newest("request").id)
    here.held.refusing[ANNA] = Refused("451 the next hop is down", transient=True)
    here.requests.decide(request, approve=True)
    assert here.states("request") == ["waiting"]
    here.held.refusing.clear()
    here.requests.decide(request, approve=True)
    assert here.states("request") == ["done"]


@pytest.mark.parametrize(("first", "then"), [(True, False), (False, True), (False, False)])
def test_of_two_administrators_at_once_the_first_word_stands_and_what_was_delivered_is(
    here: Desk, monkeypatch: pytest.MonkeyPatch, first: bool, then: bool
) -> None:
    here.release(here.hold(category="virus"))
    request = str(here.newest("request").id)
    read = here.requests.waiting(request)
    here.requests.decide(request, approve=first)
    monkeypatch.setattr(Requests, "waiting", lambda _, __: read)  # when the other one looked, it waited
    here.requests.decide(request, approve=then)
    assert here.held.delivered() == ([ANNA] if first or then else [])
    assert here.states("request") == ["done" if first or then else "refused"]


@pytest.mark.parametrize("delivered", [False, True])
def test_an_approval_that_was_killed_is_decided_by_the_next_one_and_delivers_nothing_twice(
    here: Desk, delivered: bool
) -> None:
    item = here.hold(category="virus")
    here.release(item)
    request = str(here.newest("request").id)
    begun(here, item)
    here.requests.decide(request, approve=True)
    assert here.states("request") == ["waiting"], "another one's is under way"
    here.now += timedelta(minutes=6)
    if delivered:
        here.held.released.append((item, ANNA))
    here.requests.decide(request, approve=True)
    assert here.held.delivered() == [ANNA]
    assert here.states("request") == ["failed" if delivered else "done"]


def test_an_approval_of_what_was_purged_says_so(here: Desk) -> None:
    here.release(here.hold(category="virus"))
    here.held.all.clear()
    here.requests.decide(str(here.newest("request").id), approve=True)
    assert here.states("request") == ["failed"]


def test_a_request_of_what_was_purged_does_not_wait_for_ever(tmp_path: Path) -> None:
    held = Held(tmp_path)
    held.people(person("anna"))
    with held.journal() as journal:
        ledger = journal.digests(NAME, TARGET)
        for days in (30, 1):
            at = held.now - timedelta(days=days)
            anna = "anna@unimore.it"
            ledger.act(Action(0, "request", anna, anna, f"m{days}", "", "virus", "waiting", at))
        held.run()
        assert [(one.item, one.state) for one in ledger.actions()] == [("m1", "waiting"), ("m30", "failed")]


def test_one_person_does_not_flood_the_administrators(here: Desk) -> None:
    items = [here.hold(category="virus") for _ in range(MOST + 1)]
    for item in items[:MOST]:
        here.release(item)
    with pytest.raises(Declined, match="many"):
        here.release(items[MOST])
    assert len(here.letters()) == MOST
