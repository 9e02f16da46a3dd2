"""`run-job`, `collima plan`, `collima undo`."""

import logging
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module

from collima.app import wiring
from collima.app.commands import as_json, command_line, load, opened, who
from collima.app.config import Config
from collima.app.logs import Keyed
from collima.app.outputs import telling
from collima.app.paste import Commands
from collima.app.result_json import document
from collima.core import engine
from collima.core.about import about
from collima.core.engine import Order
from collima.core.errors import Busy, CollimaError, ConfigError, NotHere
from collima.core.result import Result, SubjectResult

log = logging.getLogger("collima.run")

_WORST_FIRST = (1, 4, 75, 3, 0)


def run_job(arguments: Namespace) -> int:
    config = load(arguments)
    order = replace(_order(arguments), shared=len(config.job(arguments.job).runs_on) > 1)
    if arguments.plan and arguments.approve:
        raise ConfigError("--plan stores nothing, so it cannot approve: leave one of the two out")
    if arguments.slot is not None and (arguments.plan or arguments.only):
        raise ConfigError("--slot is a whole run's: --plan and --only do not go with it")
    if arguments.mail:
        wiring.reports(config)
    if not arguments.plan:
        wiring.may_run(config, arguments.job)
    with _pinging(config, arguments) as told:
        result = _run(config, arguments, order)
        told(result)
    if arguments.slot is None or arguments.json:  # else nobody looks, and its log holds no names
        _tell(result, arguments)
    if arguments.mail and result.state != "busy":
        _mail(config, result, Commands(str(config.path.resolve()) if arguments.config else ""))
    if result.run and arguments.slot is None and hasattr(config.job(arguments.job).options, "via"):
        deliver(config)
    return result.exit_code


def plan(arguments: Namespace) -> int:
    with opened(arguments) as (config, journal):
        built = [name for name, job in config.jobs.items() if job.options is not None]
        names = [arguments.job] if arguments.job else built
        tasks = [wiring.task(config, name, journal) for name in names]
        results = [engine.plan(task, wiring.desk(config, journal), Order()) for task in tasks]
    if arguments.json:
        told = [document(result) for result in results]
        as_json(told[0] if arguments.job else told)
    else:
        for result in results:
            _draw(result, Commands(arguments.config or ""))
    return min((result.exit_code for result in results), key=_WORST_FIRST.index, default=0)


def undo(arguments: Namespace) -> int:
    order = _order(arguments)
    with opened(arguments) as (config, journal), _progress(arguments) as progress:
        run = journal.archive.run(arguments.run)
        task = wiring.task(config, run.job, journal)
        result = engine.undo(task, wiring.desk(config, journal, progress), order, run.id)
    _log(result)
    _tell(result, arguments, undoes=run.id)
    return result.exit_code


def _run(config: Config, arguments: Namespace, order: Order) -> Result:
    with wiring.open_journal(config, command=command_line()) as journal:
        if arguments.slot is not None:
            journal.database.demand()
        task = wiring.task(config, arguments.job, journal)
        if arguments.plan:
            return engine.plan(task, wiring.desk(config, journal), order)
        with _progress(arguments) as progress:
            try:
                result = engine.run(task, wiring.desk(config, journal, progress), order)
            except Busy as err:
                if arguments.slot is not None:
                    raise
                return _busy(arguments.job, task.job.verbs, err)
            except NotHere as err:
                cause = f"not on {journal.host}: {err}"
                journal.slots.give_back(arguments.job, arguments.slot, cause)
                raise Busy(cause) from err
    _log(result)
    return result


def _busy(job: str, verbs: tuple[str, ...], err: Busy) -> Result:
    return Result(
        job=job,
        run="",
        state="busy",
        fingerprint="",
        sources=(),
        subjects=(),
        findings=(),
        seconds={"read": 0.0, "plan": 0.0, "apply": 0.0},
        verbs=verbs,
        cause=str(err),
        transient=True,
        exit_code=75,
    )


@contextmanager
def _pinging(config: Config, arguments: Namespace) -> Iterator[Callable[[Result], None]]:
    """Around a whole run that cron or a person starts; those of the service are its own to tell of."""
    whole = not (arguments.plan or arguments.only or arguments.slot is not None)
    if not whole or not config.job(arguments.job).ping:
        yield lambda _: None
        return
    pings = import_module("collima.app.ping").Pings(config)  # with a client: only a job that has a ping waits for it
    pings.started(arguments.job)
    code: int | None = 1

    def told(result: Result) -> None:
        nonlocal code
        code = None if result.state == "busy" else result.exit_code  # the run that has the job tells of itself

    try:
        yield told
    finally:
        if code is not None:
            pings.ended(arguments.job, code)
        pings.close()


def _order(arguments: Namespace) -> Order:
    if arguments.approve and not arguments.reason.strip():
        raise ConfigError("--approve needs --reason 'why': it is recorded with your name")
    if arguments.reason and not arguments.approve:
        raise ConfigError("--reason belongs to --approve FINGERPRINT")
    return Order(
        approve=tuple(dict.fromkeys(arguments.approve)),
        reason=arguments.reason.strip(),
        who=who(),
        only=tuple(dict.fromkeys(getattr(arguments, "only", ()))),
        slot=getattr(arguments, "slot", None),
    )


def _tell(result: Result, arguments: Namespace, undoes: str = "") -> None:
    with telling():
        if arguments.json:
            as_json(document(result))
        else:
            _draw(result, Commands(arguments.config or "", undoes=undoes))
    if result.state == "busy" and arguments.json:  # the object has no place for the cause
        log.warning("%s: %s", result.job, result.cause)


def _log(result: Result) -> None:
    """A line for each subject and verb of which something was to be done; of a verb that is counted in many subjects,
    which may be people's mailboxes, one line for all."""
    with about(job=result.job, run=result.run):
        for verb in result.verbs:
            concerned = [s for s in result.subjects if s.weights.get(verb)]
            if verb in result.bulk and len(result.subjects) > 1:
                if concerned:
                    log.info(Keyed(subjects=len(concerned), verb=verb, **_counts(concerned, verb)))
            else:
                for s in concerned:
                    log.info(Keyed(subject=s.name, verb=verb, **_counts([s], verb)))
        log.info(Keyed(state=result.state, **({"cause": result.cause} if result.cause else {})))


def _counts(subjects: Sequence[SubjectResult], verb: str) -> dict[str, int]:
    return {
        "planned": sum(s.weights[verb] for s in subjects),
        "applied": sum(s.applied[verb] for s in subjects),
        "held": sum(s.held[verb] for s in subjects),
        "failed": sum(f.what in s.planned[verb] for s in subjects for f in s.failed),
    }


def _draw(result: Result, commands: Commands) -> None:
    import_module("collima.app.terminal").show(result, commands)  # with rich: a run of the service shows nothing


@contextmanager
def _progress(arguments: Namespace) -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar on long work, for a person at a terminal."""
    if arguments.json or not sys.stderr.isatty():
        yield None
        return
    with import_module("collima.app.progress").bar() as progress:
        yield progress


def _mail(config: Config, result: Result, commands: Commands) -> None:
    """A report that cannot be sent does not change what the run came to: it is told here."""
    try:
        mailer = import_module("collima.app.mailer")  # with Jinja2: only a run that is mailed waits for it
        with wiring.open_journal(config, command=command_line()) as journal:
            mailer.mail_run(config, result, commands, journal)
    except CollimaError as err:
        log.warning("the report was not sent: %s", err)


def deliver(config: Config) -> None:
    """What a run that cron or a person starts has put into the outbox; for its own runs the service does."""
    try:
        with wiring.open_journal(config, command=command_line()) as journal:
            import_module("collima.app.postman").drain(config, journal, clock=wiring.utc_now)
            waiting = journal.outbox.standing(wiring.utc_now()).waiting
    except CollimaError as err:
        log.warning("mail waits in the outbox: %s", err)
    else:
        if waiting:
            log.warning("%d mails wait in the outbox: the service sends them, or the next run", waiting)
