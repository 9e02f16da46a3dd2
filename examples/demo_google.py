"""`make demo-google`: the embedded campus against a Google of our own, with the real commands, in `.demo-google/`.

The jobs are those of schedules.yaml; only their targets are others. Ends with 0 when every command ended as it should.
"""

import argparse
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from collima.core.targets import NameRule
from collima.directory.filters import parse
from collima.directory.names import fold
from collima.directory.ports import Question
from connectors.ldif import Ldif
from examples import alumni
from examples.campus import campus
from examples.demo import PROJECT, Stage, Surprise, show
from tests.servers.google import Domain, Emulator, Faults, emulator

OWN = PROJECT / ".demo-google"
HERE = "studenti.unimore.it"
NEWCOMERS = 40
GROUPS = "studenti", "alumni", "dottorandi"
NOT_MADE = "studenti-musica-e-motori"
APPROVAL = re.compile(r"run-job alumni-expiry --approve [0-9a-f]{16}")
BAD_DAY = Faults(quota_exceeded=0.05, backend_error=0.03, dropped_before=0.01, dropped_after=0.01, seed=1)


def accounts(domain: Domain, folder: Path) -> None:
    """One for everybody with an address in the domain, those who will come included; as if made by another program."""
    everybody = folder / "everybody.ldif"
    everybody.write_text("".join(campus(newcomers=NEWCOMERS)), "ascii")
    with Ldif(file=everybody).open() as directory:
        names = ("mail", "givenName", "sn")
        people = directory.people(Question(parse(f"(mail=*@{HERE})"), (), names))
    for mail, given, family in zip(*map(people.values, names), strict=True):
        domain.add_user(mail[0], given=given[0], family=family[0])
    everybody.unlink()
    for one in alumni.graduates(datetime.now(ZoneInfo("Europe/Rome")).date()):
        domain.add_user(alumni.address(one.number), given="Alumnus", family=str(one.number))


def groups(domain: Domain, departments: Sequence[str]) -> None:
    """Empty, but for what a person has put in; one of them is not there."""
    domain.add_user(f"segreteria@{HERE}")
    for name in (*GROUPS, *departments):
        if name != NOT_MADE:
            domain.add_group(f"{name}@{HERE}")
            domain.enrol(f"{name}@{HERE}", f"segreteria@{HERE}", role="OWNER")
    domain.enrol(f"dottorandi@{HERE}", "visiting@example.org")


def departments(folder: Path) -> list[str]:
    """The groups of departments, as the job names them."""
    with Ldif(file=folder / "examples/campus.ldif").open() as directory:
        found = directory.entries(parse("(&(objectClass=organizationalUnit)(departmentNumber=D*))"), ("ou",))
    return [fold(f"studenti-{entry.attributes['ou'][0]}", NameRule()) for entry in found]


def connect(folder: Path, google: Emulator) -> None:
    """Points the connectors of schedules.yaml at the emulator, in place of the files."""
    schedules = folder / "schedules.yaml"
    here = f'domain: {HERE}, key-file: {google.key_file}, act-as: {google.act_as}, api-url: "{google.url}"'
    options = f"{here}, rate: 500 per second"  # nobody wants to wait for a play; Google itself takes 40
    text = schedules.read_text("utf-8")
    for name in ("groups", "accounts"):
        line = rf"^  {name}: \{{.*?\}}.*$"
        text, count = re.subn(line, f"  {name}: {{kind: google, {options}}}", text, flags=re.MULTILINE)
        if count != 1:
            raise Surprise(f"schedules.yaml has no connector `{name}` on one line")
    schedules.write_text(text, "utf-8")


def play(stage: Stage, google: Emulator) -> None:
    show("Act one. What can be reached, and with which rights?")
    stage.run("collima", "check", "--connect", ends_with=0, says="may read who may post")

    show("\nAct two. What would happen? A plan has no scope that can change a member.")
    google.authority.forget_tokens()
    stage.run("run-job", "google-groups", "--plan", ends_with=0)
    held = {scope.rpartition("/")[2] for token in google.authority.tokens.values() for scope in token.scopes}
    show(f"scopes of its tokens: {', '.join(sorted(held))}")

    show("\nAct three. Let it happen. A group that is not there is not made: the finding has the command.")
    google.journal.clear()
    stage.run("run-job", "google-groups", ends_with=0, says=f"gam create group {NOT_MADE}")
    tell(google)

    show("\nAct four. The group was made, there are new students, and Google has a bad day.")
    google.domain.add_group(f"{NOT_MADE}@{HERE}")
    newer = ("examples/campus.py", "--newcomers", str(NEWCOMERS), "--output", "examples/campus.ldif")
    stage.run("python", *newer, ends_with=0)
    google.faults = BAD_DAY
    google.journal.clear()
    stage.run("run-job", "google-groups", ends_with=0)
    tell(google)

    show("\nAct five. Once more: nothing is left to do, and nothing is written.")
    google.faults = Faults()
    google.journal.clear()
    stage.run("run-job", "google-groups", ends_with=0, says="in-sync")
    tell(google)

    show("\nAct six. Accounts that end: their owners are told, each in their language, and nobody is suspended yet.")
    google.journal.clear()
    stage.run("run-job", "alumni-expiry", ends_with=0, says="changed: 11 notified")
    tell(google)
    stage.run("python", "examples/demo.py", "--read", "var/mail", ends_with=0, says="takeout.google.com")

    show("\nAct seven. A month later, that is: with notices that count at once. So many at once wait for a person.")
    schedules = stage.folder / "schedules.yaml"
    schedules.write_text(schedules.read_text("utf-8").replace("min-notice: 30 days", "min-notice: 0 days"), "utf-8")
    approval = APPROVAL.search(stage.run("run-job", "alumni-expiry", ends_with=3))
    if not approval:
        raise Surprise("the held run printed no approval command")
    google.journal.clear()
    stage.run(*shlex.split(approval[0]), "--reason", "they were told", ends_with=0, says="4 suspended")
    tell(google)


def tell(google: Emulator) -> None:
    """What the emulator counted since the journal was cleared."""
    journal = google.journal
    writes = f"{len(journal.writes)} of them changes, in {len(journal.batches)} batches"
    show(f"Google counted {len(journal.calls)} calls, {writes}; {journal.refused} refused for their number")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="The embedded campus against a Google of our own.")
    parser.add_argument("--folder", type=Path, default=OWN, help="a new folder to play in (default: .demo-google)")
    given = parser.parse_args(arguments)
    if given.folder == OWN:
        shutil.rmtree(OWN, ignore_errors=True)
    elif given.folder.exists():
        parser.error(f"{given.folder} is there already: the demo needs a new folder")
    stage = Stage(given.folder)
    domain = Domain(HERE, "unimore.it")
    accounts(domain, given.folder)
    groups(domain, departments(given.folder))
    try:
        with emulator(given.folder, domain) as google:
            connect(given.folder, google)
            play(stage, google)
    except Surprise as surprise:
        sys.exit(f"\nThe demo stops: {surprise}")


if __name__ == "__main__":
    main()
