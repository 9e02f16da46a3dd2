"""What the source has in folders that are as they were, told by its copy."""

import shutil
import time
from pathlib import Path

import pytest

from connectors.rsync.contents import Contents, Difference, contents
from connectors.rsync.here import Here, Touched
from connectors.rsync.unmoved import FRESH, SECOND, Noted, Unmoved

HOME = "anna/Maildir"
PARTS = ("cur", "new", ".Sent/cur", ".Archive/cur", ".Odd/cur", ".Old/cur")


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """A mailbox on both sides, and what has changed in the source since."""
    source, copy = tmp_path / "source" / HOME, tmp_path / "copy" / HOME
    for part in PARTS:
        (source / part).mkdir(parents=True)
        for number in range(5):
            (source / part / f"{number}.{part.replace('/', '')},S=3:2,S").write_text("abc")
    shutil.copytree(source, copy)
    (source / "cur/0.cur,S=3:2,S").rename(source / ".Archive/cur/0.cur,S=3:2,RS")  # moved
    (source / "cur/1.cur,S=3:2,S").unlink()  # left
    (source / "new/5.new,S=3").write_text("abc")  # come
    (source / ".Odd/cur/.hidden").write_text("")
    (copy / ".Old/cur/9.rest,S=3:2,").write_text("abc")  # left, and nothing else is changed there
    time.sleep(2 * FRESH / 1e9)
    return tmp_path / "source", tmp_path / "copy"


def compared(source: Path, copy: Path) -> Difference:
    noted = Noted(Here(source), HOME)
    one = contents(Here(source), "", HOME, told=noted.note)
    other = contents(Here(copy), "", HOME)
    assert one is not None
    assert other is not None
    return Difference.between(one, other, noted.touched)


def come(source: Path, copy: Path, differs: Difference) -> None:
    """As rsync does it: old names stay."""
    for path in (*differs.come, *(new for _, new in differs.moved)):
        shutil.copy2(source / HOME / path, copy / HOME / path)
    shutil.copy2(source / HOME / ".Odd/cur/.hidden", copy / HOME / ".Odd/cur/.hidden")


def unmoved(source: Path, copy: Path, differs: Difference) -> Unmoved:
    there = contents(Here(copy), "", HOME, closely=False)
    assert there is not None
    return Unmoved(Here(source), HOME, there, differs)


def listed(source: Path) -> Contents:
    found = contents(Here(source), "", HOME, closely=False)
    assert found is not None
    return found


def test_they_are_told_without_a_look_and_one_with_more_than_messages_is_not(sides: tuple[Path, Path]) -> None:
    source, copy = sides
    differs = compared(source, copy)
    come(source, copy, differs)
    known = unmoved(source, copy, differs)
    told = {part: known.names(part) for part in PARTS}
    assert told.pop(".Odd/cur") is None
    assert told == {part: names for part, names in listed(source).messages.items() if part != ".Odd/cur"}
    assert known.names("") is None
    assert known.names(".Sent") is None
    assert known.names(".Nowhere/cur") is None


def test_what_did_not_come_is_in_the_source_all_the_same(sides: tuple[Path, Path]) -> None:
    source, copy = sides
    known = unmoved(source, copy, compared(source, copy))
    assert {part: known.names(part) for part in PARTS} == listed(source).messages


def test_a_folder_that_was_touched_since_is_looked_at(sides: tuple[Path, Path]) -> None:
    source, copy = sides
    differs = compared(source, copy)
    (source / HOME / ".Sent/cur/0..Sentcur,S=3:2,S").unlink()
    (source / HOME / "cur/7.cur,S=3:2,").write_text("abc")
    shutil.rmtree(source / HOME / ".Archive")
    known = unmoved(source, copy, differs)
    assert [part for part in PARTS if known.names(part) is not None] == ["new", ".Odd/cur", ".Old/cur"]


def test_folders_that_changed_places_are_looked_at(sides: tuple[Path, Path]) -> None:
    source, copy = sides
    differs = compared(source, copy)
    home = source / HOME
    (home / ".Sent").rename(home / ".Between")
    (home / ".Old").rename(home / ".Sent")
    (home / ".Between").rename(home / ".Old")
    known = unmoved(source, copy, differs)
    assert known.names(".Sent/cur") is None
    assert known.names(".Old/cur") is None


def test_a_file_system_that_knows_whole_seconds_is_trusted_later(
    sides: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Here.touched

    def coarse(side: Here, folder: str) -> Touched | None:
        known = real(side, folder)
        return known and Touched(known.inode, known.changed // SECOND * SECOND, known.modified // SECOND * SECOND)

    monkeypatch.setattr(Here, "touched", coarse)
    assert compared(*sides).touched == {}


def test_a_folder_that_was_touched_just_before_is_looked_at(sides: tuple[Path, Path]) -> None:
    source, copy = sides
    (source / HOME / "new/6.new,S=3").write_text("abc")
    assert set(PARTS) - set(compared(source, copy).touched) == {"new"}
