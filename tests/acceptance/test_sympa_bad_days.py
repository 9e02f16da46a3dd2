"""Bad days of a Sympa, the real one: nobody is lost, nothing is left half done, and the message says what to do."""

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import pytest

from collima.app.cli import run_job
from connectors.sympa import machine
from tests.acceptance.site import Done, Site
from tests.servers import cannot, require
from tests.servers.slapd import READER, READER_PASSWORD, SUFFIX, person, slapd
from tests.servers.sshd import Sshd, ssh_server
from tests.servers.sympa import READER_PASSWORD as SYMPA_PASSWORD
from tests.servers.sympa import Sympa, sympa_here, sympa_server
from tests.soak import size

__all__ = ["ssh_server", "sympa_here", "sympa_server"]

SCHEDULE = """
version: 1
timezone: Europe/Rome
state: sqlite:///collima.db
connectors:
  people: {people}
  lists:
    kind: sympa
    robot: {robot}
    include-dir: {include_dir}
    lists: {lists}
    database: {database}
    database-password: {{file: password}}
    sympa: {sympa}
    locked-out: 1 second
    {more}
jobs:
  sympa-lists:
    kind: roster-sync
    when: manual
    source: people
    target: lists
    among: (unimoreStatus=active)
    address: unimoreMail
    own-domains: [unimore.it]
    guard: {guard}
    rosters:
{rosters}
"""
PEOPLE = "{kind: ldif, file: people.ldif}"
DOCENTI = "      - {name: docenti, members: (employeeType=PO)}"
TECNICI = "      - {name: tecnici, members: (employeeType=PTA)}"
ANYTHING_GOES = (
    "{max-removals: 100%, max-additions: 100%, max-first-fill: 100%, max-removals-total: 100%, source-drop: 100%, "
    "small-change: 100000}"
)


def addresses(prefix: str, count: int, first: int = 0) -> set[str]:
    return {f"{prefix}{n}@unimore.it" for n in range(first, first + count)}


class Campus:
    """A site whose lists are in Sympa."""

    def __init__(self, folder: Path, sympa: Sympa) -> None:
        self.site, self.sympa = Site(folder), sympa
        self.options: dict[str, Any] = {"guard": "{}", "people": PEOPLE, "more": "", "sympa": [str(sympa.command)]}
        self.people()
        self.schedule()

    def schedule(self, *rosters: str, **options: Any) -> None:
        self.options |= options
        known = {
            "robot": self.sympa.robot,
            "include_dir": self.sympa.include_dir,
            "lists": self.sympa.lists,
            "database": self.sympa.url,
        }
        text = SCHEDULE.format(**(known | self.options), rosters="\n".join(rosters or (DOCENTI, TECNICI)))
        self.site.write(text, password=SYMPA_PASSWORD)

    def people(self, professors: Iterable[int] = range(12), technicians: int = 11, others: int = 80) -> None:
        known = [
            *(person(f"prof{n}", employeeType="PO") for n in professors),
            *(person(f"tec{n}", employeeType="PTA") for n in range(technicians)),
            *(person(f"altro{n}", employeeType="AR") for n in range(others)),
        ]
        (self.site.folder / "people.ldif").write_text("".join(known))

    def filled(self) -> "Campus":
        """Both lists as they should be, by a run."""
        self.sympa.make("docenti", "tecnici")
        self.sympa.plant("docenti", addresses("prof", 12))
        self.sympa.plant("tecnici", addresses("tec", 11))
        first = self.run()
        assert (first.code, first.json["state"]) == (0, "in-sync"), first.out
        return self

    def run(self, *arguments: str) -> Done:
        """The program, in this process: a second less for each run than `Site.run_job`."""
        out, err = io.StringIO(), io.StringIO()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            with chdir(self.site.folder), redirect_stdout(out), redirect_stderr(err):
                code = run_job(["sympa-lists", "--json", *arguments])
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return Done(code, out.getvalue(), err.getvalue())

    def command(self, script: str) -> None:
        """Puts a script in the place of `sympa`; `$real` is the real one."""
        file = self.sympa.folder / "bin" / "other"
        file.write_text(f"#!/bin/sh\nreal={self.sympa.command}\n{script}\n")
        file.chmod(0o755)
        self.schedule(sympa=[str(file)])

    def unchanged(self) -> None:
        self.has(docenti=addresses("prof", 12), tecnici=addresses("tec", 11))

    def has(self, **lists: set[str]) -> None:
        """In Sympa's table and in the include file, now and after the next include of Sympa's own."""
        for name, members in lists.items():
            assert set(self.sympa.file(name)) == members
            assert self.sympa.included(name) == members


@pytest.fixture
def campus(tmp_path: Path, sympa_here: Sympa) -> Campus:
    return Campus(tmp_path, sympa_here)


def codes(done: Done) -> set[tuple[str, str, str]]:
    return {(f["level"], f["subject"], f["code"]) for f in done.json["findings"]}


# ---- the directory


def test_a_directory_that_answers_nobody_takes_nobody_from_a_list(campus: Campus, tmp_path: Path) -> None:
    people = "".join(person(f"prof{n}", employeeType="PO") for n in range(12))
    with slapd(tmp_path / "slapd", people) as server:
        (tmp_path / "ldap").write_text(READER_PASSWORD)
        (tmp_path / "ldap").chmod(0o600)
        ldap = (
            f'{{kind: ldap, url: {server.url}, base: "ou=services,{SUFFIX}", bind: "{READER}", '
            "password: {file: ldap}, insecure: true}"
        )
        campus.filled()
        campus.schedule(people=ldap)
        done = campus.run()
    assert (done.code, done.json["state"]) == (3, "held")
    assert done.json["sources"][0]["reason"] == "nobody was found at all"
    campus.sympa.include("docenti")  # as Sympa does by itself
    campus.unchanged()


def test_what_is_held_stays_in_the_file_and_what_is_let_through_is_done_beside_it(campus: Campus) -> None:
    campus.filled()
    campus.people(professors=range(7, 14))  # 7 of 12 leave, 2 come
    done = campus.run()
    assert (done.code, done.subject("docenti")["applied"]) == (3, {"add": 2, "remove": 0})
    campus.sympa.include("docenti")
    campus.has(docenti=addresses("prof", 14))
    approved = campus.run("--approve", done.json["fingerprint"], "--reason", "retired")
    assert approved.code == 0
    campus.has(docenti=addresses("prof", 7, 7))


# ---- the include file


@pytest.mark.parametrize("damage", ["emptied", "cut", "html", "gone"])
def test_a_file_that_is_damaged_by_somebody_is_put_right_and_nobody_is_lost(campus: Campus, damage: str) -> None:
    campus.filled()
    file = campus.sympa.include_dir / "docenti"
    match damage:
        case "emptied":
            file.write_text("")
        case "cut":
            file.write_text("\n".join(sorted(addresses("prof", 3))))
        case "html":
            file.write_text("<!DOCTYPE html>\n<html><body><h1>502 Bad Gateway</h1></body></html>\n")
        case "gone":
            file.unlink()
    before = file.read_bytes() if file.exists() else None
    assert campus.run("--plan").code == 0
    assert (file.read_bytes() if file.exists() else None) == before  # a plan writes nothing
    done = campus.run()
    assert (done.code, done.json["state"]) == (0, "in-sync")
    assert codes(done) == {("warning", "docenti", "source-changed")}
    campus.unchanged()
    campus.sympa.include("docenti")
    campus.unchanged()
    assert codes(campus.run()) == set()


def test_when_sympa_has_included_an_empty_file_before_everybody_comes_back(campus: Campus) -> None:
    campus.filled()
    (campus.sympa.include_dir / "docenti").write_text("")
    campus.sympa.include("docenti")
    assert campus.sympa.members("docenti") == set()
    done = campus.run()
    assert (done.code, done.subject("docenti")["applied"]["add"]) == (0, 12)
    campus.unchanged()


def test_addresses_that_somebody_writes_into_the_file_are_taken_out(campus: Campus) -> None:
    campus.filled()
    file = campus.sympa.include_dir / "docenti"
    file.write_text(f"{file.read_text()}stranger@example.org\n")
    assert campus.run().subject("docenti")["applied"]["remove"] == 1
    campus.unchanged()


def test_a_disk_that_is_full_leaves_the_old_files_and_the_members(campus: Campus) -> None:
    with small_disk(campus.sympa.include_dir):
        campus.filled()
        filler = campus.sympa.include_dir / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        campus.people(professors=range(1, 14))
        done = campus.run()
        assert done.code in (1, 4)
        assert any("No space left on device" in f["text"] for f in done.json["findings"])
        campus.unchanged()
        assert sorted(p.name for p in campus.sympa.include_dir.iterdir()) == [
            ".collima",
            "docenti",
            "filler",
            "tecnici",
        ]
        filler.unlink()
        assert campus.run().code == 0
        campus.has(docenti=addresses("prof", 13, 1))


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A disk of 64 KiB in the place of a folder."""
    owner = folder.stat()
    options = f"size=64k,mode=0755,uid={owner.st_uid},gid={owner.st_gid}"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], capture_output=True, check=False)
    if done.returncode:
        cannot(f"nothing can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_folder_that_is_not_mounted_stops_the_run_before_any_change(campus: Campus) -> None:
    campus.filled()
    campus.people(professors=range(1, 13))
    away = campus.sympa.folder / "away"
    campus.sympa.include_dir.rename(away)
    campus.sympa.include_dir.mkdir()
    done = campus.run()
    assert (done.code, done.json["state"]) == (1, "failed")
    assert "not mounted?" in done.json["findings"][0]["text"]
    assert list(campus.sympa.include_dir.iterdir()) == []
    campus.sympa.include_dir.rmdir()
    away.rename(campus.sympa.include_dir)
    campus.unchanged()


# ---- Sympa's database


def test_a_database_that_is_down_stops_the_run_before_any_change(campus: Campus) -> None:
    campus.filled()
    campus.people(professors=range(1, 14))
    campus.sympa.database.stop()
    try:
        done = campus.run()
    finally:
        campus.sympa.database.start()
    assert (done.code, done.json["state"]) == (1, "failed")
    assert "Sympa's database on 127.0.0.1" in done.json["findings"][0]["text"]
    campus.unchanged()
    assert campus.run().code == 0
    campus.has(docenti=addresses("prof", 13, 1))


def test_a_database_that_takes_no_changes_fails_each_of_them_and_the_next_run_converges(campus: Campus) -> None:
    campus.filled()
    campus.people(professors=range(1, 14))
    campus.sympa.database.query("SET GLOBAL read_only = 1")
    try:
        done = campus.run()
    finally:
        campus.sympa.database.query("SET GLOBAL read_only = 0")
    docenti = done.subject("docenti")
    assert (docenti["applied"], len(docenti["failed"])) == ({"add": 0, "remove": 0}, 3)
    assert campus.sympa.members("docenti") == addresses("prof", 12)
    assert campus.run().code == 0
    campus.has(docenti=addresses("prof", 13, 1), tecnici=addresses("tec", 11))


# ---- the command


def test_a_command_that_is_not_there_fails_each_change_and_the_next_run_converges(campus: Campus) -> None:
    campus.filled()
    campus.people(professors=range(1, 13))
    campus.schedule(sympa=["/usr/bin/no-such-sympa"])
    done = campus.run()
    assert done.code in (1, 4)
    assert {f["error"] for f in done.subject("docenti")["failed"]} == {
        "sympa cannot be run: /usr/bin/no-such-sympa: No such file or directory"
    }
    assert campus.sympa.members("docenti") == addresses("prof", 12)
    campus.schedule(sympa=[str(campus.sympa.command)])
    assert campus.run().code == 0
    campus.has(docenti=addresses("prof", 12, 1))


def test_a_command_that_is_killed_in_the_middle_is_run_again(campus: Campus) -> None:
    campus.filled()
    campus.people(professors=range(40))
    campus.schedule(guard=ANYTHING_GOES)
    flag = campus.site.folder / "killed"
    campus.command(f'if [ ! -e {flag} ]; then touch {flag}; exec timeout -s KILL 0.45 $real "$@"; fi; exec $real "$@"')
    assert campus.run().code == 0
    assert flag.exists()
    campus.has(docenti=addresses("prof", 40))


def test_words_that_nobody_knows_do_not_matter_when_the_table_is_as_it_should_be(campus: Campus) -> None:
    campus.filled()
    campus.people(professors=range(1, 13))
    campus.command("$real \"$@\" 2>&1 | sed 's/.*/C0nclusion: all g00d./'; exit 3")
    done = campus.run()
    assert (done.code, done.json["state"]) == (0, "changed")
    campus.has(docenti=addresses("prof", 12, 1))


def test_a_command_that_says_all_went_well_and_did_nothing_is_found_out(campus: Campus) -> None:
    campus.filled()
    campus.people(professors=range(1, 13))
    campus.command("echo 'include [notice] Inclusion succeeded (1 added, 1 deleted, 11 updated).'")
    done = campus.run()
    assert (done.code, done.subject("docenti")["applied"]) == (4, {"add": 0, "remove": 0})
    assert campus.sympa.members("docenti") == addresses("prof", 12)


def test_a_list_that_another_include_has_locked_is_tried_again_and_done_by_the_next_run(campus: Campus) -> None:
    campus.filled()
    campus.people(professors=range(1, 13))
    with locked(campus.sympa.lists / "docenti" / "member.include"):
        done = campus.run()
    assert done.code == 75
    assert {f["error"] for f in done.subject("docenti")["failed"]} == {
        "another include of this list is under way: it is tried again in the next run"
    }
    done = campus.run()
    assert (done.code, done.json["findings"]) == (0, [])  # who went out of the file was taken out by us
    campus.has(docenti=addresses("prof", 12, 1))


def test_a_lock_that_a_killed_include_left_behind_does_not_matter(campus: Campus) -> None:
    campus.filled()
    campus.people(professors=range(1, 13))
    with locked(campus.sympa.lists / "docenti" / "member.include") as holder:
        holder.kill()
        holder.wait()
    assert (campus.sympa.lists / "docenti" / "member.include,lock").exists()
    assert campus.run().code == 0
    campus.has(docenti=addresses("prof", 12, 1))


@contextmanager
def locked(file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Held as an include holds it."""
    program = (
        "$File::NFSLock::LOCK_EXTENSION = ',lock';"
        "my $lock = File::NFSLock->new({file => shift, lock_type => File::NFSLock::LOCK_EX()}) or die;"
        "$| = 1; print qq(held\\n); <STDIN>;"
    )
    holder = subprocess.Popen(
        ["perl", "-MFile::NFSLock", "-e", program, file],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        user="sympa",
        group="sympa",
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            yield holder
        finally:
            if holder.poll() is None:
                holder.communicate(b"\n", timeout=10)


def test_of_two_runs_at_once_one_is_told_to_come_back(campus: Campus) -> None:
    campus.filled()
    campus.people(professors=range(1, 13))
    command = campus.site.command("run_job", "sympa-lists", "--json")
    both = [
        subprocess.Popen(command, cwd=campus.site.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert sorted(process.wait(60) for process in both) in ([0, 75], [0, 0])
    campus.has(docenti=addresses("prof", 12, 1))


# ---- on another machine


@pytest.mark.soak
def test_a_whole_run_over_ssh(campus: Campus, ssh_server: Sshd) -> None:
    campus.filled()
    told = {"robot": campus.sympa.robot, "include-dir": campus.sympa.include_dir, "lists": campus.sympa.lists}
    options = [*(f"--{name}={value}" for name, value in told.items()), f"--sympa={campus.sympa.command}"]
    ssh_server.allow([sys.executable, machine.__file__, *options])
    campus.schedule(sympa=["false"], more=f"host: {ssh_server.host}\n    ssh: {json.dumps(ssh_server.command)}")
    campus.people(professors=range(1, 13))
    done = campus.run()
    assert (done.code, done.subject("docenti")["applied"]) == (0, {"add": 1, "remove": 1})
    assert done.json["findings"] == []
    campus.has(docenti=addresses("prof", 12, 1), tecnici=addresses("tec", 11))


# ---- people


def test_who_opted_out_is_not_put_in_again_even_by_also(campus: Campus) -> None:
    campus.filled()
    campus.sympa.delete("docenti", "prof3@unimore.it")
    campus.sympa.query(
        "INSERT INTO exclusion_table VALUES (1, '', 'docenti', %s, 'guest@example.org')", campus.sympa.robot
    )
    campus.schedule(
        "      - {name: docenti, members: (employeeType=PO), also: [{address: guest@example.org}]}", TECNICI
    )
    done = campus.run()
    assert (done.code, done.json["state"]) == (0, "in-sync")
    (finding,) = done.json["findings"]
    assert (finding["code"], finding["text"]) == ("refused", "2 people are not added: opted out")
    assert campus.sympa.members("docenti") == addresses("prof", 12) - {"prof3@unimore.it"}


def test_who_came_by_hand_is_told_apart_by_who_is_wanted_and_who_is_still_one_of_us(campus: Campus) -> None:
    campus.filled()
    by_hand = ["prof12@unimore.it", "altro1@unimore.it", "gone1@unimore.it", "gone2@unimore.it", "guest@example.org"]
    campus.sympa.add("docenti", *by_hand)
    campus.people(professors=range(13))  # prof12 becomes wanted
    done = campus.run()
    assert done.subject("docenti")["applied"] == {"add": 1, "remove": 0}
    assert {(f["level"], f["code"], f["text"]) for f in done.json["findings"]} == {
        ("info", "manual", "2 members came by hand, and no filter finds them: kept"),
        (
            "warning",
            "manual-left",
            "2 members came by hand and belong to nobody in `among` any more: they stay for ever",
        ),
    }
    assert campus.sympa.members("docenti") == addresses("prof", 12) | set(by_hand)
    campus.has(docenti=addresses("prof", 13))


# ---- lists


def test_a_list_that_sympa_lacks_is_a_warning_and_critical_once_it_had_members(campus: Campus) -> None:
    campus.sympa.plant("tecnici", addresses("tec", 11))
    done = campus.run()
    assert ("warning", "docenti", "roster-missing") in codes(done)
    campus.filled()
    shutil.rmtree(campus.sympa.lists / "docenti")
    done = campus.run()
    assert (done.code, done.json["state"]) == (4, "partial")
    ((level, text),) = [(f["level"], f["text"]) for f in done.json["findings"] if f["code"] == "roster-missing"]
    assert level == "critical"
    assert "sympa create --input_file=docenti.xml" in text


def test_a_list_that_does_not_name_its_file_loses_nobody_and_the_line_to_write_is_told(campus: Campus) -> None:
    campus.filled()
    campus.sympa.make("docenti", sources="include_file /srv/old/docenti\n\n")
    campus.people(professors=range(1, 13))
    done = campus.run()
    assert (done.code, ("warning", "docenti", "source-missing") in codes(done)) == (4, True)
    assert campus.sympa.members("docenti") == addresses("prof", 12)
    campus.sympa.make("docenti")
    assert campus.run().code == 0
    campus.has(docenti=addresses("prof", 12, 1))


def test_a_list_of_twenty_thousand_that_is_as_it_should_be_costs_no_include(campus: Campus) -> None:
    everybody = addresses("altro", 20_000)
    campus.people(professors=(), technicians=0, others=20_000)
    campus.sympa.plant("tutti", everybody)
    campus.schedule("      - {name: tutti, members: (employeeType=AR)}", sympa=["false"])
    done = campus.run()
    assert (done.code, done.json["state"]) == (0, "in-sync")
    assert done.subject("tutti")["size"] == 20_000


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_list_of_twenty_thousand_is_filled_and_changed(campus: Campus) -> None:
    campus.people(professors=(), technicians=0, others=20_000)
    campus.sympa.make("tutti")
    campus.schedule("      - {name: tutti, members: (employeeType=AR)}", guard=ANYTHING_GOES)
    assert campus.run().subject("tutti")["applied"]["add"] == 20_000
    campus.people(professors=(), technicians=0, others=19_990)
    assert campus.run().subject("tutti")["applied"]["remove"] == 10
    campus.has(tutti=addresses("altro", 19_990))


def test_sympas_own_tasks_run_beside_us_with_the_ttl_that_they_have_by_default(campus: Campus) -> None:
    campus.filled()
    campus.people(professors=range(1, 13))
    require("/usr/lib/sympa/bin/task_manager.pl")
    with task_manager(campus.sympa) as tasks:
        for _ in range(600):
            if included_by_task(campus.sympa, "tecnici"):
                break
            time.sleep(0.05)
        assert included_by_task(campus.sympa, "tecnici")
        done = campus.run()
        assert done.code == 0, done.out
        assert tasks.poll() is None
    campus.has(docenti=addresses("prof", 12, 1), tecnici=addresses("tec", 11))


def included_by_task(sympa: Sympa, name: str) -> bool:
    """An include leaves this file."""
    return (sympa.lists / name / "member.include").exists()


@contextmanager
def task_manager(sympa: Sympa) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        ["/usr/lib/sympa/bin/task_manager.pl", "--foreground"],
        env={**os.environ, "SYMPA_CONFIG": str(sympa.folder / "etc" / "sympa.conf")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


# ---- kill -9


@pytest.mark.timeout(1800)
@pytest.mark.soak
def test_killed_at_any_moment_a_rerun_converges(campus: Campus) -> None:
    kills, chance = size("COLLIMA_SOAK_KILLS", 60, 10), random.Random(20261124)
    campus.filled()
    campus.schedule(guard=ANYTHING_GOES)
    command = campus.site.command("run_job", "sympa-lists")
    for turn in range(kills):
        first = 5 * (turn + 1)
        campus.people(professors=range(first, first + 12))
        process = subprocess.Popen(
            command,
            cwd=campus.site.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(chance.uniform(0.5, 2.5))
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kept = set(campus.sympa.file("docenti"))
        assert len(kept) == 12, "a file is old or new, never between"
        done = campus.run()
        assert done.code == 0, done.out
        campus.has(docenti=addresses("prof", 12, first), tecnici=addresses("tec", 11))
