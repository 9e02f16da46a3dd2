"""A report on its way: composed, sent, received."""

import email
import mailbox
from datetime import UTC, datetime
from email import policy
from pathlib import Path

import pytest

from collima.app.mailer import send_report
from collima.app.report import Letterhead
from collima.core.errors import Refused
from connectors.maildir import Maildir
from connectors.smtp import Smtp
from tests.app import results
from tests.servers.smtpd import relay

NOW = datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
HEAD = Letterhead(sender="collima@unimore.it", to=["posta@unimore.it"], site="unimore.it", language="it")


def test_a_report_through_a_relay_arrives_as_it_was_composed(tmp_path: Path) -> None:
    with relay(tmp_path) as server:
        options = Smtp(host="localhost", port=server.port, ca_file=server.ca)
        send_report(results.held(), HEAD, options.open, NOW)
    (mail,) = server.mails
    assert (mail.sender, mail.to) == ("<>", ("posta@unimore.it",))
    parsed = email.message_from_bytes(mail.content, policy=policy.default)
    assert parsed["Subject"] == "[collima] HELD sympa-lists: 43 su 43 rimozioni"
    assert parsed["Message-ID"] == "<sympa-lists.20261124T0230Z.01JDF3Z8QK@unimore.it>"
    body = parsed.get_body(("plain",))
    assert body is not None
    assert "approvare ciò che attende:" in body.get_content()


def test_a_report_into_a_maildir_can_be_read_there(tmp_path: Path) -> None:
    send_report(results.changed(), HEAD, Maildir(directory=tmp_path / "mail").open, NOW)
    (mail,) = mailbox.Maildir(tmp_path / "mail", create=False)
    assert mail["Subject"] == "[collima] CHANGED sympa-lists: 12 aggiunti, 3 rimossi in 2 liste"
    assert b"\r" not in next((tmp_path / "mail" / "new").iterdir()).read_bytes()


def test_a_report_that_no_relay_takes_is_refused(tmp_path: Path) -> None:
    with relay(tmp_path) as server:
        server.answers["RCPT"] = ["550 5.1.1 no such user"]
        options = Smtp(host="localhost", port=server.port, ca_file=server.ca)
        with pytest.raises(Refused, match="550"):
            send_report(results.held(), HEAD, options.open, NOW)
