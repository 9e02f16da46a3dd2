"""A Dovecot that is started on a copy serves every mailbox by IMAP, and has nothing to complain of."""

import hashlib
import imaplib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.jobs.copied import Place as Copied
from tests.servers import require
from tests.servers.dovecot import Dovecot, dovecot
from tests.servers.maildirs import FOLDERS, MailStore, mail_store

Mailbox = Mapping[str, list[tuple[str, frozenset[str]]]]
"""By folder, (hash, flags) of each message."""

_FLAGS = {"F": "\\Flagged", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted"}
SEPARATOR = "/"


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that the owner of the mail may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="collima-served-"))
    folder.chmod(0o755)
    yield folder
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def store(place: Path) -> MailStore:
    """Six people, list mail, a message without `:2,`, and what bad days leave."""
    require("rsync", "dovecot", "doveadm")
    made = mail_store(place / "store", users=6, messages=150)
    first = made.users[0]
    made.deliver(first, "", flags="-")
    made.deliver(first, ".Archive.2013", flags="FRST")
    _own(place / "store")
    return made


@pytest.fixture(scope="module")
def generation(place: Path, store: MailStore) -> Path:
    """The newest one of a real run."""
    made = Copied(place, store)
    made.options["generations"] = 2
    made.copies.mkdir()
    assert made.run().state == "changed"
    store.deliver(store.users[0], flags="S")
    _own(place / "store")
    assert made.run().state == "changed"
    return made.newest


def _own(path: Path) -> None:
    Dovecot(path, path).own(path)


def test_a_read_only_copy_is_served_as_it_is_and_nothing_is_written_into_it(
    place: Path, store: MailStore, generation: Path
) -> None:
    control = place / "control"
    control.mkdir()
    _own(control)
    before = snapshot(generation)
    subprocess.run(["chmod", "-R", "a-w", generation], check=True)
    location = f"maildir:{generation}/%n/Maildir:INDEX=MEMORY:CONTROL={control}/%n"
    with dovecot(generation, users=store.users, location=location) as server:
        for user in store.users:
            assert served(server, user) == on_disk(store, user), user
        assert server.complaints == []
    assert snapshot(generation) == before


def test_a_clone_of_a_copy_is_served_and_written_and_the_copy_stays_as_it_is(
    place: Path, store: MailStore, generation: Path
) -> None:
    clone, user = place / "clone", store.users[0]
    subprocess.run(["cp", "-a", generation, clone], check=True)
    subprocess.run(["chmod", "-R", "u+w", clone], check=True)
    before = snapshot(generation)
    with dovecot(clone, users=store.users) as server:
        for one in store.users:
            assert served(server, one) == on_disk(store, one), one
        with server.imap(user) as client:
            client.select("INBOX")
            client.store("1:*", "+FLAGS", r"\Seen \Flagged")
            assert client.append("INBOX", "", "", b"Subject: new\n\nafterwards\n")[0] == "OK"
        assert sum("\\Seen" not in flags for _, flags in served(server, user)["INBOX"]) == 1
        assert server.complaints == []
    assert snapshot(generation) == before


def served(server: Dovecot, user: str) -> Mailbox:
    """All that IMAP gives of a mailbox."""
    found = {}
    with server.imap(user) as client:
        for raw in client.list()[1]:
            assert isinstance(raw, bytes)
            folder = raw.decode().rpartition(f' "{SEPARATOR}" ')[2].strip('"')
            answer, count = client.select(f'"{folder}"', readonly=True)
            assert answer == "OK", count
            found[folder] = sorted(_messages(client)) if count != [b"0"] else []
    return found


def _messages(client: imaplib.IMAP4) -> Iterator[tuple[str, frozenset[str]]]:
    answer, parts = client.fetch("1:*", "(FLAGS BODY.PEEK[])")
    assert answer == "OK"
    for part in parts:
        if isinstance(part, tuple):
            flags = re.search(rb"FLAGS \(([^)]*)\)", part[0])
            assert flags
            known = frozenset(flags[1].decode().split()) - {"\\Recent"}
            yield hashlib.sha256(part[1].replace(b"\r\n", b"\n")).hexdigest(), known


def on_disk(store: MailStore, user: str) -> Mailbox:
    """The same of the live store, from its files."""
    home = store.root / user / "Maildir"
    found = {}
    for folder in FOLDERS:
        messages = [path for part in ("cur", "new") for path in (home / folder / part).iterdir()]
        name = folder.removeprefix(".").replace(".", SEPARATOR) or "INBOX"
        found[name] = sorted(
            (
                hashlib.sha256(path.read_bytes()).hexdigest(),
                frozenset(_FLAGS[letter] for letter in path.name.partition(":2,")[2]),
            )
            for path in messages
        )
    return found


def snapshot(root: Path) -> list[tuple[str, int, int]]:
    """Every name of a tree, with its size and time."""
    return sorted(
        (str(path.relative_to(root)), known.st_size, known.st_mtime_ns)
        for path in root.rglob("*")
        if (known := os.lstat(path))
    )
