"""The mail store, on a real Dovecot 2.3: what restore and retention count on."""

import os
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collima.core.errors import ConfigError, Refused, SourceError
from collima.core.mailstore import Returning
from collima.core.quantities import Duration
from connectors.dovecot import Dovecot as Connector
from connectors.dovecot.doveadm import Doveadm
from connectors.dovecot.session import Session
from connectors.dovecot.staging import PREFIX, staged
from tests.servers.dovecot import Dovecot, dovecot, dovecot_server
from tests.servers.sshd import Sshd, ssh_server

__all__ = ["dovecot_server", "ssh_server"]

INTO = ("Recuperati", "2026-11-24")
RECEIVED = datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)
GUID = "1700000000.M1P1.mail1"
OPEN: list[int] = []
"""Descriptors of this test's messages."""


def connected(server: Dovecot, staging: Path | None = None) -> Session:
    with Connector(doveadm=tuple(server.doveadm), staging=staging).open() as session:
        return session


@pytest.fixture
def session(dovecot_server: Dovecot) -> Session:
    return connected(dovecot_server)


@pytest.fixture
def user(dovecot_server: Dovecot) -> str:
    return dovecot_server.somebody()


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    yield
    while OPEN:
        os.close(OPEN.pop())


def opened(file: Path) -> int:
    OPEN.append(os.open(file, os.O_RDONLY))
    return OPEN[-1]


def message(folder: Path, guid: str = GUID, flags: str = "", below: tuple[str, ...] = ()) -> Returning:
    """One that a copy has."""
    file = folder / f"{guid}:2,{flags}"
    file.write_bytes(b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\nSubject: =?utf-8?b?w6g=?=\n\nText.\n")
    os.utime(file, (RECEIVED.timestamp(), RECEIVED.timestamp()))
    return Returning(guid, opened(file), below, flags)


def test_what_is_put_is_there_by_both_its_names_and_is_read_by_imap_as_it_was(
    session: Session, user: str, tmp_path: Path
) -> None:
    assert session.there(user) == {}
    put = [message(tmp_path, flags="FRS"), message(tmp_path, "1700000001.M2P1.mail1", below=("Città", "a & b"))]
    assert set(session.put(user, put, INTO).values()) == {""}
    there = session.there(user)
    assert there[GUID] == "Recuperati/2026-11-24"
    assert there["1700000001.M2P1.mail1"] == "Recuperati/2026-11-24/Città/a & b"
    assert len(there) == 4  # each by the name of its new file, too
    found = {one.guid: one for one in session.read(user, INTO)}
    one = found[GUID]
    assert (one.folder, one.received, one.flags) == (INTO, RECEIVED, "FRS")
    assert (one.author, one.subject) == ("Jürgen <j@example.org>", "è")
    assert found["1700000001.M2P1.mail1"].folder == (*INTO, "Città", "a & b")
    assert [one.guid for one in session.read(user, (*INTO, "Città"))] == ["1700000001.M2P1.mail1"]
    assert session.read(user, ()) == []  # INBOX


def test_a_store_with_dots_between_folders_is_no_different(tmp_path: Path) -> None:
    with dovecot(separator=".") as server:
        session = connected(server)
        server.maildir("carla.verdi")
        session.put("carla.verdi", [message(tmp_path, below=("Città",))], INTO)
        assert [one.folder for one in session.read("carla.verdi", INTO)] == [(*INTO, "Città")]
        assert server.complaints == []


def test_many_messages_are_read_in_portions(session: Session, user: str, tmp_path: Path) -> None:
    put = [message(tmp_path, f"17000{n:05}.M1P1.mail1") for n in range(510)]
    assert set(session.put(user, put, INTO).values()) == {""}
    assert len(session.read(user, INTO)) == 510


def test_deleted_and_labels_do_not_come_back(session: Session, user: str, tmp_path: Path) -> None:
    session.put(user, [message(tmp_path, flags="STac")], INTO)
    assert [one.flags for one in session.read(user, INTO)] == ["S"]


def test_the_files_are_only_read_and_nothing_is_left_in_the_staging_folder(
    dovecot_server: Dovecot, user: str, tmp_path: Path
) -> None:
    staging = dovecot_server.folder / f"staging-{user}"
    staging.mkdir()
    put = message(tmp_path)
    before = os.fstat(put.file)
    connected(dovecot_server, staging).put(user, [put], INTO)
    after = os.fstat(put.file)
    assert (after.st_nlink, after.st_ctime_ns, after.st_uid) == (1, before.st_ctime_ns, before.st_uid)
    assert list(staging.iterdir()) == []


def test_what_a_killed_run_left_in_the_staging_folder_goes_after_a_day(
    dovecot_server: Dovecot, user: str, tmp_path: Path
) -> None:
    staging = dovecot_server.folder / f"staging-{user}"
    for name, age in ((f"{PREFIX}old", 90_000), (f"{PREFIX}new", 0), ("other", 90_000)):
        (staging / name).mkdir(parents=True)
        os.utime(staging / name, (time.time() - age, time.time() - age))
    connected(dovecot_server, staging).put(user, [message(tmp_path)], INTO)
    assert sorted(path.name for path in staging.iterdir()) == [f"{PREFIX}new", "other"]


def test_what_waits_for_doveadm_is_for_the_owner_of_the_mail_alone(
    dovecot_server: Dovecot, user: str, tmp_path: Path
) -> None:
    """Seen by a doveadm that looks before it imports."""
    seen = tmp_path / "seen"
    looking = tmp_path / "doveadm"
    real = " ".join(dovecot_server.doveadm)
    look = f'find "$4" -printf "%m %y\\n" | sort -u > {seen}'.replace('"$4"', '"$(echo "$4" | cut -d: -f2)"')
    looking.write_text(f'#!/bin/sh\n[ "$1" = import ] && {look}\nexec {real} "$@"\n')
    looking.chmod(0o755)
    with Connector(doveadm=(str(looking),)).open() as session:
        assert session.put(user, [message(tmp_path)], INTO) == {GUID: ""}
    modes = [int(line.split()[0], 8) for line in seen.read_text().splitlines()]
    assert modes
    assert not any(mode & stat.S_IRWXO for mode in modes)


def test_what_waits_is_given_to_the_owner_from_within_so_that_no_link_of_theirs_is_given_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root gives it away: whoever has a folder already could name /etc/shadow in it."""
    given: list[Path] = []
    monkeypatch.setattr(os, "chown", lambda path, *_, **how: given.append(path) or how == {"follow_symlinks": False})
    with staged([message(tmp_path, below=("A",))], INTO, (4711, 4711), tmp_path) as root:
        assert given[-1] == root
        assert set(given) == {root, *root.rglob("*")}
        assert all(given.index(path) < given.index(path.parent) for path in given[:-1])


def test_into_inbox_itself_nothing_is_put(session: Session, user: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="name a folder"):
        session.put(user, [message(tmp_path)], ())


@pytest.mark.parametrize("name", ["anna.*", "anna.ross?", "-A", ""])
def test_a_name_that_doveadm_takes_for_a_pattern_is_refused(session: Session, name: str) -> None:
    """`doveadm expunge -u '*'` would act on everybody."""
    for deed in (lambda: session.there(name), lambda: session.read(name, ())):
        with pytest.raises(SourceError, match="pattern"):
            deed()
    with pytest.raises(Refused, match="pattern"):
        session.expunge(name, RECEIVED)


def test_an_unknown_user_is_an_error_without_a_name(session: Session) -> None:
    for deed in (lambda: session.there("maria.neri"), lambda: session.read("maria.neri", ())):
        with pytest.raises(SourceError) as told:
            deed()
        assert "maria" not in str(told.value)


def test_what_is_old_is_counted_by_mailbox_and_goes_when_it_was_saved_and_received_before(tmp_path: Path) -> None:
    with dovecot(strangers=False) as server:
        session = connected(server)
        for user in ("anna.rossi", "bruno.bianchi"):
            server.maildir(user)
        put = [message(tmp_path, f"170000000{n}.M1P1.mail1") for n in range(3)]
        session.put("anna.rossi", put, INTO)
        now = datetime.now(UTC)
        tomorrow = now + timedelta(days=1)
        # received long ago, saved now
        assert [
            (a.mailbox, a.all, a.old, a.recent) for a in session.aged(now - timedelta(days=90), now - timedelta(days=2))
        ] == [
            ("anna.rossi", 3, 0, 3),
            ("bruno.bianchi", 0, 0, 0),
        ]
        session.expunge("anna.rossi", now - timedelta(days=90))
        assert len(session.read("anna.rossi", INTO)) == 3
        first = session.aged(tomorrow, tomorrow)[0]
        assert (first.all, first.old, first.recent) == (3, 3, 0)
        session.expunge("anna.rossi", tomorrow)
        session.expunge("anna.rossi", tomorrow)
        assert session.there("anna.rossi") == {}


def test_over_ssh_each_word_arrives_as_it_is(
    dovecot_server: Dovecot, ssh_server: Sshd, user: str, tmp_path: Path
) -> None:
    ssh_server.shell()
    far = Connector(doveadm=tuple(dovecot_server.doveadm), host=ssh_server.host, ssh=ssh_server.command)
    with far.open() as session:
        assert session.put(user, [message(tmp_path, below=("a 'b' $(c)",))], INTO) == {GUID: ""}
        assert [one.folder[-1] for one in session.read(user, INTO)] == ["a 'b' $(c)"]
        assert "logged in" in session.check()


def test_a_doveadm_that_hangs_or_is_not_there_is_an_error_in_time(tmp_path: Path) -> None:
    hanging = tmp_path / "doveadm"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    for program in (hanging, tmp_path / "nothing"):
        with Connector(doveadm=(str(program),), timeout=Duration(1, "second")).open() as session:
            for deed in (lambda: session.there("anna.rossi"), lambda: session.read("anna.rossi", INTO)):
                with pytest.raises(SourceError):
                    deed()


@pytest.mark.parametrize(
    "options",
    [
        {"doveadm": ()},
        {"doveadm": ("sudo doveadm",)},
        {"host": "-oProxyCommand=x"},
        {"host": "mail1", "ssh": ()},
        {"staging": Path("/srv/a:b")},
        {"timeout": Duration(0, "second")},
    ],
)
def test_options_that_cannot_work_are_faults(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Connector(**options)  # type: ignore[arg-type]


def test_a_row_that_is_not_as_wide_as_its_heading_is_an_error(tmp_path: Path) -> None:
    liar = tmp_path / "doveadm"
    liar.write_text("#!/bin/sh\nprintf 'guid\\tmailbox\\n1\\tINBOX\\n2\\n'\n")
    liar.chmod(0o755)
    with pytest.raises(SourceError, match="1 columns of 2"):
        list(Doveadm((str(liar),), "", ("ssh",), Duration(5, "second")).rows("fetch"))


def test_a_table_is_read_as_it_comes_and_is_whole_only_at_its_end(tmp_path: Path) -> None:
    """An archive has a row for each of its messages: too many to keep."""
    slow, go = tmp_path / "doveadm", tmp_path / "go"
    slow.write_text(
        f"#!/bin/sh\nprintf 'user\\nanna\\nbru'\nuntil [ -e {go} ]; do sleep 0.01; done\nprintf 'no\\n'\nexit 75\n"
    )
    slow.chmod(0o755)
    rows = Doveadm((str(slow),), "", ("ssh",), Duration(20, "second")).rows("fetch")
    assert next(rows) == ["anna"]
    go.touch()
    assert next(rows) == ["bruno"]
    with pytest.raises(SourceError, match="ended with 75"):
        next(rows)
