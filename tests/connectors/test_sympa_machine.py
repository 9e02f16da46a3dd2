"""What Collima may do on Sympa's machine: a few deeds, told in a strict way, and nothing else."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.sympa import machine
from connectors.sympa.machine import MARK, Machine, Place, Said, request, serve
from tests.servers import cannot

CONFIG = b"subject docenti\n"


@pytest.fixture
def here(tmp_path: Path) -> Machine:
    """`sympa` is a script that says what it was told."""
    sympa = tmp_path / "sympa"
    sympa.write_text('#!/bin/sh\necho "$@" >&2\n')
    sympa.chmod(0o755)
    for folder in ("include", "lists/docenti"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "lists" / "docenti" / "config").write_bytes(CONFIG)
    return Machine("liste.unimore.it", tmp_path / "include", tmp_path / "lists", (str(sympa),))


def told(here: Machine, asked: bytes) -> tuple[int, bytes]:
    answers = io.BytesIO()
    return serve(here, io.BytesIO(asked), answers), answers.getvalue()


def refused(here: Machine, asked: bytes) -> str:
    before = sorted(here.include_dir.iterdir())
    code, answers = told(here, asked)
    assert code == 1
    assert sorted(here.include_dir.iterdir()) == before
    answer: str = json.loads(answers.splitlines()[-1])["failed"]
    return answer


def test_requests_are_answered_one_after_the_other(here: Machine) -> None:
    asked = request("put", b"anna@unimore.it\n", name="docenti") + request("look", names=["docenti", "nuova"])
    code, answers = told(here, asked)
    assert code == 0
    assert answers.splitlines() == [
        b'{"name": "docenti", "error": "", "sizes": []}',
        b'{"done": true, "sizes": []}',
        b'{"name": "docenti", "fault": "", "sizes": [16, 16]}',
        b"anna@unimore.it",
        b"subject docenti",
        b'{"name": "nuova", "fault": "", "sizes": [-1, -1]}',
        b'{"done": true, "sizes": []}',
    ]


def test_an_include_names_one_list_and_its_robot(here: Machine) -> None:
    assert here.include(["docenti"]) == {"docenti": Said("include --lang=en-US docenti@liste.unimore.it\n")}


@pytest.mark.parametrize("name", ["../docenti", "a/b", ".", "..", MARK, "", "Docenti", "x" * 51, "-x", "x\n", "x y", 7])
@pytest.mark.parametrize("verb", ["look", "put", "include"])
def test_what_is_no_name_of_a_list_is_refused(here: Machine, verb: str, name: object) -> None:
    assert refused(here, request(verb, name=name, names=[name])) == "that is no name of a list"


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (request("remove", name="docenti"), "that is not possible here"),
        (b'{"do": "look", "version": 1, "size": 0, "names": {"docenti": 1}}\n', "that is no name of a list"),
        (b"rm -rf /\n", "that is no request"),
        (b"[]\n", "that is no request"),
        (b"\xff\n", "that is no request"),
        (b'{"do": "put"}\n', "that is no request"),
        (b'{"do": "place", "version": 2, "size": 0}\n', "this machine speaks version 1: install the same release"),
        (b'{"do": "put", "version": 1, "size": -1, "name": "docenti"}\n', "that is too large"),
        (b'{"do": "put", "version": 1, "size": 99999999999, "name": "docenti"}\n', "that is too large"),
        (b'{"do": "put", "version": 1, "size": "x", "name": "docenti"}\n', "that is too large"),
        (request("put", b"anna@unimore.it\n", name="docenti")[:-1], "the request was cut"),
    ],
)
def test_what_is_no_request_is_refused(here: Machine, asked: bytes, answer: str) -> None:
    assert refused(here, asked).startswith(answer)


def test_a_request_that_cannot_be_cut_short_without_being_refused(here: Machine) -> None:
    whole = request("put", b"anna@unimore.it\n", name="docenti")
    for length in range(1, len(whole)):
        assert refused(here, whole[:length])


def test_a_file_that_cannot_be_written_is_told_for_itself(here: Machine) -> None:
    (here.include_dir / "tecnici").mkdir()
    failed = here.put({"docenti": b"", "tecnici": b""})
    assert list(failed) == ["tecnici"]
    assert [p.name for p in here.include_dir.iterdir() if p.is_file()] == ["docenti"]


def test_mode_and_owner_of_a_file_are_kept(here: Machine) -> None:
    file = here.include_dir / "docenti"
    file.write_text("")
    file.chmod(0o664)
    if os.geteuid() == 0:
        os.chown(file, 12345, 54321)
    before = file.stat()
    here.put({"docenti": b"anna@unimore.it\n"})
    after = file.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert after.st_ino != before.st_ino


def test_a_command_that_is_not_there_or_takes_too_long_is_told(here: Machine, tmp_path: Path) -> None:
    absent = Machine(here.robot, here.include_dir, here.lists, (str(tmp_path / "none"),))
    assert absent.include(["docenti"])["docenti"].missing
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    said = Machine(here.robot, here.include_dir, here.lists, (str(slow),), timeout=0.1).include(["docenti"])
    assert said == {"docenti": Said("it did not end within 0.1 seconds", ran=False)}


def test_a_command_that_is_not_ours_to_kill_is_told_and_not_waited_for(here: Machine, tmp_path: Path) -> None:
    """As with sudo: here we are a root that may not kill, and the command belongs to somebody else."""
    if os.geteuid() != 0:
        cannot("needs root")
    slow = tmp_path / "slow"
    slow.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec setpriv --reuid=65534 --clear-groups sleep 300\n")
    slow.chmod(0o755)
    options = [f"--robot={here.robot}", f"--include-dir={here.include_dir}", f"--lists={here.lists}"]
    command = [sys.executable, machine.__file__, *options, f"--sympa={slow}", "--timeout=1"]
    asked = request("include", names=["docenti"])
    try:
        done = subprocess.run(
            ["setpriv", "--bounding-set=-kill", *command], input=asked, capture_output=True, timeout=100, check=False
        )
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b'"ran": false' in done.stdout
    assert b"it did not end within 1 seconds" in done.stdout


def test_passwords_in_a_configuration_do_not_leave_the_machine(here: Machine) -> None:
    config = (
        b"subject passwords for all\n\ninclude_ldap_query\nuser cn=reader\npasswd s3cret\nfilter (cn=a)\n\n"
        b"include_sql_query\n  bind_password  s3cret word\n\tpassword s3cret\nname old\n\n"
        b"include_remote_file\nurl https://me:s3cr@t@example.org/list\n"
    )
    (here.lists / "docenti" / "config").write_bytes(config)
    shown = here.look(["docenti"])["docenti"].config
    assert shown == re.sub(rb"s3cret word|s3cret|me:s3cr@t", b"-", config)


def test_a_folder_that_is_not_there_is_told(here: Machine) -> None:
    here.include_dir.rmdir()
    assert here.place() == Place(there=False, robot=here.robot, folder=str(here.include_dir))
    assert "must own this folder" in here.attempt()


def test_it_runs_alone_with_nothing_of_collima_beside_it(here: Machine, tmp_path: Path) -> None:
    alone = tmp_path / "collima-sympa"
    alone.write_bytes(Path(machine.__file__).read_bytes())
    options = [f"--robot={here.robot}", f"--include-dir={here.include_dir}", f"--lists={here.lists}"]
    command = [sys.executable, "-I", "-S", alone, *options, f"--sympa=env -u HOME {here.sympa[0]}"]
    done = subprocess.run(command, input=request("include", names=["docenti"]), capture_output=True, check=True)
    assert b"include --lang=en-US docenti@liste.unimore.it" in done.stdout
