"""A service as it is watched: pings, figures, status and logs of one real run that was due."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from collima.state import open_state
from tests.servers.listener import listener

SCHEDULE = """\
version: 1
timezone: Europe/Rome
state: sqlite:///{folder}/state.db
metrics: {{textfile: collima.prom}}
connectors:
  people: {{kind: ldif, file: people.ldif}}
  lists: {{kind: list-files, directory: lists}}
jobs:
  lists:
    kind: roster-sync
    when: every 1 hours
    ping: {url}
    source: people
    target: lists
    among: (objectClass=person)
    address: mail
    rosters: [{{name: modena, members: (l=Modena)}}]
"""


def collima(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "collima", *arguments, "--config", folder / "schedules.yaml"]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


def test_a_run_of_the_service_is_pinged_measured_logged_and_judged(tmp_path: Path) -> None:
    (tmp_path / "people.ldif").write_text("dn: uid=anna,dc=example,dc=org\nobjectClass: person\nuid: anna\n", "ascii")
    now = datetime.now(UTC)
    with open_state(f"sqlite:///{tmp_path}/state.db", now=lambda: now - timedelta(hours=2), host="here") as journal:
        journal.slots.first_seen({"lists": "0 */1 * * * Europe/Rome"})
    with listener() as server:
        (tmp_path / "schedules.yaml").write_text(SCHEDULE.format(folder=tmp_path, url=server.url("/token")), "ascii")
        served = collima(tmp_path, "serve", "--once", "--log", "json")
        heard = list(server.heard)
    status = collima(tmp_path, "status", "--silence", "10", "--json")

    assert served.returncode == 0, served.stderr
    assert heard == ["/token/start", "/token"]
    lines = [json.loads(line) for line in served.stderr.splitlines()]
    assert {line["job"] for line in lines if "job" in line} == {"lists"}
    assert any(line.get("run") for line in lines)
    assert "token" not in served.stderr
    families = text_string_to_metric_families((tmp_path / "collima.prom").read_text("utf-8"))
    figures = {sample.name for family in families for sample in family.samples}
    assert {"collima_scheduler_tick_timestamp_seconds", "collima_last_success_timestamp_seconds"} <= figures
    assert (status.returncode, json.loads(status.stdout)["level"]) == (0, "ok")
    log = collima(tmp_path, "log", next(line["run"] for line in lines if line.get("run")))
    assert all(json.loads(line)["run"] for line in log.stdout.splitlines())
