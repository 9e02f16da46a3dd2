"""`collima holds`, `show`, `history`: what is on record."""

from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console

from collima.app.commands import as_json, opened
from collima.app.config import Config
from collima.app.paste import Commands
from collima.app.result_json import restored
from collima.app.terminal import draw, table
from collima.core.errors import ConfigError
from collima.state.archive import ApprovalRow, Archive, ChangeRow, RunRow, Shown


def holds(arguments: Namespace) -> int:
    with opened(arguments) as (config, journal):
        waiting = journal.archive.open_holds()
    if arguments.json:
        as_json(waiting)
        return 0
    console = Console()
    if not waiting:
        console.out("nothing waits")
        return 0
    rows = [(h.job, h.subject, h.keys, h.reason, _local(config, h.since), h.fingerprint) for h in waiting]
    table(console, ["job", "subject", "changes", "why", "since", "fingerprint"], rows)
    for hold in waiting:
        commands = Commands(arguments.config or "", undoes=hold.undoes)
        console.out(commands.approve(hold.job, hold.fingerprint), highlight=False)
    return 0


def show(arguments: Namespace) -> int:
    with opened(arguments) as (config, journal):
        archive = journal.archive
        try:
            run = archive.run(arguments.what)
        except ConfigError:
            return _show_hold(arguments, config, _hold(archive, arguments.what))
        changes = list(archive.changes(run.id))
        approvals = archive.approvals(run.id)
    if arguments.json:
        as_json({"run": run, "result": run.document, "changes": changes, "approvals": approvals})
    else:
        _show_run(arguments, config, run, changes)
        _show_approvals(config, approvals)
    return 0


def _hold(archive: Archive, name: str) -> Shown:
    try:
        return archive.hold(name)
    except ConfigError as err:
        raise ConfigError(
            f"neither a run nor a hold is called {name}: `collima history` and `collima holds` list them"
        ) from err


def _show_run(arguments: Namespace, config: Config, run: RunRow, changes: Sequence[ChangeRow]) -> None:
    console = Console()
    facts = [
        ("run", run.id),
        ("job", run.job),
        ("kind", f"undo of {run.undoes}" if run.undoes else run.kind),
        ("state", run.state),
        ("started", _local(config, run.started)),
        ("ended", _local(config, run.ended) if run.ended else ""),
        ("host", f"{run.host}, pid {run.pid}"),
        ("cause", run.cause),
        ("configuration", run.config[:16]),
    ]
    table(console, ["", ""], [fact for fact in facts if fact[1]])
    if run.document:
        draw(console, restored(run.document), Commands(arguments.config or "", undoes=run.undoes))
    if changes:
        rows = [(c.key.subject, c.key.verb, c.key.what, c.outcome, c.error or c.undone_by) for c in changes]
        table(console, ["subject", "verb", "what", "outcome", ""], rows)


def _show_hold(arguments: Namespace, config: Config, hold: Shown) -> int:
    if arguments.json:
        as_json(hold)
        return 0
    console = Console()
    rows = [(h.job, h.subject, h.keys, h.reason, _local(config, h.since), h.ending or "waits") for h in hold.holds]
    table(console, ["job", "subject", "changes", "why", "since", "state"], rows)
    table(console, ["subject", "verb", "what"], [(k.subject, k.verb, k.what) for k in hold.keys])
    _show_approvals(config, hold.approvals)
    if any(not h.ending for h in hold.holds):
        first = hold.holds[0]
        commands = Commands(arguments.config or "", undoes=first.undoes)
        console.out(commands.approve(first.job, hold.fingerprint), highlight=False)
    return 0


def _show_approvals(config: Config, approvals: Sequence[ApprovalRow]) -> None:
    if approvals:
        given = [(a.who, _local(config, a.at), a.reason, a.left) for a in approvals]
        table(Console(), ["approved by", "at", "reason", "left"], given)


def history(arguments: Namespace) -> int:
    with opened(arguments) as (config, journal):
        archive = journal.archive
        runs = list(archive.history(arguments.job or "", limit=arguments.most))
        if arguments.job and not runs:  # one that the file does not have any more may have some
            config.job(arguments.job)
        outcomes = {run.id: archive.outcomes(run.id) for run in runs}
    if arguments.json:
        as_json([{"run": run, "changes": outcomes[run.id]} for run in runs])
        return 0
    rows = [
        (run.id, run.job, run.kind, run.state, _local(config, run.started), _said(outcomes[run.id]), run.cause)
        for run in runs
    ]
    table(Console(), ["run", "job", "kind", "state", "started", "changes", "cause"], rows)
    return 0


def _said(counts: object) -> str:
    return ", ".join(f"{n} {outcome}" for outcome, n in counts.items()) if isinstance(counts, dict) else ""


def _local(config: Config, moment: datetime) -> str:
    return f"{moment.astimezone(config.timezone):%Y-%m-%d %H:%M:%S}"
