"""What is in the copies, for those who look for something in them."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collima.core.copies import Message, Originals
from collima.core.errors import ConfigError, SourceError
from collima.core.options import Side
from connectors.rsync import Rsync
from connectors.rsync.compare import mounted
from connectors.rsync.here import Here
from connectors.rsync.pattern import Pattern
from tests.jobs.copied import over_ssh
from tests.servers import require
from tests.servers.maildirs import MailStore, mail_store
from tests.servers.sshd import Sshd, ssh_server

__all__ = ["ssh_server"]
STAMP = "2026-11-21T2200Z"


def content(file: int | None) -> bytes:
    assert file is not None
    with open(file, "rb") as opened:  # noqa: PTH123 - a descriptor
        return opened.read()


@pytest.fixture
def store(tmp_path: Path) -> MailStore:
    require("rsync")
    return mail_store(tmp_path / "mail", users=3, messages=60)


@pytest.fixture(params=["here", *over_ssh("there")])
def connector(request: pytest.FixtureRequest, tmp_path: Path) -> Rsync:
    """The copies are a copied tree: on this machine, or seen over ssh."""
    to = str(tmp_path / "copies")
    (tmp_path / "copies").mkdir()
    if request.param == "here":
        return Rsync(from_=Side(str(tmp_path / "mail")), to=Side(to), sentinel=".mailstore")
    sshd: Sshd = request.getfixturevalue("ssh_server")
    sshd.shell()
    return Rsync(
        from_=Side(str(tmp_path / "mail")), to=Side(f"{sshd.host}:{to}"), sentinel=".mailstore", ssh=sshd.command
    )


def test_a_copy_is_found_by_generation_mailbox_and_message(store: MailStore, connector: Rsync, tmp_path: Path) -> None:
    odd = store.mailbox("riga") / "cur" / "12\n3.odd[x]*"
    odd.write_bytes(b"no flags")
    (store.root / "riga/Maildir/cur/\udcff\udcfe:2,S").write_bytes(b"no UTF-8")
    store.root.rename(tmp_path / "copies" / STAMP)
    (tmp_path / "copies/.incoming/neu/Maildir/cur").mkdir(parents=True)
    with connector.open() as session:
        copies: Originals = session
        (generation,) = copies.generations()
        assert (generation.name, generation.at) == (STAMP, datetime(2026, 11, 21, 22, 0, tzinfo=UTC))
        assert copies.mailboxes(STAMP) == ["nome0000.cognome", "nome0001.cognome", "nome0002.cognome", "riga"]
        every = [(box, m) for box in copies.mailboxes(STAMP) for m in copies.messages(STAMP, box)]
        assert len(every) == 62
        by_guid = {m.guid: (box, m) for box, m in every}
        assert by_guid[odd.name] == ("riga", Message("", odd.name, odd.name, "", "cur"))
        assert by_guid["\udcff\udcfe"][1].flags == "S"
        for guid in (odd.name, "\udcff\udcfe", every[0][1].guid):
            box, message = by_guid[guid]
            here = tmp_path.joinpath("copies", STAMP, box, "Maildir", message.folder, message.part, message.name)
            with copies.files(STAMP, box) as files:
                assert content(files.open(message)) == here.read_bytes()


def test_what_a_copy_does_not_have_is_an_error(store: MailStore, connector: Rsync, tmp_path: Path) -> None:
    store.root.rename(tmp_path / "copies" / STAMP)
    with connector.open() as session:
        for box in ("nobody", "..", "../../etc", "nome0000.cognome/x", ""):
            with pytest.raises(SourceError, match="does not have this mailbox"):
                list(session.messages(STAMP, box))
        with pytest.raises(SourceError, match="no generation"):
            session.mailboxes("2025-01-01T0000Z")
        with session.files(STAMP, "nome0000.cognome") as files, pytest.raises((OSError, SourceError)):
            files.open(Message("", "x", "x", "", "cur"))


@pytest.mark.parametrize("link", ["user", "Maildir", ".Sent", "cur", "message"])
def test_a_link_in_a_copy_shows_nobody_elses_mail(
    store: MailStore, connector: Rsync, tmp_path: Path, link: str
) -> None:
    """Whoever may write into a mailbox would read another one by it."""
    theirs, home = store.deliver(store.users[0], ".Sent", flags="S"), store.mailbox("anna")
    own = store.deliver("anna", "", flags="S")
    above = {"user": home.parent, "Maildir": home, ".Sent": home / ".Sent", "cur": home / ".Sent/cur"}
    copy = tmp_path / "copies" / STAMP
    before = Message(".Sent", theirs.name, theirs.name.partition(":")[0], "S", "cur")
    if link == "message":
        (home / ".Sent/cur" / theirs.name).symlink_to(copy / theirs.relative_to(store.root))
    else:
        target = copy / store.users[0] / above[link].relative_to(home.parent)
        shutil.rmtree(above[link])
        above[link].symlink_to(target)
    store.root.rename(copy)
    with connector.open() as session:
        if link in ("user", "Maildir"):
            with pytest.raises(SourceError, match="does not have this mailbox"):
                list(session.messages(STAMP, "anna"))
            with pytest.raises(SourceError), session.files(STAMP, "anna"):
                pass
        else:
            listed = {one.name for one in session.messages(STAMP, "anna")}
            there = not isinstance(session.copy, Here)
            if there and link == "message":  # rsync lists it, and does not fetch it
                assert listed == {own.name, theirs.name}
            else:
                assert listed == {own.name}
            if there and link != "message":
                return  # what was no folder when it was listed is not asked for
            with session.files(STAMP, "anna") as files, pytest.raises((OSError, SourceError)):
                files.open(before)


@pytest.mark.parametrize("link", ["user", "cur", "message"])
def test_a_link_in_the_source_is_no_original(store: MailStore, tmp_path: Path, link: str) -> None:
    theirs, home = store.deliver(store.users[0], "", flags="S"), store.mailbox("anna")
    (tmp_path / "copies").mkdir()
    match link:
        case "message":
            (home / "cur" / theirs.name).symlink_to(theirs)
        case "cur":
            shutil.rmtree(home / "cur")
            (home / "cur").symlink_to(theirs.parent)
        case _:
            shutil.rmtree(home.parent)
            home.parent.symlink_to(store.root / store.users[0])
    message = Message("", theirs.name, theirs.name.partition(":")[0], "S", "cur")
    with Rsync(from_=Side(str(store.root)), to=Side(str(tmp_path / "copies")), sentinel=".mailstore").open() as session:
        assert session.original("anna", message) is None
        other = session.original(store.users[0], message)
        assert content(other) == theirs.read_bytes()


def test_a_sampled_message_is_compared_with_no_link(store: MailStore, tmp_path: Path) -> None:
    theirs, home = store.deliver(store.users[0], "", flags="S"), store.mailbox("anna")
    own = home / "cur" / theirs.name
    own.write_bytes(theirs.read_bytes())
    copy, path = tmp_path / "copy", str(own.relative_to(store.root))
    shutil.copytree(store.root, copy)
    assert not mounted(Here(store.root), copy, Pattern("*/Maildir"), path)
    own.unlink()
    own.symlink_to(theirs)
    assert not mounted(Here(store.root), copy, Pattern("*/Maildir"), path)  # it went from the source
    (copy / path).unlink()
    (copy / path).symlink_to(theirs)
    own.unlink()
    own.write_bytes(theirs.read_bytes())
    assert mounted(Here(store.root), copy, Pattern("*/Maildir"), path)


def test_a_mirror_is_one_generation_and_an_unfinished_copy_is_none(store: MailStore, tmp_path: Path) -> None:
    with Rsync(from_=Side(str(tmp_path / "x")), to=Side(str(store.root)), sentinel=".mailstore").open() as session:
        assert [generation.name for generation in session.generations()] == ["mirror"]
        assert len(session.mailboxes("mirror")) == 3
    (tmp_path / "new/.incoming").mkdir(parents=True)
    with Rsync(
        from_=Side(str(tmp_path / "x")), to=Side(str(tmp_path / "new")), sentinel=".mailstore"
    ).open() as session:
        assert session.generations() == []


def test_the_original_of_a_message_is_found_after_its_flags_and_folder_changed(
    store: MailStore, tmp_path: Path
) -> None:
    path = store.deliver(store.users[0], "", flags="-")
    (tmp_path / "copies").mkdir()
    message = Message("", path.name, path.name, "", "new")
    connector = Rsync(from_=Side(str(store.root)), to=Side(str(tmp_path / "copies")), sentinel=".mailstore")
    with connector.open() as session:
        assert content(session.original(store.users[0], message)) == path.read_bytes()
        moved = path.rename(store.root / store.users[0] / "Maildir/.Trash/cur" / f"{path.name}:2,ST")
        assert content(session.original(store.users[0], message)) == moved.read_bytes()
        moved.unlink()
        assert session.original(store.users[0], message) is None


def test_a_pattern_names_mailboxes() -> None:
    assert Pattern("*/Maildir").name("anna.rossi/Maildir/cur/1") == "anna.rossi"
    assert Pattern("*/Maildir").name("anna.rossi/sieve") == ""
    assert Pattern("*/Maildir").name(".incoming/Maildir") == ""
    assert Pattern("*/u-*/mail").path("unimore.it/anna") == "unimore.it/u-anna/mail"
    assert Pattern("*/u-*/mail").name("unimore.it/u-anna/mail") == "unimore.it/anna"
    for text in ("Maildir", "/srv/*", "**/Maildir", "*/../x", ""):
        with pytest.raises(ConfigError, match="mailboxes"):
            Pattern(text)


def test_sides_that_cannot_be_meant_are_refused() -> None:
    for from_, to, why in (
        ("mail", "/backup", "from"),
        ("/srv/mail", "/srv/mail/copies", "outside"),
        ("a:/srv/mail", "b:/backup", "on this machine"),
        ("-oProxyCommand=x:/srv", "/backup", "from"),
    ):
        with pytest.raises(ConfigError, match=why):
            Rsync(from_=Side(from_), to=Side(to), sentinel=".mailstore")
