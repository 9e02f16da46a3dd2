"""Kind `smtp`, against a real relay."""

import socket
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from collima.core.errors import ConfigError, Refused, StateError, Undelivered
from collima.core.options import Secret
from collima.core.quantities import Duration
from connectors.smtp import Smtp
from tests.servers import free_port
from tests.servers.smtpd import DROP, PASSWORD, USER, Relay, relay

TO = ["posta@unimore.it"]


class Clock:
    """Sleeping makes it later; nothing else does."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Relay]:
    with relay(tmp_path) as running:
        yield running


def to(server: Relay, **options: Any) -> Smtp:
    return Smtp(**{"host": "localhost", "port": server.port, "ca_file": server.ca, **options})


def secret(folder: Path, text: str = PASSWORD) -> Secret:
    file = folder / "password"
    file.write_text(text)
    file.chmod(0o600)
    return Secret(file=file)


def message(body: str = "Good morning.\n") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "collima@unimore.it", "posta@unimore.it", "a report"
    mail.set_content(body)
    return mail


def send(options: Smtp, clock: Clock, recipients: list[str] = TO, body: str = "Good morning.\n") -> None:
    with options.open(clock, clock.sleep) as session:
        session.send(message(body), recipients)


def check(options: Smtp) -> str:
    with options.open() as session:
        return session.check()


def test_a_mail_goes_over_starttls_with_an_empty_envelope_sender(server: Relay, clock: Clock) -> None:
    send(to(server), clock)
    (mail,) = server.mails
    assert (mail.sender, mail.to, mail.secured) == ("<>", ("posta@unimore.it",), True)
    assert b"\r\n\r\nGood morning.\r\n" in mail.content


def test_lines_that_begin_with_a_dot_arrive_whole_and_end_nothing(server: Relay, clock: Clock) -> None:
    send(to(server), clock, body=".\n..\n.end\nMAIL FROM:<x@example.org>\n")
    (mail,) = server.mails
    assert mail.content.endswith(b"\r\n\r\n.\r\n..\r\n.end\r\nMAIL FROM:<x@example.org>\r\n")


def test_text_that_is_not_ascii_crosses_the_wire_in_seven_bits(server: Relay, clock: Clock) -> None:
    send(to(server), clock, body="perché no\n")
    assert server.mails[0].content.isascii()


def test_one_connection_carries_many_mails(server: Relay, clock: Clock) -> None:
    with to(server).open(clock, clock.sleep) as session:
        for _ in range(5):
            session.send(message(), TO)
    assert len(server.mails) == 5
    assert server.connections == 2  # EHLO before and after STARTTLS


def test_mails_are_spaced_evenly_at_the_rate(server: Relay, clock: Clock) -> None:
    with to(server, rate="2000 per hour").open(clock, clock.sleep) as session:
        for _ in range(4):
            session.send(message(), TO)
    assert clock.slept == pytest.approx([1.8, 1.8, 1.8])


def test_time_spent_elsewhere_counts_for_the_rate_but_is_not_saved_up(server: Relay, clock: Clock) -> None:
    with to(server, rate="1 per minute").open(clock, clock.sleep) as session:
        session.send(message(), TO)
        clock.now += 3600
        session.send(message(), TO)
        session.send(message(), TO)
    assert clock.slept == [60.0]


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_temporary_refusal_is_tried_again(server: Relay, clock: Clock, command: str) -> None:
    server.answers[command] = ["451 4.3.0 come back later"]
    send(to(server), clock)
    assert len(server.mails) == 1
    assert clock.slept == [2.0]


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_temporary_refusal_that_lasts_is_transient(server: Relay, clock: Clock, command: str) -> None:
    server.answers[command] = ["451 4.3.0 come back later"] * 9
    with pytest.raises(Refused, match=r"451 4\.3\.0 come back later") as caught:
        send(to(server), clock)
    assert caught.value.transient
    assert server.commands.count(command) == 3


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_permanent_refusal_is_not_tried_again_and_names_nobody(server: Relay, clock: Clock, command: str) -> None:
    server.answers[command] = ["550 5.1.1 <posta@unimore.it>: no such user"]
    with pytest.raises(Refused, match=r"550 5\.1\.1") as caught:
        send(to(server), clock)
    assert not caught.value.transient
    assert "posta@" not in str(caught.value)
    assert server.commands.count(command) == 1
    assert server.mails == []


@pytest.mark.parametrize("command", ["MAIL", "RCPT"])
def test_a_connection_lost_before_the_content_is_made_again(server: Relay, clock: Clock, command: str) -> None:
    server.answers[command] = [DROP]
    send(to(server), clock)
    assert len(server.mails) == 1


def test_a_mail_whose_answer_was_lost_is_never_sent_again(server: Relay, clock: Clock) -> None:
    server.answers["DATA"] = [DROP]
    with pytest.raises(Refused, match=r"may have been delivered$") as caught:
        send(to(server), clock)
    assert not caught.value.transient
    assert len(server.mails) == 1
    assert clock.slept == []


def test_after_a_refusal_the_next_mail_goes_its_way(server: Relay, clock: Clock) -> None:
    server.answers["RCPT"] = ["550 5.1.1 no such user"]
    with to(server).open(clock, clock.sleep) as session:
        with pytest.raises(Refused):
            session.send(message(), TO)
        session.send(message(), TO)
    assert len(server.mails) == 1


def test_a_recipient_who_was_greylisted_is_tried_again_alone(server: Relay, clock: Clock) -> None:
    server.answers["RCPT"] = ["250 OK", "450 4.2.0 greylisted"]
    send(to(server), clock, ["a@unimore.it", "b@unimore.it"])
    assert [mail.to for mail in server.mails] == [("a@unimore.it",), ("b@unimore.it",)]


def test_a_recipient_who_is_refused_does_not_stop_the_others_and_nothing_is_sent_twice(
    server: Relay, clock: Clock
) -> None:
    server.answers["RCPT"] = ["250 OK", "550 5.1.1 no such user"]
    with pytest.raises(Refused, match=r"1 of 2 recipients refused: 550 .*\(1 of 2 recipients have it\)") as caught:
        send(to(server), clock, ["a@unimore.it", "b@unimore.it"])
    assert not caught.value.transient
    assert [mail.to for mail in server.mails] == [("a@unimore.it",)]


@pytest.mark.parametrize("address", ["a@unimore.it>\r\nRCPT TO:<b@example.org", "josé@unimore.it"])
def test_what_is_no_address_reaches_no_relay(server: Relay, clock: Clock, address: str) -> None:
    with pytest.raises(Refused, match="a recipient is no plain mail address") as caught:
        send(to(server), clock, [address])
    assert not caught.value.transient
    assert server.mails == []


def test_a_relay_that_is_not_there_is_transient(tmp_path: Path, clock: Clock) -> None:
    port = free_port()
    with pytest.raises(Refused, match=rf"mail relay 127\.0\.0\.1:{port}: no connection: Connection refused") as caught:
        send(Smtp(host="127.0.0.1", port=port), clock)
    assert caught.value.transient
    assert clock.slept == [2.0, 4.0]


def test_a_relay_that_never_greets_is_left_after_the_time_limit(clock: Clock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = Smtp(host="127.0.0.1", port=silent.getsockname()[1], tls="none", timeout=Duration(1, "second"))
        with pytest.raises(Refused, match=r"no connection: .*timed out"):
            check(options)


def test_a_certificate_of_an_unknown_authority_is_refused_with_the_cure(server: Relay, clock: Clock) -> None:
    with pytest.raises(Refused, match=r"its certificate is not accepted: .*; see ca-file") as caught:
        send(to(server, ca_file=None), clock)
    assert not caught.value.transient
    assert server.mails == []


def test_a_certificate_for_another_name_is_refused(tmp_path: Path, clock: Clock) -> None:
    with (
        relay(tmp_path, names=("smtp.example.org",)) as server,
        pytest.raises(Refused, match="certificate is not accepted: Hostname mismatch"),
    ):
        send(to(server), clock)


def test_a_relay_without_starttls_is_refused_rather_than_used_in_clear(tmp_path: Path, clock: Clock) -> None:
    with relay(tmp_path, tls="none") as server:
        with pytest.raises(Refused, match="does not offer STARTTLS; see port and tls"):
            send(to(server), clock)
        assert server.mails == []
        send(to(server, tls="none"), clock)
        assert [mail.secured for mail in server.mails] == [False]


def test_tls_from_the_first_byte(tmp_path: Path, clock: Clock) -> None:
    with relay(tmp_path, tls="tls") as server:
        send(to(server, tls="tls"), clock)
        assert [mail.secured for mail in server.mails] == [True]


def test_tls_at_a_plain_port_says_so(tmp_path: Path, clock: Clock) -> None:
    with relay(tmp_path, tls="none") as server, pytest.raises(Refused, match=r"no TLS here .*; see port and tls"):
        send(to(server, tls="tls"), clock)


def test_a_login_lets_the_mail_through(tmp_path: Path, clock: Clock) -> None:
    with relay(tmp_path, login=True) as server:
        send(to(server, user=USER, password=secret(tmp_path)), clock)
        assert len(server.mails) == 1


def test_a_refused_login_is_final_and_repeats_no_password(tmp_path: Path, clock: Clock) -> None:
    with relay(tmp_path, login=True) as server:
        with pytest.raises(Refused, match=r"login refused \(535\); see user and password") as caught:
            send(to(server, user=USER, password=secret(tmp_path, "wr0ng-one")), clock)
        assert not caught.value.transient
        assert "wr0ng-one" not in str(caught.value)
        assert server.mails == []


def test_a_relay_that_offers_no_login_is_told(tmp_path: Path, clock: Clock) -> None:
    with (
        relay(tmp_path, mechanisms=()) as server,
        pytest.raises(Refused, match="offers no login that is known here"),
    ):
        send(to(server, user=USER, password=secret(tmp_path)), clock)


def test_a_password_that_no_relay_takes_is_a_fault_of_the_configuration(tmp_path: Path, clock: Clock) -> None:
    with relay(tmp_path, login=True) as server, pytest.raises(ConfigError, match="ASCII only") as caught:
        send(to(server, user=USER, password=secret(tmp_path, "perché")), clock)
    assert "perché" not in str(caught.value)


def test_check_secures_and_logs_in_and_sends_nothing(tmp_path: Path) -> None:
    with relay(tmp_path, login=True) as server:
        found = check(to(server, user=USER, password=secret(tmp_path)))
        assert found == f"localhost:{server.port}: STARTTLS, logged in"
        assert server.mails == []


def test_a_relay_can_be_greeted_by_a_name_of_choice(server: Relay, clock: Clock) -> None:
    send(to(server, helo="collima.unimore.it"), clock)
    assert len(server.mails) == 1


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"user": USER, "password": Secret(env="X"), "tls": "none"}, "tls: a password is never sent in clear"),
        ({"user": USER}, "user: goes with password"),
        ({"password": Secret(env="X")}, "user: goes with password"),
        ({"rate": "2000/h"}, "rate: '2000/h' is no rate; write it like '2000 per hour'"),
        ({"rate": "0 per hour"}, "rate: "),
        ({"port": 0}, "port: "),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        Smtp(host="smtp.unimore.it", **options)


def test_a_file_of_authorities_that_is_none_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(ConfigError, match=r"ca-file: .* cannot be read as PEM certificates"):
        check(Smtp(host="127.0.0.1", port=free_port(), ca_file=tmp_path / "ca.pem"))


# ---- for whoever keeps account of each mail


def handed(server: Relay, clock: Clock, calls: list[int], recipients: list[str] = TO) -> None:
    with to(server, rate="1 per minute").open(clock, clock.sleep) as session:
        session.send(message(), recipients, lambda: calls.append(len(server.mails)))


def test_who_keeps_account_is_told_just_before_the_content_goes_out(server: Relay, clock: Clock) -> None:
    calls: list[int] = []
    handed(server, clock, calls)
    assert (calls, len(server.mails)) == ([0], 1)


def test_who_keeps_account_is_not_told_of_a_mail_that_was_refused_and_tries_again_himself(
    server: Relay, clock: Clock
) -> None:
    server.answers["RCPT"] = ["451 4.3.0 come back later"]
    calls: list[int] = []
    with pytest.raises(Undelivered, match="451") as caught:
        handed(server, clock, calls)
    assert (caught.value.transient, caught.value.left, caught.value.unreachable) == (True, tuple(TO), False)
    assert (calls, clock.slept, server.commands.count("RCPT")) == ([], [], 1)


def test_a_relay_that_takes_no_mail_at_all_is_told_apart_from_a_mail_that_it_does_not_take(
    server: Relay, clock: Clock
) -> None:
    server.answers["MAIL"] = ["530 5.7.0 Authentication required"]
    with pytest.raises(Undelivered, match="530") as caught:
        handed(server, clock, [])
    assert (caught.value.transient, caught.value.unreachable) == (False, True)


def test_a_mail_that_cannot_be_accounted_for_is_not_handed_over(server: Relay, clock: Clock) -> None:
    def full() -> None:
        raise StateError("the disk is full")

    with to(server).open(clock, clock.sleep) as session:
        with pytest.raises(StateError):
            session.send(message(), TO, full)
        session.send(message(), TO, lambda: None)
    assert len(server.mails) == 1


def test_a_connection_that_the_relay_closed_meanwhile_is_made_anew_at_once(server: Relay, clock: Clock) -> None:
    with to(server).open(clock, clock.sleep) as session:
        session.send(message(), TO, lambda: None)
        server.answers["MAIL"] = ["421 4.4.2 timeout"]
        session.send(message(), TO, lambda: None)
    assert (len(server.mails), clock.slept) == (2, [])


def test_a_mail_in_whose_place_the_relay_closed_is_refused_for_now_and_not_handed_over_again(
    server: Relay, clock: Clock
) -> None:
    calls: list[int] = []
    with to(server).open(clock, clock.sleep) as session:
        session.send(message(), TO, lambda: None)
        server.answers["DATA"] = ["421 4.3.2 shutting down"]
        with pytest.raises(Undelivered, match="421") as caught:
            session.send(message(), TO, lambda: calls.append(1))
    assert (caught.value.transient, caught.value.doubt, caught.value.unreachable) == (True, False, False)
    assert (calls, len(server.mails)) == ([1], 1)


def test_addresses_that_are_refused_are_told_apart_from_a_relay_that_refuses_us(server: Relay, clock: Clock) -> None:
    for answer, addressee in (("550 5.1.1 no such user", True), ("554 5.7.1 Relay access denied", False)):
        server.answers["RCPT"] = [answer]
        with pytest.raises(Undelivered) as caught:
            handed(server, clock, [])
        assert caught.value.addressee is addressee


def test_who_has_a_mail_and_who_may_get_it_later_is_told_apart(server: Relay, clock: Clock) -> None:
    server.answers["RCPT"] = ["250 OK", "450 4.2.0 greylisted", "550 5.1.1 no such user"]
    with pytest.raises(Undelivered, match="2 of 3 recipients refused") as caught:
        handed(server, clock, [], ["a@unimore.it", "b@unimore.it", "c@unimore.it"])
    assert (caught.value.left, caught.value.transient, caught.value.doubt) == (("b@unimore.it",), True, False)


def test_a_lost_answer_is_a_doubt(server: Relay, clock: Clock) -> None:
    server.answers["DATA"] = [DROP]
    with pytest.raises(Undelivered, match="may have been delivered") as caught:
        handed(server, clock, [])
    assert caught.value.doubt
