"""Figures for Prometheus: read back with Prometheus' own parser."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from collima.app import metrics
from collima.app.result_json import stored
from collima.app.service.chores import Chores
from collima.core.model import Finding
from collima.state.pauses import Pause
from tests.app import results
from tests.app.watched import DUE, SCHEDULE, Watched, watched

NAMES = {
    "collima_build_info",
    "collima_schedulers",
    "collima_scheduler_tick_timestamp_seconds",
    "collima_last_run_state",
    "collima_last_run_timestamp_seconds",
    "collima_last_run_duration_seconds",
    "collima_last_success_timestamp_seconds",
    "collima_last_run_changes",
    "collima_last_run_subjects",
    "collima_last_run_findings",
    "collima_last_run_source_entries",
    "collima_snapshots",
    "collima_snapshots_expected",
    "collima_job_running",
    "collima_job_paused",
    "collima_next_run_timestamp_seconds",
    "collima_held_changes",
    "collima_held_since_timestamp_seconds",
    "collima_slots_missed",
    "collima_mails",
    "collima_mails_oldest_timestamp_seconds",
}
"""Alert rules are built on them: one that is renamed is a change for every user."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Watched]:
    with watched(tmp_path) as one:
        yield one


def figures(site: Watched) -> dict[tuple[str, ...], float]:
    """(name, values of its labels, the job first) -> value."""
    families = list(text_string_to_metric_families(metrics.drawn(site.standing()).decode("utf-8")))
    assert {family.name for family in families} <= NAMES
    assert all(family.documentation and family.type == "gauge" for family in families)
    samples = [sample for family in families for sample in family.samples]
    assert all(sample.timestamp is None for sample in samples)
    return {(sample.name.removeprefix("collima_"), *_values(sample.labels)): sample.value for sample in samples}


def _values(labels: Mapping[str, str]) -> list[str]:
    return [labels[name] for name in sorted(labels, key=lambda name: (name != metrics.JOB, name))]


def test_each_figure_has_its_name_and_is_told_in_the_documentation(site: Watched) -> None:
    page = (Path(__file__).parents[2] / "docs/monitoring.md").read_text("utf-8")
    site.service()
    site.run(state="held", held=1)
    site.mail("planned")

    text = metrics.drawn(site.standing()).decode("utf-8")
    assert set(re.findall(r"^# TYPE (\w+) gauge$", text, re.MULTILINE)) == NAMES
    assert {name for name in NAMES if f"`{name}" not in page} == set()


def test_a_run_is_told_by_state_time_changes_subjects_and_findings(site: Watched) -> None:
    site.run(document=stored(results.changed()))
    good = site.now
    site.later(hours=1)
    document = stored(replace(results.partial(), findings=(Finding("critical", "docenti", "x", "y"),)))
    site.run(state="partial", document=document)
    told = figures(site)

    states = {state for state in metrics.STATES if told["last_run_state", "lists", state]}
    assert states == {"partial"}
    assert told["last_run_timestamp_seconds", "lists"] == good.timestamp() + 3600
    assert told["last_run_duration_seconds", "lists"] == 3
    assert told["last_success_timestamp_seconds", "lists"] == good.timestamp()
    assert told["last_run_findings", "lists", "critical"] == 1
    assert told["last_run_source_entries", "lists", "people"] == 43_200
    applied = [subject.get("applied", {}).get("add", 0) for subject in document["subjects"]]
    assert told["last_run_changes", "lists", "add"] == sum(applied) > 0
    by_state = [told["last_run_subjects", "lists", state] for state in metrics.STATES]
    assert sum(by_state) == len(document["subjects"])
    assert ("last_run_state", "by-hand", "failed") not in told


def test_volumes_have_figures_of_their_own(site: Watched) -> None:
    volume = replace(results.subject("home", size=6), wanted=7)
    site.run(document=stored(replace(results.result("changed", volume), verbs=())))
    told = figures(site)
    assert (told["snapshots", "lists", "home"], told["snapshots_expected", "lists", "home"]) == (6, 7)


def test_what_waits_is_told_with_its_age(site: Watched) -> None:
    site.service()
    site.run(state="held", held=43)
    for state in ("planned", "sending", "failed"):
        site.mail(state)
    site.slot("missed")
    site.slot("missed", DUE - timedelta(days=1))
    site.journal.pauses.set(Pause("lists", site.now, site.now + timedelta(days=1), "", "me"))
    told = figures(site)

    assert told["held_changes", "lists"] == 43
    assert told["held_since_timestamp_seconds", "lists"] == (site.now - timedelta(seconds=3)).timestamp()
    assert [told["mails", state] for state in metrics.MAILS] == [1, 1, 0, 1, 0, 0]
    assert told["mails_oldest_timestamp_seconds",] == site.now.timestamp()
    assert (told["slots_missed", "lists"], told["job_paused", "lists"], told["job_paused", "by-hand"]) == (2, 1, 0)
    assert (told["schedulers",], told["scheduler_tick_timestamp_seconds",]) == (1, site.now.timestamp() - 3)
    assert told["next_run_timestamp_seconds", "lists"] == (DUE + timedelta(days=1)).timestamp()


def test_labels_may_have_any_characters(site: Watched) -> None:
    name = 'a"b\\c\nd{e}=è'
    volume = results.subject(name, size=6)
    site.run(document=stored(replace(results.result("changed", volume), verbs=())))
    assert figures(site)["snapshots", "lists", name] == 6


def test_the_file_is_replaced_as_a_whole_and_can_be_read_by_everybody(site: Watched, tmp_path: Path) -> None:
    path = tmp_path / "textfile" / "collima.prom"
    path.parent.mkdir()
    path.write_text("old", "ascii")
    before = path.stat().st_ino
    umask = os.umask(0o077)
    try:
        metrics.write(path, site.config, site.journal, site.now)
    finally:
        os.umask(umask)

    assert path.read_bytes() == metrics.drawn(site.standing())
    assert path.stat().st_ino != before
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_a_warning_and_leaves_nothing(
    site: Watched, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metrics.write(tmp_path / "none/collima.prom", site.config, site.journal, site.now)
    (tmp_path / "there.prom").mkdir()
    metrics.write(tmp_path / "there.prom", site.config, site.journal, site.now)
    assert [record.getMessage() for record in caplog.records] == [
        f"metrics: {tmp_path}/none/collima.prom cannot be written: No such file or directory",
        f"metrics: {tmp_path}/there.prom cannot be written: Is a directory",
    ]
    assert not list(tmp_path.glob(".*"))


def test_the_service_writes_the_file_where_it_is_configured_and_not_at_every_tick(tmp_path: Path) -> None:
    path = tmp_path / "collima.prom"
    with watched(tmp_path, text=SCHEDULE.replace("jobs:", f"metrics: {{{{textfile: {path}}}}}\njobs:", 1)) as site:
        chores = Chores(site.journal, lambda: site.config, lambda: site.now)
        chores.once()
        site.run()
        chores.once()
        assert b'collima_last_run_timestamp_seconds{collima_job="lists"}' not in path.read_bytes()
        site.later(seconds=12)
        chores.once()
        assert b'collima_last_run_timestamp_seconds{collima_job="lists"}' in path.read_bytes()
        path.unlink()
        site.later(days=-1)  # the clock is set back
        chores.once()
        assert path.exists()


def test_prometheus_client_is_not_loaded_where_no_file_is_wanted() -> None:
    code = (
        "import collima.app.service.chores, collima.app.commands.serve, sys; print('prometheus_client' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="ascii", check=True)
    assert done.stdout == "False\n"
