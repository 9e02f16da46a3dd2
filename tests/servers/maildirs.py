"""A mail store for tests: Maildir++ folders of invented people, list mail as one file with many names."""

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

SENTINEL = ".mailstore"
FOLDERS = ("", ".Sent", ".Trash", ".Archive", ".Archive.2013", ".Lists")
WEIGHTS = (45, 18, 8, 14, 8, 7)
FLAGS = ("", "S", "S", "S", "RS", "FS", "ST")
LF = b"\n"
EPOCH = 1_790_000_000  # seconds: autumn of 2026, before any run of a test
_SUBJECTS = ("riunione", "consiglio", "verbale", "bando", "laurea", "orario", "invito", "seminario", "rimborso")
_FILL = ("Gentili colleghi, si ricorda la riunione del dipartimento.\n" * 4000).encode()


@dataclass
class MailStore:
    """Whoever has the same seed gets the same tree. All names are bytes or plain ASCII text."""

    root: Path
    seed: int = 1
    domain: str = "example.org"
    median: int = 1200  # bytes of a message
    users: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.count = 0

    # ---- making

    def mailbox(self, user: str) -> Path:
        """The Maildir of a new person, empty."""
        home = self.root / user / "Maildir"
        for folder in FOLDERS:
            for part in ("cur", "new", "tmp"):
                (home / folder / part).mkdir(parents=True, exist_ok=True)
            if folder:
                (home / folder / "maildirfolder").touch()
        (home / "dovecot-uidlist").write_text("3 V1416787200 N1 G0123456789abcdef0123456789abcdef\n")
        (home / "subscriptions").write_text("V\t2\n\nSent\nTrash\n")
        self.users.append(user)
        return home

    def deliver(
        self, user: str, folder: str | None = None, *, flags: str | None = None, size: int = 0, subject: str = ""
    ) -> Path:
        """One message of its own. Without `flags`: some; "-": none, and still in `new`."""
        folder = self.random.choices(FOLDERS, WEIGHTS)[0] if folder is None else folder
        body = self._body(f"{user}@{self.domain}", subject, size or self._size())
        path = self._place(user, folder, flags, body)
        path.write_bytes(body)
        self._date(path)
        return path

    def post(self, users: Sequence[str], folder: str = ".Lists", *, subject: str = "") -> list[Path]:
        """One message to all of these: one file, as Dovecot's LMTP leaves it."""
        body = self._body(f"lista@{self.domain}", subject, self._size())
        paths = [self._place(user, folder, None, body) for user in users]
        paths[0].write_bytes(body)
        self._date(paths[0])
        for path in paths[1:]:
            path.hardlink_to(paths[0])
        return paths

    def churn(self, share: float, *, flags: float = 0.5) -> None:
        """So much of all messages changes: this part of it by flags, the rest comes and goes."""
        paths = list(self.messages())
        several = self.random.sample(paths, int(len(paths) * share))
        turned = int(len(several) * flags)
        for path in several[:turned]:
            self.flag(path)
        for path in several[turned::2]:
            path.unlink()
        for path in several[turned + 1 :: 2]:
            self.deliver(path.relative_to(self.root).parts[0])

    def flag(self, path: Path, flags: str | None = None) -> Path:
        """Another set of flags: the file gets another name, and is in `cur`."""
        base, _, old = path.name.partition(":2,")
        new = flags if flags is not None else "".join(sorted(set(old) ^ {self.random.choice("FRST")}))
        return path.rename(path.parent.parent / "cur" / f"{base}:2,{new}")

    # ---- looking

    def messages(self) -> Iterator[Path]:
        """All of them, in the order of their names."""
        for home in sorted(self.root.iterdir()):
            for folder, _, names in sorted(os.walk(home)):
                if Path(folder).name in ("cur", "new"):
                    yield from (Path(folder, name) for name in sorted(names))

    # ---- inside

    def _size(self) -> int:
        return min(int(self.random.lognormvariate(0, 1.1) * self.median) + 400, 200_000)

    def _place(self, user: str, folder: str, flags: str | None, body: bytes) -> Path:
        self.count += 1
        flags = self.random.choice(FLAGS) if flags is None else flags
        unique = f"M{self.random.randrange(10**6):06d}P{self.seed}Q{self.count}"
        name = f"{EPOCH - self.count}.{unique}.mail,S={len(body)},W={len(body) + body.count(LF)}"
        part = ("new", name) if flags == "-" else ("cur", f"{name}:2,{flags}")
        return self.root.joinpath(user, "Maildir", folder, *part)

    def _date(self, path: Path) -> None:
        moment = (EPOCH - self.count) * 10**9 + self.random.randrange(10**9)
        os.utime(path, ns=(moment, moment))

    def _body(self, to: str, subject: str, size: int) -> bytes:
        """Exactly `size` bytes, 400 at least."""
        when = formatdate(EPOCH - self.count)
        head = (
            f"Return-Path: <mitt{self.count % 997}@example.net>\n"
            f"Message-ID: <q{self.count}.{self.seed}@{self.domain}>\n"
            f"Date: {when}\nFrom: mitt{self.count % 997}@example.net\nTo: {to}\n"
            f"Subject: {subject or self.random.choice(_SUBJECTS)} {self.count}\n\n"
        ).encode()
        return (head + _FILL)[:size].ljust(size, b".")


def mail_store(
    root: Path, *, users: int = 20, messages: int = 1000, linked: float = 0.15, seed: int = 1, median: int = 1200
) -> MailStore:
    """A store with its sentinel. `messages`: names, of which the share `linked` is list mail."""
    root.mkdir(parents=True, exist_ok=True)
    (root / SENTINEL).touch()
    store = MailStore(root, seed, median=median)
    for n in range(users):
        store.mailbox(f"nome{n:04d}.cognome")
    own = messages - int(messages * linked)
    weights = [store.random.lognormvariate(0, 1) for _ in store.users]
    for user in store.random.choices(store.users, weights, k=own):
        store.deliver(user)
    left = messages - own
    while left:
        some = store.random.sample(store.users, min(left, users, store.random.randint(5, 200)))
        left -= len(store.post(some))
    return store
