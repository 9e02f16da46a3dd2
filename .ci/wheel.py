"""Builds the wheel, checks that what a run needs is inside and nothing else is, and runs it in an empty environment."""

import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PACKAGES = ("collima", "connectors", "jobs")
NEEDED = {  # beside every module of the packages
    "typing": r"collima/py\.typed",
    "templates": r"collima/app/.*\.j2",
    "translations": r"collima/app/.*/it/LC_MESSAGES/\w+\.mo",
    "migrations": r"collima/state/.*/versions/\w+\.py",
    "license": r"collima-[^/]*\.dist-info/licenses/LICENSE",
}
ALLOWED = re.compile(r"(collima|connectors|jobs)/.*\.(py|j2|mo|mako)|collima/py\.typed|collima-[^/]*\.dist-info/.*")
SCHEDULE = """\
version: 1
timezone: Europe/Rome
site: unimore.it
state: sqlite:///collima.db
reports: {from: collima@unimore.it, to: [posta@unimore.it], via: mail}
connectors:
  people: {kind: ldif, file: people.ldif}
  lists: {kind: list-files, directory: lists}
  mail: {kind: maildir, directory: mail}
jobs:
  lists:
    kind: roster-sync
    when: manual
    source: people
    target: lists
    among: (objectClass=unimorePerson)
    address: unimoreMail
    own-domains: [unimore.it]
    rosters: [{name: ordinari, members: (employeeType=PO)}]
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", folder, PROJECT)
        (wheel,) = folder.glob("*.whl")
        faults = contents(zipfile.ZipFile(wheel).namelist())
        if faults:
            sys.exit("\n".join(faults))
        works(wheel, folder / "elsewhere")


def contents(inside: list[str]) -> list[str]:
    """What is wrong with these names of files in a wheel."""
    modules = {str(path.relative_to(PROJECT)) for package in PACKAGES for path in (PROJECT / package).rglob("*.py")}
    faults = [f"not in the wheel: {name}" for name in sorted(modules - set(inside))]
    faults += [
        f"not in the wheel: {what} ({pattern})"
        for what, pattern in NEEDED.items()
        if not any(re.fullmatch(pattern, name) for name in inside)
    ]
    return faults + [f"in the wheel by mistake: {name}" for name in inside if not ALLOWED.fullmatch(name)]


def works(wheel: Path, folder: Path) -> None:
    """Installs it into an empty environment, and plans there."""
    venv.create(folder, with_pip=True)
    pip(folder / "bin/python", "install", wheel)
    campus = subprocess.run([sys.executable, PROJECT / "examples/campus.py"], check=True, capture_output=True)
    (folder / "people.ldif").write_bytes(campus.stdout)
    (folder / "schedules.yaml").write_text(SCHEDULE, "utf-8")
    for command in (["run-job", "--help"], ["collima", "kinds"], ["run-job", "lists", "--plan"]):
        done = subprocess.run(
            [folder / "bin" / command[0], *command[1:]], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"from the wheel, {' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def pip(python: Path | str, *arguments: Path | str) -> None:
    subprocess.run([python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=True)


if __name__ == "__main__":
    main()
