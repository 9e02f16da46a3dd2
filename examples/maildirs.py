"""An invented mail store: `var/mailstore` of the embedded campus, and the empty folder of its copies.

    python examples/maildirs.py var

The same each time; nobody in it exists. Forty mailboxes, some hundred messages; mail of a list is one file that many
mailboxes have, as Dovecot's LMTP leaves it.
"""

import argparse
import os
import random
import shutil
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path

SENTINEL = ".mailstore"
GIVEN = ("anna", "bruno", "carla", "dario", "elena", "fabio", "gaia", "hakim")
SURNAMES = ("rossi", "bianchi", "verdi", "neri", "ferrari")
FOLDERS = ("", ".Sent", ".Archive", ".Archive.2025")
FLAGS = ("", "S", "S", "S", "RS", "FS")
LISTS = 12
EPOCH = 1_764_500_000  # seconds: November 2025
DOMAIN = "unimore.it"


class Store:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.draw = random.Random(20261124)  # noqa: S311 - invented mail
        self.count = 0
        self.people = [f"{given}.{surname}" for given in GIVEN for surname in SURNAMES]

    def make(self) -> None:
        self.root.mkdir(parents=True)
        (self.root / SENTINEL).touch()
        os.utime(self.root / SENTINEL, (EPOCH, EPOCH))  # as it was, whenever it is made
        for person in self.people:
            for folder in FOLDERS:
                for part in ("cur", "new", "tmp"):
                    (self.root / person / "Maildir" / folder / part).mkdir(parents=True)
        for person in self.people:
            for _ in range(self.draw.randint(3, 25)):
                self.write(self.place(person), person)
        for number in range(LISTS):
            size = self.size()
            first, *others = (self.place(one, "", size) for one in self.draw.sample(self.people, 15))
            self.write(first, f"lista{number}")
            for path in others:
                path.hardlink_to(first)

    def place(self, person: str, folder: str | None = None, size: int = 0) -> Path:
        self.count += 1
        folder = self.draw.choice(FOLDERS) if folder is None else folder
        name = f"{EPOCH - 3600 * self.count}.M{self.count}P1.mail,S={size or self.size()}:2,{self.draw.choice(FLAGS)}"
        return self.root / person / "Maildir" / folder / "cur" / name

    def size(self) -> int:
        return 400 + 7 * (self.count % 150)

    def write(self, path: Path, to: str) -> None:
        """A message of the size and the time in its name."""
        when, size = int(path.name.partition(".")[0]), int(path.name.partition("S=")[2].partition(":")[0])
        text = (
            f"Message-ID: <{path.name.partition(',')[0]}@{DOMAIN}>\nDate: {formatdate(when)}\n"
            f"From: mittente{when % 97}@example.org\nTo: {to}@{DOMAIN}\nSubject: Verbale {when % 1000}\n\n"
        )
        path.write_text((text + "Gentili colleghi, buona giornata.\n" * 60)[:size], "ascii")
        os.utime(path, (when, when))


def maildirs(folder: Path) -> None:
    """The store, made anew, and the folder of its copies, which stay."""
    shutil.rmtree(folder / "mailstore", ignore_errors=True)
    Store(folder / "mailstore").make()
    (folder / "copy").mkdir(exist_ok=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="An invented mail store, and the folder of its copies.")
    parser.add_argument("folder", type=Path, help="where mailstore and copy are made")
    maildirs(parser.parse_args(arguments).folder)


if __name__ == "__main__":
    main()
