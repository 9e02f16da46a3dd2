"""What no real server could be made to do: each lie about an answer is found out."""

import socket
import threading
from collections.abc import Iterator

import pytest

from collima.core.errors import SourceError
from collima.directory.filters import parse
from connectors.ldap import ber
from connectors.ldap.results import Unanswered
from connectors.ldap.wire import PATIENCE, Wire, split
from tests.connectors.ldap_kinds import at_once, ldap
from tests.servers.liar import PAGED_RESULTS, Lie, Request, entry, liar, message, paging, result

PEOPLE = {f"uid=u{number:02},dc=x": {"uid": [b"u%02d" % number]} for number in range(25)}


def count(lie: Lie | None = None) -> int:
    with liar(PEOPLE) as server:
        if lie:
            server.lie = lie
        with ldap(server.url, page_size=10).open(sleep=at_once) as directory:
            return len(directory.entries(parse("(uid=*)"), ["uid"]))


def test_an_honest_answer_is_whole() -> None:
    assert count() == 25


def _on_page(number: int, change: Lie) -> Lie:
    """The lie is told on that page only."""
    cookie = str(10 * number).encode() if number else b""
    return lambda request, answer: change(request, answer) if request.cookie == cookie else answer


def _done(code: int, *, control: bool = True) -> Lie:
    def lie(request: Request, answer: list[bytes]) -> list[bytes]:
        return [*answer[:-1], message(request.id, result(code), paging(b"") if control else b"")]

    return lie


NOTICE = message(0, ber.element(0x78, ber.integer(52, ber.ENUMERATED), ber.octets(""), ber.octets("")))
NO_CONTROL = ber.element(0xA0, ber.element(0x30, ber.octets(PAGED_RESULTS), ber.octets("x")))
LIES: dict[str, tuple[Lie, str]] = {
    "no paging control": (_done(0, control=False), "did not answer in pages"),
    "size limit": (_done(4), "sizeLimitExceeded"),
    "time limit": (_done(3), "timeLimitExceeded"),
    "busy": (_done(51), "busy"),
    "unavailable": (_done(52), "unavailable"),
    "a code nobody knows": (_done(117), r"result \(117\)"),
    "a referral": (
        lambda r, a: [message(r.id, ber.element(0x73, ber.octets("ldap://y"))), *a],
        r"referral \(10\)",
    ),
    "an entry twice": (lambda r, a: [a[0], *a], "came twice"),
    "somebody else's answer": (lambda r, a: [entry(r.id + 77, "uid=z,dc=x"), *a], "belongs to no question"),
    "entries after the end": (lambda r, a: [*a[:-1], a[-1] + a[0]], "belongs to no question|came twice"),
    "notice of disconnection": (lambda r, a: [a[0], NOTICE, *a[1:]], "ends the connection"),
    "no LDAP": (lambda r, a: [*a[:3], b"HTTP/1.1 400 Bad Request\r\n\r\n"], "not LDAP"),
    "an absurd length": (lambda r, a: [*a[:3], b"\x30\x84\x7f\xff\xff\xff"], "octets"),
    "an indefinite length": (lambda r, a: [b"\x30\x80"], "not one that LDAP allows"),
    "nine octets of length": (lambda r, a: [b"\x30\x89" + bytes(9)], "not one that LDAP allows"),
    "a part longer than the whole": (lambda r, a: [b"\x30\x05\x02\x01\x05\x64\x7f"], "longer than what contains it"),
    "an entry of nothing": (lambda r, a: [message(r.id, ber.element(0x64)), *a], "cut short"),
    "an end of nothing": (lambda r, a: [message(r.id, ber.element(0x65))], "result is malformed"),
    "a set for a sequence": (
        lambda r, a: [message(r.id, ber.element(0x64, ber.octets("dc=x"), ber.element(0x30, ber.element(0x31))))],
        "malformed",
    ),
    "a control that is none": (
        lambda r, a: [message(r.id, result(0), NO_CONTROL)],
        "not LDAP",
    ),
}


@pytest.mark.parametrize("page", [0, 1, 2])
@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_an_error_on_whichever_page(name: str, page: int) -> None:
    lie, told = LIES[name]
    with pytest.raises(SourceError, match=told):
        count(_on_page(page, lie))


def test_a_cookie_that_repeats_for_ever_with_the_same_entries_ends() -> None:
    def again(request: Request, answer: list[bytes]) -> list[bytes]:
        return [entry(request.id, "uid=z,dc=x"), message(request.id, result(0), paging(b"same"))]

    with pytest.raises(SourceError, match="came twice"):
        count(again)


def test_a_cookie_that_repeats_for_ever_with_empty_pages_ends() -> None:
    with pytest.raises(SourceError, match="100 empty pages in a row"):
        count(lambda request, answer: [message(request.id, result(0), paging(b"same"))])


def test_one_cookie_for_all_pages_is_allowed() -> None:
    """389 Directory Server numbers its searches, not its pages."""
    pages = {"left": 3}

    def lie(request: Request, answer: list[bytes]) -> list[bytes]:
        pages["left"] -= 1
        more = b"0" if pages["left"] else b""
        return [entry(request.id, f"uid=v{pages['left']},dc=x"), message(request.id, result(0), paging(more))]

    assert count(lie) == 3


def test_busy_before_any_entry_is_asked_again_a_few_times_only() -> None:
    asked: list[Request] = []

    def busy(times: int) -> Lie:
        def lie(request: Request, answer: list[bytes]) -> list[bytes]:
            asked.append(request)
            return answer if len(asked) > times else [message(request.id, result(51))]

        return lie

    assert count(busy(2)) == 25
    asked.clear()
    with pytest.raises(SourceError, match="busy"):
        count(busy(10))
    assert len(asked) == 3


def test_a_size_limit_is_not_asked_again() -> None:
    asked: list[Request] = []

    def lie(request: Request, answer: list[bytes]) -> list[bytes]:
        asked.append(request)
        return [message(request.id, result(4))]

    with pytest.raises(SourceError, match="sizeLimitExceeded"):
        count(lie)
    assert len(asked) == 1


@pytest.mark.parametrize(("longest", "size"), [(1500, 1501), (1500, 4600), (2, 7), (1, 3), (5, 5)])
def test_ranges_of_values_are_read_to_the_end(longest: int, size: int) -> None:
    members = [b"uid=m%d,dc=x" % number for number in range(size)]
    people = {"cn=g,dc=x": {"cn": [b"g"], "member": members}, "cn=h,dc=x": {"cn": [b"h"], "member": members[:1]}}
    with liar(people, longest=longest) as server, ldap(server.url, page_size=1).open(sleep=at_once) as directory:
        first, second = directory.entries(parse("(cn=*)"), ["cn", "member"])
    assert first.attributes["member"] == tuple(member.decode() for member in members)
    assert second.attributes["member"] == (members[0].decode(),)


def test_a_range_that_does_not_go_on_is_an_error() -> None:
    people = {"cn=g,dc=x": {"member": [b"m%d" % number for number in range(9)]}}
    with liar(people, longest=4) as server:
        server.lie = lambda request, answer: answer if request.size else answer[-1:]
        told = "member of an entry was cut after 4 values"
        with ldap(server.url).open(sleep=at_once) as directory, pytest.raises(SourceError, match=told):
            directory.entries(parse("(cn=*)"), ["member"])


# ---- the wire itself, with a clock of its own


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


class Ticks:
    """Each look at the clock is so many seconds later."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.now = 0.0

    def __call__(self) -> float:
        self.now += self.seconds
        return self.now


def test_a_server_that_drips_is_given_up_after_a_multiple_of_the_time_limit(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    wire = Wire(ours, lambda: 1, 2, Ticks(1))
    wire.send(ber.element(0x63))
    dripping = threading.Event()

    def drip() -> None:
        theirs.sendall(b"\x30\x83\x10\x00\x00")
        while not dripping.wait(0.01):
            theirs.sendall(b"\x00")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        with pytest.raises(SourceError, match=f"not complete within {PATIENCE * 2} seconds") as caught:
            wire.receive()
    finally:
        dripping.set()
        thread.join()
    assert caught.value.transient


def test_only_a_connection_lost_before_any_answer_is_worth_another_attempt(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    wire = Wire(ours, lambda: 1, 2)
    wire.send(ber.element(0x63))
    theirs.sendall(message(1, result(0)))
    assert len(wire.receive()[1]) == 1
    wire.send(ber.element(0x63), continues=True)
    theirs.close()
    with pytest.raises(SourceError) as caught:
        wire.receive()
    assert not isinstance(caught.value, Unanswered)


def test_messages_are_found_wherever_the_data_are_cut() -> None:
    data = b"".join(entry(number, "dc=x" * 40) for number in range(1, 6))
    for cut in range(len(data) + 1):
        messages, end, needed = split(data[:cut])
        assert end == (messages[-1].last if messages else 0)
        assert needed == 0 or end + needed > cut
        assert [found.id for found in messages] == list(range(1, 1 + len(messages)))
    assert len(split(data)[0]) == 5
