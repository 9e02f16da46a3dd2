"""What every quarantine keeps to. A connector's test derives from it and says how a message gets in."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest

from collima.core.errors import Refused
from collima.core.quarantine import Category, ItemId, Quarantine, Rank, Ref

NOW = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ANNA, BRUNO, CARLA = "anna@unimore.it", "bruno@studenti.unimore.it", "carla@unimore.it"
NASTY = "<img src=x onerror=alert(1)> \U0001f4b0 \u202egnp.exe\u202c & \"quoted\" 'too' {{ 7 * 7 }} %s"


class Session(Quarantine, Protocol):
    def check(self) -> str: ...


class Place(Protocol):
    """A quarantine for one test, empty."""

    def open(self) -> AbstractContextManager[Session]: ...
    def hold(
        self,
        *recipients: str,
        at: datetime,
        sender: str = ...,
        author: str = ...,
        subject: str = ...,
        size: int = ...,
        category: Category = ...,
        score: float = ...,
    ) -> list[ItemId]:
        """One message, held for each of these; their items in this order."""

    def delivered(self) -> list[str]:
        """To whom, in the order of the releases."""


def refs(session: Quarantine, since: datetime = NOW - DAY, until: datetime = NOW) -> list[Ref]:
    return [ref for portion in session.held(since, until) for ref in portion]


def refused(released: Iterable[Any]) -> list[Exception]:
    return [each for each in released if isinstance(each, Exception)]


class QuarantineContract:
    """Derive, and give a fixture `place: Place`."""

    # ---- reading

    def test_a_message_for_two_people_is_two_items(self, place: Place) -> None:
        ids = place.hold(ANNA, BRUNO, at=NOW - HOUR)
        with place.open() as session:
            found = refs(session)
            assert {(ref.id, ref.recipient, ref.at) for ref in found} == {
                (ids[0], ANNA, int((NOW - HOUR).timestamp())),
                (ids[1], BRUNO, int((NOW - HOUR).timestamp())),
            }
            assert len({item.message for item in session.items(ids).values()}) == 1
        assert all(len(ref.id) <= 100 for ref in found)

    def test_a_window_has_its_beginning_and_not_its_end(self, place: Place) -> None:
        place.hold(ANNA, at=NOW - DAY - timedelta(seconds=1))
        (first,) = place.hold(ANNA, at=NOW - DAY)
        (last,) = place.hold(ANNA, at=NOW - timedelta(seconds=1))
        place.hold(ANNA, at=NOW)
        with place.open() as session:
            assert {ref.id for ref in refs(session)} == {first, last}

    def test_an_item_is_shown_as_it_came(self, place: Place) -> None:
        (one,) = place.hold(
            ANNA,
            at=NOW - HOUR,
            sender="Win@Lottery.Example.org",
            author=f"{NASTY} <win@lottery.example.org>",
            subject=NASTY,
            size=64_000,
            category="virus",
            score=12.25,
        )
        with place.open() as session:
            item = session.items([one])[one]
        assert (item.id, item.recipient, item.at, item.sender) == (one, ANNA, NOW - HOUR, "win@lottery.example.org")
        assert (item.subject, item.author) == (NASTY, f"{NASTY} <win@lottery.example.org>")
        assert (item.size, item.category, item.score) == (64_000, "virus", 12.25)

    @pytest.mark.parametrize("category", ["spam", "banned", "virus", "other"])
    def test_each_has_its_category(self, place: Place, category: Category) -> None:
        (one,) = place.hold(ANNA, at=NOW - HOUR, category=category)
        with place.open() as session:
            assert session.items([one])[one].category == category

    def test_a_bounce_has_no_sender(self, place: Place) -> None:
        (one,) = place.hold(ANNA, at=NOW - HOUR, sender="")
        with place.open() as session:
            assert session.items([one])[one].sender == ""

    def test_recipients_are_in_lower_case(self, place: Place) -> None:
        (one,) = place.hold("Anna@UniMoRe.it", at=NOW - HOUR)
        with place.open() as session:
            assert [ref.recipient for ref in refs(session)] == [ANNA]
            assert session.items([one])[one].recipient == ANNA

    def test_items_that_are_not_there_are_left_out(self, place: Place) -> None:
        (one,) = place.hold(ANNA, at=NOW - HOUR)
        strange = [ItemId(text) for text in ("", "x", "1:2", "0:nothing:1", "'; DROP TABLE msgs; --", "9" * 90)]
        with place.open() as session:
            assert set(session.items([*strange, one])) == {one}
            assert session.items([]) == {}

    def test_a_person_sees_all_that_is_held_for_any_of_their_addresses(self, place: Place) -> None:
        (worst,) = place.hold(ANNA, CARLA, at=NOW - HOUR, score=30.0)[:1]
        (best,) = place.hold(BRUNO, at=NOW - 2 * HOUR, score=5.5)
        place.hold(CARLA, at=NOW - HOUR)
        place.hold(ANNA, at=NOW - 3 * DAY)
        with place.open() as session:
            assert session.held_for([ANNA, BRUNO], NOW - DAY) == [
                Rank(False, 5.5, -int((NOW - 2 * HOUR).timestamp()), best),
                Rank(False, 30.0, -int((NOW - HOUR).timestamp()), worst),
            ]
            assert session.held_for([], NOW - DAY) == []
            assert session.held_for(["nobody@unimore.it", "%", "anna@unimore.it' OR '1'='1"], NOW - DAY) == []

    def test_viruses_come_last_whatever_their_score(self, place: Place) -> None:
        (virus,) = place.hold(ANNA, at=NOW - HOUR, score=0.0, category="virus")
        (spam,) = place.hold(ANNA, at=NOW - HOUR, score=30.0)
        (banned,) = place.hold(ANNA, at=NOW - HOUR, score=0.0, category="banned")
        with place.open() as session:
            ranks = session.held_for([ANNA], NOW - DAY)
        assert [(rank.id, rank.virus) for rank in ranks] == [(banned, False), (spam, False), (virus, True)]

    def test_of_equals_the_newest_comes_first(self, place: Place) -> None:
        (old,) = place.hold(ANNA, at=NOW - 2 * HOUR)
        (new,) = place.hold(ANNA, at=NOW - HOUR)
        with place.open() as session:
            assert [rank.id for rank in session.held_for([ANNA], NOW - DAY)] == [new, old]

    def test_addresses_with_an_extension_are_found_by_the_plain_one(self, place: Place) -> None:
        place.hold("anna+list@unimore.it", "anna+@unimore.it", "anna+b+c@unimore.it", at=NOW - HOUR)
        place.hold("anna+x@studenti.unimore.it", "annab+x@unimore.it", "x+anna@unimore.it", at=NOW - HOUR)
        place.hold(ANNA, "axb+x@unimore.it", at=NOW - HOUR)
        with place.open() as session:
            session.rule("anna+said@unimore.it", "news@example.org", "allow")
            theirs = {f"anna+{extension}@unimore.it" for extension in ("list", "", "b+c", "said")}
            assert session.extended([ANNA]) == theirs
            assert session.extended([ANNA, CARLA, "anna+list@unimore.it", "a_b@unimore.it", "%@unimore.it"]) == theirs
            assert session.extended([]) == session.extended(["", "@unimore.it", "anna"]) == frozenset()
            assert len(session.held_for(theirs, NOW - DAY)) == 3

    def test_thousands_come_in_portions_and_none_is_missing(self, place: Place) -> None:
        many = [f"p{number}@unimore.it" for number in range(1300)]
        for at in range(0, len(many), 100):
            place.hold(*many[at : at + 100], at=NOW - HOUR)
        with place.open() as session:
            portions = list(session.held(NOW - DAY, NOW))
            mine = session.items([ref.id for portion in portions for ref in portion])
        assert max(map(len, portions)) <= 1000
        assert sorted(ref.recipient for portion in portions for ref in portion) == sorted(many)
        assert len(mine) == len(many)

    def test_between_two_portions_the_session_can_be_asked(self, place: Place) -> None:
        for _ in range(13):
            place.hold(*(f"p{number}@unimore.it" for number in range(100)), at=NOW - HOUR)
        with place.open() as session:
            seen = 0
            for portion in session.held(NOW - DAY, NOW):
                assert session.items([portion[0].id])
                seen += len(portion)
        assert seen == 1300

    # ---- releasing

    def test_a_released_message_goes_to_its_recipient_alone_and_is_not_held_any_more(self, place: Place) -> None:
        annas, brunos = place.hold(ANNA, BRUNO, at=NOW - HOUR)
        with place.open() as session:
            session.release(annas, ANNA)
            assert place.delivered() == [ANNA]
            assert [ref.id for ref in refs(session)] == [brunos]
            assert set(session.items([annas, brunos])) == {brunos}
            assert session.held_for([ANNA], NOW - DAY) == []

    def test_nothing_is_released_twice(self, place: Place) -> None:
        (one,) = place.hold(ANNA, at=NOW - HOUR)
        with place.open() as session:
            session.release(one, ANNA)
            with pytest.raises(Refused) as second:
                session.release(one, ANNA)
        assert not second.value.transient
        assert place.delivered() == [ANNA]

    def test_of_many_releases_at_once_one_delivers(self, place: Place) -> None:
        (one,) = place.hold(ANNA, at=NOW - HOUR)

        def release(_: int) -> Exception | None:
            with place.open() as session:
                try:
                    session.release(one, ANNA)
                except Refused as err:
                    return err
            return None

        with ThreadPoolExecutor(6) as clicks:
            came = list(clicks.map(release, range(6)))
        assert len(refused(came)) == 5
        assert place.delivered() == [ANNA]

    @pytest.mark.parametrize("stranger", [BRUNO, CARLA, "", "anna@unimore.it\r\nrecipient=<carla@unimore.it>"])
    def test_only_the_items_own_recipient_can_have_it(self, place: Place, stranger: str) -> None:
        annas, _ = place.hold(ANNA, BRUNO, at=NOW - HOUR)
        with place.open() as session:
            with pytest.raises(Refused) as refusal:
                session.release(annas, stranger)
            assert len(refs(session)) == 2
        assert place.delivered() == []
        assert "@" not in str(refusal.value)

    def test_what_is_not_there_cannot_be_released(self, place: Place) -> None:
        with place.open() as session:
            for strange in ("", "0:nothing:1", "x"):
                with pytest.raises(Refused):
                    session.release(ItemId(strange), ANNA)

    # ---- senders

    def test_a_rule_is_of_one_recipient_and_one_sender_and_the_last_word_counts(self, place: Place) -> None:
        with place.open() as session:
            session.rule(ANNA, "news@example.org", "allow")
            session.rule(ANNA, "news@example.org", "allow")
            session.rule(BRUNO, "news@example.org", "block")
            session.rule(ANNA, "Win@Example.org", "allow")
            session.rule(ANNA, "win@example.org", "block")
            assert session.rules([ANNA]) == {(ANNA, "news@example.org"): "allow", (ANNA, "win@example.org"): "block"}
            assert session.rules([BRUNO, CARLA]) == {(BRUNO, "news@example.org"): "block"}
            assert session.rules([]) == {}

    def test_a_rule_can_be_forgotten_and_twice_does_no_harm(self, place: Place) -> None:
        with place.open() as session:
            session.rule(ANNA, "news@example.org", "block")
            session.rule(BRUNO, "news@example.org", "block")
            for _ in range(2):
                session.rule(ANNA, "news@example.org", None)
            session.rule(CARLA, "never@example.org", None)
            assert session.rules([ANNA, BRUNO, CARLA]) == {(BRUNO, "news@example.org"): "block"}

    def test_what_was_said_before_is_put_back(self, place: Place) -> None:
        with place.open() as session:
            assert session.said(ANNA, "news@example.org") == ""
            session.rule(ANNA, "News@example.org", "allow")
            before = session.said(ANNA, "NEWS@example.org")
            session.rule(ANNA, "news@example.org", "block")
            assert session.said(ANNA, "news@example.org") not in ("", before)
            for _ in range(2):
                session.put_back(ANNA, "news@example.org", before)
                assert session.rules([ANNA]) == {(ANNA, "news@example.org"): "allow"}
            session.put_back(ANNA, "news@example.org", "")
            assert session.rules([ANNA]) == {}

    # ---- purging

    def test_a_purge_takes_what_is_older_and_says_before_how_much_that_is(self, place: Place) -> None:
        place.hold(ANNA, BRUNO, at=NOW - 6 * DAY)
        place.hold(ANNA, at=NOW - 5 * DAY - timedelta(seconds=1))
        (kept,) = place.hold(ANNA, at=NOW - 5 * DAY)
        (new,) = place.hold(CARLA, at=NOW - HOUR)
        with place.open() as session:
            before = session.stale(NOW - 5 * DAY)
            assert (before.messages, before.all, before.newest) == (2, 4, NOW - HOUR)
            assert sum(session.purge(NOW - 5 * DAY)) == 2
            assert {ref.id for ref in refs(session, NOW - 30 * DAY)} == {kept, new}
            after = session.stale(NOW - 5 * DAY)
            assert (after.messages, after.all, session.orphans()) == (0, 2, 0)
            assert sum(session.purge(NOW - 5 * DAY)) == 0

    def test_sweeping_takes_nothing_that_belongs_to_a_message(self, place: Place) -> None:
        ids = place.hold(ANNA, BRUNO, at=NOW - 6 * DAY)
        with place.open() as session:
            session.sweep()
            assert set(session.items(ids)) == set(ids)
            assert session.orphans() == 0

    def test_a_released_message_is_purged_as_the_others(self, place: Place) -> None:
        (one,) = place.hold(ANNA, at=NOW - 6 * DAY)
        with place.open() as session:
            session.release(one, ANNA)
            assert session.stale(NOW - 5 * DAY).messages == 1
            assert sum(session.purge(NOW - 5 * DAY)) == 1
            with pytest.raises(Refused):
                session.release(one, ANNA)

    def test_an_empty_quarantine_has_nothing(self, place: Place) -> None:
        with place.open() as session:
            assert refs(session) == []
            empty = session.stale(NOW)
            assert (empty.messages, empty.all, empty.newest) == (0, 0, None)
            assert list(session.purge(NOW)) == []

    def test_check_says_what_is_there(self, place: Place) -> None:
        place.hold(ANNA, at=NOW - HOUR)
        with place.open() as session:
            assert session.check()
