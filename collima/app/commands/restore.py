"""`collima restore put`: messages of a copy, put back into the live mailbox."""

from argparse import Namespace
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from rich.console import Console

from collima.app import wiring
from collima.app.commands import as_json, opened, who
from collima.app.commands.find import restoring
from collima.app.commands.run import deliver
from collima.app.config import Config
from collima.app.paste import Commands
from collima.app.result_json import document
from collima.app.sessions import connector
from collima.app.terminal import show, table
from collima.core import engine, folders
from collima.core.engine import Order
from collima.core.errors import ConfigError, blaming
from collima.core.folders import Parts
from collima.core.mailstore import Found
from jobs.restore import Restore
from jobs.restore.find import generations, having
from jobs.restore.request import Listed, Request, pick_folder, pick_messages


def put(arguments: Namespace) -> int:
    if not (reason := arguments.reason.strip()):
        raise ConfigError("--reason: say which request this is: it is recorded with your name")
    if bool(arguments.message) == bool(arguments.folder):
        raise ConfigError("name messages, as `collima restore find` lists them, or a --folder: one of the two")
    with opened(arguments) as (config, journal):
        job = restoring(config, arguments.job)
        if not arguments.plan:
            wiring.may_run(config, job.name, asked=True)
        request = _request(config, job.options, arguments)
        asked = replace(config, jobs={**config.jobs, job.name: replace(job, options=job.options.asked(request))})
        task, desk = wiring.task(asked, job.name, journal), wiring.desk(config, journal)
        if arguments.plan:
            result = engine.plan(task, desk, Order())
        else:
            result = engine.run(task, desk, Order(asked=True, reason=reason, who=who()))
    if arguments.json:
        as_json({**document(result), "into": folders.shown(request.into), **asdict(_Told.of(request.listed))})
    else:
        show(result, Commands(arguments.config or ""))
        _print(request.listed, request.into)
    if result.run and job.options.via:
        deliver(config)
    return result.exit_code


def _request(config: Config, options: Restore, arguments: Namespace) -> Request:
    """Exactly which messages, and where they go. Raises ConfigError for what the copies do not have."""
    today = wiring.utc_now().astimezone(config.timezone).date()
    into = folders.typed(arguments.into) if arguments.into else (*folders.typed(options.into), today.isoformat())
    try:
        folders.to_disk(into)
    except ValueError as err:
        raise ConfigError(f"--into: {err}: write a folder like {options.into}/{today}") from err
    if not into:
        raise ConfigError(f"--into: nothing is put back into INBOX itself: write a folder like {options.into}/{today}")
    with connector(config, options.store) as copies, blaming(options.store):
        known = generations(copies, arguments.generation or ("all" if arguments.message else ""))
        some = having(copies, known, arguments.user)
        if arguments.message:
            picked = pick_messages(copies, some, arguments.user, arguments.message)
        else:
            picked = pick_folder(copies, some[0], arguments.user, folders.typed(arguments.folder))
    return Request(arguments.user, picked, into)


@dataclass(frozen=True, slots=True)
class _Told:
    """What whoever asked is told, beside the result."""

    restored: Sequence[object]
    there: Sequence[object]
    damaged: Sequence[object]

    @classmethod
    def of(cls, listed: Listed) -> "_Told":
        return cls(
            [{**asdict(one), "folder": folders.shown(one.folder)} for one in listed.back],
            [{"message": id_, "folder": folder} for id_, folder in listed.there.items()],
            [{"message": id_, "fault": fault} for id_, fault in listed.faults.items()],
        )


def _print(listed: Listed, into: Parts) -> None:
    console = Console()
    if listed.back:
        print(f"\nread again by IMAP, below {folders.shown(into)}:")
        columns = ["received", "from", "subject", "folder", "flags", "message"]
        back = sorted(listed.back, key=lambda one: one.received)
        table(console, columns, [_row(one) for one in back])
    _list(console, "in the mailbox already:", "folder", listed.there.items())
    _list(console, "damaged in the copy:", "fault", listed.faults.items())


def _row(one: Found) -> tuple[str, ...]:
    return (
        f"{one.received:%Y-%m-%d %H:%M}",
        one.author,
        one.subject,
        folders.shown(one.folder),
        one.flags,
        one.guid,
    )


def _list(console: Console, told: str, what: str, pairs: Iterable[tuple[str, str]]) -> None:
    if rows := [(second, first) for first, second in sorted(pairs)]:
        print(f"\n{told}")
        table(console, [what, "message"], rows)
