"""A message keeps its content for ever: what has another one under the same name is judged before the copy loses it."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.jobs.copied import Place, afar, codes, instead_of_rsync, names, over_ssh, place, subject
from tests.servers.sshd import ssh_server

__all__ = ["ssh_server"]


@pytest.fixture(params=["mirror", "generations", *over_ssh("pushed", "pushed-mirror", "pulled")])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """After its first run."""
    made = place(tmp_path, generations=0 if "mirror" in request.param else 2)
    if request.param.startswith("pu"):
        afar(made, request.param, request.getfixturevalue("ssh_server"))
    made.run()
    return made


def newest(made: Place) -> Path:
    return made.newest if made.options["generations"] else made.copies


def sizes(made: Place, paths: Iterable[Path]) -> set[int]:
    return {(newest(made) / path.relative_to(made.store.root)).stat().st_size for path in paths}


def test_many_messages_with_another_content_are_put_back_and_no_generation_is_made(made: Place) -> None:
    paths, before = list(made.store.messages())[:150], names(newest(made))
    whole = {path: path.read_bytes() for path in paths}
    times = {path: path.stat().st_mtime_ns for path in paths}
    for path in paths:
        os.truncate(path, 0)
    for also_new in (False, True):
        if also_new:
            made.store.deliver(made.store.users[0])
        result = made.run()
        assert (result.state, codes(result)) == ("partial", ["content-changed"])
        assert "is the mail store damaged?" in result.cause
        assert 0 not in sizes(made, paths)
        after = names(newest(made))
        assert {path: after.get(path) for path in before} == before
    for path, content in whole.items():
        path.write_bytes(content)
        os.utime(path, ns=(times[path], times[path]))
    result = made.run()
    assert codes(result) == []
    assert made.differences(newest(made)) == ""


def test_a_few_are_copied_into_a_new_generation_and_told(made: Place) -> None:
    path = next(path for path in made.store.messages() if path.stat().st_nlink == 1)
    path.write_bytes(b"another")
    result = made.run()
    told = {finding.subject: finding.code for finding in result.findings if finding.level == "warning"}
    assert (codes(result), told) == ([], {path.relative_to(made.store.root).parts[0]: "content-changed"})
    assert sizes(made, [path]) == {7}
    assert made.differences(newest(made)) == ""
    if made.options["generations"]:
        first = made.generations[0] / path.relative_to(made.store.root)
        assert (len(made.generations), first.stat().st_size == 7) == (2, False)


@pytest.mark.parametrize("generations", [0, 2])
def test_a_run_that_was_killed_before_it_could_judge_is_judged_by_the_next(
    tmp_path: Path, generations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = place(tmp_path, generations=generations)
    made.run()
    paths = list(made.store.messages())[:150]
    for path in paths:
        os.truncate(path, 0)
    made.store.deliver(made.store.users[0])
    with instead_of_rsync(tmp_path, '$RSYNC "$@"; exit 12', monkeypatch):
        assert made.run().transient
    assert codes(made.run()) == ["content-changed"]
    assert 0 not in sizes(made, paths)


def test_a_run_that_finds_nothing_new_writes_no_message_into_the_newest_generation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = place(tmp_path, generations=2)
    made.run()
    new = made.store.root / made.store.users[0] / "Maildir/new/1.late"
    next(made.store.messages()).chmod(0o640)  # which is to be put in order
    with instead_of_rsync(tmp_path, f'echo late > "{new}"; exec $RSYNC "$@"', monkeypatch):
        assert made.run().state == "in-sync"
    assert not (made.newest / new.relative_to(made.store.root)).exists()
    made.run()
    assert (made.newest / new.relative_to(made.store.root)).exists()
    assert subject(made.run(), made.store.users[0]).state == "in-sync"
    assert len(made.generations) == 2


def test_list_mail_that_becomes_one_file_is_no_other_content(tmp_path: Path) -> None:
    made = place(tmp_path, generations=2)
    one, *others = made.store.post(made.store.users)
    for path in others:
        path.unlink()
        path.write_bytes(one.read_bytes())
        os.utime(path, ns=(one.stat().st_mtime_ns,) * 2)
    made.run()
    for path in others:
        path.unlink()
        path.hardlink_to(one)
    result = made.run()
    assert (codes(result), codes(result, "warning")) == ([], [])
    assert made.differences(made.newest) == ""
