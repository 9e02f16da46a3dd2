"""Three services on three machines over one real MariaDB, and what happens when one of them, or the database, dies."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from collima.state.slot_rows import SlotRow
from tests.app.service.real import Site, end, wait_for
from tests.app.service.stage import Stage
from tests.app.service.test_serving import PID, due_now, job
from tests.servers import cannot
from tests.servers.mariadb import PASSWORD, MariaDB, mariadb
from tests.state.conftest import State

HOSTS = ("one", "two", "three")


@pytest.fixture
def site(tmp_path: Path, mariadb_server: MariaDB) -> Iterator[Site]:
    made = Site(tmp_path, mariadb_server.url(mariadb_server.database()), PASSWORD, lease=4.0)
    yield made
    made.close()


@pytest.mark.soak
def test_three_machines_run_each_slot_once_and_only_where_it_may_run(site: Site) -> None:
    names = [f"j{number}" for number in range(6)]
    where = {"j4": "two", "j5": "three"}
    site.just_before(*names)
    site.write(
        "\n".join(
            job(
                name,
                f"echo {name} >> effects",
                when='"0 * * * *"',
                more=f", runs-on: {where[name]}" if name in where else "",
            )
            for name in names
        )
    )
    services = [site.start("collima", "serve", host=host) for host in HOSTS]
    wait_for(lambda: all(site.is_(name, "ended") for name in names), 60)
    assert sorted(site.effects()) == names
    history = site.history()
    assert sorted(row.job for row in history) == names
    assert {row.job: row.host for row in history if row.job in where} == where
    assert len({row.host for row in history}) > 1
    assert [end(service) for service in services] == [0, 0, 0]
    assert site.journal.services.open() == ()


def test_the_run_of_a_machine_that_died_is_taken_over_after_the_lease_once(site: Site) -> None:
    site.write(
        job("a", f"{PID}; echo begun >> effects; [ $(grep -c begun effects) -gt 1 ] || sleep 60; echo end >> effects")
    )
    one = site.serve("one")
    due_now(site, "a")
    wait_for(site.effects)
    others = [site.serve(host) for host in HOSTS[1:]]
    time.sleep(2 * site.lease)
    assert site.effects() == ["begun"]  # as long as it lives, nobody takes it
    end(one, signal.SIGKILL)
    os.killpg(int(site.effects("pids")[0]), signal.SIGKILL)
    died = time.monotonic()
    wait_for(lambda: site.is_("a", "ended"), 60)
    assert time.monotonic() - died > site.lease / 2
    assert site.effects() == ["begun", "begun", "end"]
    slot = site.slot("a")
    assert slot is not None
    assert slot.takeovers == 1
    assert [(row.state, row.cause) for row in site.history()] == [("in-sync", ""), ("failed", "killed")]
    assert [end(service) for service in others] == [0, 0]


@pytest.mark.soak
def test_a_run_whose_service_alone_died_goes_on_and_is_settled_from_another_machine(site: Site) -> None:
    site.write(job("a", f"{PID}; touch begun; while [ ! -e go ]; do sleep 0.05; done; echo end >> effects"))
    one = site.serve("one")
    due_now(site, "a")
    wait_for((site.folder / "begun").exists)
    two = site.serve("two")
    end(one, signal.SIGKILL)
    wait_for(lambda: "is watched from here" in site.log("two"), 60)
    (site.folder / "go").touch()
    wait_for(lambda: site.is_("a", "ended"))
    assert (site.effects(), [row.host for row in site.history()]) == (["end"], ["one"])
    assert end(two) == 0


@pytest.mark.soak
def test_a_service_starts_without_its_state_survives_its_loss_and_catches_up_each_time(tmp_path: Path) -> None:
    """A real MariaDB is stopped under a service and its run, and started again."""
    with mariadb() as server:
        site = Site(tmp_path, server.url(server.database()), PASSWORD, lease=4.0)
        try:
            site.write(
                job("a", "echo a >> effects; [ $(grep -c a effects) = 2 ] || sleep 4")
                + "\n"
                + job("b", "echo b >> effects", when='"0 * * * *"')
            )
            site.just_before("b")
            site.shift += 1800
            server.kill()
            service = site.start("collima", "serve")
            wait_for(lambda: "the state cannot be used" in site.log())
            server.start()
            wait_for(lambda: site.is_("b", "ended"))
            due_now(site, "a")
            wait_for(lambda: "a" in site.effects())
            server.stop()
            wait_for(lambda: site.log().count("the state cannot be used") == 2)
            time.sleep(4)  # the run ends meanwhile, and cannot say so
            assert service.poll() is None
            server.start()
            wait_for(lambda: site.is_("a", "ended"))
            assert site.log().count("the state can be used again") == 2
            assert site.effects() == ["b", "a", "a"]
            assert [row.state for row in site.history("a")] == ["in-sync", "failed"]
            assert end(service) == 0
        finally:
            site.close()


@pytest.mark.parametrize("minutes", [1, 60])
def test_after_an_outage_the_service_tells_how_long_it_was_and_catches_up(tmp_path: Path, minutes: int) -> None:
    """The clock is turned; the server is really stopped."""
    with mariadb() as server:
        state = State(server.url(server.database()), PASSWORD)
        with state.stack:
            stage = Stage(state, tmp_path)
            stage.write("\n".join(f"  {name}: {{kind: script, when: every 15 minutes}}" for name in "ab"))
            here, there = stage.service("here"), stage.service("there")
            here.tick()
            there.tick()
            stage.at("05:45")
            here.tick()
            stage.played[0].begins()
            stage.played[1].ends()
            server.stop()
            stage.played[0].code = 1  # it could not go on, nor say so
            for _ in range(4):
                here.tick()
                there.tick()
                stage.state.later(seconds=15 * minutes)
            server.start()
            state.later(seconds=15)
            there.tick()
            here.tick()
            (about, cause), over = stage.told[-2:]
            span = timedelta(minutes=minutes, seconds=15)
            assert (about, over) == ("state", ("state", ""))
            assert cause.startswith(f"it could not be used for {span}: the state (127.0.0.1/")
            for _ in range(3):
                here.tick()
                there.tick()
            after = [(run.job, f"{run.slot:%H:%M}") for run in stage.played[2:]]
            assert after == ([("a", "05:45")] if minutes == 1 else [("a", "06:45"), ("b", "06:45")])
            assert {row.service for row in stage.state.open().slots.open()} <= {here.name, there.name}


def test_a_full_disk_stops_no_service_and_nothing_is_lost(tmp_path: Path) -> None:
    """The state is on a file system of two megabytes, which is filled and emptied again."""
    if os.geteuid() != 0:
        cannot("mounting a small file system takes root")
    place = tmp_path / "small"
    place.mkdir()
    if os.system(f"mount -t tmpfs -o size=2m none {place}"):
        cannot("no small file system can be mounted here")
    site = Site(tmp_path, f"sqlite:///{place}/collima.db")
    try:
        site.write(job("a", "echo a >> effects"))
        service = site.serve()
        with pytest.raises(OSError, match="No space"), (place / "filler").open("wb", buffering=0) as filler:
            filler.writelines(bytes(4096) for _ in range(1000))
        wait_for(lambda: "the state cannot be used" in site.log())
        (place / "filler").unlink()
        wait_for(lambda: "the state can be used again" in site.log())
        site.journal.slots.claim([SlotRow("a", site.now(), "waiting")])
        wait_for(lambda: site.is_("a", "ended"))
        assert site.effects() == ["a"]
        assert end(service) == 0
    finally:
        site.close()
        os.system(f"umount {place}")
