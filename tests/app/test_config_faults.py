"""Each file in `config/` has what it is named after; its first lines say, as comments, what is told about it."""

import shutil
from pathlib import Path

import pytest

from collima.app.config import Invalid, load
from collima.app.kinds import KINDS, Kinds
from tests.app.config_samples import SAMPLES

FILES = sorted((Path(__file__).parent / "config").glob("*.yaml"))


def faults_of(path: Path, kinds: Kinds = SAMPLES) -> list[str]:
    with pytest.raises(Invalid) as caught:
        load(path, kinds)
    return str(caught.value).split("\n")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_bad_file_is_told_with_line_column_and_cure(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(path, tmp_path / "schedules.yaml")
    monkeypatch.chdir(tmp_path)
    lines = path.read_text("utf-8").split("\n")
    expected = [line.removeprefix("# ") for line in lines if line.startswith("# ")]

    assert faults_of(Path("schedules.yaml")) == [f"schedules.yaml:{fault}" for fault in expected]


def test_there_are_enough_bad_files() -> None:
    assert len(FILES) > 100


def test_two_dozen_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    with pytest.raises(Invalid) as caught:
        load(next(path for path in FILES if path.stem == "two-dozen-faults"), SAMPLES)

    places = [(fault.line, fault.column) for fault in caught.value.faults]
    assert len(places) == 24
    assert places == sorted(places)


@pytest.mark.parametrize(
    "path", [path for path in FILES if "hunter2" in path.read_text("utf-8")], ids=lambda path: path.stem
)
def test_a_secret_written_in_plain_is_not_repeated(path: Path) -> None:
    assert not any("hunter2" in fault for fault in faults_of(path))


def test_a_number_under_a_key_of_secrets_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "schedules.yaml"
    path.write_text("version: 1\ndefaults: {retry: {api-token: 4711}}\nstate-password: 4711\nsite: {password: 4711}\n")

    assert not any("4711" in fault for fault in faults_of(path))


BYTES = {
    "empty": (b"", ":1:1: the file is empty"),
    "a byte order mark": (
        b"\xef\xbb\xbfversion: 1\n",
        ":1:1: the file begins with a byte order mark: save it as UTF-8 without BOM",
    ),
    "UTF-16": (
        "version: 1\n".encode("utf-16"),
        ":1:1: the file begins with a byte order mark: save it as UTF-8 without BOM",
    ),
    "Latin-1": ("version: 1\nsite: Università\n".encode("latin-1"), ":2:16: not UTF-8 here: save the file as UTF-8"),
    "a NUL": (b"version: 1\nsite: uni\x00more\n", ":2:10: the control character U+0000: take it out"),
    "an escape character": (b"version: 1\n\x1b[31m\n", ":2:1: the control character U+001B: take it out"),
    "a lone surrogate": (b'version: "\\ud800"\n', ":1:10: version: an escape for U+D800: take it out"),
    "a character beyond Unicode": (
        b'version: "\\UFFFFFFFF"\n',
        ":1:1: an escape like \\U in double quotes names no character",
    ),
    "too many bytes": (b"#" * 5_000_000, ":1:1: the file has more than 4194304 bytes: it is no schedule"),
}


@pytest.mark.parametrize(("raw", "fault"), BYTES.values(), ids=BYTES)
def test_bytes_that_are_no_text_are_one_clear_fault(raw: bytes, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "schedules.yaml"
    path.write_bytes(raw)

    assert f"{path}{fault}" in faults_of(path)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nowhere/schedules.yaml", "No such file or directory"),
        (".", "Is a directory"),
        ("a\0b", "not a file name"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(path: str, reason: str, tmp_path: Path) -> None:
    assert faults_of(tmp_path / path) == [f"{tmp_path / path}: cannot be read: {reason}"]


def test_checks_between_options_end_at_one_that_cannot_be_read(tmp_path: Path) -> None:
    shutil.copy(next(path for path in FILES if path.stem == "two-stanzas-with-one-name"), tmp_path / "schedules.yaml")
    path = tmp_path / "schedules.yaml"
    text = path.read_text("utf-8")

    path.write_text(text.replace("    rosters:", "    rosters: 12\n    renamed:"))

    assert [fault.partition(": ")[2] for fault in faults_of(path)] == [
        "jobs.lists.rosters: expected a mapping of keys and values, found a number",
        "jobs.lists.renamed: expected a mapping of keys and values, found a list",
    ]


SYMPA = "{{kind: sympa, robot: {}, include-dir: {}, database: 'mysql+pymysql://u@db/sympa'{}}}"


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        (SYMPA.format("other.example.org", "/srv/../srv/lists", ""), ".include-dir"),
        ("{kind: list-files, directory: /srv/lists}", ".directory"),
        (SYMPA.format("other.example.org", "/srv/other", ""), ""),
        (SYMPA.format("lists.example.org", "/srv/lists", ", host: a@other"), ""),
        (SYMPA.format("lists.example.org", "/srv/far", ", host: b@far"), ".include-dir"),
    ],
)
def test_two_connectors_that_write_into_one_place_are_a_fault(tmp_path: Path, other: str, fault: str) -> None:
    path = tmp_path / "schedules.yaml"
    first = SYMPA.format("lists.example.org", "/srv/lists", "")
    far = SYMPA.format("lists.example.org", "/srv/far", ", host: a@far")
    path.write_text(f"version: 1\njobs: {{}}\nconnectors:\n  first: {first}\n  far: {far}\n  other: {other}\n")
    told = [text for text in faults_of(path, KINDS) if "is the folder of the connector" in text]
    assert [text.split(": ")[1] for text in told] == ([f"connectors.other{fault}"] if fault else [])


def test_who_restores_from_a_copy_goes_by_the_mailboxes_of_its_connector(tmp_path: Path) -> None:
    path = tmp_path / "schedules.yaml"
    text = (
        "version: 1\nstate: sqlite:///c.db\ntimezone: Europe/Rome\nconnectors:\n"
        "  store: {{kind: rsync, from: /srv/mail, to: /backup/mail, sentinel: .here{}}}\njobs:\n"
        "  copy: {{kind: mailbox-copy, when: manual, store: store, mailboxes: '*/mail/Maildir'}}\n{}"
    )
    reader = "  verify: {kind: copy-verify, when: manual, store: store}\n"
    path.write_text(text.format("", reader))
    (told,) = faults_of(path, KINDS)
    assert told.endswith(
        "jobs.copy.mailboxes: is not what the connector store says, which others go by (verify): write it there"
    )
    for at_connector, others in (("", ""), (", mailboxes: '*/mail/Maildir'", reader)):
        path.write_text(text.format(at_connector, others))
        assert load(path, KINDS).jobs


def test_odd_keys_are_shown_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "schedules.yaml"
    path.write_text('version: 1\nkeep: {"a\\nb": {c: }}\nreports: {' + "x" * 500 + ": 1}\n")

    assert all(fault.isprintable() and len(fault) < 1000 for fault in faults_of(path))
