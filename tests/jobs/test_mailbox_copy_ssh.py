"""A copy with one side on another machine, through a real sshd."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.rsync.rate import Rate
from tests.jobs.copied import Place, afar, codes, instead_of_rsync, names, place, subject
from tests.servers import program, require
from tests.servers.maildirs import SENTINEL
from tests.servers.sshd import Sshd, ssh_server

pytestmark = pytest.mark.soak  # a run makes some fifteen connections, and each takes half a second

__all__ = ["ssh_server"]


@pytest.fixture(params=["pulled", "pushed"])
def distant(request: pytest.FixtureRequest, tmp_path: Path, ssh_server: Sshd) -> Iterator[Place]:
    """Generations of a store that is there, or copies that are kept there."""
    made = place(tmp_path, users=4, messages=60, generations=2)
    afar(made, request.param, ssh_server)
    yield made
    ssh_server.know_host()


def test_generations_are_made_over_ssh_as_they_are_here(distant: Place) -> None:
    store = distant.store
    odd = store.mailbox("riga [x]") / "cur" / "1\n2.odd*:2,"
    odd.write_bytes(b"odd")
    first = distant.run()
    assert (first.state, codes(first)) == ("changed", [])
    assert distant.differences(distant.newest) == ""
    assert subject(first, "riga [x]").wanted == 1
    path = next(path for path in store.messages() if store.users[0] in path.parts)
    path.unlink()
    new = store.deliver(store.users[1])
    store.root.joinpath(store.users[3]).rename(distant.folder / "away")
    second = distant.run()
    assert (second.state, codes(second)) == ("changed", [])
    assert subject(second, "store").waiting == 1
    one, two = (names(generation) for generation in distant.generations)
    assert str(new.relative_to(store.root)) in two
    assert str(path.relative_to(store.root)) not in two
    assert {name for name in one if name.startswith(store.users[3])} <= two.keys()
    assert sum(two.get(name) == inode for name, inode in one.items()) == len(one) - 1
    third = distant.run()
    assert (third.state, codes(third)) == ("in-sync", [])


def test_a_key_that_may_only_read_the_store_is_enough(tmp_path: Path, ssh_server: Sshd) -> None:
    require("rrsync")
    made = place(tmp_path, users=3, messages=30, generations=2)
    made.sides |= {"ssh": ssh_server.command, "from_": f"{ssh_server.host}:/"}
    ssh_server.allow([program("rrsync"), "-ro", str(made.store.root)])
    gone, turned = made.store.deliver(made.store.users[0], ".Trash"), made.store.deliver(made.store.users[1], "")
    result = made.run()
    assert (result.state, codes(result)) == ("changed", [])
    assert made.differences(made.newest) == ""
    shutil.rmtree(gone.parents[1])
    made.store.flag(turned, "FRS")
    result = made.run()
    assert (result.state, codes(result)) == ("changed", [])
    assert made.differences(made.newest) == ""


def test_what_goes_from_a_copy_that_is_there_goes_and_folders_keep_their_times(distant: Place) -> None:
    user, other = distant.store.users[:2]
    home = distant.store.root / user / "Maildir"
    (home / ".Nuova/cur").mkdir(parents=True)
    distant.store.deliver(user, ".Nuova")
    path, turned = distant.store.deliver(user, ""), distant.store.deliver(other, "", flags="S")
    odd = path.with_name("#1\n2 [x]*")
    odd.write_bytes(b"odd")
    distant.run()
    shutil.rmtree(home / ".Nuova")
    path.unlink()
    odd.unlink()
    distant.store.flag(turned, "FRS")
    result = distant.run()
    assert (result.state, codes(result)) == ("changed", [])
    assert distant.differences(distant.newest) == ""


def test_a_machine_that_does_not_answer_is_tried_again_and_one_that_is_not_known_is_not(
    distant: Place, ssh_server: Sshd
) -> None:
    ssh_server.forget_host()
    result = distant.run()
    assert (result.state, result.transient) == ("failed", False)
    assert "host key is known" in result.cause
    ssh_server.know_host()
    distant.sides["ssh"] = tuple(word.replace(f"-oPort={ssh_server.port}", "-oPort=1") for word in ssh_server.command)
    result = distant.run()
    assert (result.state, result.transient) == ("failed", True)
    assert list(distant.copies.iterdir()) == []


def test_a_store_that_is_not_mounted_there_is_told(distant: Place) -> None:
    (distant.store.root / SENTINEL).unlink()
    result = distant.run()
    assert (result.state, f"there is no {SENTINEL}" in result.cause) == ("failed", True)


def test_a_place_there_that_cannot_be_written_is_told(distant: Place) -> None:
    if ":" not in str(distant.sides.get("to", "")):
        pytest.skip("the copies are here")
    distant.copies.rmdir()
    result = distant.run()
    assert (result.state, "it is not there, or cannot be written" in result.cause) == ("failed", True), result.cause


def test_ssh_that_dies_in_the_middle_leaves_the_rest_to_the_next_run(
    distant: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection of the long exchange, which would last three seconds, is cut; those of the short ones are not."""
    distant.run()
    new = distant.store.deliver(distant.store.users[0], size=150_000)
    whole = distant.sides["ssh"]
    distant.sides["bandwidth"] = Rate(50_000)  # a second
    fake = tmp_path / "ssh"
    real = " ".join(f"'{word}'" for word in whole)
    fake.write_text(
        f"""#!/bin/sh
[ -z "$DIES" ] && exec {real} "$@"
exec 3<&0
{real} "$@" <&3 &
exec 3<&- <&- >&-
sleep 0.7
kill -9 $!
exit 255
"""
    )
    fake.chmod(0o755)
    distant.sides["ssh"] = (str(fake),)
    before = names(distant.generations[0])
    with instead_of_rsync(tmp_path, 'case "$*" in *--stats*) export DIES=1;; esac; exec $RSYNC "$@"', monkeypatch):
        result = distant.run()
    distant.sides["ssh"], distant.sides["bandwidth"] = whole, None
    assert (result.state, len(distant.generations)) in (("partial", 1), ("failed", 1)), result
    assert result.transient
    assert names(distant.generations[0]) == before
    assert distant.run().state == "changed"
    assert (distant.newest / new.relative_to(distant.store.root)).exists()
    assert distant.differences(distant.newest) == ""
