"""Kind `maildir`."""

import mailbox
from email.message import EmailMessage
from pathlib import Path

import pytest

from collima.core.errors import Refused
from connectors.maildir import Maildir


def message(subject: str = "a report") -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = subject
    mail.set_content("perché no\n")
    return mail


def check(options: Maildir) -> str:
    with options.open() as session:
        return session.check()


def test_mail_lands_in_new_and_any_reader_of_maildirs_finds_it(tmp_path: Path) -> None:
    with Maildir(directory=tmp_path / "mail").open() as session:
        session.send(message("one"), ["posta@unimore.it"])
        session.send(message("two"), ["posta@unimore.it", "altra@unimore.it"])
    box = mailbox.Maildir(tmp_path / "mail", create=False)
    assert sorted(mail["Subject"] for mail in box) == ["one", "two"]
    two = next(mail for mail in box if mail["Subject"] == "two")
    assert two["Return-Path"] == "<>"
    assert two.get_all("Delivered-To") == ["posta@unimore.it", "altra@unimore.it"]
    assert two.get_payload(decode=True) == "perché no\n".encode()
    assert list((tmp_path / "mail" / "tmp").iterdir()) == []


def test_folders_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    with Maildir(directory=tmp_path / "far" / "mail").open() as session:
        session.send(message(), [])
    made = [tmp_path / "far" / "mail", *(tmp_path / "far" / "mail").iterdir()]
    assert {folder.stat().st_mode & 0o777 for folder in made} == {0o700}
    (mail,) = (tmp_path / "far" / "mail" / "new").iterdir()
    assert mail.stat().st_mode & 0o777 == 0o600


def test_a_name_is_never_used_twice(tmp_path: Path) -> None:
    with Maildir(directory=tmp_path).open(clock=lambda: 1_790_000_000_000_000_000) as session:
        for _ in range(50):
            session.send(message(), [])
    assert len(list((tmp_path / "new").iterdir())) == 50


def test_a_place_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("")
    with pytest.raises(Refused, match=r"mail: (Not a directory|File exists)"):
        check(Maildir(directory=tmp_path / "mail"))


def test_a_mail_that_cannot_be_delivered_leaves_no_half_of_itself(tmp_path: Path) -> None:
    with Maildir(directory=tmp_path / "mail").open() as session:
        (tmp_path / "mail" / "new").rmdir()
        with pytest.raises(Refused, match="No such file or directory"):
            session.send(message(), [])
    assert list((tmp_path / "mail" / "tmp").iterdir()) == []


def test_check_leaves_nothing_behind(tmp_path: Path) -> None:
    assert check(Maildir(directory=tmp_path / "mail")) == f"{tmp_path / 'mail'}: can be written"
    assert not [path for path in (tmp_path / "mail").rglob("*") if path.is_file()]
