"""What people did with one click, and whose an address with an extension is, on either database."""

from dataclasses import replace
from datetime import timedelta

from collima.core.quarantine import Action, Holder
from collima.state.digests import SqlDigests
from tests.state.conftest import State

ANNA, BRUNO, LIST = "anna@unimore.it", "bruno@unimore.it", "anna+list@unimore.it"


def ledger(state: State) -> SqlDigests:
    return state.open().digests("digest", "quarantine")


def word(place: State, /, **more: object) -> Action:
    made = Action(0, "allow", ANNA, ANNA, "i1", "news@example.org", "spam", "done", place.now, before="3.5")
    return replace(made, **more)  # type: ignore[arg-type]


def test_what_was_said_before_stays_on_record_and_what_a_request_was_about_does_not(state: State) -> None:
    allow, _ = ledger(state).act(word(state))
    request, _ = ledger(state).act(word(state, deed="request", state="waiting", before="", subject="Fattura"))
    for action in (allow, request):
        ledger(state).acted(action.id, "done")
    kept = {one.deed: (one.before, one.subject) for one in ledger(state).actions()}
    assert kept == {"allow": ("3.5", ""), "request": ("", "")}


def test_of_each_deed_on_an_item_the_newest_is_known_and_nobody_elses(state: State) -> None:
    first, _ = ledger(state).act(word(state, state="undone"))
    second, _ = ledger(state).act(word(state))
    release, _ = ledger(state).act(word(state, deed="release", sender="x@example.org", before=""))
    ledger(state).act(word(state, owner=BRUNO, recipient=BRUNO))
    ledger(state).act(word(state, item="i2", sender="y@example.org"))
    assert {one.id for one in ledger(state).done(ANNA, ["i1", "i3"])} == {second.id, release.id}
    assert ledger(state).done(ANNA, []) == []
    of = ledger(state).actions(owner=ANNA, of=(ANNA, "news@example.org"))
    assert [one.id for one in of] == [second.id, first.id]


def test_an_address_with_an_extension_is_of_whoever_has_it_just_so(state: State) -> None:
    ledger(state).know([Holder(ANNA, (ANNA,), "it", asked=True), Holder(BRUNO, (BRUNO, LIST), "it", asked=True)])
    assert ledger(state).owned([LIST, "anna+x@unimore.it"]) == {LIST}
    assert ledger(state).owned([]) == frozenset()
    state.now += timedelta(days=1)
    ledger(state).know([Holder(ANNA, (ANNA,), "it", asked=True)])
    assert ledger(state).owned([LIST]) == frozenset()
