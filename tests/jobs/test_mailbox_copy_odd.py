"""What is no message, and what is not what it was: links, files in the place of folders, what a killed rsync leaves."""

import shutil
from pathlib import Path

import pytest

from collima.core.quantities import Amount, Duration
from jobs.mailbox_copy.options import CopyGuard
from tests.jobs.copied import Place, afar, codes, names, over_ssh, place, subject
from tests.servers.sshd import ssh_server

__all__ = ["ssh_server"]


@pytest.fixture(params=["generations", *over_ssh("pushed", "pulled")])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    made = place(tmp_path, generations=2, keep_gone=Duration(10, "day"))
    if request.param.startswith("pu"):
        afar(made, request.param, request.getfixturevalue("ssh_server"))
    return made


@pytest.mark.parametrize("home", ["", "/Maildir"])
def test_a_mailbox_that_becomes_a_link_is_told_and_holds_nobody_up(made: Place, home: str) -> None:
    made.run()
    user, other = made.store.users[:2]
    before = {name: inode for name, inode in names(made.newest).items() if name.startswith(f"{user}/Maildir")}
    place = made.store.root / f"{user}{home}"
    place.rename(made.folder / "elsewhere")
    place.symlink_to(made.folder / "elsewhere")
    states = []
    for _ in range(3):
        new = made.store.deliver(other)
        result = made.run()
        assert ("mailbox-link", user + home) in {(f.code, f.subject) for f in result.findings if f.level == "warning"}
        assert (result.state, codes(result)) == ("changed", [])
        assert (made.newest / new.relative_to(made.store.root)).exists()
        after = names(made.newest)
        states.append({name: after.get(name) for name in before} == before)
    assert states == [True, True, False]
    assert (made.newest / f"{user}{home}").is_symlink()
    result = made.run()
    assert (result.state, codes(result), made.differences(made.newest)) == ("in-sync", [], "")


def test_a_mailbox_that_is_a_link_from_the_start_is_told(made: Place) -> None:
    home = made.store.root / made.store.users[0]
    home.rename(made.folder / "elsewhere")
    home.symlink_to(made.folder / "elsewhere")
    result = made.run()
    assert (result.state, codes(result), codes(result, "warning")) == ("changed", [], ["mailbox-link"])
    assert (made.newest / home.name).is_symlink()


@pytest.mark.parametrize("what", ["link", "file"])
def test_a_folder_that_becomes_something_else_goes_when_what_is_in_it_may(made: Place, what: str) -> None:
    user, other = made.store.users[:2]
    folder = made.store.root / user / "Maildir/.Nuova"
    (folder / "cur").mkdir(parents=True)
    for _ in range(30):
        made.store.deliver(user, ".Nuova", flags="S")
    made.options["guard"] = CopyGuard(
        max_removals=Amount(1200, percent=True), small_change=20, max_removals_total=Amount(5000, percent=True)
    )
    made.run()
    before = names(made.newest)
    shutil.rmtree(folder)
    folder.symlink_to(".Sent") if what == "link" else folder.write_text("a file")
    new = made.store.deliver(other)
    result = made.run()
    assert (result.state, subject(result, user).held["remove"], codes(result)) == ("held", 30, [])
    assert {finding.subject: finding.code for finding in result.findings if finding.level == "warning"} == {
        user: "folder-replaced"
    }
    after = names(made.newest)
    assert {name: after.get(name) for name in before} == before
    assert str(new.relative_to(made.store.root)) in after
    result = made.run(approve=(subject(result, user).fingerprint,), reason="RT 1", who="anna")
    assert (result.state, codes(result), codes(result, "warning")) == ("changed", [], [])
    assert made.differences(made.newest) == ""


def test_a_folder_outside_of_mailboxes_that_becomes_a_link_stays_as_long_as_what_is_gone(made: Place) -> None:
    sieve = made.store.root / made.store.users[0] / "sieve"
    sieve.mkdir()
    (sieve / "vacation.sieve").write_text("keep;")
    made.run()
    shutil.rmtree(sieve)
    sieve.symlink_to("nowhere")
    kept = made.newest / sieve.relative_to(made.store.root) / "vacation.sieve"
    for _ in range(2):
        result = made.run()
        assert (result.state, codes(result), codes(result, "warning")) == ("in-sync", [], ["folder-replaced"])
    assert kept.exists()
    assert made.run().state == "changed"
    assert made.differences(made.newest) == ""


def test_what_is_no_message_goes_from_the_smallest_mailbox_and_is_never_held(made: Place) -> None:
    home = made.store.mailbox("vuoto")
    for name in ("dovecot.index.log.2", "dovecot.index.cache", "tmp/1.tmp"):
        (home / name).write_text("x")
    made.run()
    for name in ("dovecot.index.log.2", "dovecot.index.cache", "tmp/1.tmp"):
        (home / name).unlink()
    result = made.run()
    assert (result.state, subject(result, "vuoto").weights) == ("changed", {"copy": 3, "remove": 0, "drop-mailbox": 0})
    assert made.differences(made.newest) == ""


def test_what_a_killed_rsync_left_holds_nothing_and_goes_into_no_generation(made: Place) -> None:
    user = made.store.users[0]
    made.run()
    made.newest.rename(made.copies / ".incoming")
    home = made.copies / ".incoming" / user / "Maildir"
    for path in [path for path in home.rglob("*") if path.parent.name in ("cur", "new")]:
        path.unlink()
    (home / "cur/.123.M1P1.mail,S=10:2,S.AbCdEf").write_text("half")
    (home.parent / ".sieve.x4Yz9A").write_text("half")
    result = made.run()
    assert (result.state, codes(result)) == ("changed", [])
    made.run()
    assert made.differences(made.newest) == ""


def test_a_folder_of_mail_by_the_name_of_rsyncs_own_is_copied(made: Place) -> None:
    folder = made.store.root / made.store.users[0] / "Maildir/.rsync-partial/cur"
    folder.mkdir(parents=True)
    (folder / "1.a:2,S").write_text("x")
    assert codes(made.run()) == []
    assert (made.newest / folder.relative_to(made.store.root) / "1.a:2,S").read_text() == "x"


def test_what_a_mirror_replaces_in_one_mailbox_touches_nothing_beside_it(tmp_path: Path) -> None:
    made = place(tmp_path, generations=0)
    user = made.store.users[0]
    index, top = made.store.root / user / "Maildir/dovecot.index", made.store.root / "README"
    index.write_text("first")
    top.write_text("first")
    made.run()
    index.write_text("the second")
    top.write_text("the second")
    (made.store.root / "new").mkdir()
    result = made.run(only=(user,))
    assert (result.state, codes(result)) == ("changed", [])
    assert ((made.copies / user / "Maildir/dovecot.index").read_text(), (made.copies / "README").read_text()) == (
        "the second",
        "first",
    )
    assert not (made.copies / "new").exists()
    assert not list(made.copies.glob(".collima-*"))
    made.run()
    assert made.differences() == ""
