"""Figures for Prometheus, in a file that node_exporter's textfile collector reads.

Names and labels are stable: alert rules are built on them. All are gauges, for the file shows how everything stands and
history is purged. Loading prometheus_client takes 0.08 s of CPU: only the service does, when `metrics` is configured.
"""

import logging
import os
import secrets
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

import collima
from collima.app import standing
from collima.app.config import Config
from collima.app.standing import JobStanding, Standing
from collima.app.when import following
from collima.state import SqlJournal
from collima.state.archive import WELL, RunRow

JOB = "collima_job"  # not `job`: Prometheus gives each sample one of that name, its own
STATES = (*WELL, "partial", "failed")
LEVELS = ("info", "warning", "critical")
MAILS = ("planned", "sending", "sent", "failed", "unknown", "dropped")

log = logging.getLogger(__name__)


def write(path: Path, config: Config, journal: SqlJournal, now: datetime) -> None:
    """How everything stands now, whole and at once. A file that cannot be written is a warning. Raises StateError."""
    text = drawn(standing.read(config, journal, now))
    try:
        _replace(path, text)
    except OSError as err:
        log.warning("metrics: %s cannot be written: %s", path, err.strerror)


def drawn(standing: Standing) -> bytes:
    """Prometheus' text format, without timestamps: the textfile collector refuses them. Pure."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(standing))
    return generate_latest(registry)


def _replace(path: Path, content: bytes) -> None:
    """The name of what is unfinished does not end in .prom: the collector does not see it."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
            os.fchmod(file.fileno(), 0o644)  # whatever the umask: node_exporter is another user
            file.write(content)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


class _Figures(Collector):
    def __init__(self, standing: Standing) -> None:
        self.standing = standing

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from _service(self.standing)
        yield from _runs(self.standing)
        yield from _documents(self.standing)
        yield from _jobs(self.standing)
        yield from _mails(self.standing)


def _service(standing: Standing) -> Iterator[GaugeMetricFamily]:
    yield _gauge("build_info", "1, and the version", {(collima.__version__,): 1}, "version")
    yield _gauge("schedulers", "Services that run", {(): len(standing.alive)})
    if standing.service:
        told = {(): standing.service.tick.timestamp()}
        yield _gauge("scheduler_tick_timestamp_seconds", "When a service last decided what is due", told)


def _runs(standing: Standing) -> Iterator[GaugeMetricFamily]:
    """Of whole runs: plans, and runs of single lists, are not counted."""
    ended = {(one.job.name,): one.runs.ended for one in standing.jobs if one.runs.ended}
    good = {(one.job.name,): one.runs.well for one in standing.jobs if one.runs.well}
    states = {(*job, state): run.state == state for job, run in ended.items() for state in STATES}
    yield _gauge("last_run_state", "1 for the state of the last run, else 0", states, JOB, "state")
    started = {job: run.started.timestamp() for job, run in ended.items()}
    yield _gauge("last_run_timestamp_seconds", "When the last run that has ended was started", started, JOB)
    seconds = {job: _seconds(run) for job, run in ended.items()}
    yield _gauge("last_run_duration_seconds", "How long it took", seconds, JOB)
    well = {job: (run.ended or run.started).timestamp() for job, run in good.items()}
    yield _gauge("last_success_timestamp_seconds", "When the last run in which nothing failed ended", well, JOB)


def _documents(standing: Standing) -> Iterator[GaugeMetricFamily]:
    """What the last runs came to. A run that died left no document."""
    changes: dict[tuple[str, ...], float] = {}
    subjects: dict[tuple[str, ...], float] = {}
    findings: dict[tuple[str, ...], float] = {}
    entries: dict[tuple[str, ...], float] = {}
    found: dict[tuple[str, ...], float] = {}
    expected: dict[tuple[str, ...], float] = {}
    for one in standing.jobs:
        job, document = one.job.name, _document(one)
        if not document:
            continue
        states = Counter(subject.get("state", "in-sync") for subject in document["subjects"])
        levels = Counter(finding["level"] for finding in document["findings"])
        subjects |= {(job, state): states[state] for state in STATES}
        findings |= {(job, level): levels[level] for level in LEVELS}
        entries |= {(job, source.get("connector", "")): source.get("entries", 0) for source in document["sources"]}
        for verb in document["verbs"]:
            changes[job, verb] = sum(subject.get("applied", {}).get(verb, 0) for subject in document["subjects"])
        if not document["verbs"]:
            found |= {(job, subject["name"]): subject["size"] for subject in document["subjects"]}
            expected |= {(job, subject["name"]): subject["wanted"] for subject in document["subjects"]}
    yield _gauge("last_run_changes", "Changes that the last run made", changes, JOB, "verb")
    yield _gauge("last_run_subjects", "Lists, accounts, volumes of the last run, by state", subjects, JOB, "state")
    yield _gauge("last_run_findings", "Findings of the last run", findings, JOB, "level")
    yield _gauge("last_run_source_entries", "Entries that the last run read", entries, JOB, "connector")
    yield _gauge("snapshots", "Snapshots of a volume that the last run found", found, JOB, "volume")
    yield _gauge("snapshots_expected", "Snapshots that should be there", expected, JOB, "volume")


def _jobs(standing: Standing) -> Iterator[GaugeMetricFamily]:
    running = {(one.job.name,): one.runs.running is not None for one in standing.jobs}
    yield _gauge("job_running", "1 while a run is under way", running, JOB)
    paused = {(one.job.name,): one.pause is not None for one in standing.jobs}
    yield _gauge("job_paused", "1 while the job is paused", paused, JOB)
    coming = {
        (one.job.name,): due.timestamp()
        for one in standing.jobs
        if (due := following(one.job.when, standing.timezone, standing.now))
    }
    yield _gauge("next_run_timestamp_seconds", "When the job is due next", coming, JOB)
    held = {(one.job.name,): sum(hold.keys for hold in one.holds) for one in standing.jobs}
    yield _gauge("held_changes", "Changes that wait for a person", held, JOB)
    since = {(one.job.name,): min(hold.since for hold in one.holds).timestamp() for one in standing.jobs if one.holds}
    yield _gauge("held_since_timestamp_seconds", "Since when the oldest of them waits", since, JOB)
    missed = {(one.job.name,): standing.missed.get(one.job.name, 0) for one in standing.jobs}
    yield _gauge("slots_missed", "Runs on record that were due and missed", missed, JOB)


def _mails(standing: Standing) -> Iterator[GaugeMetricFamily]:
    counts = {(state,): standing.mails.counts.get(state, 0) for state in MAILS}
    yield _gauge("mails", "Mails in the outbox", counts, "state")
    if standing.mails.oldest:
        told = {(): standing.mails.oldest.timestamp()}
        yield _gauge("mails_oldest_timestamp_seconds", "When the oldest mail that should be gone was written", told)


def _gauge(name: str, about: str, values: dict[Any, Any], *labels: str) -> GaugeMetricFamily:
    """`values`: by the values of the labels, in their order."""
    family = GaugeMetricFamily(f"collima_{name}", about, labels=labels)
    for of, value in values.items():
        family.add_metric(of, float(value))
    return family


def _document(one: JobStanding) -> Any:
    return one.runs.ended.document if one.runs.ended else {}


def _seconds(run: RunRow) -> float:
    return ((run.ended or run.started) - run.started).total_seconds()
