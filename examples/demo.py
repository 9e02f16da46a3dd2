"""`make demo`: five acts on the embedded campus, with the real commands, in a copy of their own (`.demo/`).

Ends with 0 when every command ended as it should. `python examples/demo.py --read MAILDIR` prints the newest mail,
`--snapshots FOLDER` makes the invented snapshots of two volumes anew, up to today; `examples/alumni.py` does so with
the accounts of alumni, `examples/maildirs.py` makes a mail store.
"""

import argparse
import contextlib
import email
import email.policy
import os
import pty
import re
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

PROJECT = Path(__file__).resolve().parent.parent
OWN = PROJECT / ".demo"
JOB = "sympa-lists"
APPROVAL = re.compile(rf"run-job {JOB} --approve [0-9a-f]{{16}}")
GONE, NEWCOMERS = "D04", "12"
VAR, SNAPSHOTS = "var", "var/snapshots"


class Surprise(Exception):
    """A command did not end, or did not say, what the play wants."""


class Stage:
    """A folder with a copy of the campus, where commands are shown and run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if folder == OWN and folder.exists():
            shutil.rmtree(folder)
        (folder / "examples").mkdir(parents=True)
        for name in (
            "schedules.yaml",
            "examples/campus.ldif",
            "examples/campus.py",
            "examples/demo.py",
            "examples/alumni.py",
            "examples/quarantine.json",
            "examples/maildirs.py",
        ):
            shutil.copy(PROJECT / name, folder / name)
        snapshots(folder / SNAPSHOTS)
        alumni(folder / VAR)
        key(folder / VAR)
        maildirs(folder / VAR)
        commands = str(Path(sys.executable).parent)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COLLIMA_")}
        self.environment = {**kept, "PATH": os.pathsep.join([commands, os.environ.get("PATH", os.defpath)])}

    def run(self, *command: str, ends_with: int, says: str = "") -> str:
        """Shows a command, what it prints, and its exit code. Returns what it printed. Raises Surprise."""
        show(f"\n$ {shlex.join(command)}")
        code, printed = self._drawn(command) if sys.stdout.isatty() else self._plain(command)
        show(f"(exit code {code})")
        if code != ends_with:
            raise Surprise(f"{shlex.join(command)} ended with {code} instead of {ends_with}")
        if says not in printed.lower():
            raise Surprise(f"{shlex.join(command)} does not say {says!r}")
        return printed

    def _plain(self, command: Sequence[str]) -> tuple[int, str]:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            encoding="utf-8", errors="replace", check=False,
        )  # fmt: skip
        show(done.stdout.rstrip())
        return done.returncode, done.stdout

    def _drawn(self, command: Sequence[str]) -> tuple[int, str]:
        """As the command draws it in a terminal, which we read as well."""
        ours, its = pty.openpty()
        environment = {**self.environment, "COLUMNS": str(shutil.get_terminal_size().columns)}
        process = subprocess.Popen(command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=its)
        os.close(its)
        printed = b""
        with contextlib.suppress(OSError), os.fdopen(ours, "rb", buffering=0) as screen:  # EIO: the command has ended
            while part := screen.read(4096):
                printed += part
                sys.stdout.buffer.write(part)
                sys.stdout.flush()
        return process.wait(), printed.decode("utf-8", "replace")


def show(text: str) -> None:
    print(text, flush=True)


def snapshots(folder: Path) -> None:
    """Names alone, each of 02:30: of `mail` seven; of `home` none for three days, and one missing before."""
    now = datetime.now(ZoneInfo("Europe/Rome"))
    last = now.replace(hour=2, minute=30) - timedelta(days=(now.hour, now.minute) < (2, 30))
    for volume, days in (("mail", range(7)), ("home", [3, 4, 5, 7, *range(8, 18)])):
        shutil.rmtree(folder / volume, ignore_errors=True)
        for day in days:
            (folder / volume / f"{last - timedelta(days=day):daily.%Y-%m-%d_%H%M}").mkdir(parents=True)


def alumni(folder: Path) -> None:
    """Invented alumni and their accounts."""
    subprocess.run([sys.executable, PROJECT / "examples/alumni.py", folder], check=True)


def maildirs(folder: Path) -> None:
    """An invented mail store, and the folder of its copies."""
    subprocess.run([sys.executable, PROJECT / "examples/maildirs.py", folder], check=True)


def key(folder: Path) -> None:
    """What signs the links of digests; one that is there stays."""
    file = folder / "quarantine.secret"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(f"{secrets.token_hex(32)}\n")


def play(stage: Stage) -> None:
    show("Act one. What would happen? A plan writes nothing.")
    stage.run("run-job", JOB, "--plan", ends_with=0)

    show("\nAct two. Let it happen.")
    stage.run("run-job", JOB, ends_with=0)

    show("\nAct three. Once more: nothing is left to do.")
    stage.run("run-job", JOB, ends_with=0, says="in-sync")

    show("\nAct four. A bad night: the people of one department are gone from the directory, and others are new.")
    campus = ("examples/campus.py", "--gone", GONE, "--newcomers", NEWCOMERS, "--output", "examples/campus.ldif")
    stage.run("python", *campus, ends_with=0)
    show("\nAdditions go ahead, removals wait for a person:")
    held = stage.run("run-job", JOB, "--mail", ends_with=3)
    approval = APPROVAL.search(held)
    if not approval:
        raise Surprise("the held run printed no approval command")
    show("\nThe person looks, finds that the department has closed indeed, and types what the run printed:")
    stage.run(*shlex.split(approval[0]), "--reason", "the department has closed", ends_with=0)

    show("\nAct five. The mail that the held run sent.")
    stage.run("python", "examples/demo.py", "--read", "var/mail", ends_with=0, says="subject: ")


def read(maildir: Path) -> str:
    """The newest mail: the headers that a reader sees, and its text."""
    newest = max((maildir / "new").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    message = email.message_from_bytes(newest.read_bytes(), policy=email.policy.default)
    headers = [f"{name}: {message[name]}" for name in ("From", "To", "Date", "Subject")]
    text = message.get_body(("plain",))
    return "\n".join([*headers, "", text.get_content() if text else ""])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Five acts on an invented campus.")
    parser.add_argument(
        "--folder", type=Path, default=OWN, help="a new folder to play in (default: .demo, emptied first)"
    )
    parser.add_argument("--read", type=Path, metavar="MAILDIR", help="print the newest mail of this Maildir instead")
    parser.add_argument(
        "--snapshots", type=Path, metavar="FOLDER", help="make the invented snapshots in this folder instead"
    )
    given = parser.parse_args(arguments)
    if given.read:
        print(read(given.read))
        return
    if given.snapshots:
        snapshots(given.snapshots)
        return
    if given.folder != OWN and given.folder.exists():
        parser.error(f"{given.folder} is there already: the demo needs a new folder")
    try:
        play(Stage(given.folder))
    except Surprise as surprise:
        sys.exit(f"\nThe demo stops: {surprise}")
    show(f"\nLists, mail and state are in {given.folder}/var.")
    if given.folder == OWN:
        snapshots(PROJECT / SNAPSHOTS)
        alumni(PROJECT / VAR)
        key(PROJECT / VAR)
        maildirs(PROJECT / VAR)
        show("What this folder's own schedules.yaml says can be tried as well: .venv/bin/run-job snapshots,")
        show(".venv/bin/run-job google-groups, .venv/bin/run-job alumni-expiry, .venv/bin/run-job mailbox-copy,")
        show(".venv/bin/run-job quarantine-digest")


if __name__ == "__main__":
    main()
