"""Our unit under a real systemd: that it starts, reloads, is watched and stops, and that real commands survive it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.jobs.campus import staff
from tests.servers import program, require
from tests.servers.btrfs import btrfs
from tests.servers.processes import ends
from tests.servers.sshd import Sshd, ssh_server
from tests.servers.sympa import READER_PASSWORD, Sympa, sympa_here, sympa_server
from tests.servers.systemd import PROJECT, UID, UNITS, Machine, machine

__all__ = ["ssh_server", "sympa_here", "sympa_server"]

UNIT = PROJECT / "examples/systemd/collima.service"
SUDO, COPIES = (UNIT.with_name("collima.service.d") / name for name in ("sudo.conf", "copies.conf"))
BIN = Path(sys.executable).parent

SCHEDULE = """
version: 1
timezone: Europe/Rome
site: unimore.it
state: sqlite:////var/lib/collima/collima.db
reports: {{from: collima@unimore.it, to: [posta@unimore.it], via: mail}}
metrics: {{textfile: /var/lib/figures/collima.prom}}
connectors:
  people: {{kind: ldif, file: people.ldif}}
  lists: {{kind: list-files, directory: /var/lib/lists}}
  mail: {{kind: maildir, directory: /var/lib/collima/mail}}
{connectors}
jobs:
  lists:
    {roster}
    target: lists
{jobs}
"""
ROSTER = """kind: roster-sync
    when: "0 0 1 1 *"
    source: people
    among: (unimoreStatus=active)
    address: unimoreMail
    own-domains: [unimore.it]
    rosters: [{name: docenti, members: (employeeType=PO)}]"""
SNAPSHOTS = """
    kind: snapshot-check
    when: "0 0 1 1 *"
    keep: 1 day
    every: 1 day
    newest: 26 hours
    volumes: [{{name: mail, in: {connector}, volume: {volume}}}]"""
DUE = """
import sys
from datetime import UTC, datetime
from collima.state import open_state
from collima.state.slots import SlotRow
with open_state("sqlite:////var/lib/collima/collima.db", now=lambda: datetime.now(UTC), host="") as journal:
    journal.slots.claim([SlotRow(sys.argv[1], datetime.now(UTC), "waiting")])
"""


def schedule(here: Machine, connectors: str = "", jobs: str = "") -> None:
    here.write("etc/collima/schedules.yaml", SCHEDULE.format(connectors=connectors, jobs=jobs, roster=ROSTER))


@pytest.fixture(scope="module")
def here() -> Iterator[Machine]:
    """A machine on which Collima is installed as docs/service.md says."""
    with machine([UNIT], [BIN / "collima", BIN / "run-job"]) as made:
        people = "".join([*staff(10, employeeType="PO"), *staff(60, 100, employeeType="X")])
        made.write("etc/collima/people.ldif", people)
        for folder in ("var/lib/lists", "var/lib/figures"):
            made.file(folder).mkdir()
            os.chown(made.file(folder), UID, UID)
        schedule(made)
        yield made


@contextmanager
def serving(here: Machine, more: str = "") -> Iterator[None]:
    here.write(f"{UNITS}/collima.service.d/test.conf", f"[Service]\nRestartSec=100ms\n{more}")
    here.systemctl("daemon-reload")
    done = here.systemctl("start", "collima", check=False)
    assert done.returncode == 0, f"{done.stderr}\n{here.log()}"
    try:
        yield
    finally:
        here.systemctl("stop", "collima")
        here.systemctl("reset-failed", "collima", check=False)
        schedule(here)


def as_user(here: Machine, *command: str) -> str:
    done = here.run("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", *command)
    return done.stdout


def due_now(here: Machine, job: str) -> None:
    """It is due, as if by its schedule, and the service is told to look."""
    as_user(here, "sh", "-c", f"cd {PROJECT} && exec {sys.executable} -c '{DUE}' {job}")
    here.systemctl("reload", "collima")


def wait_for(here: Machine, said: str) -> None:
    """Until the history of the newest run says so."""
    for _ in range(100):
        told = as_user(here, "collima", "history", "--json", "--most", "1", "--config", "/etc/collima/schedules.yaml")
        if said in told:
            return
    raise AssertionError(f"{told}\n{here.log()}")


# ---- the files


@pytest.mark.parametrize("drop_in", [None, SUDO, COPIES], ids=["alone", "sudo", "copies"])
def test_systemd_finds_no_fault_in_the_unit(drop_in: Path | None, tmp_path: Path) -> None:
    require("systemd-analyze")
    text = UNIT.read_text().replace("/usr/local/bin/collima", shutil.which("true") or "/bin/true")
    (tmp_path / UNIT.name).write_text(text)
    if drop_in:
        folder = tmp_path / f"{UNIT.name}.d"
        folder.mkdir()
        shutil.copy(drop_in, folder)
    command = ["systemd-analyze", "verify", "--man=no", tmp_path / UNIT.name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "collima" in line or ".conf" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.parametrize(("drop_in", "most"), [(None, 26), (COPIES, 40), (SUDO, 87)], ids=["alone", "copies", "sudo"])
def test_the_exposure_of_the_unit_is_what_it_was(drop_in: Path | None, most: int, tmp_path: Path) -> None:
    """Of 100, as `systemd-analyze security` reckons."""
    require("systemd-analyze")
    text = UNIT.read_text()
    if drop_in:
        text = text.replace("[Install]", drop_in.read_text().partition("[Service]\n")[2] + "\n[Install]")
    (tmp_path / UNIT.name).write_text(text)
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={most}", tmp_path / UNIT.name]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


# ---- the service


def test_it_is_ready_when_it_has_decided_and_runs_what_is_due(here: Machine) -> None:
    with serving(here):
        assert here.shows("ActiveState") == "active"
        assert here.shows("StatusText") == "0 runs under way"
        due_now(here, "lists")
        wait_for(here, '"state": "changed"')
        assert len(here.file("var/lib/lists/docenti").read_text().splitlines()) == 10
        assert here.file("var/lib/collima").stat().st_mode & 0o777 == 0o700
    assert here.shows("Result") == "success"
    assert (here.file("var/lib/figures/collima.prom").stat().st_mode & 0o777) == 0o644


@pytest.mark.soak
def test_a_reload_is_taken_or_fails_and_the_service_goes_on(here: Machine) -> None:
    with serving(here):
        main = here.shows("MainPID")
        here.systemctl("reload", "collima")
        here.write("etc/collima/schedules.yaml", "version: 1\njobs: nonsense\n")
        assert here.systemctl("reload", "collima", check=False).returncode != 0
        schedule(here)
        here.systemctl("reload", "collima")
        assert (here.shows("ActiveState"), here.shows("MainPID")) == ("active", main)


@pytest.mark.soak
def test_a_run_under_way_gets_its_grace_for_which_systemd_waits_longer_than_its_own_limit(here: Machine) -> None:
    command = '[sh, -c, "sleep 6; echo mail $(date +%s)"]'
    slow = (
        f'  slow: {{kind: snapshot-command, command: {command}, pattern: "(?P<volume>.+) (?P<time>.+)", time: epoch}}'
    )
    with serving(here, "TimeoutStopSec=2s\n"):
        schedule(here, slow, "  snapshots:" + SNAPSHOTS.format(connector="slow", volume="mail"))
        here.systemctl("reload", "collima")
        due_now(here, "snapshots")
        wait_for(here, '"job": "snapshots"')
        here.systemctl("stop", "collima")
        assert here.shows("Result") == "success"
        wait_for(here, '"state": "in-sync"')


@pytest.mark.soak
def test_a_loop_that_hangs_is_restarted(here: Machine) -> None:
    with serving(here, "WatchdogSec=2s\nTimeoutAbortSec=1s\n"):
        here.run("kill", "-STOP", here.shows("MainPID"))
        here.wait("NRestarts", "1")
        here.wait("ActiveState", "active")


def test_a_schedule_with_faults_is_not_tried_again_and_again(here: Machine) -> None:
    here.write("etc/collima/schedules.yaml", "version: 1\njobs: nonsense\n")
    with pytest.raises(AssertionError, match=r"jobs: expected a mapping"), serving(here):
        pass
    here.systemctl("start", "collima", check=False)
    assert (here.shows("ActiveState"), here.shows("ExecMainStatus"), here.shows("NRestarts")) == ("failed", "2", "0")
    here.systemctl("reset-failed", "collima")
    schedule(here)


# ---- what its hardening allows


def probe(here: Machine, script: str, *drop_ins: Path) -> subprocess.CompletedProcess[str]:
    return here.probe(script, *(one.read_text() for one in drop_ins), unit=UNIT.read_text())


def test_what_no_job_needs_is_forbidden(here: Machine) -> None:
    said = probe(
        here,
        "grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status; touch /usr/x; touch /etc/x; chown 0 .; chmod u+s .; "
        "unshare --user true; ls /tmp; touch /home/x; sudo -n true",
    ).stdout
    assert "CapEff:\t0000000000000000" in said
    assert "NoNewPrivs:\t1" in said
    assert "Seccomp:\t2" in said
    assert said.count("Read-only file system") == 3
    assert said.count("Operation not permitted") >= 3


@pytest.mark.soak
def test_lists_mail_and_the_state_survive_it(here: Machine) -> None:
    done = probe(here, "run-job lists --mail && collima status; collima check --connect && collima purge")
    assert done.returncode == 0, done.stdout
    assert list(here.file("var/lib/collima/mail/new").iterdir())


def test_a_command_by_ssh_survives_it(here: Machine, ssh_server: Sshd) -> None:
    ssh_server.allow(["date", "+lun-mail %s"])
    home = here.file("var/lib/collima/.ssh")
    home.mkdir(parents=True, exist_ok=True)
    for name in ("key", "known_hosts"):
        shutil.copy(ssh_server.folder / name, home)
        os.chown(home / name, UID, UID)
    words = [word.replace(str(ssh_server.folder), "/var/lib/collima/.ssh") for word in ssh_server.command]
    command = ", ".join(f'"{word}"' for word in [*words, "-oBatchMode=yes", ssh_server.host, "snapshots"])
    san = (
        f'  san: {{kind: snapshot-command, command: [{command}], pattern: "(?P<volume>.+) (?P<time>.+)", time: epoch}}'
    )
    schedule(here, san, "  snapshots:" + SNAPSHOTS.format(connector="san", volume="lun-mail"))
    try:
        done = probe(here, "run-job snapshots --json")
    finally:
        schedule(here)
    assert '"size": 1' in done.stdout, done.stdout


@pytest.mark.soak
def test_sympa_by_sudo_survives_the_unit_with_its_drop_in_and_not_without(here: Machine, sympa_here: Sympa) -> None:
    require("sudo")
    sympa_here.make("docenti")
    owner = sympa_here.include_dir.stat()
    os.chown(sympa_here.include_dir, UID, owner.st_gid)
    sympa_here.include_dir.chmod(0o2750)
    here.write("etc/sudoers.d/collima", f"collima ALL=(sympa) NOPASSWD: {sympa_here.command}\n", mode=0o440)
    here.write("etc/collima/sympa", READER_PASSWORD, mode=0o600, owner=UID)
    connector = f"""
  sympa:
    kind: sympa
    robot: {sympa_here.robot}
    include-dir: {sympa_here.include_dir}
    lists: {sympa_here.lists}
    database: {sympa_here.url}
    database-password: {{file: sympa}}
    sympa: [sudo, -n, -u, sympa, {sympa_here.command}]
"""
    schedule(here, connector, f"  sympa:\n    {ROSTER}\n    target: sympa\n")
    try:
        refused = probe(here, "run-job sympa")
        done = probe(here, "run-job sympa", SUDO)
    finally:
        schedule(here)
        os.chown(sympa_here.include_dir, owner.st_uid, owner.st_gid)
        sympa_here.include_dir.chmod(owner.st_mode)
    assert refused.returncode != 0
    assert done.returncode == 0, done.stdout
    assert len(sympa_here.included("docenti")) == 10


def test_btrfs_by_sudo_survives_the_unit_with_its_drop_in(here: Machine, tmp_path: Path) -> None:
    require("sudo")
    with btrfs(tmp_path / "btrfs") as there:
        subprocess.run(["btrfs", "subvolume", "create", there / "mail"], check=True, capture_output=True)
        snapshot = ["btrfs", "subvolume", "snapshot", "-r", there / "mail", there / "daily"]
        subprocess.run(snapshot, check=True, capture_output=True)
        here.write("etc/sudoers.d/collima", f"collima ALL=(root) NOPASSWD: {program('btrfs')}\n", mode=0o440)
        inside = here.file("var/lib/volume")
        inside.mkdir()
        device = subprocess.run(["findmnt", "-no", "SOURCE", there], capture_output=True, text=True, check=True).stdout
        here.run("mount", device.strip(), "/var/lib/volume")
        connector = f"  disk: {{kind: btrfs, path: /var/lib/volume, program: [sudo, -n, {program('btrfs')}]}}"
        schedule(here, connector, "  snapshots:" + SNAPSHOTS.format(connector="disk", volume="mail"))
        try:
            done = probe(here, "run-job snapshots --json", SUDO)
        finally:
            schedule(here)
            here.run("umount", "/var/lib/volume")
    assert '"size": 1' in done.stdout, done.stdout


def test_a_copy_with_owners_and_modes_survives_the_unit_with_its_drop_in_and_not_without(here: Machine) -> None:
    require("rsync")
    store = here.file("var/lib/store")
    (store / "anna/Maildir").mkdir(parents=True)
    (store / "anna/Maildir/mail").write_text("secret")
    for path, mode in ((store / "anna/Maildir/mail", 0o600), (store / "anna/Maildir", 0o2770), (store / "anna", 0o700)):
        os.chown(path, 4711, 4712)
        path.chmod(mode)
    here.file("var/lib/copy").mkdir()
    os.chown(here.file("var/lib/copy"), UID, UID)
    copy = "rsync -aHAX --super --numeric-ids /var/lib/store/ /var/lib/copy/"
    assert probe(here, copy).returncode != 0
    done = probe(here, copy, COPIES)
    assert done.returncode == 0, done.stdout
    copied = here.file("var/lib/copy/anna/Maildir")
    assert (copied.stat().st_uid, copied.stat().st_gid, copied.stat().st_mode & 0o7777) == (4711, 4712, 0o2770)
    assert (copied / "mail").read_text() == "secret"


def test_mailbox_copy_keeps_owners_and_modes_under_the_unit_with_its_drop_in(here: Machine) -> None:
    require("rsync")
    store, copies = here.file("var/lib/mailstore"), here.file("var/lib/copies")
    home, message = store / "anna/Maildir", store / "anna/Maildir/cur/1.M1P1.mail,S=6:2,S"
    message.parent.mkdir(parents=True)
    message.write_text("secret")
    (store / ".mailstore").touch()
    for path, mode in ((message, 0o600), (message.parent, 0o700), (home, 0o2770), (home.parent, 0o700)):
        os.chown(path, 4711, 4712)
        path.chmod(mode)
    copies.mkdir()
    os.chown(copies, UID, UID)
    connector = "  store: {kind: rsync, from: /var/lib/mailstore, to: /var/lib/copies, sentinel: .mailstore}"
    schedule(here, connector, "  copy: {kind: mailbox-copy, when: manual, store: store}")
    try:
        done = probe(here, "run-job copy --json", COPIES)
    finally:
        schedule(here)
    assert '"state": "changed"' in done.stdout, done.stdout
    (copied,) = copies.glob("*/anna/Maildir")
    assert (copied.stat().st_uid, copied.stat().st_gid, copied.stat().st_mode & 0o7777) == (4711, 4712, 0o2770)
    assert (copied / message.relative_to(home)).stat().st_uid == 4711


def test_a_run_that_the_kernel_kills_does_not_end_the_service(here: Machine) -> None:
    assert here.shows("OOMPolicy") == "continue"
    assert here.shows("KillMode") == "mixed"


def test_nothing_is_left_when_the_machine_is_gone() -> None:
    with machine([UNIT], []) as made:
        pid, folder = made.pid, made.folder
    assert ends(pid)
    assert not folder.exists()
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{folder.name}"))
