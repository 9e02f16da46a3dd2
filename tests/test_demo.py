"""The embedded campus, and the play on it."""

import base64
import contextlib
import os
import pty
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from examples.campus import campus, main, places
from examples.demo import Stage, Surprise
from tests.servers import require
from tests.servers.slapd import slapd

PROJECT = Path(__file__).resolve().parent.parent
LDIF = PROJECT / "examples/campus.ldif"

Attributes = Mapping[str, list[str]]


def read(lines: Iterable[str]) -> list[Attributes]:
    """The records of an LDIF, by attribute description."""
    records = []
    for record in "".join(lines).replace("\n ", "").strip().split("\n\n"):
        attributes = defaultdict(list)
        for line in record.split("\n"):
            name, _, value = line.partition(":")
            text = base64.b64decode(value[2:]).decode() if value.startswith(":") else value[1:]
            attributes[name].append(text)
        records.append(attributes)
    return records


@pytest.fixture(scope="module")
def people() -> list[Attributes]:
    return [entry for entry in read([LDIF.read_text("ascii")]) if "inetOrgPerson" in entry["objectClass"]]


def test_the_embedded_campus_is_what_its_generator_writes() -> None:
    assert LDIF.read_text("ascii") == "".join(campus())


def test_a_bigger_campus_is_the_smaller_one_with_newcomers() -> None:
    assert "".join(campus(60)).startswith("".join(campus(50)))
    assert list(campus(50, newcomers=10)) == list(campus(60))


def test_another_seed_is_another_campus() -> None:
    assert list(campus(50, 1)) != list(campus(50, 2))


def test_the_people_of_a_department_can_be_gone_while_its_own_entry_stays() -> None:
    left = read(campus(gone="D04"))
    where = [entry["departmentNumber"] for entry in left if "D04" in entry["departmentNumber"]]
    assert where == [["D04"]]


def test_the_campus_holds_what_real_directories_hold(people: list[Attributes]) -> None:
    names = Counter(name for person in people for name in person["cn"])
    addresses = [address for person in people for address in person["unimoreMail"]]
    assert len(people) >= 640
    assert any(count > 1 for count in names.values()), "homonyms"
    assert any(not name.isascii() for name in names), "accents"
    assert any("'" in name for name in names), "apostrophes"
    assert any("'" in address for address in addresses)
    assert any(address.isupper() for address in addresses)
    assert any(len(person["unimoreMail"]) > 1 for person in people)
    assert any(not person["unimoreMail"] for person in people)
    assert any(len(person["unimoreRole"]) > 1 for person in people)
    assert any(len(person["employeeType"]) > 1 for person in people)
    assert any(len(person["departmentNumber"]) > 1 for person in people)
    assert any(person["description;lang-it"] for person in people)
    assert {"active", "alumn", "doctorate", "suspended"} == {s for person in people for s in person["unimoreStatus"]}
    assert {"PO", "PA", "RU", "RTD", "PTA", "DIR", "AR", "DOTT", "STU"} == {
        role for person in people for role in person["employeeType"]
    }
    assert all(address.lower().endswith(("@unimore.it", "@studenti.unimore.it")) for address in addresses)
    assert len({address.lower() for address in addresses}) == len(addresses), "an address has one owner"
    assert "\n " in LDIF.read_text("ascii"), "folded lines"


def test_a_campus_has_a_dozen_places_or_forty_four() -> None:
    assert len(places(every=False)) == 12
    assert len(places(every=True)) == 44
    assert {place.town for place in places(every=False)} == {"Modena", "Reggio Emilia"}


def test_a_real_server_takes_the_campus_as_it_is(tmp_path: Path, people: list[Attributes]) -> None:
    with slapd(tmp_path / "slapd", LDIF, frame=False) as server:
        assert server.search("(objectClass=unimorePerson)", "1.1").count("dn:") == len(people)


def test_the_schedule_for_a_campus_needs_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--schedule", "schedules.yaml"])
    assert "--output" in capsys.readouterr().err


CODES = [f"(exit code {code})" for code in (0, 0, 0, 0, 3, 0, 0)]
PLAY = [sys.executable, str(PROJECT / "examples/demo.py"), "--folder"]


def test_the_demo_plays_its_five_acts_and_ends_with_0(tmp_path: Path) -> None:
    before = LDIF.read_bytes(), (PROJECT / "schedules.yaml").read_bytes()
    done = subprocess.run([*PLAY, tmp_path / "demo"], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("(exit code ")] == CODES
    assert "Subject: [collima] HELD sympa-lists: " in done.stdout
    assert before == (LDIF.read_bytes(), (PROJECT / "schedules.yaml").read_bytes())


def test_the_embedded_campus_has_a_volume_that_is_right_and_one_that_is_not(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "demo")
    printed = stage.run("run-job", "snapshots", ends_with=4, says="partial: 1 of 2 volumes failed")
    assert re.search(r"^ok mail: \+{7} ", printed, re.MULTILINE)
    assert re.search(r"^critical home: .*XXX ", printed, re.MULTILINE)
    stage.run("python", "examples/demo.py", "--snapshots", "var/snapshots", ends_with=0)
    stage.run("run-job", "snapshots", ends_with=4)


def test_snapshots_that_nobody_made_are_told_by_their_folder(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "demo")
    shutil.rmtree(stage.folder / "var/snapshots")
    stage.run("run-job", "snapshots", ends_with=1, says="var/snapshots/mail: no such file or directory")


def test_accounts_of_alumni_end_on_a_fresh_machine_and_the_second_run_plans_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "demo")
    stage.run("run-job", "alumni-expiry", ends_with=0, says="changed: 11 notified")
    assert "takeout.google.com" in stage.run("python", "examples/demo.py", "--read", "var/mail", ends_with=0)
    stage.run("run-job", "alumni-expiry", ends_with=0, says="in-sync")


def test_alumni_that_nobody_made_are_told_by_their_file(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "demo")
    (stage.folder / "var/alumni.ldif").unlink()
    stage.run("run-job", "alumni-expiry", ends_with=1, says="var/alumni.ldif: no such file or directory")
    stage.run("python", "examples/alumni.py", "var", ends_with=0)
    stage.run("run-job", "alumni-expiry", "--plan", ends_with=0, says="planned: 11 notices")


def test_digests_of_a_quarantine_go_out_on_a_fresh_machine_and_what_is_older_waits(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "demo")
    held = stage.run("run-job", "quarantine-digest", ends_with=3, says="held: 4 of 8 digests waiting")
    mail = stage.run(
        "python", "examples/demo.py", "--read", "var/mail", ends_with=0, says="from: quarantena@unimore.it"
    )
    assert "http://127.0.0.1:8420/" in mail
    approval = re.search(r"run-job quarantine-digest --approve [0-9a-f]{16}", held)
    assert approval
    stage.run(*approval[0].split(), "--reason", "they may know", ends_with=0, says="changed: 4 sent")
    stage.run("run-job", "quarantine-digest", ends_with=0, says="in-sync")
    stage.run("run-job", "quarantine-purge", ends_with=0)


def test_a_key_that_nobody_made_is_told_with_its_cure(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "demo")
    (stage.folder / "var/quarantine.secret").unlink()
    done = subprocess.run(
        ["run-job", "quarantine-digest"],
        cwd=stage.folder,
        env=stage.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "openssl rand -hex 32 > " in done.stderr


def test_the_mail_store_is_copied_on_a_fresh_machine_and_the_copy_holds(tmp_path: Path) -> None:
    require("rsync")
    stage = Stage(tmp_path / "demo")
    stage.run("run-job", "mailbox-copy", ends_with=0, says="changed: 720 copied")
    stage.run("python", "examples/maildirs.py", "var", ends_with=0)  # the same mail, made anew
    stage.run("run-job", "mailbox-copy", ends_with=0, says="in-sync")
    stage.run("run-job", "copy-verify", ends_with=0, says="200 like the live message")


def test_a_mail_store_that_nobody_made_is_told_by_its_sentinel(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "demo")
    shutil.rmtree(stage.folder / "var/mailstore")
    stage.run("run-job", "mailbox-copy", ends_with=1, says="there is no .mailstore")


@pytest.mark.soak
def test_the_demo_in_a_terminal_prints_what_the_readme_shows(tmp_path: Path) -> None:
    ours, its = pty.openpty()
    environment = {**os.environ, "COLUMNS": "120", "LINES": "50", "LC_ALL": "C.UTF-8", "TERM": "xterm"}
    process = subprocess.Popen([*PLAY, tmp_path / "demo"], stdout=its, stderr=its, env=environment)
    os.close(its)
    screen = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal, contextlib.suppress(OSError):  # EIO: it has ended
        while part := terminal.read(4096):
            screen += part
    assert process.wait() == 0, screen
    printed = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", screen.decode())
    lines = {line.rstrip() for line in printed.splitlines()}
    readme = (PROJECT / "README.md").read_text("utf-8")
    for block in re.findall(r"^```text\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL):
        assert [line for line in block.splitlines() if line != "…" and line not in lines] == []
    assert [line for line in printed.splitlines() if line.startswith("(exit code ")] == CODES


def test_the_demo_stops_when_a_command_ends_otherwise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage(tmp_path / "demo")
    with pytest.raises(Surprise, match="ended with 7 instead of 0"):
        stage.run("python", "-c", "raise SystemExit(7)", ends_with=0)
    with pytest.raises(Surprise, match="does not say 'in-sync'"):
        stage.run("python", "-c", "print('changed')", ends_with=0, says="in-sync")
    assert "(exit code 7)" in capsys.readouterr().out
