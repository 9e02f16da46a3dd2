"""Mail that its job writes as it goes out: to a real relay, over a real ledger."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from collima.app import config as configuration
from collima.app import postman, writers
from collima.app.config import Config
from collima.state import SqlJournal
from tests.app.posted import Clock, Post, letter, smtp, written
from tests.app.test_postman import HOUR, MINUTE, rows, states
from tests.app.writing import KINDS, digests
from tests.servers.smtpd import DROP, Relay, relay

pytestmark = pytest.mark.soak  # processes that write by the hundred

JOBS = """
  digest: {{kind: telling, when: manual, trouble: {folder}/trouble}}"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Relay]:
    with relay(tmp_path) as running:
        yield running


@dataclass
class Desk:
    """A job that has listed digests, and what is wrong with its quarantine."""

    folder: Path
    office: Post
    journal: SqlJournal

    def tell(self, count: int, first: int = 0) -> None:
        assert len(list(self.journal.digests("digest", "").list(digests(count, first=first), "mail"))) == count

    @property
    def calls(self) -> list[str]:
        """Of whoever wrote: opened, closed, and what in between."""
        return (self.folder / "trouble.calls").read_text().splitlines()

    def trouble(self, **what: object) -> None:
        (self.folder / "trouble").write_text(json.dumps(what))


@pytest.fixture
def desk(tmp_path: Path, server: Relay) -> Iterator[Desk]:
    written(tmp_path, smtp(server))
    text = (tmp_path / "schedules.yaml").read_text().replace("jobs: {}", f"jobs:{JOBS.format(folder=tmp_path)}")
    (tmp_path / "schedules.yaml").write_text(text)
    config = configuration.load(tmp_path / "schedules.yaml", KINDS)
    with ExitStack() as stack:
        office = Post(f"sqlite:///{tmp_path}/collima.db", config, Clock(), stack)
        yield Desk(tmp_path, office, office.open())


def arrived(server: Relay) -> Counter[str]:
    found = re.compile(rb"(?m)^Message-ID: <(.+)@unimore\.it>")
    return Counter(match[1].decode() for mail in server.mails if (match := found.search(mail.content)))


def test_a_mail_is_written_as_it_goes_out_by_a_job_that_is_opened_once(desk: Desk, server: Relay) -> None:
    desk.tell(25)
    assert desk.office.deliver(desk.journal) is None
    assert arrived(server) == {f"d{n}": 1 for n in range(25)}
    assert [mail.to for mail in server.mails][:2] == [("p0@unimore.it",), ("p1@unimore.it",)]
    assert b"item 0.0\r\nitem 0.1" in server.mails[0].content
    assert (desk.calls[0], desk.calls[-1], len(desk.calls)) == ("open", "close", 27)
    assert set(rows(desk.journal)) == {("sent", "", "[]", "")}


def test_few_mails_are_written_by_the_one_that_sends_and_many_by_a_process_of_their_own(
    desk: Desk, server: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = 0
    begin = writers._Beside.begun

    def counted(config: Config) -> writers._Beside:
        nonlocal begun
        begun += 1
        return begin(config)

    monkeypatch.setattr(writers._Beside, "begun", counted)
    desk.tell(writers.MUCH - 1)
    assert desk.office.deliver(desk.journal) is None
    assert begun == 0
    desk.tell(120, first=100)
    assert desk.office.deliver(desk.journal) is None
    assert (begun, len(arrived(server)), desk.calls.count("open")) == (1, writers.MUCH - 1 + 120, 2)


def test_a_writer_that_is_killed_loses_nothing_and_other_mail_goes(desk: Desk, server: Relay) -> None:
    desk.tell(30)
    desk.journal.outbox.add([letter("notice", again=False)])
    desk.trouble(error="killed")
    assert desk.office.deliver(desk.journal) == desk.office.clock.now + MINUTE
    assert arrived(server) == {"notice": 1}
    desk.trouble()
    desk.office.clock.later(minutes=1)
    assert desk.office.deliver(desk.journal) is None
    assert arrived(server) == {"notice": 1, **{f"d{n}": 1 for n in range(30)}}


def test_what_was_released_meanwhile_is_not_told_and_a_mail_with_nothing_left_is_dropped(
    desk: Desk, server: Relay
) -> None:
    desk.tell(2)
    desk.trouble(gone=["0.0", "0.1", "1.0"])
    assert desk.office.deliver(desk.journal) is None
    assert states(desk.journal) == "dropped sent"
    (mail,) = server.mails
    assert b"item 1.1" in mail.content
    assert b"item 1.0" not in mail.content
    standing = desk.journal.outbox.standing(desk.office.clock.now - HOUR)
    assert (standing.waiting, standing.failed, standing.unknown, standing.errors) == (0, 0, 0, ())


def test_what_was_written_too_long_before_its_turn_is_written_anew(
    desk: Desk, server: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "FRESH", 0.0)
    desk.tell(30)

    def released_meanwhile() -> None:
        if len(server.mails) == 4:
            desk.trouble(gone=["6.0", "8.0", "8.1"])

    server.taking = released_meanwhile
    assert desk.office.deliver(desk.journal) is None
    assert arrived(server) == {f"d{n}": 1 for n in range(30) if n != 8}
    assert re.findall(rb"(?m)^item .+$", server.mails[6].content) == [b"item 6.1\r"]


def test_much_mail_is_written_once_each_while_the_relay_keeps_up(desk: Desk, server: Relay) -> None:
    desk.tell(230)
    assert desk.office.deliver(desk.journal) is None
    assert arrived(server) == {f"d{n}": 1 for n in range(230)}
    assert Counter(desk.calls) == {"open": 1, "close": 1, **{f"<d{n}@unimore.it>": 1 for n in range(230)}}


@pytest.mark.parametrize("error", ["source", "away", "config"])
def test_a_job_that_cannot_write_is_asked_once_and_other_mail_goes(desk: Desk, server: Relay, error: str) -> None:
    desk.tell(30)
    desk.journal.outbox.add([letter("alert"), letter("notice", again=False)])
    desk.trouble(error=error)
    assert desk.office.deliver(desk.journal) == desk.office.clock.now + MINUTE
    assert arrived(server) == {"alert": 1, "notice": 1}
    assert desk.calls.count("open") == 1
    assert len(desk.calls) <= 12
    assert set(states(desk.journal).split()) == {"planned", "sent"}
    assert desk.journal.relays.troubled() == ()
    desk.office.clock.later(minutes=1)
    assert desk.office.deliver(desk.journal) == desk.office.clock.now + 2 * MINUTE
    desk.trouble()
    desk.office.clock.later(minutes=2)
    assert desk.office.deliver(desk.journal) is None
    assert len(server.mails) == 32


def test_what_cannot_be_written_for_five_days_fails(desk: Desk, server: Relay) -> None:
    desk.tell(3)
    desk.trouble(error="source")
    for _ in range(postman.KNOCKS):
        desk.office.deliver(desk.journal)
        desk.office.clock.later(minutes=15)
    assert states(desk.journal) == "planned planned planned"
    desk.office.clock.later(days=5)
    desk.tell(1, first=3)
    desk.office.deliver(desk.journal)
    assert states(desk.journal) == "failed failed failed planned"
    assert "the quarantine is away" in rows(desk.journal)[0][1]


def test_a_fault_of_the_program_keeps_neither_other_mail_nor_the_relay(
    desk: Desk, server: Relay, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is in the log as this program writes it, without anybody's address."""
    desk.tell(30)
    desk.journal.outbox.add([letter("notice", again=False)])
    desk.trouble(error="fault")
    assert desk.office.deliver(desk.journal) == desk.office.clock.now + MINUTE
    assert arrived(server) == {"notice": 1}
    assert len(desk.calls) <= 20
    assert "fault of this program: ZeroDivisionError" in rows(desk.journal)[29][1]
    said = capfd.readouterr().err
    assert re.search(r"^20\d\d-\S+ ERROR mail of digest\nTraceback", said, re.MULTILINE)
    assert "p0@" not in said
    desk.trouble()
    desk.office.clock.later(minutes=2)
    desk.office.deliver(desk.journal)
    assert len(server.mails) == 31


def test_a_mail_with_another_message_id_than_the_one_on_record_is_not_sent(desk: Desk, server: Relay) -> None:
    desk.tell(1)
    desk.trouble(error="id")
    desk.office.deliver(desk.journal)
    assert (server.mails, states(desk.journal)) == ([], "planned")


@pytest.mark.parametrize(
    ("jobs", "cause"),
    [("jobs: {}", "no job 'digest' any more"), ("jobs: {digest: {kind: silent, when: manual}}", "another kind now")],
)
def test_mail_of_a_job_that_writes_no_more_fails_with_that_cause(
    desk: Desk, server: Relay, jobs: str, cause: str
) -> None:
    desk.tell(30)
    desk.journal.outbox.add([letter("notice", again=False)])
    path = desk.office.config.path
    path.write_text(path.read_text().partition("jobs:")[0] + jobs)
    desk.office.config = configuration.load(path, KINDS)
    assert desk.office.deliver(desk.journal) is None
    assert states(desk.journal) == "failed " * 30 + "sent"
    assert cause in rows(desk.journal)[0][1]
    assert desk.journal.outbox.standing(desk.office.clock.now - HOUR).failed == 30


def test_a_mail_whose_answer_was_lost_is_sent_again_with_the_same_message_id_however_often(
    desk: Desk, server: Relay
) -> None:
    server.answers["DATA"] = [DROP] * 3
    desk.tell(1)
    for minutes in (1, 2, 5):
        assert desk.office.deliver(desk.journal) == desk.office.clock.now + minutes * MINUTE
        desk.office.clock.later(minutes=minutes)
    assert desk.office.deliver(desk.journal) is None
    assert (arrived(server), states(desk.journal)) == ({"d0": 4}, "sent")


def test_a_mail_whose_answer_is_lost_for_five_days_is_given_up(desk: Desk, server: Relay) -> None:
    server.answers["DATA"] = [DROP] * 100
    desk.tell(1)
    for _ in range(postman.KNOCKS):
        desk.office.deliver(desk.journal)
        desk.office.clock.later(minutes=15)
    desk.office.clock.later(days=5)
    desk.office.deliver(desk.journal)
    assert states(desk.journal) == "unknown"


def test_a_digest_that_is_refused_for_good_is_told_like_other_failures(desk: Desk, server: Relay) -> None:
    server.answers["RCPT"] = ["550 5.1.1 no such user"]
    desk.tell(2)
    assert desk.office.deliver(desk.journal) is None
    assert states(desk.journal) == "failed sent"
    assert desk.journal.outbox.standing(desk.office.clock.now - HOUR).failed == 1


@pytest.mark.parametrize(
    "answers",
    [
        {"MAIL": ["250 OK"] * 3 + ["421 4.3.2 closing"] * 3},
        {"RCPT": ["250 OK"] * 3 + ["450 4.2.0 greylisted"] * 2},
        {"DATA": ["250 OK"] * 3 + ["451 4.3.0 busy", "421 4.3.2 closing"]},
    ],
)
def test_of_several_that_are_being_sent_at_once_those_not_handed_over_go_later_and_once(
    desk: Desk, server: Relay, answers: dict[str, list[str]]
) -> None:
    server.answers = answers
    desk.tell(9)
    again = desk.office.deliver(desk.journal)
    assert "sending" not in states(desk.journal)
    assert again is not None
    for _ in range(3):
        desk.office.clock.later(minutes=5)
        desk.office.deliver(desk.journal)
    assert arrived(server) == {f"d{n}": 1 for n in range(9)}


def test_a_sender_that_is_told_to_stop_leaves_nothing_half_sent(desk: Desk, server: Relay) -> None:
    desk.tell(9)
    postman.deliver(desk.office.config, desk.journal, clock=desk.office.clock, stop=lambda: len(server.mails) == 3)
    assert states(desk.journal) == "sent " * 3 + "planned " * 5 + "planned"
    assert desk.calls[-1] == "close"


def test_what_a_dead_sender_left_goes_again_and_again(desk: Desk, server: Relay) -> None:
    desk.tell(4)
    for host in ("there", "elsewhere"):
        dead = desk.office.open(host)
        dead.relays.take("mail")
        first, *others = dead.outbox.due("mail", 4)
        assert dead.relays.handing_over(first, 0.0, others)
        assert states(desk.journal) == "sending sending sending sending"
        desk.office.clock.later(minutes=16)
        desk.office.open("third").relays.take("mail")
        assert not dead.relays.handing_over(first, 0.0)
        assert states(desk.journal) == "planned planned planned planned"
        desk.office.clock.later(minutes=16)
    assert desk.office.deliver(desk.journal) is None
    assert arrived(server) == {f"d{n}": 1 for n in range(4)}


def test_where_a_rate_spaces_mails_each_is_written_when_it_goes(desk: Desk, server: Relay) -> None:
    path = desk.office.config.path
    path.write_text(path.read_text().replace("kind: smtp,", "kind: smtp, rate: 1 per minute,"))
    desk.office.config = configuration.load(path, KINDS)
    desk.tell(3)
    written_at = []
    slept = desk.office.clock.sleep

    def sleep(seconds: float) -> None:
        written_at.append(len(desk.calls) if written_at else 2)
        slept(seconds)

    again = postman.deliver(desk.office.config, desk.journal, clock=desk.office.clock, sleep=sleep)
    while again is not None:
        desk.office.clock.now = max(again, desk.office.clock.now)
        again = postman.deliver(desk.office.config, desk.journal, clock=desk.office.clock, sleep=sleep)
    assert len(server.mails) == 3
    assert written_at[0] == 2  # opened, and the first: none was written ahead
    assert desk.office.clock.now - Clock().now >= timedelta(minutes=2)
