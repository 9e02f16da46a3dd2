"""The recipes of docs/snapshots.md as they are written there, on recorded output of each system, with the real jq."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from collima.app.config import Config, load
from collima.app.sessions import connector
from collima.core.model import Finding
from collima.core.options import BUILT_IN_GUARD
from collima.core.ports import Context
from tests.servers import require

PAGE = Path(__file__).parents[2] / "docs/snapshots.md"
RECORDED = Path(__file__).parent / "recorded"
MORNING = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)  # the recordings are of the week before
PROGRAMS = {
    "ssh": ("-o BatchMode=yes san snapshot list", "ssh.txt"),
    "zfs": ("list -Hp -t snapshot -o name,creation", "zfs.txt"),
    "lvs": ("--reportformat json -o vg_name,lv_name,origin,lv_time", "lvs.json"),
    "curl": ("-fsS --netrc-file *fields=volume.name,create_time", "curl.json"),
    "govc": ("vm.info -json mail1 mail2", "govc.json"),
    "sudo": ("-n /usr/bin/btrfs subvolume show /srv/mail", "btrfs-show.txt"),
}
LISTS = ("-n /usr/bin/btrfs subvolume list -s -r -q /srv/mail", "btrfs-list.txt")


class Machine:
    """A folder of programs that print what was recorded, if they get the arguments that it was recorded with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, answer in PROGRAMS.items():
            self.says(name, answer, *([LISTS] if name == "sudo" else []))

    def says(self, name: str, *answers: tuple[str, str]) -> None:
        cases = "\n".join(f"{_glob(words)}) cat '{RECORDED / file}' ;;" for words, file in answers)
        self.does(name, f'case "$*" in\n{cases}\n*) echo "unexpected: $*" >&2; exit 64 ;;\nesac')

    def does(self, name: str, script: str) -> None:
        (self.folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.folder / name).chmod(0o755)


def _glob(words: str) -> str:
    return "*".join(f'"{part}"' for part in words.split("*"))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    require("jq")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/local/bin:/usr/bin:/bin")
    return Machine(tmp_path / "bin")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (written,) = re.findall(r"^```yaml\n(version:.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for day in range(18, 25):
        (tmp_path / f"snapshots/daily.2026-11-{day}_0230").mkdir(parents=True)
    (tmp_path / "schedules.yaml").write_text(
        written.replace("/srv/home/.snapshot", str(tmp_path / "snapshots")), "utf-8"
    )
    return load(tmp_path / "schedules.yaml")


def looked(config: Config) -> tuple[Mapping[str, int], Mapping[str, Finding]]:
    """(how many snapshots of each volume were found, the worst finding of each)."""
    context = Context(
        name="snapshots",
        timezone=config.timezone,
        guard=BUILT_IN_GUARD,
        registry=None,  # type: ignore[arg-type]  # nothing is owned
        connect=lambda name: connector(config, name),
    )
    job: Any = config.job("snapshots").options.bind(context)
    with job.read() as seen:
        plan = job.plan(seen, MORNING)
    return {s.name: s.size for s in plan.subjects}, {f.subject: f for f in reversed(plan.findings)}


def test_every_recipe_finds_its_seven_snapshots_and_no_other(config: Config, machine: Machine) -> None:
    assert looked(config) == (dict.fromkeys(("san", "nas", "btrfs", "zfs", "lvm", "ontap", "vmware"), 7), {})


def test_every_connector_of_the_recipes_can_be_checked(config: Config, machine: Machine) -> None:
    said = {}
    for name in config.connectors:
        with connector(config, name) as session:
            said[name] = session.check()
    assert said["san"] == "14 snapshots of 2 volumes"
    assert said["zfs"] == "21 snapshots of 3 volumes"
    assert said["local"] == "/srv/mail: 7 read-only snapshots"
    assert set(said) == set(config.connectors)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_that_fails_is_told_of_its_volume_alone(config: Config, machine: Machine, program: str) -> None:
    volume = {"ssh": "san", "sudo": "btrfs", "lvs": "lvm", "curl": "ontap", "govc": "vmware"}.get(program, program)
    machine.does(program, "echo 'connection timed out' >&2; exit 5")
    _, told = looked(config)
    assert {name: f.code for name, f in told.items()} == {volume: "unreadable"}
    assert re.search(r"ended with 5: connection timed out|printed nothing, and ended with 0", told[volume].text)


@pytest.mark.parametrize("program", ["lvs", "curl", "govc"])
@pytest.mark.parametrize("answer", ["head -c 700 FILE", "echo '<html>'", "echo '{}'"])
def test_half_an_answer_is_none(config: Config, machine: Machine, program: str, answer: str) -> None:
    machine.does(program, answer.replace("FILE", str(RECORDED / PROGRAMS[program][1])))
    _, told = looked(config)
    assert [f.code for f in told.values()] == ["unreadable"]


def test_a_page_of_ontap_that_is_not_the_last_is_an_error(config: Config, machine: Machine) -> None:
    more = '.records |= .[:3] | ._links.next = {href: "/api/storage/volumes?start.name=x"}'
    machine.does("curl", f"jq '{more}' '{RECORDED / 'curl.json'}'")
    _, told = looked(config)
    assert "there are more pages" in told["ontap"].text


def test_a_dataset_is_exactly_the_one_that_is_named(config: Config, machine: Machine) -> None:
    machine.does("zfs", f"grep -v '^tank/mail@' '{RECORDED / 'zfs.txt'}'")
    found, told = looked(config)
    assert (found["zfs"], told["zfs"].code) == (0, "no-snapshots")


def test_a_machine_without_snapshots_has_none(config: Config, machine: Machine) -> None:
    machine.does("govc", f"jq '.virtualMachines[0].name = \"other\"' '{RECORDED / 'govc.json'}'")
    found, told = looked(config)
    assert (found["vmware"], told["vmware"].code) == (0, "no-snapshots")
