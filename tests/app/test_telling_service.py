"""A real service and a real relay: what happens in the night is in the mail."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from collima.state.slot_rows import SlotRow
from tests.app.service.real import Site, end, wait_for
from tests.servers.smtpd import Relay, relay

FILE = """
version: 1
timezone: Europe/Rome
site: unimore.it
state: sqlite:///{folder}/collima.db
reports: {{from: collima@unimore.it, to: [posta@unimore.it], via: mail, digest: "0 * * * *"}}
connectors:
  mail: {{kind: smtp, host: localhost, port: {port}, ca-file: {ca}}}
jobs:
  a: {{kind: script, when: '0 * * * *', script: {script}}}
"""
SCRIPT = "test -e well || { echo no answer; exit 1; }"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Relay]:
    with relay(tmp_path) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, server: Relay) -> Iterator[Site]:
    made = Site(tmp_path)
    write(made, server)
    yield made
    made.close()


def write(site: Site, server: Relay) -> None:
    text = FILE.format(folder=site.folder, port=server.port, ca=server.ca, script=json.dumps(SCRIPT))
    site.file.write_text(text)


def subjects(server: Relay) -> list[str]:
    lines = [line for mail in server.mails for line in mail.content.decode().splitlines()]
    return [line.removeprefix("Subject: [collima] ") for line in lines if line.startswith("Subject:")]


def due(site: Site) -> None:
    site.journal.slots.claim([SlotRow("a", site.now(), "waiting")])
    wait_for(lambda: site.is_("a", "ended"))


def test_a_failure_and_a_recovery_are_told_whatever_becomes_of_the_service_in_between(
    site: Site, server: Relay
) -> None:
    service = site.serve()
    due(site)
    wait_for(lambda: server.mails)
    service.kill()
    service.wait()
    service = site.serve()
    due(site)
    (site.folder / "well").touch()
    due(site)
    wait_for(lambda: len(server.mails) == 2)
    assert end(service) == 0
    assert subjects(server) == [
        "FAILED a: the script ended with 1",
        "RECOVERED a: after 1 minute, 2 runs failed",
    ]


@pytest.mark.soak
def test_a_schedule_with_a_fault_is_told_and_that_it_is_put_right(site: Site, server: Relay) -> None:
    service = site.serve()
    site.file.write_text(site.file.read_text().replace("jobs:", "jbos:"))
    service.send_signal(signal.SIGHUP)
    wait_for(lambda: server.mails)
    write(site, server)
    assert site.run("collima", "reload").returncode == 0
    wait_for(lambda: len(server.mails) == 2)
    assert end(service) == 0
    first, second = subjects(server)
    assert first.startswith("TROUBLE reload: ")
    assert "jbos" in server.mails[0].content.decode()
    assert second == "RECOVERED reload: after 1 minute"


@pytest.mark.soak
def test_those_who_keep_cron_are_told_too_and_get_their_digest(site: Site, server: Relay) -> None:
    site.just_before("a")
    site.shift += 60  # past the hour: the job is due, and a digest has no slot before it was first seen
    assert site.run("collima", "serve", "--once").returncode == 0
    site.shift += 3600
    assert site.run("collima", "serve", "--once").returncode == 0
    assert sorted(subject.split(" ")[0] for subject in subjects(server)) == ["DIGEST", "FAILED"]


@pytest.mark.soak
def test_check_warns_when_jobs_run_and_nobody_is_told(site: Site, server: Relay) -> None:
    assert "reports" not in site.run("collima", "check").stdout
    text = site.file.read_text()
    site.file.write_text("\n".join(line for line in text.splitlines() if not line.startswith("reports:")))
    checked = site.run("collima", "check")
    assert checked.returncode == 0
    assert "none: 1 job runs by schedule, and nobody is told of failures and holds" in checked.stdout
