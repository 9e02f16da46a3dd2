"""From the outbox to a real relay: each mail once, whatever happens on the way."""

import email
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from email import policy
from pathlib import Path

import pytest

from collima.app import config as configuration
from collima.app import postman
from collima.state import SqlJournal
from collima.state import outbox as store
from collima.state.tables import outbox
from tests.app.campaign import campaign
from tests.app.posted import Post, letter, post, smtp, written
from tests.servers.smtpd import DROP, Relay, relay

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Relay]:
    with relay(tmp_path) as running:
        yield running


@pytest.fixture
def office(tmp_path: Path, server: Relay) -> Iterator[Post]:
    with post(tmp_path, smtp(server)) as made:
        yield made


@pytest.fixture
def journal(office: Post) -> SqlJournal:
    return office.open()


def rows(journal: SqlJournal) -> list[tuple[str, str, str, str]]:
    """(state, error, recipients, message) of each."""
    with journal.database.read() as connection:
        wanted = outbox.select().order_by(outbox.c.id)
        return [(r.state, r.error, r.recipients, r.message) for r in connection.execute(wanted)]


def states(journal: SqlJournal) -> str:
    return " ".join(state for state, *_ in rows(journal))


def arrived(server: Relay) -> Counter[str]:
    """How often, by the name in the Message-ID."""
    found = re.compile(rb"(?m)^Message-ID: <(.+)@unimore\.it>")
    return Counter(match[1].decode() for mail in server.mails if (match := found.search(mail.content)))


def test_a_mail_goes_out_once_however_often_it_is_planned_and_its_row_keeps_nobody(
    office: Post, journal: SqlJournal, server: Relay
) -> None:
    journal.outbox.add([letter("a")])
    journal.outbox.add([letter("a"), letter("b"), letter("b")])
    assert office.deliver(journal) is None
    assert office.deliver(journal) is None
    assert arrived(server) == {"a": 1, "b": 1}
    assert rows(journal) == [("sent", "", "[]", "")] * 2
    sent = email.message_from_bytes(server.mails[0].content, policy=policy.default)
    assert sent["Subject"] == "Novità: a"
    assert sent.get_content().splitlines() == ["Perché no, a.", "."]


@pytest.mark.parametrize("length", range(60, 90))
def test_no_subject_begins_with_an_empty_line(tmp_path: Path, length: int) -> None:
    with post(tmp_path, f"{{kind: maildir, directory: {tmp_path}/mail}}") as office:
        journal, one = office.open(), letter("a")
        subject = f"[collima] FAILED {'no answer ' * 9}"[:length].strip()
        one.message.replace_header("Subject", subject)
        journal.outbox.add([one])
        office.deliver(journal)
        (mail,) = (tmp_path / "mail" / "new").iterdir()
        assert b"\nSubject: [collima] FAILED" in mail.read_bytes()
        assert email.message_from_bytes(mail.read_bytes(), policy=policy.default)["Subject"] == subject


def test_thousands_are_planned_in_a_transaction_of_somebody_else_and_with_it_forgotten(
    office: Post, journal: SqlJournal, server: Relay
) -> None:
    with pytest.raises(ZeroDivisionError), journal.database.write() as connection:
        store.add(connection, (letter(str(500 // (499 - n)), again=False) for n in range(500)), 0)
    assert rows(journal) == []
    journal.outbox.add(letter(str(n), again=False) for n in range(500))
    assert journal.outbox.standing(office.clock.now).waiting == 500


def test_many_mails_go_over_one_connection(office: Post, journal: SqlJournal, server: Relay) -> None:
    journal.outbox.add(letter(str(n), again=False) for n in range(30))
    assert office.deliver(journal) is None
    assert (len(server.mails), server.connections) == (30, 2)  # EHLO before and after STARTTLS


def test_alerts_go_before_a_heap_of_notices(office: Post, journal: SqlJournal, server: Relay) -> None:
    journal.outbox.add(letter(f"notice{n}", again=False) for n in range(3))
    journal.outbox.add([letter("alert")])
    office.deliver(journal, bulk=False)
    assert list(arrived(server)) == ["alert"]
    office.deliver(journal)
    assert len(server.mails) == 4


def test_a_relay_that_is_down_for_a_night_is_asked_less_and_less_often_and_gets_all_in_the_morning(
    tmp_path: Path,
) -> None:
    with relay(tmp_path) as server:
        mail = smtp(server)
    with post(tmp_path, mail) as office:
        journal = office.open()
        journal.outbox.add([letter("a"), letter("b")])
        asked = []
        while office.clock.now.hour < 7:
            again = office.deliver(journal)
            assert again is not None
            asked.append(again - office.clock.now)
            assert office.deliver(journal) == again  # nobody knocks before
            office.clock.now = again
        assert asked[:6] == [MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 15 * MINUTE]
        (shut,) = journal.relays.troubled()
        assert "Connection refused" in shut.error
        assert journal.outbox.standing(office.clock.now).waiting == 2
        with relay(tmp_path) as server:
            office.config = written(tmp_path, smtp(server))
            assert office.deliver(journal) is None
        assert arrived(server) == {"a": 1, "b": 1}
        assert journal.relays.troubled() == ()


def knock(office: Post, journal: SqlJournal, times: int) -> None:
    for _ in range(times):
        office.deliver(journal)
        office.clock.later(minutes=15)


def test_a_clock_that_is_set_six_days_ahead_while_the_relay_is_down_loses_no_mail(tmp_path: Path) -> None:
    with relay(tmp_path) as server:
        mail = smtp(server)
    with post(tmp_path, mail) as office:
        journal = office.open()
        journal.outbox.add([letter("a"), letter("b")])
        office.deliver(journal)
        office.clock.later(days=6)
        knock(office, journal, 4)
        assert states(journal) == "planned planned"
        with relay(tmp_path) as server:
            office.config = written(tmp_path, smtp(server))
            server.answers["DATA"] = ["451 4.3.0 busy"]
            office.deliver(journal)
            office.clock.later(minutes=1)
            assert office.deliver(journal) is None
        assert arrived(server) == {"a": 1, "b": 1}


def test_after_five_days_a_mail_fails_and_a_new_one_waits(tmp_path: Path) -> None:
    with relay(tmp_path) as server:
        mail = smtp(server)
    with post(tmp_path, mail) as office:
        journal = office.open()
        journal.outbox.add([letter("old")])
        knock(office, journal, postman.KNOCKS)
        office.clock.later(days=4)
        office.deliver(journal)
        assert states(journal) == "planned"
        journal.outbox.add([letter("new")])
        office.clock.later(days=1)
        office.deliver(journal)
        assert states(journal) == "failed planned"
        standing = journal.outbox.standing(office.clock.now - timedelta(days=1))
        assert (standing.failed, standing.errors[0][1]) == (1, 1)
        assert "Connection refused" in standing.errors[0][0]


def test_a_connector_that_the_file_does_not_name_any_more_lets_its_mail_wait(
    office: Post, journal: SqlJournal, server: Relay
) -> None:
    journal.outbox.add([letter("a", via="gone"), letter("b")])
    assert office.deliver(journal) == office.clock.now + MINUTE
    assert arrived(server) == {"b": 1}
    assert "has no connector 'gone'" in journal.relays.troubled()[0].error


def test_a_mail_that_is_greylisted_is_put_off_and_the_others_go(
    office: Post, journal: SqlJournal, server: Relay
) -> None:
    server.answers["RCPT"] = ["450 4.2.0 greylisted"]
    journal.outbox.add([letter("a"), letter("b")])
    assert office.deliver(journal) == office.clock.now + MINUTE
    assert states(journal) == "planned sent"
    office.clock.later(minutes=1)
    server.answers["DATA"] = ["451 4.3.0 disk full"]
    assert office.deliver(journal) == office.clock.now + 2 * MINUTE
    office.clock.later(minutes=2)
    assert office.deliver(journal) is None
    assert arrived(server) == {"a": 1, "b": 1}


def test_a_relay_that_puts_everything_off_is_left_alone(office: Post, journal: SqlJournal, server: Relay) -> None:
    server.answers["DATA"] = ["452 4.3.1 insufficient storage"] * 5
    journal.outbox.add(letter(str(n), again=False) for n in range(30))
    assert office.deliver(journal) == office.clock.now + MINUTE
    assert server.commands.count("DATA") == 5
    office.clock.later(minutes=1)
    office.deliver(journal)
    assert len(server.mails) == 30


def test_a_relay_that_wants_a_login_loses_no_mail(office: Post, journal: SqlJournal, server: Relay) -> None:
    server.answers["MAIL"] = ["530 5.7.0 Authentication required"] * 2
    journal.outbox.add(letter(str(n)) for n in range(9))
    assert office.deliver(journal) == office.clock.now + MINUTE
    assert "530" in journal.relays.troubled()[0].error
    for _ in range(2):
        office.clock.later(minutes=2)
        office.deliver(journal)
    assert (len(server.mails), states(journal)) == (9, " ".join(["sent"] * 9))


@pytest.mark.parametrize("kept", [False, True])
def test_a_relay_that_closes_in_place_of_taking_a_mail_does_not_have_it_and_gets_it_later(
    office: Post, journal: SqlJournal, server: Relay, kept: bool
) -> None:
    server.answers["DATA"] = [*["250 OK"] * kept, "421 4.3.2 shutting down"]
    journal.outbox.add(letter(str(n), again=False) for n in range(3))
    assert office.deliver(journal) == office.clock.now + MINUTE
    assert states(journal) == ("sent planned sent" if kept else "planned sent sent")
    office.clock.later(minutes=1)
    assert office.deliver(journal) is None
    assert arrived(server) == {"0": 1, "1": 1, "2": 1}


def test_what_a_maildir_has_no_room_for_is_written_when_it_has(tmp_path: Path) -> None:
    with post(tmp_path, f"{{kind: maildir, directory: {tmp_path}/mail}}") as office:
        journal = office.open()
        journal.outbox.add([letter("a", again=False), letter("b", again=False)])
        new = tmp_path / "mail" / "new"

        def clock() -> datetime:
            if new.is_dir():
                new.rmdir()
            return office.clock()

        postman.deliver(office.config, journal, clock=clock, sleep=office.clock.sleep)
        assert states(journal) == "planned planned"
        office.clock.later(minutes=1)
        assert office.deliver(journal) is None
        assert (states(journal), len(list(new.iterdir()))) == ("sent sent", 2)


def test_many_addresses_that_are_no_more_leave_the_relay_open(office: Post, journal: SqlJournal, server: Relay) -> None:
    server.answers["RCPT"] = ["550 5.1.1 no such user"] * 8
    journal.outbox.add(letter(str(n), again=False) for n in range(9))
    assert office.deliver(journal) is None
    assert states(journal) == "failed " * 8 + "sent"
    assert journal.relays.troubled() == ()


def test_a_relay_that_refuses_all_for_good_gets_no_more_after_a_few(
    office: Post, journal: SqlJournal, server: Relay
) -> None:
    server.answers["RCPT"] = ["554 5.7.1 Relay access denied"] * 8
    journal.outbox.add(letter(str(n), again=False) for n in range(9))
    assert office.deliver(journal) == office.clock.now + MINUTE
    assert states(journal) == "failed " * 5 + "planned " * 3 + "planned"


def spoilt(journal: SqlJournal, number: int, **values: str) -> None:
    with journal.database.write() as connection:
        connection.execute(outbox.update().where(outbox.c.id == number).values(**values))


def test_a_mail_that_is_a_fault_of_the_program_keeps_no_other_mail(
    office: Post, journal: SqlJournal, server: Relay
) -> None:
    journal.outbox.add([letter("a"), letter("b")])
    spoilt(journal, 1, message="From: x\n\n€")  # no charset says what this is
    assert office.deliver(journal) == office.clock.now + MINUTE
    assert states(journal) == "planned sent"
    assert "fault of this program" in rows(journal)[0][1]


def test_a_row_that_cannot_be_read_stops_its_connector_alone(tmp_path: Path, server: Relay) -> None:
    with post(tmp_path, smtp(server)) as office:
        text = office.config.path.read_text()
        office.config.path.write_text(
            text.replace("  mail: ", f"  box: {{kind: maildir, directory: {tmp_path}/m}}\n  mail: ")
        )
        office.config = configuration.load(office.config.path)
        journal = office.open()
        journal.outbox.add([letter("a", via="box"), letter("b")])
        spoilt(journal, 1, recipients="[")
        assert office.deliver(journal) == office.clock.now + MINUTE
        assert states(journal) == "planned sent"
        assert journal.relays.troubled()[0].error == "a fault of this program: JSONDecodeError; the log has the rest"


def test_an_alert_in_doubt_is_sent_again_before_a_heap_of_notices(
    office: Post, journal: SqlJournal, server: Relay
) -> None:
    server.answers["DATA"] = [DROP]
    journal.outbox.add([letter("alert")])
    office.deliver(journal)
    journal.outbox.add(letter(str(n), again=False) for n in range(3))
    office.clock.later(minutes=1)
    office.deliver(journal, bulk=False)
    assert arrived(server) == {"alert": 2}
    assert states(journal) == "sent planned planned planned"


def test_a_mail_that_is_refused_for_good_fails_and_is_told(office: Post, journal: SqlJournal, server: Relay) -> None:
    server.answers["RCPT"] = ["550 5.1.1 <posta@unimore.it> no such user"]
    journal.outbox.add([letter("a"), letter("b")])
    assert office.deliver(journal) is None
    assert states(journal) == "failed sent"
    standing = journal.outbox.standing(office.clock.now)
    assert (standing.failed, standing.unknown, standing.waiting) == (1, 0, 0)
    assert "550" in standing.errors[0][0]
    assert "posta@" not in standing.errors[0][0]


def test_of_several_recipients_only_those_who_do_not_have_it_get_it_later(
    office: Post, journal: SqlJournal, server: Relay
) -> None:
    server.answers["RCPT"] = ["250 OK", "450 4.2.0 greylisted", "550 5.1.1 no such user"]
    journal.outbox.add([letter("a", "a@unimore.it", "b@unimore.it", "c@unimore.it")])
    office.deliver(journal)
    office.clock.later(minutes=1)
    assert office.deliver(journal) is None
    assert [mail.to for mail in server.mails] == [("a@unimore.it",), ("b@unimore.it",)]


def test_a_mail_whose_answer_was_lost_is_sent_once_more_if_that_is_better_than_never(
    office: Post, journal: SqlJournal, server: Relay
) -> None:
    server.answers["DATA"] = [DROP, DROP]
    journal.outbox.add([letter("alert"), letter("notice", again=False)])
    office.deliver(journal)
    assert arrived(server) == {"alert": 1, "notice": 1}  # the relay took both, and its answers were lost
    server.answers["DATA"] = [DROP]
    for _ in range(3):
        office.clock.later(minutes=1)
        office.deliver(journal)
    assert arrived(server) == {"alert": 2, "notice": 1}
    assert states(journal) == "unknown unknown"
    assert journal.outbox.standing(office.clock.now - HOUR).unknown == 2


def test_the_log_says_whether_a_mail_in_doubt_is_sent_again(
    office: Post, journal: SqlJournal, server: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers["DATA"] = [DROP, DROP, DROP]
    journal.outbox.add([letter("alert")])
    for _ in range(2):
        office.deliver(journal)
        office.clock.later(minutes=1)
    first, second = (told.partition("was lost: ")[2] for told in caplog.messages if "was lost" in told)
    assert first == "it may have been delivered: it is sent again after 04:31:00 UTC"
    assert second == "it may have been delivered: it is not sent again"


def test_the_pace_goes_on_from_one_batch_to_the_next_whoever_sends(tmp_path: Path, server: Relay) -> None:
    with post(tmp_path, smtp(server, ", rate: 6 per minute")) as office:
        journal, other = office.open(), office.open("there")
        journal.outbox.add(letter(str(n), again=False) for n in range(8))
        began = office.clock.now
        assert office.deliver(journal) == began + 70 * timedelta(seconds=1)
        assert (len(server.mails), office.clock.now - began) == (7, MINUTE)
        assert office.deliver(other) is None
        assert (len(server.mails), office.clock.now - began) == (8, timedelta(seconds=70))
        assert server.connections == 4


def test_while_one_process_sends_another_one_waits(office: Post, journal: SqlJournal, server: Relay) -> None:
    other = office.open("there")
    journal.outbox.add([letter("a")])
    assert journal.relays.take("mail") is not None
    assert office.deliver(other) == office.clock.now + MINUTE
    assert server.mails == []
    office.clock.later(minutes=16)  # that one is silent for longer than any answer may take
    assert office.deliver(other) is None
    assert arrived(server) == {"a": 1}


@pytest.mark.parametrize("again", [True, False])
def test_what_a_dead_sender_left_half_sent_is_in_doubt(
    office: Post, journal: SqlJournal, server: Relay, again: bool
) -> None:
    dead = office.open("there")
    journal.outbox.add([letter("a", again=again), letter("b", again=again)])
    dead.relays.take("mail")
    assert dead.relays.handing_over(dead.outbox.due("mail", 1)[0], 0.0)
    office.clock.later(minutes=16)
    office.deliver(journal)
    assert states(journal) == ("sent sent" if again else "unknown sent")
    assert arrived(server) == ({"a": 1, "b": 1} if again else {"b": 1})
    assert not dead.relays.handing_over(letter_row(journal), 0.0)


def letter_row(journal: SqlJournal) -> store.Planned:
    journal.outbox.add([letter("late")])
    return journal.outbox.due("mail", 1)[0]


def test_a_clock_that_is_set_back_holds_up_no_mail(office: Post, journal: SqlJournal, server: Relay) -> None:
    journal.outbox.add([letter("a")])
    office.clock.later(hours=-1)
    office.deliver(journal)
    assert arrived(server) == {"a": 1}


def test_a_clock_that_is_set_back_while_a_sender_waits_holds_up_no_mail(tmp_path: Path, server: Relay) -> None:
    with post(tmp_path, smtp(server, ", rate: 6 per minute")) as office:
        journal = office.open()
        journal.outbox.add(letter(str(n), again=False) for n in range(3))

        def sleep(seconds: float) -> None:
            office.clock.sleep(seconds)
            if len(office.clock.slept) == 3:
                office.clock.later(hours=-1)

        assert postman.deliver(office.config, journal, clock=office.clock, sleep=sleep) is None
        assert len(server.mails) == 3
        assert sum(office.clock.slept) < 30


def test_a_sender_that_is_told_to_stop_stops_between_two_mails(
    office: Post, journal: SqlJournal, server: Relay
) -> None:
    journal.outbox.add(letter(str(n)) for n in range(5))
    postman.deliver(office.config, journal, clock=office.clock, stop=lambda: len(server.mails) == 2)
    assert len(server.mails) == 2
    office.deliver(journal)
    assert len(server.mails) == 5


def test_that_a_mail_was_sent_is_stored_however_long_the_state_is_away(
    office: Post, journal: SqlJournal, server: Relay, tmp_path: Path
) -> None:
    journal.outbox.add([letter("a", again=False), letter("b", again=False)])

    def rename(old: str, new: str) -> None:
        with closing(sqlite3.connect(tmp_path / "collima.db")) as state:
            state.execute(f"ALTER TABLE {old} RENAME TO {new}")

    def sleep(seconds: float) -> None:
        office.clock.sleep(seconds)
        if len(office.clock.slept) == 5:
            server.taking = lambda: None
            rename("away", "outbox")

    server.taking = lambda: rename("outbox", "away")
    postman.deliver(office.config, journal, clock=office.clock, sleep=sleep)
    assert (office.clock.slept, states(journal)) == ([5.0] * 5, "sent sent")
    assert arrived(server) == {"a": 1, "b": 1}


@pytest.mark.soak
def test_kill_9_at_any_moment_loses_no_mail_and_sends_none_twice_without_a_doubt(tmp_path: Path) -> None:
    campaign(tmp_path, kills=4, mails=100, seed=20261124)
