"""The ledger of digests, on either database."""

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage

from sqlalchemy import func, select

from collima.core.quarantine import Action, Deed, Digest, Digests, Holder, ItemId, Ref
from collima.state import digests as module
from collima.state.digests import SqlDigests
from collima.state.tables import digest_items, outbox
from tests.state.conftest import State

ANNA, BRUNO = "anna@unimore.it", "bruno@unimore.it"
AT = 1_795_000_000


def ledger(state: State, job: str = "digest", target: str = "quarantine") -> SqlDigests:
    return state.open().digests(job, target)


def ref(name: str, recipient: str = ANNA, at: int = AT) -> Ref:
    return Ref(ItemId(name), recipient, at)


def digest(name: str, *items: Ref, owner: str = ANNA) -> Digest:
    return Digest(f"<{name}@unimore.it>", owner, (owner, f"alias.{owner}"), "it", items)


def listed(state: State, *some: Digest) -> list[str]:
    return [name[1:].partition("@")[0] for name in ledger(state).list(some, "mail")]


def waiting(state: State) -> list[tuple[str, str]]:
    """(Message-ID, state) of each mail."""
    with state.open().database.read() as connection:
        return [(r.message_id, r.state) for r in connection.execute(select(outbox).order_by(outbox.c.id))]


def test_it_implements_the_port(state: State) -> None:
    port: Digests = ledger(state)
    assert (port.began(), port.usual(), port.off(), port.listed([ref("a")])) == (None, [], frozenset(), frozenset())
    assert (port.digest("<x>"), port.holder(ANNA), port.actions(), port.released(state.now)) == (None, None, [], {})


def test_the_ledger_begins_once(state: State) -> None:
    began = state.now - timedelta(days=1)
    ledger(state).begin(began)
    ledger(state).begin(state.now)
    assert ledger(state).began() == began
    assert ledger(state, "another").began() is None


def test_a_digest_is_on_record_with_its_items_and_its_mail(state: State) -> None:
    one = digest("a", ref("i1"), ref("i2", f"alias.{ANNA}", AT + 1))
    assert listed(state, one) == ["a"]
    assert ledger(state).digest("<a@unimore.it>") == one
    assert ledger(state).listed([ref("i1"), ref("i2", at=AT + 1), ref("i3")]) == {"i1", "i2"}
    (row,) = state.open().outbox.due("mail", 10)
    assert (row.message_id, row.to, row.job, row.again, row.unwritten) == (
        "<a@unimore.it>",
        (ANNA,),
        "digest",
        "always",
        True,
    )


def test_the_same_digest_again_adds_nothing(state: State) -> None:
    one = digest("a", ref("i1"))
    for _ in range(2):
        assert listed(state, one, one) == ["a", "a"]
    assert listed(state, replace(one, items=(*one.items, ref("i2")))) == ["a"]
    assert ledger(state).listed([ref("i2")]) == frozenset()
    assert waiting(state) == [("<a@unimore.it>", "planned")]


def test_an_item_is_in_one_digest_and_a_digest_without_any_is_not_made(state: State) -> None:
    assert listed(
        state, digest("a", ref("i1"), ref("i1")), digest("b", ref("i1")), digest("c", ref("i1"), ref("i2"))
    ) == [
        "a",
        "c",
    ]
    assert listed(state, digest("d", ref("i2")), digest("e")) == []
    found = ledger(state).digest("<c@unimore.it>")
    assert found is not None
    assert found.items == (ref("i2"),)
    assert ledger(state).digest("<b@unimore.it>") is None


def test_several_are_read_at_once_and_those_of_nobody_are_not_there(state: State) -> None:
    known = [Holder(ANNA, (ANNA,), "it", asked=True), Holder(BRUNO, (BRUNO,), "en", asked=False)]
    ledger(state).know(known)
    made = digest("a", ref("i1"), ref("i2")), digest("b", ref("i3", BRUNO), owner=BRUNO)
    listed(state, *made)
    ledger(state, "other").know([Holder("c@unimore.it", (), "", asked=True)])
    names = ["<b@unimore.it>", "<none@unimore.it>", "<a@unimore.it>"]
    assert ledger(state).digests(names) == {one.message_id: one for one in made}
    assert ledger(state).holders([BRUNO, "c@unimore.it", ANNA]) == {one.owner: one for one in known}
    assert (ledger(state, "other").digests(names), ledger(state).digests([])) == ({}, {})
    assert ledger(state, "other").holders([ANNA]) == {}


def test_another_job_has_another_ledger(state: State) -> None:
    listed(state, digest("a", ref("i1")))
    other = ledger(state, "other")
    assert other.listed([ref("i1")]) == frozenset()
    assert list(other.list([digest("x", ref("i1"))], "mail")) == ["<x@unimore.it>"]
    assert other.digest("<a@unimore.it>") is None


def test_each_owner_is_listed_whole_whenever_it_is_cut_short(state: State) -> None:
    many = [digest(str(n), ref(f"{n}a"), ref(f"{n}b"), owner=f"p{n}@unimore.it") for n in range(3 * module.OWNERS)]

    def cut() -> Iterable[Digest]:
        yield from many[: module.OWNERS + 10]
        raise KeyboardInterrupt

    found: list[str] = []
    with suppress(KeyboardInterrupt):
        found.extend(ledger(state).list(cut(), "mail"))
    assert len(found) == len(waiting(state)) == module.OWNERS
    with state.open().database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(digest_items)) == 2 * module.OWNERS
    assert len(list(ledger(state).list(many, "mail"))) == len(many) == len(waiting(state))


def test_thousands_of_digests_are_listed_in_seconds(state: State) -> None:
    many = [digest(str(n), *(ref(f"{n}.{m}") for m in range(7)), owner=f"p{n}@unimore.it") for n in range(1_000)]
    began = time.perf_counter()
    assert len(listed(state, *many)) == 1_000
    assert time.perf_counter() - began < 20  # a twentieth of it on a quiet machine
    refs = [item for one in many for item in one.items][:1_000]
    assert len(ledger(state).listed(refs)) == 1_000


def test_what_is_old_is_forgotten_with_the_digests_and_people_of_whom_nothing_is_left(state: State) -> None:
    known = [Holder(one, (one,), "it", asked=True) for one in (ANNA, BRUNO)]
    ledger(state).know(known)
    listed(state, digest("a", ref("i1"), ref("i2", at=AT + 10)), digest("b", ref("i3"), owner=BRUNO))
    state.later(seconds=1)
    ledger(state).know(known[:1])
    since = state.now.fromtimestamp(AT + 5, state.now.tzinfo)
    assert ledger(state).forget(since) == 2
    assert ledger(state).listed([ref("i1"), ref("i2", at=AT + 10), ref("i3")]) == {"i2"}
    assert ledger(state).digest("<a@unimore.it>") is not None
    assert ledger(state).digest("<b@unimore.it>") is None
    assert ledger(state).forget(since) == 0


def test_what_leaves_a_digest_is_new_again_and_goes_out_by_another_name_when_all_of_it_did(state: State) -> None:
    one = digest("a", ref("i1"), ref("i2"))
    listed(state, one, digest("b", ref("i3")))
    ledger(state).unlist("<a@unimore.it>", [ItemId("i1"), ItemId("i3")])
    assert ledger(state).listed([ref("i1"), ref("i2"), ref("i3")]) == {"i2", "i3"}
    ledger(state).unlist("<a@unimore.it>", [ItemId("i2")])
    assert ledger(state).digest("<a@unimore.it>") is None
    assert listed(state, one) == ["a"]
    names = [name for name, _ in waiting(state)]
    assert names[:2] == ["<a@unimore.it>", "<b@unimore.it>"]
    found = ledger(state).digest(names[2])
    assert found == replace(one, message_id=names[2])


def test_whoever_was_found_a_short_time_ago_may_be_spared(state: State) -> None:
    known = [Holder(one, (one,), "it", asked=True) for one in (ANNA, BRUNO)]
    ledger(state).know(known)
    then = state.now
    state.later(days=1)
    assert ledger(state).missing([ANNA]) == (1, 2)
    ledger(state).know(known[:1], then)
    assert ledger(state).holder(BRUNO) == known[1]
    ledger(state).know(known[:1], state.now)
    assert ledger(state).holder(BRUNO) is None
    assert ledger(state).missing([ANNA]) == (0, 1)


def test_only_the_last_seven_runs_are_usual(state: State) -> None:
    for count in range(10):
        ledger(state).count(count)
    assert list(ledger(state).usual()) == [9, 8, 7, 6, 5, 4, 3]


def test_whoever_wants_no_digest_is_left_alone_until_they_want_it_again(state: State) -> None:
    known = [Holder(ANNA, (ANNA,), "it", asked=True), Holder(BRUNO, (BRUNO,), "en", asked=False)]
    ledger(state).know(known)
    ledger(state).turn(ANNA, off=True)
    when = state.now
    state.later(days=1)
    ledger(state).turn(ANNA, off=True)
    ledger(state).know([replace(known[0], language="en"), known[1]])
    assert ledger(state).off() == {ANNA}
    assert ledger(state).holder(ANNA) == Holder(ANNA, (ANNA,), "en", asked=True, off=when)
    ledger(state).turn(ANNA, off=False)
    assert (ledger(state).off(), ledger(state).holder(BRUNO)) == (frozenset(), known[1])


def test_whoever_is_not_found_any_more_may_act_no_more_and_their_wish_is_kept(state: State) -> None:
    known = [Holder(ANNA, (ANNA,), "it", asked=True), Holder(BRUNO, (BRUNO,), "it", asked=True)]
    ledger(state).know(known)
    ledger(state).turn(ANNA, off=True)
    state.later(seconds=1)
    ledger(state).know(known[1:])
    assert (ledger(state).holder(ANNA), ledger(state).holder(BRUNO)) == (None, known[1])
    ledger(state).forget(state.now)
    state.later(seconds=1)
    ledger(state).know(known)
    assert ledger(state).off() == {ANNA}


def action(state: State, deed: Deed, *, item: str = "", sender: str = "", subject: str = "") -> Action:
    return Action(0, deed, ANNA, ANNA, item, sender, "spam", "doing", state.now, subject=subject)


def test_an_action_is_on_record_before_it_is_done_and_the_same_one_is_not_done_twice(state: State) -> None:
    first, new = ledger(state).act(action(state, "release", item="i1", sender="x@example.org"))
    assert new
    assert ledger(state).act(action(state, "release", item="i1", sender="x@example.org")) == (first, False)
    ledger(state).acted(first.id, "done")
    assert ledger(state).act(action(state, "release", item="i1"))[1] is False
    assert ledger(state).act(action(state, "release", item="i2"))[1] is True
    assert ledger(state).released(state.now) == {"x@example.org": 1}
    found = ledger(state).action(first.id)
    assert found is not None
    assert found.state == "done"


def test_what_failed_may_be_tried_again(state: State) -> None:
    first, _ = ledger(state).act(action(state, "release", item="i1"))
    ledger(state).acted(first.id, "failed", f"451 {ANNA}: the next hop is down")
    second, new = ledger(state).act(action(state, "release", item="i1"))
    assert new
    assert second.id != first.id
    failed = ledger(state).action(first.id)
    assert failed is not None
    assert ANNA not in failed.error


def test_the_newest_word_on_a_sender_counts(state: State) -> None:
    def say(deed: Deed) -> bool:
        made, new = ledger(state).act(action(state, deed, sender="x@example.org"))
        ledger(state).acted(made.id, "done")
        return new

    assert [say("allow"), say("allow"), say("block"), say("allow"), say("allow")] == [True, False, True, True, False]
    newest = ledger(state).actions(owner=ANNA)[0]
    ledger(state).acted(newest.id, "undone")
    assert [say("off"), say("off"), say("on"), say("off")] == [True, False, True, True]


def test_a_request_waits_with_its_subject_and_without_when_it_is_decided(state: State) -> None:
    made, _ = ledger(state).act(
        replace(action(state, "request", item="i1", subject="fattura\u202e"), state="waiting", category="banned")
    )
    ledger(state).act(action(state, "release", item="i2"))
    assert [(one.id, one.subject) for one in ledger(state).actions(waiting=True)] == [(made.id, "fattura\u202e")]
    assert ledger(state).act(action(state, "request", item="i1"))[1] is False
    ledger(state).acted(made.id, "done")
    assert (ledger(state).actions(waiting=True), len(ledger(state).actions(owner=ANNA))) == ([], 2)
    decided = ledger(state).action(made.id)
    assert decided is not None
    assert decided.subject == ""


def test_words_to_the_administrators_go_out_once(state: State) -> None:
    message = EmailMessage()
    message["Message-ID"] = "<request@unimore.it>"
    message.set_content("x")
    for _ in range(2):
        ledger(state).post([(message, ["posta@unimore.it"])], "mail")
    (row,) = state.open().outbox.due("mail", 10, bulk=False)
    assert (row.to, row.unwritten) == (("posta@unimore.it",), False)


def test_the_addresses_of_a_digest_are_kept_as_a_list(state: State) -> None:
    listed(state, digest("a", ref("i1")))
    with state.open().database.read() as connection:
        assert json.loads(connection.scalar(select(module.digests.c.addresses)) or "") == [ANNA, f"alias.{ANNA}"]
