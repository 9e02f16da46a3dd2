"""Both sides of a copy by names: what differs, and what that costs."""

import os
from pathlib import Path

import pytest

from connectors.rsync import survey
from connectors.rsync.beside import Beside
from connectors.rsync.contents import Contents, Difference, contents
from connectors.rsync.here import Entry, Here
from connectors.rsync.pattern import Pattern
from connectors.rsync.renames import Renames
from connectors.rsync.survey import Side, Survey

PATTERN = Pattern("*/Maildir")


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """A source and a copy with the same three messages."""
    for side in ("source", "copy"):
        for part in ("cur", ".Sent/cur"):
            (tmp_path / side / "anna/Maildir" / part).mkdir(parents=True)
        for name in ("cur/1.h,S=4:2,S", "cur/2.h,S=4:2,", ".Sent/cur/3.h:2,S"):
            path = tmp_path / side / "anna/Maildir" / name
            path.write_bytes(b"mail")
            os.utime(path, ns=(10**18, 10**18))
    return tmp_path / "source", tmp_path / "copy"


def surveyed(source: Path, copy: Path) -> Survey:
    return Survey(PATTERN, Side(Here(source)), Side(Here(copy)), 4096, Beside())


def test_a_list_and_a_look_by_names_tell_the_same(sides: tuple[Path, Path]) -> None:
    source, _ = sides
    home = source / "anna/Maildir"
    (home / "cur/.hidden").write_text("")
    (home / "dovecot-uidlist").write_text("3 V1")
    (home / ".A/new").mkdir(parents=True)
    (home / ".A/new/folder").mkdir()
    (home / ".A/new/folder/cur").mkdir()
    (home / ".A/new/folder/cur/no message").write_text("")
    (home / "new").symlink_to("cur")
    looked = contents(Here(source), "", "anna/Maildir")
    assert looked is not None
    listed = Contents.listed(Here(source).walk("anna/Maildir"), "anna/Maildir")
    assert (looked.messages, looked.others, looked.folders) == (listed.messages, listed.others, listed.folders)
    assert looked.count == 3
    assert set(looked.others) == {"cur/.hidden", "dovecot-uidlist", ".A/new/folder/cur/no message", "new"}


def test_messages_whose_names_tell_no_size_are_weighed(sides: tuple[Path, Path]) -> None:
    source, copy = sides
    home = source / "anna/Maildir"
    (home / "cur/4.h,S=forty:2,S").write_bytes(b"five.")
    (home / "cur/5.h,S=100,W=102:2,").write_bytes(b"as its name tells")
    assert surveyed(source, copy).inventory(unfinished=False).boxes["anna"].size == 4 + 4 + 4 + 5 + 100


def test_what_moved_is_paired_by_its_name_without_flags_and_each_old_name_once() -> None:
    copy = Contents(messages={"cur": {"1:2,", "2:2,S", "9:2,"}, ".B/cur": {"1:2,S"}})
    source = Contents(messages={"cur": {"2:2,S", "5:2,"}, ".B/cur": {"1:2,RS"}, ".C/cur": {"1:2,", "1:2,F"}})
    differs = Difference.between(source, copy)
    assert len(differs.moved) == 2
    assert {old for old, _ in differs.moved} == {"cur/1:2,", ".B/cur/1:2,S"}
    assert len(differs.come) == 2
    assert differs.leave == 1


@pytest.mark.parametrize("kept", [survey.KEPT, 0])
def test_what_memory_has_no_room_for_is_looked_at_again(
    sides: tuple[Path, Path], kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "KEPT", kept)
    source, copy = sides
    home = source / "anna/Maildir"
    (home / "cur/1.h,S=4:2,S").rename(home / ".Sent/cur/1.h,S=4:2,RS")
    (home / "new").mkdir()
    (home / "new/4.h,S=4").hardlink_to(home / ".Sent/cur/3.h:2,S")
    (home / ".Sent/cur/5.h,S=4:2,").hardlink_to(home / "cur/2.h,S=4:2,")
    seen = surveyed(source, copy).inventory(unfinished=False)
    assert set(seen.differences) == ({"anna"} if kept else set())
    assert (seen.boxes["anna"].come, seen.boxes["anna"].leave) == (3, 0)
    renames = Renames(PATTERN, source, copy, seen.differences)
    renames.follow(["anna"])
    assert renames.count == 3
    again = surveyed(source, copy).inventory(unfinished=False).boxes["anna"]
    assert (again.come, again.leave) == (0, 0)
    assert (copy / "anna/Maildir/new/4.h,S=4").samefile(copy / "anna/Maildir/.Sent/cur/3.h:2,S")


def test_a_message_with_several_names_takes_its_room_once(sides: tuple[Path, Path]) -> None:
    source, copy = sides
    for n in range(3):
        (source / f"box{n}/Maildir/cur").mkdir(parents=True)
        if n:
            (source / f"box{n}/Maildir/cur/7.h,S=9000:2,").hardlink_to(source / "box0/Maildir/cur/7.h,S=9000:2,")
        else:
            (source / "box0/Maildir/cur/7.h,S=9000:2,").write_bytes(b"x" * 9000)
    seen = surveyed(source, copy).inventory(unfinished=False)
    assert (seen.files, seen.blocks) == (1, 3)


def test_only_a_file_with_several_names_has_a_number_to_link_by(sides: tuple[Path, Path]) -> None:
    source, _ = sides
    path = "anna/Maildir/cur/2.h,S=4:2,"
    assert Here(source).look(path) == Entry(path, False, 4, 10**9, 0)
    (source / "other").hardlink_to(source / path)
    assert Here(source).look(path) == Entry(path, False, 4, 10**9, (source / path).stat().st_ino)
