"""Whether a copy is what it was: random messages, read whole, compared with whatever else there is of them."""

import gzip
import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from collima.app.result_json import stored
from collima.core import engine
from collima.core.copies import Files, Generation, Message
from collima.core.decide import Task
from collima.core.engine import Desk, Order
from collima.core.errors import NotHere, SourceError
from collima.core.guard import Whole
from collima.core.options import BUILT_IN_GUARD
from collima.core.ports import Context
from collima.core.result import Result
from collima.state import open_state
from connectors.rsync import beneath, maildir, originals
from jobs.copy_verify import CopyVerify
from jobs.copy_verify.sample import sample, some
from jobs.copy_verify.verify import Verify
from tests.jobs.italian import untold
from tests.servers.maildirs import MailStore, mail_store

NOW = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)


@dataclass
class Copied:
    """A store, and whole copies of it as folders, newest first. Offers `core.copies.Originals`."""

    store: MailStore
    folder: Path
    names: list[str] = field(default_factory=list)
    mounted: bool = True
    fault: SourceError | None = None
    asked: list[str] = field(default_factory=list)  # mailboxes

    def copy(self, name: str, *, linked: bool = False) -> Path:
        """One more generation. `linked`: its files are those of the one before."""
        target = self.folder / name
        before = self.folder / self.names[0] if self.names else None
        source = before if linked and before else self.store.root
        shutil.copytree(source, target, copy_function=os.link if linked else shutil.copy2)
        self.names.insert(0, name)
        return target

    @contextmanager
    def open(self) -> Iterator["Copied"]:
        if self.fault:
            raise self.fault
        yield self

    def generations(self) -> Sequence[Generation]:
        return [Generation(name, NOW - timedelta(weeks=n)) for n, name in enumerate(self.names)]

    def mailboxes(self, generation: str) -> Sequence[str]:
        return sorted(path.parent.name for path in (self.folder / generation).glob("*/Maildir"))

    def messages(self, generation: str, mailbox: str) -> Iterator[Message]:
        self.asked.append(mailbox)
        home = self.folder / generation / mailbox / "Maildir"
        if not home.is_dir():
            raise SourceError("no such mailbox")
        with beneath.folder(home) as opened:
            yield from maildir.messages(opened)

    @contextmanager
    def files(self, generation: str, mailbox: str) -> Iterator[Files]:
        home = self.folder / generation / mailbox / "Maildir"
        with beneath.folder(home) as opened, closing(beneath.Mounted(opened)) as files:
            yield files

    def original(self, mailbox: str, message: Message) -> int | None:
        return originals.opened(self.store.root, f"{mailbox}/Maildir", message) if self.mounted else None


@pytest.fixture
def copied(tmp_path: Path) -> Copied:
    return Copied(mail_store(tmp_path / "store", users=5, messages=60), tmp_path / "copies")


def run(copied: Copied, messages: int = 200, *, seed: int = 1) -> Result:
    state = open_state(f"sqlite:///{copied.folder.parent}/state.db", now=lambda: NOW, host="here", command="test")
    with state as journal:
        context = Context(
            name="copy-verify",
            timezone=ZoneInfo("Europe/Rome"),
            guard=BUILT_IN_GUARD,
            registry=journal,
            connect=lambda _: copied.open(),
        )
        job = Verify(CopyVerify(store="store", messages=messages), context, random.Random(seed))
        task: Task[Any, Any] = Task("copy-verify", job, Whole())
        result = engine.run(task, Desk(journal, lambda: NOW, stored), Order())
    assert untold(result) == []
    return result


def told(result: Result, code: str) -> str:
    return next((f.text for f in result.findings if f.code == code), "")


def every(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.parent.name in ("cur", "new") and path.is_file())


def test_a_good_copy_is_read_whole_and_told_with_what_it_was_compared(copied: Copied) -> None:
    copied.copy("first")
    copied.copy("second")
    result = run(copied)
    assert (result.state, result.exit_code) == ("in-sync", 0)
    assert [(s.name, s.size, s.wanted) for s in result.subjects] == [("copies", 60, 60)]
    assert [(f.level, f.code) for f in result.findings] == [("info", "copy-compared")]
    assert told(result, "copy-compared").startswith("60 messages of 5 mailboxes in the copy of ")
    assert told(result, "copy-compared").endswith(
        "60 like the live message, 60 like another generation, 60 of the size in their name, 0 had nothing to be "
        "compared with"
    )


def test_a_message_whose_flags_or_folder_have_changed_is_still_the_same(copied: Copied) -> None:
    copied.copy("first")
    for path in list(copied.store.messages())[:20]:
        copied.store.flag(path, "FRS")
    assert "60 like the live message" in told(run(copied), "copy-compared")


def test_links_between_generations_are_not_compared_with_themselves(copied: Copied) -> None:
    copied.copy("first")
    copied.copy("second", linked=True)
    assert "0 like another generation" in told(run(copied), "copy-compared")


@pytest.mark.parametrize(
    ("mounted", "others", "words"),
    [
        (True, False, "1 unlike the live message"),
        (False, True, "1 unlike another generation"),
        (False, False, ""),  # the same size, and nobody else knows it
    ],
)
def test_a_changed_byte_is_found_where_anything_else_has_the_message(
    copied: Copied, mounted: bool, others: bool, words: str
) -> None:
    copied.mounted = mounted
    root = copied.copy("first")
    spoilt = every(root)[7]
    spoilt.write_bytes(spoilt.read_bytes()[:-1] + b"\0")
    if others:
        copied.copy("good")
    result = run(copied, seed=next(n for n in range(99) if random.Random(n).choice(copied.names) == "first"))
    if not words:
        assert result.state == "in-sync"
        return
    assert (result.state, result.exit_code) == ("failed", 1)
    (finding,) = [f for f in result.findings if f.code == "copy-damaged"]
    assert (finding.level, finding.subject) == ("critical", "copies")
    mailbox = spoilt.relative_to(root).parts[0]
    assert finding.text.startswith("1 of 60 messages in the copy of ")
    assert finding.text.endswith(f" are damaged; {words}; in the mailboxes {mailbox}")


def test_a_cut_and_an_empty_message_are_told_by_their_size_though_nothing_else_has_them(copied: Copied) -> None:
    copied.mounted = False
    root = copied.copy("first")
    for path, size in zip(every(root)[:2], (0, 399), strict=True):
        os.truncate(path, size)
    assert "2 of 60 messages" in told(run(copied), "copy-damaged")
    assert "2 of another size than their name says" in told(run(copied), "copy-damaged")


def test_a_message_that_cannot_be_read_is_damaged(copied: Copied, monkeypatch: pytest.MonkeyPatch) -> None:
    """As at a bad block: its name is there, and reading fails."""
    root = copied.copy("first")
    bad = every(root)[3]
    listed, home = copied.messages, bad.relative_to(root).parts[0]

    def messages(generation: str, mailbox: str) -> Iterator[Message]:
        """The names as they were, one of which is gone since."""
        yield from listed(generation, mailbox)
        if mailbox == home:
            folder = bad.parent.parent.name
            yield Message("" if folder == "Maildir" else folder, bad.name, maildir.guid(bad.name), "", bad.parent.name)

    monkeypatch.setattr(copied, "messages", messages)
    bad.unlink()
    assert "1 cannot be read; in the mailboxes " in told(run(copied), "copy-damaged")


def test_a_wrong_size_in_the_name_of_the_live_message_is_no_damage_of_the_copy(copied: Copied) -> None:
    path = next(iter(copied.store.messages()))
    path.rename(path.with_name(path.name.replace(",S=", ",S=1")))
    copied.copy("first")
    assert run(copied).state == "in-sync"


def test_a_compressed_message_is_not_measured_by_the_size_in_its_name(copied: Copied) -> None:
    copied.mounted = False
    for path in copied.store.messages():
        path.write_bytes(gzip.compress(path.read_bytes()))
    copied.copy("first")
    result = run(copied)
    assert result.state == "in-sync"
    assert "60 had nothing to be compared with" in told(result, "copy-compared")


def test_a_copy_that_is_not_there_or_has_no_message_is_critical(copied: Copied) -> None:
    assert told(run(copied), "no-copy") == "there is no copy: no run of the copy has ended well yet"
    (copied.folder / "first/anna/Maildir/cur").mkdir(parents=True)
    copied.names = ["first"]
    result = run(copied)
    assert (result.state, told(result, "no-copy")[:12]) == ("failed", "the copy of ")


@pytest.mark.parametrize("fault", [NotHere("no .mailstore"), SourceError("ssh died", transient=True)])
def test_a_copy_that_cannot_be_reached_fails_the_run(copied: Copied, fault: SourceError) -> None:
    copied.fault = fault
    result = run(copied)
    assert (result.state, result.cause, result.transient) == ("failed", str(fault), fault.transient)


def test_the_connection_that_dies_in_the_middle_is_no_damage(copied: Copied, monkeypatch: pytest.MonkeyPatch) -> None:
    copied.copy("first")

    def files(*_: object) -> Any:
        raise SourceError("ssh died", transient=True)

    monkeypatch.setattr(copied, "files", files)
    assert (run(copied).state, run(copied).transient) == ("failed", True)


# ---- which ones


def test_each_mailbox_gives_about_the_same_and_never_more_than_asked(copied: Copied) -> None:
    copied.copy("first")
    boxes = Counter(mailbox for mailbox, _ in sample(copied, "first", 20, random.Random(3)))
    assert sum(boxes.values()) == 20
    assert set(boxes.values()) == {4}
    copied.asked.clear()
    few = list(sample(copied, "first", 2, random.Random(3)))
    assert len({mailbox for mailbox, _ in few}) == 2
    assert len(copied.asked) == 2  # the others are not even listed


def test_what_an_empty_mailbox_does_not_give_the_next_ones_do(copied: Copied) -> None:
    copied.copy("first")
    for mailbox in copied.mailboxes("first")[:4]:
        for path in every(copied.folder / "first" / mailbox):
            path.unlink()
    left = len(every(copied.folder / "first"))
    assert len(list(sample(copied, "first", 200, random.Random(1)))) == left


def test_every_message_has_the_same_chance() -> None:
    chance = random.Random(5)
    counts = Counter(one for _ in range(4000) for one in some(range(8), 2, chance))
    assert all(900 < counts[one] < 1100 for one in range(8))
    assert some([], 3, chance) == []
    assert sorted(some(range(3), 5, chance)) == [0, 1, 2]
