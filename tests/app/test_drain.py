"""A run that nobody watches over sends its own mail: however long the rate makes it, and not for ever."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from collima.app import postman
from tests.app.posted import Post, letter, post, smtp
from tests.servers.smtpd import Relay, relay


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Relay]:
    with relay(tmp_path) as running:
        yield running


def drain(office: Post) -> None:
    postman.drain(office.config, office.open(), clock=office.clock, sleep=office.clock.sleep)


def test_all_of_it_goes_however_long_the_rate_makes_it(tmp_path: Path, server: Relay) -> None:
    with post(tmp_path, smtp(server, ", rate: 20 per minute")) as office:
        office.open().outbox.add([letter(f"m{n}") for n in range(50)])
        before = office.clock()
        drain(office)
        assert len(server.mails) == 50
        assert timedelta(minutes=2) <= office.clock() - before <= timedelta(minutes=3)


def test_what_a_relay_puts_off_for_long_waits_for_the_next_run(tmp_path: Path, server: Relay) -> None:
    with post(tmp_path, smtp(server).replace(str(server.port), "1")) as office:
        office.open().outbox.add([letter("a")])
        before = office.clock()
        drain(office)
        assert office.clock() - before < timedelta(minutes=1)
        assert office.open().outbox.standing(before).waiting == 1


def test_nothing_is_sent_when_nothing_waits(tmp_path: Path, server: Relay) -> None:
    with post(tmp_path, smtp(server)) as office:
        drain(office)
        assert (server.mails, office.clock.slept) == ([], [])
