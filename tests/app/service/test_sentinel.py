"""What a job works on is on one machine of several, on none, or on none for a while."""

import json
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from collima.app.service.loop import Service
from collima.app.service.runs import HELD_OFF
from tests.app.service.real import Site, end, wait_for
from tests.app.service.stage import Stage
from tests.app.service.test_serving import due_now, job
from tests.servers.mariadb import PASSWORD, MariaDB
from tests.state.conftest import State

SHARED = (
    "  a: {kind: script, when: daily at 08:00, runs-on: [one, two], catch-up: 1 hour, "
    "retry: {times: 1, every: 5 minutes}}"
)


@pytest.fixture
def stage(state: State, tmp_path: Path) -> Stage:
    stage = Stage(state, tmp_path)
    stage.write(SHARED)
    return stage


def test_a_machine_that_has_it_not_leaves_the_slot_to_the_other_at_once(stage: Stage) -> None:
    one, two = stage.service("one"), stage.service("two")
    one.tick()
    two.tick()
    stage.at("07:00")
    one.tick()
    stage.played[0].gives_back("not on one: no .mailstore")
    one.tick()
    one.tick()
    assert (stage.slot("a").state, stage.slot("a").cause) == ("waiting", "not on one: no .mailstore")
    assert len(stage.played) == 1
    two.tick()
    assert len(stage.played) == 2
    stage.played[1].ends()
    two.tick()
    slot = stage.slot("a")
    assert (slot.state, slot.tries, slot.takeovers) == ("ended", 0, 0)
    assert [row.host for row in stage.state.open().archive.history()] == ["two"]


def tried(stage: Stage, service: Service) -> None:
    """A tick; what it starts finds nothing here."""
    service.tick()
    if stage.played[-1].code is None:
        stage.played[-1].gives_back("not on one: no .mailstore")
        service.tick()


def test_a_slot_that_nobody_takes_is_tried_again_every_few_minutes_and_missed_after_its_catch_up(stage: Stage) -> None:
    one = stage.service("one")
    one.tick()
    stage.at("07:00")
    for _ in range(60):
        tried(stage, one)
        assert stage.slot("a").state == "waiting"
        stage.state.later(seconds=60)
    assert len(stage.played) == 60 // (HELD_OFF // 60)
    tried(stage, one)
    stage.state.later(seconds=60)
    tried(stage, one)
    slot = stage.slot("a")
    assert (slot.state, slot.cause, slot.run) == ("missed", "not on one: no .mailstore", "")
    assert list(stage.state.open().archive.history()) == []


def test_what_failed_here_and_is_nowhere_afterwards_is_missed_too(stage: Stage) -> None:
    """The volume went away under a run, and its next try finds none."""
    one = stage.service("one")
    one.tick()
    stage.at("07:00")
    one.tick()
    stage.played[0].ends("failed", transient=True, cause="the disk is gone", code=1)
    one.tick()
    since = stage.slot("a").not_before
    assert since
    while stage.slot("a").state != "missed":
        assert stage.state.now < since + timedelta(hours=2)
        stage.state.later(seconds=180)
        tried(stage, one)
    assert stage.slot("a").cause == "not on one: no .mailstore"
    assert stage.state.now > since + timedelta(hours=1)
    (row,) = stage.state.open().archive.history()
    assert (row.state, row.cause) == ("failed", "the disk is gone")


# ---- processes


@pytest.fixture
def site(tmp_path: Path, mariadb_server: MariaDB) -> Iterator[Site]:
    made = Site(tmp_path, mariadb_server.url(mariadb_server.database()), PASSWORD, lease=4.0)
    yield made
    made.close()


def on(*hosts: str) -> str:
    """A script that finds its volume on these machines only."""
    return f"case $COLLIMA_TEST_HOST in {'|'.join(hosts)}) echo done >> effects;; *) echo none >> tried; exit 69;; esac"


def shared(script: str, more: str = "") -> str:
    return job("a", script, more=f", runs-on: [one, two]{more}")


def test_two_services_leave_it_to_the_one_that_has_the_volume_and_the_history_has_one_run(site: Site) -> None:
    site.write(shared(on("two")))
    one = site.serve("one", COLLIMA_TEST_HOST="one")
    due_now(site, "a")
    wait_for(lambda: (slot := site.slot("a")) and "not on one" in slot.cause)
    two = site.serve("two", COLLIMA_TEST_HOST="two")
    wait_for(lambda: site.is_("a", "ended"))
    assert (site.effects(), site.effects("tried")) == (["done"], ["none"])
    assert [(row.host, row.state, row.attempt) for row in site.history()] == [("two", "in-sync", 1)]
    assert "is left to others: not on one: no .mailstore in the store" in site.log("one")
    assert [end(one), end(two)] == [0, 0]


def test_a_volume_that_is_nowhere_is_a_missed_slot_with_its_cause_and_people_are_told(site: Site) -> None:
    site.write(
        shared(on("three"), ", catch-up: 1 minute"),
        "site: example.org\nreports: {from: a@example.org, to: [b@example.org], via: mail, language: en}",
    )
    text = site.file.read_text()
    site.file.write_text(text.replace("connectors: {}", "connectors: {mail: {kind: maildir, directory: mail}}"))
    services = [site.serve(host, COLLIMA_TEST_HOST=host) for host in ("one", "two")]
    due_now(site, "a")
    wait_for(lambda: len(site.effects("tried")) == 2)
    wait_for(lambda: site.is_("a", "waiting"))  # given back: a service that stops in between has it tried once more
    assert [end(service) for service in services] == [0, 0]
    site.shift += 180  # beyond the two minutes that are on time
    late = site.serve("one", COLLIMA_TEST_HOST="one")
    wait_for(lambda: site.is_("a", "missed"))
    slot = site.slot("a")
    assert slot
    assert slot.cause.endswith(": no .mailstore in the store")
    assert site.history() == []
    mails = wait_for(lambda: list((site.folder / "mail/new").glob("*")))
    (mail,) = (message_from_bytes(each.read_bytes(), policy=policy.default) for each in mails)
    plain = mail.get_body(["plain"])
    assert plain
    assert "no .mailstore in the store" in plain.get_content()
    assert end(late) == 0


@pytest.mark.parametrize("more", ["", ", runs-on: [one]", ", runs-on: [one, two]"], ids=["any", "one", "by hand"])
@pytest.mark.soak
def test_by_hand_or_where_no_other_machine_may_run_it_it_is_a_failed_run(tmp_path: Path, more: str) -> None:
    site = Site(tmp_path)
    try:
        site.write(job("a", "exit 69", more=more))
        if "two" in more:
            done = site.run("run-job", "a", "--json", host="one")
            assert (done.returncode, json.loads(done.stdout)["state"]) == (1, "failed")
        else:
            service = site.serve("one")
            due_now(site, "a")
            wait_for(lambda: site.is_("a", "ended"))
            assert end(service) == 0
        (row,) = site.history()
        assert (row.state, row.cause) == ("failed", "no .mailstore in the store")
    finally:
        site.close()
