"""Releases by amavisd when not all goes well: what was not delivered is held again, and what may have been is not."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from collima.core.errors import Refused
from collima.core.quarantine import ItemId
from connectors.amavis.release import Doubt, judge
from tests.connectors.amavis_place import ANNA, BRUNO, Place, place
from tests.servers import free_port
from tests.servers.amavis import amavis_here, amavis_server
from tests.servers.smtpd import DROP, LOSE

__all__ = ["amavis_here", "amavis_server", "place"]

NOW = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)
GREETED = b"action=DUNNO\r\n\r\n"


@pytest.fixture
def one(place: Place) -> ItemId:
    """Anna's, and Bruno's copy of it beside."""
    return place.hold(ANNA, BRUNO, at=NOW)[0]


def release(place: Place, item: ItemId, *places: str) -> Refused | None:
    with place.open(**({"release": places} if places else {})) as session:
        try:
            session.release(item, ANNA)
        except Refused as err:
            return err
    return None


@contextmanager
def stand_in(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Something that takes connections, gives one answer to each of the requests, and hangs up."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    link, _ = listening.accept()
                except OSError:
                    return
                with link, link.makefile("rb") as lines:
                    for answer in answers:
                        request = b""
                        while not request.endswith(b"\r\n\r\n") and (line := lines.readline()):
                            request += line
                        heard.append(request)
                        link.sendall(answer)

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}", heard
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            server.join(10)


def held_again(place: Place, item: ItemId) -> bool:
    return item in {known.id for known in place.seen()} and place.marks() == ["", ""]


def test_the_first_that_answers_is_asked_and_the_others_are_not(place: Place, one: ItemId) -> None:
    away = f"127.0.0.1:{free_port()}"
    assert release(place, one, "/nowhere/amavisd.sock", away, f"127.0.0.1:{place.server.pdp}", away) is None
    assert (place.delivered(), place.marks(), place.slept) == ([ANNA], ["R", ""], [])


def test_when_none_answers_it_is_tried_again_and_then_held_again(place: Place, one: ItemId) -> None:
    refusal = release(place, one, f"127.0.0.1:{free_port()}", "/nowhere/amavisd.sock")
    assert refusal is not None
    assert refusal.transient
    assert len(place.slept) == 2
    assert held_again(place, one)


def test_an_amavisd_that_comes_back_meanwhile_delivers(place: Place, one: ItemId) -> None:
    port = place.server.pdp
    place.server.stop()
    with place.open(release=(f"127.0.0.1:{port}",)) as session:
        object.__setattr__(session._releases, "sleep", lambda _: place.server.start())
        session.release(one, ANNA)
    assert place.delivered() == [ANNA]


def test_a_next_hop_that_is_down_for_a_moment_is_tried_again(place: Place, one: ItemId) -> None:
    place.server.next_hop.answers["RCPT"] = ["451 4.3.0 try later"]
    assert release(place, one) is None
    assert (place.delivered(), place.marks(), len(place.slept)) == ([ANNA], ["R", ""], 1)


def test_a_next_hop_that_stays_down_leaves_it_held(place: Place, one: ItemId) -> None:
    place.server.next_hop.answers["RCPT"] = ["451 4.3.0 try later"] * 9
    refusal = release(place, one)
    assert refusal is not None
    assert refusal.transient
    assert "451" in str(refusal)
    assert "@unimore" not in str(refusal)
    assert held_again(place, one)


def test_a_next_hop_that_refuses_it_is_asked_once(place: Place, one: ItemId) -> None:
    place.server.next_hop.answers["RCPT"] = ["550 5.1.1 no such user here"]
    refusal = release(place, one)
    assert refusal is not None
    assert not refusal.transient
    assert place.slept == []
    assert held_again(place, one)


def test_a_release_that_amavisd_does_not_take_is_asked_once(place: Place, one: ItemId) -> None:
    """450 is its word for what will not do: here for a secret that is another one's."""
    place.server.query("UPDATE msgs SET secret_id = 'AAAAAAAAAAAA'")
    refusal = release(place, one)
    assert refusal is not None
    assert not refusal.transient
    assert "450" in str(refusal)
    assert "AAAAAAAAAAAA" not in str(refusal), "amavisd repeats it"
    assert place.slept == []
    assert held_again(place, one)


@pytest.mark.parametrize("cut", [b"", b"version_server=2\r\nsetreply=250 2.0", b"setreply=250 2.6.0 Ok\r\n"])
def test_an_answer_that_is_lost_leaves_it_marked_and_is_told(place: Place, one: ItemId, cut: bytes) -> None:
    with stand_in(GREETED, cut) as (where, heard):
        refusal = release(place, one, where)
    assert refusal is not None
    assert not refusal.transient
    assert "may have been delivered" in str(refusal)
    assert len(heard) == 2, "it is not asked again"
    assert place.marks() == ["p", ""]
    assert [item.recipient for item in place.seen()] == [BRUNO]
    again = release(place, one)
    assert again is not None
    assert "nobody can tell" in str(again)
    assert place.delivered() == []


def test_an_answer_that_does_not_come_in_time_leaves_it_marked(place: Place, one: ItemId) -> None:
    with stand_in(GREETED, b"setreply=451 4.5.0 ERROR:%20timed%20out\r\n\r\n") as (where, _):
        refusal = release(place, one, where)
    assert refusal is not None
    assert "may have been delivered" in str(refusal)
    assert place.marks() == ["p", ""]


@pytest.mark.parametrize(("cut", "delivered"), [(DROP, [ANNA]), (LOSE, [])])
def test_a_next_hop_that_is_lost_when_it_has_the_whole_message_is_not_asked_again(
    place: Place, one: ItemId, cut: str, delivered: list[str]
) -> None:
    place.server.next_hop.answers["DATA"] = [cut]
    refusal = release(place, one)
    assert refusal is not None
    assert not refusal.transient
    assert "may have been delivered" in str(refusal)
    assert (place.delivered(), place.marks(), place.slept) == (delivered, ["p", ""], [])


@pytest.mark.parametrize(
    ("said", "doubt", "transient"),
    [
        ("451 4.5.0 from MTA(smtp:[127.0.0.1]:10025): No resp. to data-dot", True, False),
        ("451 4.5.0 From MTA(smtp) during fwd-rundown-1 (Empty SMTP response to data-dot): id=x", True, False),
        ("450 4.4.2 Timed out during fwd-data-end, MTA(smtp), id=x", True, False),
        ("450 4.5.0 Failure: timed out", True, False),
        ("450 4.4.2 Timed out during fwd-rcpt-to, MTA(smtp), id=x", False, True),
        ("450 4.4.1 Can't connect to 127.0.0.1 port 10025, MTA(smtp), id=x", False, True),
        ("450 4.5.0 Failure: no such message", False, False),
        ("450 4.5.0 Unexpected: ", False, True),
    ],
)
def test_what_amavisd_says_is_taken_as_it_means_it(said: str, doubt: bool, transient: bool) -> None:
    with pytest.raises(Refused) as refusal:
        judge("mx1:9998", said)
    assert (isinstance(refusal.value, Doubt), refusal.value.transient) == (doubt, transient)


@pytest.mark.parametrize(
    ("command", "said"),
    [("MAIL", DROP), ("RCPT", DROP), ("DATA", "421 4.3.2 closing"), ("DATA", "452 4.3.1 no room")],
)
def test_a_next_hop_that_did_not_take_it_for_a_moment_is_asked_again(
    place: Place, one: ItemId, command: str, said: str
) -> None:
    place.server.next_hop.answers[command] = [said]
    assert release(place, one) is None
    assert (place.delivered(), place.marks(), len(place.slept)) == ([ANNA], ["R", ""], 1)


@pytest.mark.parametrize("greeting", [b"", b"220 mx1 ESMTP\r\n", b"\r\n"])
def test_who_does_not_speak_the_protocol_is_told_nothing_and_leaves_no_doubt(
    place: Place, one: ItemId, greeting: bytes
) -> None:
    """So closes a port that does not let this machine in, and one that is for mail."""
    with stand_in(greeting) as (where, heard):
        refusal = release(place, one, where)
    assert refusal is not None
    assert refusal.transient
    assert not any(b"secret_id" in request for request in heard)
    assert held_again(place, one)


def test_what_is_asked_is_for_one_recipient_with_all_that_could_break_a_line_encoded(place: Place) -> None:
    odd = '"a b%c"@unimore.it'
    (item,) = place.hold(odd, at=NOW)
    with stand_in(GREETED, b"setreply=250 2.6.0 Ok\r\n\r\n") as (where, heard), place.open(release=(where,)) as session:
        session.release(item, odd)
    lines = heard[1].decode().split("\r\n")
    assert lines[0] == "request=release"
    assert [line for line in lines if line.startswith("recipient=")] == ['recipient=<"a%20b%25c"@unimore.it>']
    assert {"quar_type=Q", "partition_tag=0", f"mail_id={item.split(':')[1]}"} < set(lines)


def test_without_a_place_nothing_is_released(place: Place, one: ItemId) -> None:
    with place.open(release=()) as session, pytest.raises(Refused, match="no `release`"):
        session.release(one, ANNA)
    assert held_again(place, one)


def test_check_says_which_places_answer(place: Place) -> None:
    away = f"127.0.0.1:{free_port()}"
    here = f"127.0.0.1:{place.server.pdp}"
    with place.open(release=(here, away, str(place.server.socket))) as session:
        told = session.check()
    assert f"release by {here}, {away} does not answer" in told
    assert told.endswith("amavisd.sock"), "all rights are there"
