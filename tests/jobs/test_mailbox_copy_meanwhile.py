"""What happens to a store after a copy has looked at it, and before it is copied: nothing goes that nobody judged."""

import shutil
from pathlib import Path

import pytest

from collima.core.quantities import Amount
from collima.core.result import Result
from connectors.rsync.here import Here, Touched
from jobs.mailbox_copy.options import CopyGuard
from tests.jobs.copied import Place, codes, instead_of_rsync, names, place, subject
from tests.servers.maildirs import SENTINEL


@pytest.fixture(params=[0, 2], ids=["mirror", "generations"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """After its first run."""
    made = place(tmp_path, generations=request.param)
    made.run()
    return made


def guard(**more: Amount) -> CopyGuard:
    return CopyGuard(max_removals=Amount(1000, percent=True), small_change=20, **more)


def newest(made: Place) -> Path:
    return made.newest if made.options["generations"] else made.copies


def meanwhile(made: Place, command: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    """A run that finds this done when rsync begins, for the first time."""
    script = f'if mkdir "{made.folder}/begun" 2>/dev/null; then {command}; fi; exec $RSYNC "$@"'
    with instead_of_rsync(made.folder, script, monkeypatch):
        result = made.run()
    made.folder.joinpath("begun").rmdir()
    return result


def inside(made: Place, user: str) -> set[str]:
    return {name for name in names(newest(made)) if name.startswith(f"{user}/")}


@pytest.mark.parametrize("taken", [0, 2])
@pytest.mark.parametrize("home", ["", "/Maildir"])
def test_a_mailbox_that_goes_after_it_was_looked_at_stays_and_is_told(
    made: Place, taken: int, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`taken`: so many of its messages were gone before, and might go."""
    user = made.store.users[0]
    for path in [path for path in made.store.messages() if user in path.parts][:taken]:
        path.unlink()
    new = made.store.deliver(made.store.users[1])
    before = inside(made, user)
    result = meanwhile(made, f'mv "{made.store.root}/{user}{home}" "{made.folder}/away"', monkeypatch)
    assert codes(result) == []
    told = {finding.subject: finding.code for finding in result.findings if finding.level == "warning"}
    assert told == {user: "left-meanwhile"}
    assert inside(made, user) == before
    assert (newest(made) / new.relative_to(made.store.root)).exists()
    assert subject(made.run(), "store").waiting == 1
    assert inside(made, user) == before


def test_messages_that_go_in_great_number_after_the_look_stay_and_the_next_run_holds_them(
    made: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.options["guard"] = guard(max_removals_total=Amount(5000, percent=True))
    user = made.store.users[0]
    going = [made.store.deliver(user, "", flags="S") for _ in range(23)]
    made.run()
    going.pop().unlink()
    new = made.store.deliver(user, ".Sent", flags="S")
    before = inside(made, user)
    result = meanwhile(made, f"rm {' '.join(map(str, going))}", monkeypatch)
    told = {finding.subject: finding.code for finding in result.findings if finding.level == "warning"}
    assert (codes(result), told) == ([], {user: "gone-meanwhile"})
    assert inside(made, user) == before | {str(new.relative_to(made.store.root))}
    after = made.run()
    assert (after.state, subject(after, user).held["remove"]) == ("held", 23)
    assert before <= inside(made, user)


def test_messages_that_go_everywhere_after_the_look_stay_for_the_store_is_not_whole(
    made: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few in each mailbox, which nobody would be asked for."""
    by_user = [[made.store.deliver(user, "", flags="S") for _ in range(5)] for user in made.store.users]
    made.run()
    planned, *going = zip(*by_user, strict=True)
    for path in planned:
        path.unlink()
    before = set(names(newest(made)))
    result = meanwhile(made, f"rm {' '.join(str(path) for some in going for path in some)}", monkeypatch)
    assert (result.state, codes(result)) == ("partial", ["not-whole"])
    assert "24 messages more went from all mailboxes since it was looked at (limit 20)" in result.cause
    assert before <= set(names(made.copies / ".incoming" if made.options["generations"] else made.copies))
    assert "fewer, limit max-removals 10 %" in made.run().cause


def test_what_is_held_stays_though_its_mailbox_has_the_same_message_elsewhere(made: Place) -> None:
    made.options["guard"] = guard(max_removals_total=Amount(5000, percent=True))
    user = made.store.users[0]
    paths = [made.store.deliver(user, "", flags="S") for _ in range(26)]
    home = made.store.root / user / "Maildir"
    (home / ".Salva/cur").mkdir(parents=True)
    for path in paths:
        shutil.copy2(path, home / ".Salva/cur" / path.name)
    made.run()
    for path in paths:
        path.unlink()
    made.store.deliver(user, ".Sent", flags="S")
    before = inside(made, user)
    result = made.run()
    assert (result.state, subject(result, user).held["remove"]) == ("held", 26)
    assert before <= inside(made, user)


def test_a_few_messages_that_go_and_change_after_the_look_go_and_change_in_the_copy(
    made: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = made.store.users[0]
    first, second, third, fourth = (made.store.deliver(user, "", flags="S") for _ in range(4))
    odd = made.store.root / user / "Maildir/cur/#1\n2 [x]*:2,"
    odd.write_bytes(b"odd")
    made.run()
    first.unlink()
    turned = f"{third.name.partition(':')[0]}:2,FS"
    commands = f'rm "{second}" "{odd}"; mv "{third}" "{third.parent}/{turned}"; mv "{fourth}" "{fourth}R"'
    result = meanwhile(made, commands, monkeypatch)
    assert codes(result) == codes(result, "warning") == []
    assert made.differences(newest(made)) == ""


def test_a_message_that_changes_where_nothing_goes_has_one_name_in_the_copy(
    made: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = made.store.users[0]
    path = made.store.deliver(user, "", flags="S")
    made.run()
    made.store.deliver(made.store.users[1])
    meanwhile(made, f'mv "{path}" "{path}T"', monkeypatch)
    assert made.differences(newest(made)) == ""


def test_a_folder_that_was_deleted_and_one_that_was_renamed_are_so_in_the_copy(made: Place) -> None:
    home = made.store.root / made.store.users[0] / "Maildir"
    made.store.deliver(made.store.users[0], ".Archive.2013")
    made.store.deliver(made.store.users[0], ".Trash")
    made.run()
    shutil.rmtree(home / ".Archive.2013")
    (home / ".Trash").rename(home / ".Cestino")
    result = made.run()
    assert (result.state, codes(result)) == ("changed", [])
    assert made.differences(newest(made)) == ""


def test_a_user_whose_name_is_a_comment_elsewhere_is_copied_as_all_are(made: Place) -> None:
    made.store.mailbox("#anna")
    path, _, _ = (made.store.deliver("#anna", "", flags="S") for _ in range(3))
    made.run()
    path.unlink()
    assert made.run().state == "changed"
    assert made.differences(newest(made)) == ""


def test_rsync_does_not_start_when_the_store_has_gone(made: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.rsync.store import Tree  # noqa: PLC0415

    made.store.deliver(made.store.users[0])
    look = Tree.inventory

    def then_gone(tree: Tree) -> object:
        seen = look(tree)
        (made.store.root / SENTINEL).unlink()
        return seen

    monkeypatch.setattr(Tree, "inventory", then_gone)
    with instead_of_rsync(made.folder, f'touch "{made.folder}/started"; exec $RSYNC "$@"', monkeypatch):
        result = made.run()
    assert (result.transient, "went away" in result.cause) == (True, True), result.cause
    assert not (made.folder / "started").exists()


def test_a_message_that_comes_back_under_its_name_stays_though_no_time_tells_of_it(
    made: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Here, "touched", lambda *_: Touched(1, 1, 1))
    message = next(path for path in made.store.messages() if path.parent.name == "cur")
    aside = message.rename(made.folder / "aside")
    result = meanwhile(made, f'mv "{aside}" "{message}"', monkeypatch)
    assert (result.state, codes(result)) == ("changed", [])
    assert (newest(made) / message.relative_to(made.store.root)).exists()
    assert made.differences(newest(made)) == ""
