"""Sympa on another machine, through a real sshd: what it lets through, and what happens when the connection dies."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from collima.core.errors import SourceError
from collima.core.targets import Edit, Id
from connectors.sympa import machine
from connectors.sympa.distant import Distant
from tests.connectors.test_sympa import Place, distant
from tests.contracts.rosters import ANNA, BRUNO
from tests.servers.sshd import Sshd, ssh_server
from tests.servers.sympa import READER_PASSWORD, Sympa, sympa_here, sympa_server

__all__ = ["ssh_server", "sympa_here", "sympa_server"]

BETWEEN = """\
#!/bin/sh
# dies when it is told to include, as long as {folder}/dying says so
asked={folder}/asked
cat > $asked
if grep -q '"do": "include"' $asked && [ -e {folder}/dying ]; then
    [ -s {folder}/dying ] || rm {folder}/dying
    kill -9 $PPID
    exit
fi
{command} < $asked {after}
"""


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMPA_READER", READER_PASSWORD)


@pytest.fixture
def far(sympa_here: Sympa, ssh_server: Sshd) -> Place:
    return distant(sympa_here, ssh_server)


@pytest.fixture
def dying(sympa_here: Sympa, ssh_server: Sshd, tmp_path: Path) -> Path:
    """A file: while it is there, the other end dies when it is told to include; when it is empty, once only."""
    between(sympa_here, ssh_server, tmp_path)
    return tmp_path / "dying"


def between(sympa: Sympa, sshd: Sshd, folder: Path, after: str = "") -> None:
    """Puts a script between ssh and the forced command."""
    told = {"robot": sympa.robot, "include-dir": sympa.include_dir, "lists": sympa.lists, "sympa": sympa.command}
    command = shlex.join([sys.executable, machine.__file__, *(f"--{k}={v}" for k, v in told.items())])
    script = folder / "between"
    script.write_text(BETWEEN.format(folder=folder, command=command, after=after))
    script.chmod(0o755)
    sshd.allow([str(script)])


def test_the_key_opens_nothing_but_the_forced_command(far: Place, ssh_server: Sshd) -> None:
    done = subprocess.run(
        [*ssh_server.command, ssh_server.host, "cat", "/etc/passwd"],
        input=b"cat /etc/passwd\n",
        capture_output=True,
        check=False,
    )
    assert done.stdout == b'{"failed": "that is no request", "sizes": []}\n'
    forwarded = [*ssh_server.command, "-oExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1", ssh_server.host]
    assert subprocess.run(forwarded, input=b"", capture_output=True, check=False).returncode == 255


def test_a_host_key_that_is_not_known_is_not_taken(far: Place, ssh_server: Sshd) -> None:
    ssh_server.forget_host()
    try:
        with far.open() as session, pytest.raises(SourceError, match="Host key verification failed") as raised:
            session.read(["docenti"])
    finally:
        ssh_server.know_host()
    assert not raised.value.transient
    assert not far.slept


def test_a_key_that_is_not_taken_is_told(far: Place, ssh_server: Sshd) -> None:
    (ssh_server.folder / "authorized_keys").write_text("")
    with far.open() as session, pytest.raises(SourceError, match="Permission denied") as raised:
        session.read(["docenti"])
    assert not raised.value.transient


def test_a_machine_that_is_down_is_tried_again_and_passes(far: Place, ssh_server: Sshd) -> None:
    ssh_server.stop()
    try:
        with far.open() as session, pytest.raises(SourceError, match="Connection refused") as raised:
            session.read(["docenti"])
    finally:
        ssh_server.start()
    assert raised.value.transient
    assert far.slept == [2]


def test_a_machine_that_gives_no_answer_is_not_waited_for_endlessly(ssh_server: Sshd) -> None:
    ssh_server.allow(["sleep", "60"])
    slept: list[float] = []
    with pytest.raises(SourceError, match=r"gave no answer within 0\.5 seconds"):
        Distant(ssh_server.host, ssh_server.command, 0.5, 1, 2, slept.append).place()
    assert slept == [2]


def test_many_files_have_more_time_than_one(ssh_server: Sshd, tmp_path: Path) -> None:
    script = tmp_path / "slow"
    options = f"--robot=a.b --include-dir={tmp_path} --lists={tmp_path}"
    script.write_text(f"#!/bin/sh\nsleep 1.5\nexec {sys.executable} {machine.__file__} {options}\n")
    script.chmod(0o755)
    ssh_server.allow([str(script)])
    names = [f"l{n:03}" for n in range(60)]
    assert Distant(ssh_server.host, ssh_server.command, 1, 1, 2, lambda _: None).put(dict.fromkeys(names, b"")) == {}
    assert all((tmp_path / name).exists() for name in names)


def test_an_include_without_an_answer_is_not_waited_for_twice(ssh_server: Sshd) -> None:
    ssh_server.allow(["sleep", "60"])
    slept: list[float] = []
    distant = Distant(ssh_server.host, ssh_server.command, 0.2, 0.3, 2, slept.append)
    with pytest.raises(SourceError, match=r"gave no answer within 0\.5 seconds") as raised:
        distant.include(["docenti", "tecnici"])
    assert raised.value.transient
    assert not slept


def test_files_that_a_machine_cannot_be_given_are_worth_another_run(far: Place, ssh_server: Sshd) -> None:
    far.server.plant("docenti", [ANNA])
    with far.open() as session:
        session.read(["docenti"])
        ssh_server.stop()
        try:
            (settled,) = session.apply([Edit("docenti", frozenset({Id(BRUNO)}), frozenset())])
        finally:
            ssh_server.start()
    assert "Connection refused" in settled.error
    assert settled.transient


def test_another_forced_command_is_told(far: Place, ssh_server: Sshd) -> None:
    ssh_server.allow(["echo", "Welcome!"])
    with far.open() as session, pytest.raises(SourceError, match="forced command"):
        session.exists()


def test_a_folder_that_the_other_machine_was_not_told_of_is_a_fault(sympa_here: Sympa, ssh_server: Sshd) -> None:
    far = distant(sympa_here, ssh_server, **{"include-dir": "/srv/elsewhere"})
    with far.open() as session, pytest.raises(SourceError, match=r"was told of liste\.unimore\.it in /srv/elsewhere"):
        session.exists()


def test_check_tries_everything_there(sympa_here: Sympa, ssh_server: Sshd) -> None:
    far = distant(sympa_here, ssh_server)
    with far.open() as session:
        assert "include files can be replaced" in session.check()
    far = distant(sympa_here, ssh_server, sympa="no-such-sympa")
    with far.open() as session, pytest.raises(SourceError, match="there is no command no-such-sympa"):
        session.check()


def test_an_answer_that_is_cut_is_no_answer(far: Place, ssh_server: Sshd, tmp_path: Path) -> None:
    far.server.plant("docenti", [ANNA, BRUNO])
    between(far.server, ssh_server, tmp_path, "| head -c 200")
    with far.open() as session, pytest.raises(SourceError):
        session.read(["docenti"])


def test_a_connection_that_dies_once_between_file_and_command_is_not_noticed(far: Place, dying: Path) -> None:
    far.server.plant("docenti", [ANNA])
    dying.touch()
    assert not far.edit(BRUNO)[BRUNO].error
    assert far.slept == [2]
    assert far.server.members("docenti") == {ANNA, BRUNO}


@pytest.mark.soak
def test_a_connection_that_keeps_dying_leaves_the_file_and_the_next_run_converges(far: Place, dying: Path) -> None:
    far.server.plant("docenti", [ANNA])
    dying.write_text("always")
    settled = far.edit(BRUNO, remove=[ANNA])
    assert all("not known to be done" in s.error and s.transient for s in settled.values())
    assert far.server.file("docenti") == [BRUNO]
    assert far.server.members("docenti") == {ANNA}
    dying.unlink()
    with far.open() as session:
        roster = session.read(["docenti"])["docenti"]
        assert (roster.members, roster.pending, roster.lost) == ({ANNA}, {BRUNO}, {ANNA})
    assert not any(s.error for s in far.edit(BRUNO, remove=[ANNA]).values())
    assert far.server.members("docenti") == {BRUNO}
