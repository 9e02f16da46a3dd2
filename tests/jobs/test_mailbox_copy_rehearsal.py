"""rsync's dry look beside ours: where it finds nothing to do, that was its run."""

from pathlib import Path

import pytest

from collima.core.result import Result
from tests.jobs.copied import Place, instead_of_rsync, place

LONG = 'echo $$ > "{pid}"; exec sleep 60'


@pytest.fixture(params=[0, 2], ids=["mirror", "generations"])
def made(tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    """With a copy that has all."""
    made = place(tmp_path, generations=request.param)
    made.run()
    return made


def run(made: Place, monkeypatch: pytest.MonkeyPatch, rehearsal: str = 'exec $RSYNC "$@"') -> tuple[Result, int]:
    """What came of it, and how often a real rsync ran."""
    told, pid = made.folder / "ran", made.folder / "pid"
    told.write_text("")
    script = f'kill -0 $(cat "{pid}") && exit 1; echo one >> "{told}"; exec $RSYNC "$@"'  # never both
    with instead_of_rsync(made.folder, script, monkeypatch, rehearsal=rehearsal.format(pid=pid)):
        result = made.run()
    return result, len(told.read_text().split())


def copied(made: Place, message: Path) -> Path:
    return (made.newest if made.options["generations"] else made.copies) / message.relative_to(made.store.root)


def children() -> set[str]:
    """The processes that this one has begun, and that are not over."""
    return {one for task in Path("/proc/self/task").iterdir() for one in (task / "children").read_text().split()}


def test_where_nothing_changed_that_is_all(made: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    result, ran = run(made, monkeypatch)
    assert (result.state, ran) == ("in-sync", 0)


def test_what_names_do_not_tell_is_put_in_order(made: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    message = next(made.store.messages())
    message.chmod(0o640)
    result, ran = run(made, monkeypatch)
    assert (result.state, ran) == ("in-sync", 1)
    assert copied(made, message).stat().st_mode & 0o777 == 0o640


def test_it_is_ended_when_something_is_to_be_done(made: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    message, before = made.store.deliver(made.store.users[0]), children()
    result, ran = run(made, monkeypatch, LONG)
    assert (result.state, ran) == ("changed", 1)
    assert copied(made, message).exists()
    assert children() == before


def test_it_is_ended_when_something_outside_of_mailboxes_is_to_be_copied(
    made: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made.store.root / "global.txt").write_text("for all")
    before = children()
    result, ran = run(made, monkeypatch, LONG)
    assert (result.state, ran) == ("changed", 1)
    assert copied(made, made.store.root / "global.txt").read_text() == "for all"
    assert children() == before


def test_one_that_fails_tells_nothing(made: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    result, ran = run(made, monkeypatch, "exit 23")
    assert (result.state, ran) == ("in-sync", 1)


def test_a_plan_does_not_wait_for_it_and_leaves_none_behind(made: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    with instead_of_rsync(made.folder, "exit 1", monkeypatch, rehearsal=LONG.format(pid=made.folder / "pid")):
        assert made.plan().state == "in-sync"
    assert children() == before


def test_with_a_run_that_fails_it_ends(made: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    for path in made.store.messages():
        path.unlink()
    with instead_of_rsync(made.folder, "exit 1", monkeypatch, rehearsal=LONG.format(pid=made.folder / "pid")):
        assert made.run().state == "failed"
    assert children() == before
