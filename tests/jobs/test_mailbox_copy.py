"""A mail store copied by a real rsync: what is sent, what is kept, what is held."""

import os
from pathlib import Path

import pytest

from collima.core.quantities import Amount, Duration
from jobs.mailbox_copy.options import CopyGuard
from tests.jobs.copied import Place, codes, names, place, subject


@pytest.fixture
def mirror(tmp_path: Path) -> Place:
    return place(tmp_path)


@pytest.fixture
def weekly(tmp_path: Path) -> Place:
    return place(tmp_path, generations=3)


def test_a_mirror_is_the_store_to_the_last_link(mirror: Place) -> None:
    result = mirror.run()
    assert (result.state, codes(result)) == ("changed", [])
    assert mirror.differences() == ""
    first = subject(result, "nome0000.cognome")
    assert first.weights["copy"] > first.wanted > 0
    assert first.size == 0
    again = mirror.run()
    assert (again.state, again.exit_code) == ("in-sync", 0)
    assert subject(again, "store").size == subject(again, "store").wanted == 6


def test_each_good_run_with_something_new_is_a_generation_and_only_the_newest_are_kept(weekly: Place) -> None:
    for week in range(5):
        result = weekly.run()
        assert (result.state, codes(result)) == ("changed", [])
        assert weekly.differences(weekly.newest) == ""
        weekly.store.deliver(weekly.store.users[week])
    assert [path.name for path in weekly.generations] == ["2026-12-05T2200Z", "2026-12-12T2200Z", "2026-12-19T2200Z"]
    assert {path.name for path in weekly.copies.iterdir()} == {path.name for path in weekly.generations}
    oldest, newest = names(weekly.generations[0]), names(weekly.newest)
    assert len(newest) == len(oldest) + 2
    assert all(newest[path] == inode for path, inode in oldest.items())


def test_without_a_change_there_is_no_new_generation_but_rsync_looks_all_the_same(weekly: Place) -> None:
    weekly.run()
    folder = weekly.store.root / weekly.store.users[0]
    folder.chmod(0o710)
    result = weekly.run()
    assert (result.state, codes(result)) == ("in-sync", [])
    assert len(weekly.generations) == 1
    assert (weekly.newest / folder.name).stat().st_mode & 0o777 == 0o710


def test_flags_and_folders_that_changed_are_renamed_and_nothing_is_sent(weekly: Place) -> None:
    weekly.run()
    before = names(weekly.newest)
    paths = list(weekly.store.messages())[:40]
    for path in paths[:30]:
        weekly.store.flag(path)
    for path in paths[30:]:
        path.rename(path.parent.parent.parent / ".Trash/cur" / path.name)
    new = paths[0].parents[2] / ".Nuova/cur"
    new.mkdir(parents=True)
    (new / "1.new").hardlink_to(next(weekly.store.messages()))
    result = weekly.run()
    copied = next(finding.text for finding in result.findings if finding.code == "copied")
    assert copied.startswith("0.0 kB in 0 files were sent, "), copied
    after = names(weekly.newest)
    assert set(before.values()) == set(after.values())
    assert weekly.differences(weekly.newest) == ""
    assert sum(one.weights["remove"] for one in result.subjects) == 0


def test_an_inode_number_that_was_given_again_shows_nothing(mirror: Place) -> None:
    """Deleted and made again at once, new messages often get the numbers of old ones."""
    mirror.run()
    user = mirror.store.users[0]
    old = [path for path in mirror.store.messages() if user in path.parts and path.stat().st_nlink == 1][:15]
    numbers = {path.stat().st_ino for path in old}
    for path in old:
        path.unlink()
    made = [mirror.store.deliver(user) for _ in old]
    reused = [path for path in made if path.stat().st_ino in numbers]
    result = mirror.run()
    assert result.state == "changed"
    assert mirror.differences() == ""
    for path in reused or made:
        assert (mirror.copies / path.relative_to(mirror.store.root)).read_bytes() == path.read_bytes()


def test_a_name_with_another_content_is_not_taken_for_the_same_message(mirror: Place) -> None:
    """The same guid, with new flags, and other bytes of the same size."""
    path = mirror.store.deliver(mirror.store.users[0], "", flags="S")
    mirror.run()
    content = path.read_bytes()
    path.write_bytes(content[:-3] + b"XYZ")
    flagged = mirror.store.flag(path, "FS")
    mirror.run()
    assert (mirror.copies / flagged.relative_to(mirror.store.root)).read_bytes().endswith(b"XYZ")
    assert mirror.differences() == ""


def test_list_mail_is_one_file_in_all_mailboxes_and_generations(weekly: Place) -> None:
    paths = weekly.store.post(weekly.store.users)
    weekly.run()
    weekly.store.flag(paths[0])
    weekly.store.deliver(weekly.store.users[0])
    weekly.run()
    last = paths[1].relative_to(weekly.store.root)
    files = [generation / last for generation in weekly.generations]
    assert len({file.stat().st_ino for file in files}) == 1
    assert files[0].stat().st_nlink == len(paths) * 2


def test_without_follow_renames_the_copy_is_as_good(tmp_path: Path) -> None:
    weekly = place(tmp_path, generations=2, follow_renames=False)
    weekly.run()
    weekly.store.churn(0.1)
    assert weekly.run().state == "changed"
    assert weekly.differences(weekly.newest) == ""


def test_odd_names_are_copied(weekly: Place) -> None:
    odd = weekly.store.mailbox("a\nb [x]*\udcff")
    names = ("1\n2.x:2,S", "no-flags", "\udcff\udcfe.x:2,", "back\\slash*?[x]", "star*", "a|b")
    for name in names:
        (odd / "cur" / name).write_bytes(name.encode("utf-8", "surrogateescape") * 100)
    assert codes(weekly.run()) == []
    for name in names:
        (odd / "cur" / name).rename(odd / ".Trash/cur" / f"{name.partition(':')[0]}:2,T")
    result = weekly.run()
    assert (result.state, codes(result)) == ("changed", [])
    assert weekly.differences(weekly.newest) == ""
    assert any(one.name.startswith("a\\x0ab [x]*\\xff") for one in result.subjects)


def test_too_many_removals_in_a_mailbox_are_held_and_new_mail_is_copied(tmp_path: Path) -> None:
    weekly = place(tmp_path, generations=3, messages=900)
    user, other = weekly.store.users[:2]
    for _ in range(60):
        weekly.store.deliver(user, "")
    weekly.run()
    for path in [path for path in weekly.store.messages() if user in path.parts][:40]:
        path.unlink()
    gone = next(path for path in weekly.store.messages() if other in path.parts)
    gone.unlink()
    new = weekly.store.deliver(user, "")
    result = weekly.run()
    assert (result.state, codes(result)) == ("held", [])
    assert subject(result, user).held["remove"] == 40
    copy = weekly.newest
    assert (copy / new.relative_to(weekly.store.root)).exists()
    assert not (copy / gone.relative_to(weekly.store.root)).exists()
    assert weekly.differences(copy).count("*deleting") == 40
    approved = weekly.run(approve=(subject(result, user).fingerprint,), reason="RT 1", who="anna")
    assert (approved.state, codes(approved)) == ("changed", [])
    assert weekly.differences(weekly.newest) == ""


def test_a_mailbox_that_left_the_store_stays_for_ninety_days(weekly: Place) -> None:
    weekly.run()
    weekly.store.root.joinpath(weekly.store.users[0]).rename(weekly.folder / "away")
    states = []
    for _ in range(14):
        result = weekly.run()
        states.append(result.state)
        there = (weekly.newest / weekly.store.users[0]).exists()
        assert there == ("changed" not in states)
    assert states[12:] == ["in-sync", "changed"] or states[13] == "changed"
    assert weekly.differences(weekly.newest) == ""


def test_a_mailbox_that_was_renamed_is_a_new_one_and_an_old_one_that_stays(weekly: Place) -> None:
    weekly.run()
    before = names(weekly.newest)
    old = weekly.store.root / weekly.store.users[0]
    old.rename(weekly.store.root / "nuovo.nome")
    result = weekly.run()
    assert (result.state, codes(result)) == ("changed", [])
    assert subject(result, "store").waiting == 1
    assert (weekly.newest / old.name / "Maildir").exists()
    assert subject(result, "nuovo.nome").wanted > 0
    after = names(weekly.newest)
    assert {path: after.get(path) for path in before} == before


def test_more_mailboxes_gone_than_the_limit_are_a_store_that_is_not_whole(weekly: Place) -> None:
    weekly.run()
    for user in weekly.store.users[:2]:
        weekly.store.root.joinpath(user).rename(weekly.folder / user)
    before = names(weekly.copies)
    result = weekly.run()
    assert (result.state, result.exit_code) == ("failed", 1)
    assert "2 of 6 mailboxes" in result.cause
    assert names(weekly.copies) == before


def test_what_lies_outside_of_mailboxes_is_copied_and_stays_as_long(tmp_path: Path) -> None:
    weekly = place(tmp_path, generations=2, keep_gone=Duration(10, "day"))
    user = weekly.store.root / weekly.store.users[0]
    (user / "sieve").mkdir()
    (user / "sieve/vacation.sieve").write_text("keep;")
    (weekly.store.root / "lost+found").mkdir()
    assert codes(weekly.run()) == []
    (user / "sieve/vacation.sieve").unlink()
    (user / "sieve").rmdir()
    states = [weekly.run().state for _ in range(3)]
    assert states == ["in-sync", "in-sync", "changed"]
    assert weekly.differences(weekly.newest) == ""


def test_only_what_was_named_is_brought_up_to_date_in_a_generation_of_its_own(weekly: Place) -> None:
    weekly.run()
    before = names(weekly.newest)
    one, other = (weekly.store.deliver(user, "") for user in weekly.store.users[:2])
    (weekly.store.root / "note").write_text("outside")
    result = weekly.run(only=(weekly.store.users[0],))
    assert (result.state, codes(result)) == ("changed", [])
    assert names(weekly.generations[0]) == before
    assert names(weekly.newest).keys() == before.keys() | {str(one.relative_to(weekly.store.root))}
    result = weekly.run(only=("store",))
    assert (result.state, codes(result)) == ("changed", [])
    assert (weekly.newest / "note").exists()
    assert not (weekly.newest / other.relative_to(weekly.store.root)).exists()
    assert (weekly.run(only=("store",)).state, len(weekly.generations)) == ("in-sync", 3)
    assert not (weekly.newest / other.relative_to(weekly.store.root)).exists()
    weekly.run(only=("store", weekly.store.users[1]))
    assert weekly.differences(weekly.newest) == ""


def test_a_first_copy_that_was_cut_by_only_is_no_generation(weekly: Place) -> None:
    assert weekly.run(only=(weekly.store.users[0],)).state == "changed"
    assert [path.name for path in weekly.copies.iterdir()] == [".incoming"]
    weekly.run()
    assert weekly.differences(weekly.newest) == ""


def test_a_report_has_sizes_growth_the_largest_and_the_runs_of_a_year(mirror: Place) -> None:
    mirror.run()
    mirror.store.deliver(mirror.store.users[0], "", size=100_000)
    result = mirror.run()
    texts = {finding.code: finding.text for finding in result.findings}
    assert texts["copy-size"].startswith("6 mailboxes with 241 messages, ")
    assert "; since 2026-11-21 +1 messages, +100.0 kB" in texts["copy-size"]
    assert len(texts["largest-mailboxes"].split(", ")) == 6
    (cell,) = subject(result, "store").cells
    assert (cell.label, cell.mood) == ("2026-11-21", "good")


def test_files_with_as_many_names_as_their_file_system_allows_get_a_copy(tmp_path: Path) -> None:
    from connectors.rsync.links import Links  # noqa: PLC0415

    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    (old / "a").write_text("one")
    for name in "bcde":
        (old / name).hardlink_to(old / "a")
    os.utime(old / "a", ns=(10**18 + 7, 10**18 + 7))
    Links(old, new, limit=8).make()
    assert {path.name: path.read_text() for path in new.iterdir()} == dict.fromkeys("abcde", "one")
    assert len({path.stat().st_ino for path in new.iterdir()} - {(old / "a").stat().st_ino}) == 1
    assert (new / "e").stat().st_mtime_ns == 10**18 + 7
    assert len({path.stat().st_ino for path in new.iterdir()}) == 1
    assert (old / "a").stat().st_nlink == 5
    Links(old, new, limit=8).make()


def test_a_guard_of_a_count_is_meant_to_the_letter(tmp_path: Path) -> None:
    guard = CopyGuard(max_removals=Amount(1000, percent=True), small_change=20, max_mailboxes_gone=Amount(2, False))
    weekly = place(tmp_path, generations=2, guard=guard)
    weekly.run()
    for user in weekly.store.users[:2]:
        weekly.store.root.joinpath(user).rename(weekly.folder / user)
    assert weekly.run().state == "in-sync"
    weekly.store.root.joinpath(weekly.store.users[2]).rename(weekly.folder / "third")
    assert weekly.run().state == "in-sync"
