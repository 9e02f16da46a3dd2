"""What restore finds in a copy, and what it takes of it; names and headers as strangers write them."""

import bz2
import gzip
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collima.core import folders, headers
from collima.core.copies import Files, Generation, Message
from collima.core.errors import ConfigError, SourceError
from connectors.rsync import beneath
from jobs.restore.find import Criteria, Hit, generations, having, look, search
from jobs.restore.request import pick_folder, pick_messages

ROME = ZoneInfo("Europe/Rome")
NEW, OLD = Generation("new", datetime(2026, 11, 21, tzinfo=UTC)), Generation("old", datetime(2026, 11, 14, tzinfo=UTC))


@dataclass
class Unasked:
    """`core.copies.Files` that tell no date before they are opened."""

    files: Files

    def open(self, message: Message) -> int:
        return self.files.open(message)

    def received(self, _: Message) -> float | None:
        return None


@dataclass
class Copies:
    """`core.copies.Copies` of one mailbox, `anna.rossi`; `mounted` here, or fetched file by file."""

    root: Path
    mounted: bool = True

    def generations(self) -> Sequence[Generation]:
        return [one for one in (NEW, OLD) if (self.root / one.name).exists()]

    def mailboxes(self, generation: str) -> Sequence[str]:
        return [path.name for path in (self.root / generation).iterdir()]

    def messages(self, generation: str, mailbox: str) -> Iterator[Message]:
        home = self.root / generation / mailbox
        if not home.exists():
            raise SourceError("no such mailbox")
        for path in sorted(home.rglob("cur/*")):
            folder = str(path.parent.parent.relative_to(home)).strip(".") and f".{path.parent.parent.name[1:]}"
            guid, _, flags = path.name.partition(":2,")
            yield Message(folder, path.name, guid, flags, "cur")

    @contextmanager
    def files(self, generation: str, mailbox: str) -> Iterator[Files]:
        with beneath.folder(self.root / generation / mailbox) as home, closing(beneath.Mounted(home)) as files:
            yield files if self.mounted else Unasked(files)

    def has(self, name: str, content: bytes = b"", *, folder: str = "", generation: str = "new") -> Path:
        there = self.root / generation / "anna.rossi" / folder / "cur"
        there.mkdir(parents=True, exist_ok=True)
        path = there / name
        path.write_bytes(content or b"From: a@example.org\nSubject: s\n\nText.\n")
        return path

    def found(self, subject: str = "") -> list[Hit]:
        some = having(self, generations(self, "all"), "anna.rossi")
        return sorted(search(self, some, "anna.rossi", Criteria(subject=subject), ROME), key=lambda hit: hit.id)


@pytest.fixture(params=[True, False], ids=["mounted", "fetched"])
def copies(request: pytest.FixtureRequest, tmp_path: Path) -> Copies:
    return Copies(tmp_path, request.param)


def test_headers_longer_than_the_first_read_are_read_to_their_end(copies: Copies) -> None:
    copies.has("1.M1P1.h:2,S", b"Received: x\n\tfor y\n" * 2000 + b"Subject: the end\n\nText.\n")
    assert [hit.id for hit in copies.found(subject="the end")] == ["1.M1P1.h"]


def test_the_text_of_a_message_is_no_header(copies: Copies) -> None:
    copies.has("1.M1P1.h:2,S", b"From: a@example.org\r\n\r\nSubject: forged\r\n\r\n")
    assert copies.found(subject="forged") == []
    assert [hit.author for hit in copies.found()] == ["a@example.org"]


def test_headers_that_never_end_are_looked_through_to_their_last_byte(copies: Copies) -> None:
    copies.has("1.M1P1.h:2,S", b"From: a@example.org\nSubject: the last")
    assert [hit.id for hit in copies.found(subject="the last")] == ["1.M1P1.h"]


@pytest.mark.parametrize(
    "subject",
    [
        b"RE: Rimborso\n 4711",
        b"rimborso =?utf-8?q?4711?=",
        b"=?utf-8?b?UmltYm9yc28=?= =?utf-8?b?IDQ3MTE=?=",
        "rimborso 4711 dell'università".encode("latin-1"),
    ],
)
def test_a_subject_is_found_folded_encoded_and_in_any_case(copies: Copies, subject: bytes) -> None:
    copies.has("1.M1P1.h:2,S", b"From: a@example.org\nSubject: " + subject + b"\n\nText.\n")
    copies.has("2.M1P1.h:2,S", b"From: a@example.org\nSubject: 4711\n\nrimborso\n")
    assert [hit.id for hit in copies.found(subject="Rimborso 4711")] == ["1.M1P1.h"]


def test_a_compressed_message_is_found_and_is_not_taken_for_damaged(copies: Copies) -> None:
    plain = b"From: a@example.org\nSubject: packed\n\n" + b"Text.\n" * 500
    copies.has(f"1.M1P1.h,S={len(plain)}:2,S", gzip.compress(plain))
    copies.has(f"2.M1P1.h,S={len(plain)}:2,S", bz2.compress(plain))
    (hit,) = copies.found(subject="packed")
    assert hit.fault == ""
    assert [one.fault for one in copies.found()] == ["", ""]


def test_names_that_are_no_utf8_are_found_and_picked_by_what_is_shown(copies: Copies) -> None:
    copies.has(os.fsdecode(b"1.M\xe8P1.h:2,S"))
    copies.has("2.line\nend.h:2,S")
    ids = [hit.id for hit in copies.found()]
    assert ids == [r"1.M\xe8P1.h", r"2.line\x0aend.h"]
    picked = pick_messages(copies, [NEW], "anna.rossi", ids)
    assert [os.fsencode(one.message.guid) for one in picked] == [b"1.M\xe8P1.h", b"2.line\nend.h"]


def test_what_cannot_be_opened_is_a_fault_of_that_message_alone(copies: Copies) -> None:
    path = copies.has("1.M1P1.h:2,S")
    copies.has("2.M1P1.h:2,S")
    messages = list(copies.messages("new", "anna.rossi"))
    path.unlink()
    with copies.files("new", "anna.rossi") as files:
        assert [bool(look(files, message).fault) for message in messages] == [True, False]
    copies.has("3.M1P1.h:2,S", b"\0" * 4096)
    assert [hit.fault for hit in copies.found()] == ["", "begins with zeros"]


def test_the_newest_generation_that_has_a_message_is_what_it_comes_from(copies: Copies) -> None:
    copies.has("1.M1P1.h:2,S", generation="old")
    copies.has("1.M1P1.h:2,FS")
    copies.has("2.M1P1.h:2,", generation="old", folder=".Archivio")
    every = generations(copies, "all")
    picked = pick_messages(copies, every, "anna.rossi", ["2.M1P1.h", "1.M1P1.h", "2.M1P1.h"])
    assert [(one.id, one.generation, one.message.flags) for one in picked] == [
        ("2.M1P1.h", "old", ""),
        ("1.M1P1.h", "new", "FS"),
    ]
    with pytest.raises(ConfigError, match="any of 2 generations"):
        pick_messages(copies, every, "anna.rossi", ["3.M1P1.h"])


def test_a_folder_is_what_is_in_it_and_below_it_and_inbox_is_itself_alone(copies: Copies) -> None:
    for n, folder in enumerate(("", ".A", ".A.B", ".AB")):
        copies.has(f"{n}.M1P1.h:2,", folder=folder)
    assert [one.id[0] for one in pick_folder(copies, NEW, "anna.rossi", ("A",))] == ["1", "2"]
    assert [one.id[0] for one in pick_folder(copies, NEW, "anna.rossi", ())] == ["0"]
    with pytest.raises(ConfigError, match="nothing in a folder C"):
        pick_folder(copies, NEW, "anna.rossi", ("C",))


def test_without_a_copy_nothing_is_guessed(copies: Copies) -> None:
    with pytest.raises(SourceError, match="no copy yet"):
        generations(copies, "")


# ---- names of folders


@pytest.mark.parametrize(
    ("disk", "parts"),
    [
        ("", ()),
        (".Sent", ("Sent",)),
        (".Universit&AOA-.2013", ("Università", "2013")),
        (".Ricerca &- Sviluppo", ("Ricerca & Sviluppo",)),
        (".&ZeVnLIqe-.&U,BTFw-", ("日本語", "台北")),
        (".Universit\u00e0", ("Università",)),  # a store that writes UTF-8
        (".&x-.&!-", ("&x-", "&!-")),  # no modified UTF-7
        (".2012&AC8-2013.&AOAALg-", ("2012&AC8-2013", "&AOAALg-")),  # nor these, which would be other folders
        (".&AAo-.&IC4-", ("&AAo-", "&IC4-")),  # nor what would be drawn as another name
    ],
)
def test_folders_are_read_as_rfc_3501_has_them(disk: str, parts: tuple[str, ...]) -> None:
    assert folders.from_disk(disk) == parts


@given(st.lists(st.text(st.characters(categories=("L", "N", "S"), include_characters="&-, +"), min_size=1), max_size=3))
def test_a_folder_that_was_written_is_read_as_it_was(parts: list[str]) -> None:
    wanted = tuple(part.strip() for part in parts if part.strip())
    assert folders.from_disk(folders.to_disk(wanted)) == wanted
    assert folders.to_disk(wanted).isascii()


@pytest.mark.parametrize("part", ["", "a.b", "a/b", " a", "a\n", "\udce8"])
def test_what_would_be_another_folder_is_refused(part: str) -> None:
    with pytest.raises(ValueError, match="no name of a folder"):
        folders.to_disk(("Recuperati", part))


def test_folders_are_typed_with_slashes_and_inbox_in_any_case() -> None:
    assert [folders.typed(text) for text in ("inbox", "/A/B/", "Inbox/A")] == [(), ("A", "B"), ("Inbox", "A")]
    assert [folders.shown(parts) for parts in ((), ("A", "B"))] == ["INBOX", "A/B"]


# ---- headers


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?q?J=C3=BCrgen_X?= <j@example.org>", "Jürgen X <j@example.org>"),
        (b"=?UTF-8?B?w6g=?= =?utf-8?b?IHZlcm8=?= rest", "è vero rest"),
        (b"=?utf-8?b?w6c=?=\t=?utf-8?b?w6g=?=", "çè"),
        (b"=?utf-8?b?ww==?= =?utf-8?b?qA==?=", "è"),  # a character cut in two
        (b"=?iso-8859-1*it?q?perch=E9?=", "perché"),
        (b"=?x-unknown?q?caff=C3=A8?=", "caffè"),
        (b"=?utf-8?b?w6g?= no padding", "è no padding"),
        (b"=?utf-8?b?%%%?=", ""),
        ("già".encode(), "già"),
        (b"gi\xe0", "gi\N{REPLACEMENT CHARACTER}"),
        (b"a =? b ?= c", "a =? b ?= c"),
    ],
)
def test_encoded_words_are_read_as_far_as_strangers_let_it(field: bytes, text: str) -> None:
    assert headers.decoded(field) == text


@given(st.binary())
def test_no_header_is_too_strange_to_be_read(raw: bytes) -> None:
    for field in headers.found(raw, b"from", b"subject"):
        assert isinstance(headers.decoded(field), str)
    headers.decoded(b"=?utf-8?q?" + raw + b"?=")
    headers.decoded(b"=?utf-8?b?" + raw + b"?=")


def test_a_field_goes_on_in_the_lines_that_begin_with_white_space() -> None:
    raw = b"X-Subject: no\r\nSUBJECT: one\r\n two\r\n\tthree\r\nSubject: second\r\n\r\nSubject: text\r\n"
    assert headers.found(raw, b"subject", b"from") == [b"one two three", b""]
