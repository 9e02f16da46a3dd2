"""`collima check`: the file; with --connect, everything that it names; with --accept-state, which state to trust."""

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from collima.app import wiring
from collima.app.commands import as_json, load, opened, who
from collima.app.config import Config, Invalid
from collima.app.sessions import connector
from collima.app.terminal import table
from collima.core import engine
from collima.core.errors import CollimaError, ConfigError
from collima.core.targets import Place


@dataclass(frozen=True, slots=True)
class Checked:
    what: str
    ok: bool
    text: str


def check(arguments: Namespace) -> int:
    try:
        config = load(arguments)
    except Invalid as err:
        if arguments.json:
            as_json([Checked("configuration", False, str(fault)) for fault in err.faults])
        raise
    checked = [Checked(str(config.path), True, f"{len(config.connectors)} connectors, {len(config.jobs)} jobs")]
    checked += [Checked("not built yet", True, note) for note in config.notes]
    checked += _calendars(config)
    checked += _unheard(config)
    if arguments.connect:
        checked += _connectors(config)
    if arguments.connect or arguments.accept_state:
        try:
            with opened(arguments) as (_, journal):
                made = journal.identity()
                checked.append(Checked("state", True, f"state {made}" if made else "is made by the first run"))
                if arguments.accept_state:
                    checked += _accept(config, journal)
                if arguments.connect:
                    checked += _sources(config, journal)
        except CollimaError as err:
            checked.append(Checked("state", False, str(err)))
    if arguments.json:
        as_json(checked)
    else:
        table(Console(), ["", "what", "found"], [("ok" if c.ok else "failed", c.what, c.text) for c in checked])
    return 0 if all(c.ok for c in checked) else 1


def _calendars(config: Config) -> Iterator[Checked]:
    """Of those whom a missing or broken file would keep from running."""
    for job in config.jobs.values():
        if job.freeze and job.freeze.calendar and job.options is not None:
            try:
                waits = wiring.frozen(job, config.timezone)
            except ConfigError as err:
                yield Checked("calendar", False, str(err))
            else:
                told = "today removals wait" if waits else "not today"
                yield Checked("calendar", True, f"jobs.{job.name}.freeze: {told}")


def _unheard(config: Config) -> Iterator[Checked]:
    """Jobs that run by themselves, and nobody who hears of them."""
    scheduled = sum(job.options is not None and not job.when.manual for job in config.jobs.values())
    if scheduled and config.reports is None:
        jobs = "1 job runs" if scheduled == 1 else f"{scheduled} jobs run"
        yield Checked("reports", True, f"none: {jobs} by schedule, and nobody is told of failures and holds")


def _connectors(config: Config) -> Iterator[Checked]:
    for name, configured in config.connectors.items():
        if configured.options is not None:
            try:
                with connector(config, name) as session:
                    yield Checked(f"connector {name}", True, session.check())
            except CollimaError as err:
                yield Checked(f"connector {name}", False, str(err))


def _sources(config: Config, journal: Any) -> Iterator[Checked]:
    """What each job's source answers now."""
    for name, job in config.jobs.items():
        if job.options is not None:
            yield _source(config, name, journal)


def _source(config: Config, name: str, journal: Any) -> Checked:
    try:
        task = wiring.task(config, name, journal)
        with task.job.read() as seen:
            plan = task.job.plan(seen, wiring.utc_now())
    except CollimaError as err:
        return Checked(f"job {name}", False, str(err))
    counts = [f"{reading.entries} entries in {reading.connector}" for reading in plan.readings]
    return Checked(f"job {name}", True, ", ".join([*counts, f"{len(plan.subjects)} subjects"]))


def _accept(config: Config, journal: Any) -> Iterator[Checked]:
    """Leaves this state's mark at every target."""
    done = set()
    for name, job in config.jobs.items():
        target = job.target
        if target and target not in done:
            done.add(target)
            with connector(config, target) as place:
                if not isinstance(place, Place):
                    yield Checked(f"target {target}", True, "has no place for a mark: there is nothing to accept")
                    continue
                engine.accept_state(wiring.task(config, name, journal), wiring.desk(config, journal), place, who())
            yield Checked(f"target {target}", True, "this state is trusted from now on")
