"""`collima serve`, `reload`, `log`."""

import os
import signal
import socket
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from collima.app import config as configuration
from collima.app import wiring
from collima.app.commands import as_json, command_line, load, opened
from collima.app.config import Job
from collima.app.logs import Form
from collima.app.ping import Pings
from collima.app.postman import deliver
from collima.app.service import loaded
from collima.app.service.bell import Bell
from collima.app.service.child import Child
from collima.app.service.chores import Chores
from collima.app.service.loaded import Loaded
from collima.app.service.loop import Service
from collima.app.service.seams import Seams
from collima.app.service.serving import Serving
from collima.app.service.systemd import cleaned, here
from collima.app.telling import tell, trouble, well
from collima.core.errors import ConfigError, StateError
from collima.state import SqlJournal
from collima.state.clock import micros, stamp
from collima.state.services import ServiceRow

RUN_JOB = (sys.executable, "-P", "-m", "collima.app.job")
UNSAFE = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}
"""Controls: what a run printed must not drive a terminal."""
ANSWER = 60.0  # seconds that a service gets to answer a reload


def serve(arguments: Namespace) -> int:
    path = configuration.find(arguments.config)
    first = loaded.load(path)
    bell = Bell()
    with wiring.open_journal(first.config, command=command_line()) as journal:
        seams = Seams(tell=tell, trouble=trouble, well=well, deliver=deliver, pings=Pings)
        service = service_of(
            journal, first, lambda: loaded.load(path), bell, seams, RUN_JOB, arguments.log, once=arguments.once
        )
        chores = Chores(journal, lambda: service.config, wiring.utc_now, seams.deliver)
        serving = Serving(service, bell, chores, here())
        if arguments.once:
            serving.once()
            if service.away:
                raise StateError("the state could not be used: nothing was run", transient=True)
        else:
            serving.forever()
    return 0


def service_of(
    journal: SqlJournal,
    first: Loaded,
    again: Callable[[], Loaded],
    bell: Bell,
    seams: Seams,
    run_job: Sequence[str],
    how: Form,
    *,
    once: bool = False,
) -> Service:
    """A service of this process. `run_job`: how a run is started; `how`: how it logs."""
    now = wiring.utc_now()

    def spawn(schedule: Loaded, job: Job, slot: datetime, done: Callable[[], None]) -> Child:
        return Child(
            [*run_job, job.name, "--slot", str(micros(slot)), *schedule.options, "--log", str(how)],
            done,
            limit=float(job.time_limit.seconds) if job.time_limit else None,
            environment=cleaned(os.environ),
            inherited=(schedule.descriptor,),
        )

    return Service(
        name=f"{stamp(now)}-{os.urandom(4).hex()}",
        journal=journal,
        loaded=first,
        load=again,
        machine=wiring.machine(journal.host),
        clock=wiring.utc_now,
        steady=time.monotonic,
        spawn=spawn,
        wake=bell.ring,
        seams=seams,
        patient=not once,
    )


def reload(arguments: Namespace) -> int:
    config = load(arguments)
    with wiring.open_journal(config, command=command_line()) as journal:
        here = [row for row in journal.services.alive(wiring.utc_now()) if row.host == socket.gethostname()]
        mine = [row for row in here if not _once(row.pid)]
        if not mine:
            raise ConfigError(
                f"no service runs on this machine with the state {journal.database.place}: the schedule is read when "
                "it starts, and another `state` is taken by a restart only"
            )
        asked = [row for row in mine if _asked(row)]
        answers, silent = _answers(journal, asked)
    for row in answers:
        took = row.fault or f"runs {row.config[:16]}" + ", which is not this file" * (row.config != config.hash)
        print(f"service {row.id}, process {row.pid}: {took}")
    if silent:
        print(f"{silent} services did not answer within {ANSWER:.0f} seconds", file=sys.stderr)
    if ended := len(asked) - len(answers) - silent:
        print(f"{ended} services have ended", file=sys.stderr)
    took_it = [row for row in answers if row.config == config.hash and not row.fault]
    return 0 if len(took_it) == len(mine) else 1


def _once(pid: int) -> bool:
    """One that ends by itself has read the schedule just now, and answers nothing."""
    try:
        return b"--once" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _asked(service: ServiceRow) -> bool:
    """Whether it could be told to load its schedule, or has ended just now."""
    try:
        os.kill(service.pid, signal.SIGHUP)
    except ProcessLookupError:
        pass
    except PermissionError:
        told = "belongs to another user: type this as that one, or as root"
        print(f"service {service.id}, process {service.pid}, {told}", file=sys.stderr)
        return False
    return True


def _answers(journal: SqlJournal, asked: Sequence[ServiceRow]) -> tuple[list[ServiceRow], int]:
    """Those that answered, and how many did not, though they still run."""
    until = time.monotonic() + ANSWER
    before = {row.id: row.loaded for row in asked}
    while True:
        rows = [row for row in journal.services.alive(wiring.utc_now()) if row.id in before]
        answered = [row for row in rows if row.loaded != before[row.id]]
        if len(answered) == len(rows) or time.monotonic() > until:
            return answered, len(rows) - len(answered)
        time.sleep(0.2)


def log(arguments: Namespace) -> int:
    with opened(arguments) as (_, journal):
        run = journal.archive.run(arguments.run)
        found = journal.logs.of(run.id)
    if arguments.json:
        as_json(
            {"run": run.id, "state": run.state, "size": found.size if found else 0, "text": found.text if found else ""}
        )
    elif found is None and run.ended is None:
        print(f"run {run.id} is under way, and has printed nothing yet", file=sys.stderr)
    elif found is None:
        raise ConfigError(f"run {run.id} has no log: the service did not start it, or it printed nothing")
    else:
        print(found.text.removesuffix("\n").translate(UNSAFE))
    return 0
