"""Every command and option. What a command does is loaded only when it is given."""

import argparse
from collections.abc import Callable
from datetime import date

import collima
from collima.app.logs import TEXT, form

RUN = "collima.app.commands.run"
LOOK = "collima.app.commands.look"
CARE = "collima.app.commands.care"
CHECK = "collima.app.commands.check"
EXPLAIN = "collima.app.commands.explain"
STATUS = "collima.app.commands.status"
SERVE = "collima.app.commands.serve"
TIME = "collima.app.commands.time"
WEB = "collima.app.commands.web"
ROSTERS = "collima.app.commands.rosters"
RESTORE = {"find": "collima.app.commands.find:find", "put": "collima.app.commands.restore:put"}


def run_job() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "run-job",
        description="Run one job now: read, plan, guard, apply, verify, record.",
        epilog="exit: 0 in sync, planned or changed; 1 failed; 2 usage or configuration; 3 held; 4 partial; "
        "75 busy, stopped, or partial with transient failures only",
        allow_abbrev=False,
    )
    parser.add_argument("job", metavar="JOB", help="a job of schedules.yaml")
    parser.add_argument("--plan", action="store_true", help="print what would be done, store and apply nothing")
    _approving(parser)
    parser.add_argument("--only", metavar="SUBJECT", nargs="+", default=[], help="apply only to these, judge the whole")
    parser.add_argument("--mail", action="store_true", help="send the report to `reports.to`")
    parser.add_argument(
        "--slot",
        metavar="MICROSECONDS",
        type=_micros,
        help="given by the service: the moment since 1970 that it was due",
    )
    parser.add_argument("--loaded", metavar="PATH", default="", help="given by the service: what --config held")
    _common(parser)
    logging_to(parser)
    parser.set_defaults(call=f"{RUN}:run_job")
    return parser


def main() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "collima", description="Keeps lists, groups and accounts lined up with the directory.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"collima {collima.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, call: str, told: str, *, json: bool = True) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=told, description=f"{told[0].upper()}{told[1:]}.", allow_abbrev=False)
        _common(added, json=json)
        added.set_defaults(call=call)
        return added

    check = command("check", f"{CHECK}:check", "check schedules.yaml, and with --connect everything that it names")
    check.add_argument("--connect", action="store_true", help="bind, count, look at rights and the mail server, too")
    check.add_argument(
        "--accept-state",
        action="store_true",
        help="trust this state although a target was managed by another or by a newer one",
    )
    plan = command("plan", f"{RUN}:plan", "print what every job, or one, would do now")
    plan.add_argument("job", metavar="JOB", nargs="?", help="only this job")
    _rosters(command)
    command("holds", f"{LOOK}:holds", "list what waits for a person")
    show = command("show", f"{LOOK}:show", "show a run or a hold, with every name")
    show.add_argument("what", metavar="RUN|HOLD", help="a run's id, or a hold's fingerprint")
    history = command("history", f"{LOOK}:history", "list past runs, the newest first")
    history.add_argument("job", metavar="JOB", nargs="?", help="only of this job")
    history.add_argument("--most", metavar="N", type=_count, default=30, help="so many runs (30)")
    status = command("status", f"{STATUS}:status", "tell whether all is well, as plugins of Nagios and Munin do")
    status.add_argument(
        "--silence", metavar="MINUTES", type=_count, default=5, help="for so long the scheduler may be silent (5)"
    )
    status.add_argument("--cron", action="store_true", help="cron starts the runs: judge only them, and no scheduler")
    status.add_argument(
        "--munin",
        metavar="WORD",
        nargs="?",
        const="fetch",
        choices=["fetch", "config", "autoconf"],
        help="as a plugin of Munin: config, autoconf or, without a word, the values",
    )
    undo = command("undo", f"{RUN}:undo", "take back what a run did and is still in effect")
    undo.add_argument("run", metavar="RUN", help="the run's id, as `collima history` shows it")
    _approving(undo)
    person = command("person", f"{CARE}:person", "show what is stored about an address")
    person.add_argument("address", metavar="ADDRESS")
    what = person.add_mutually_exclusive_group()
    what.add_argument("--export", action="store_true", help="all of it, as JSON")
    what.add_argument("--forget", action="store_true", help="replace the address by a pseudonym wherever it is stored")
    kinds = command("kinds", f"{CARE}:kinds", "list the kinds of connectors and jobs, or the options of one")
    kinds.add_argument("kind", metavar="KIND", nargs="?")
    serve = command("serve", f"{SERVE}:serve", "run the jobs when they are due", json=False)
    serve.add_argument("--once", action="store_true", help="only what is due now, for those who keep cron")
    logging_to(serve)
    web = command("web", f"{WEB}:web", "serve the pages that digests of held mail lead to", json=False)
    web.add_argument("--listen", metavar="HOST:PORT", default="127.0.0.1:8420", help="where (127.0.0.1:8420)")
    web.add_argument(
        "--proxy",
        metavar="ADDRESS",
        nargs="+",
        default=[],
        help="proxies beside this machine whose X-Forwarded-For is believed: addresses or networks",
    )
    logging_to(web)
    command("reload", f"{SERVE}:reload", "let the service of this machine load its schedule anew", json=False)
    told = command("log", f"{SERVE}:log", "print what a run has printed, also while it is under way")
    told.add_argument("run", metavar="RUN", help="the run's id, as `collima history` shows it")
    _time(command)
    _restore(commands)
    command("migrate", f"{CARE}:migrate", "bring the state database to this version's schema", json=False)
    command("purge", f"{CARE}:purge", "delete history that is older than `keep` says")
    return parser


def _time(command: Callable[..., argparse.ArgumentParser]) -> None:
    """The commands about when jobs run."""
    coming = command("next", f"{TIME}:next_runs", "tell when jobs run next")
    coming.add_argument("job", metavar="JOB", nargs="?", help="only this job")
    coming.add_argument("--from", metavar="WHEN", dest="since", default="", help="from this moment, instead of now")
    coming.add_argument("--count", metavar="N", type=_count, default=1, help="so many of each job (1)")
    pause = command("pause", f"{TIME}:pause", "let a job, or every job, rest")
    pause.add_argument("job", metavar="JOB", nargs="?", help="only this job")
    pause.add_argument("--until", metavar="WHEN", required=True, help="a date, a moment, or a duration like '3 days'")
    pause.add_argument("--reason", metavar="TEXT", required=True, help="why; recorded with your name")
    resume = command("resume", f"{TIME}:resume", "end a pause now")
    resume.add_argument("job", metavar="JOB", nargs="?", help="the pause of this job, not of every job")


def _restore(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The commands about messages in the copies."""
    told = "find messages in the copies of a mailbox, and put them back"
    restore = commands.add_parser("restore", help=told, description=f"F{told[1:]}.", allow_abbrev=False)
    below = restore.add_subparsers(metavar="find|put", required=True)

    def command(name: str, told: str, mailbox: str) -> argparse.ArgumentParser:
        added = below.add_parser(name, help=told, description=f"{told[0].upper()}{told[1:]}.", allow_abbrev=False)
        added.add_argument("user", metavar="USER", help=mailbox)
        added.add_argument("--generation", metavar="G", default="", help="the copy of this time")
        added.add_argument("--job", metavar="JOB", help="the job of kind restore, when there are several")
        _common(added)
        added.set_defaults(call=RESTORE[name])
        return added

    find = command("find", "list messages that a copy has", "the mailbox, as its folder in the copy is called")
    find.add_argument("--folder", metavar="F", default="", help="only in this folder, like Archive/2013, or INBOX")
    find.add_argument("--from", metavar="X", dest="author", default="", help="X is part of the From header")
    find.add_argument("--subject", metavar="X", default="", help="X is part of the subject")
    find.add_argument("--since", metavar="DATE", type=_day, help="received on this day or later, like 2026-11-24")
    find.add_argument("--until", metavar="DATE", type=_day, help="received on this day or before")
    find.add_argument(
        "--most", metavar="N", type=_count, default=500, help="the newest N of them (500); --json has all"
    )
    put = command("put", "put messages of a copy back into the live mailbox", "the mailbox, as find takes it")
    put.add_argument("message", metavar="MESSAGE", nargs="*", help="as the last column of find has it")
    put.add_argument("--folder", metavar="F", default="", help="everything in this folder and below it, instead")
    put.add_argument("--into", metavar="FOLDER", default="", help="the folder they come back into (Recuperati/DATE)")
    put.add_argument("--reason", metavar="TICKET", required=True, help="who asked for it; recorded with your name")
    put.add_argument("--plan", action="store_true", help="print what would be done, store and put back nothing")


def _rosters(command: Callable[..., argparse.ArgumentParser]) -> None:
    """The commands about lists and groups."""
    explain = command("explain", f"{EXPLAIN}:explain", "tell for each roster why an address is in it or not")
    explain.add_argument("address", metavar="ADDRESS")
    explain.add_argument("--job", metavar="JOB", help="only the rosters of this job")
    members = command("members", f"{ROSTERS}:members", "list who is in a roster, or was at the end of an earlier day")
    members.add_argument("list", metavar="LIST", help="the roster")
    members.add_argument("--at", metavar="DATE", type=_day, help="at the end of this day, like 2026-11-24")
    members.add_argument("--target", metavar="CONNECTOR", help="where it is, when it may be at several")
    adopt = command("adopt", f"{ROSTERS}:adopt", "sort today's members beside the stanzas, and print how to hand over")
    adopt.add_argument("job", metavar="JOB", help="a job with rosters")
    adopt.add_argument("--only", metavar="LIST", nargs="+", default=[], help="these, with names and steps")
    retire = command("retire", f"{CARE}:retire", "stop owning a roster that no stanza names any more", json=False)
    retire.add_argument("name", metavar="NAME", help="the roster")
    ending = retire.add_mutually_exclusive_group()
    ending.add_argument("--close", action="store_true", help="print how it is closed, not how it lives on by itself")
    ending.add_argument("--forget", action="store_true", help="print nothing to do, and ask nothing of the target")
    retire.add_argument("--target", metavar="CONNECTOR", help="where it is, when two targets have one of this name")


def _common(parser: argparse.ArgumentParser, *, json: bool = True) -> None:
    if json:
        parser.add_argument("--json", action="store_true", help="JSON on standard output")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="instead of $COLLIMA_CONFIG, ./schedules.yaml or /etc/collima/schedules.yaml",
    )


def logging_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log",
        metavar="text|json|syslog[:WHERE]",
        type=form,
        default=TEXT,
        help="log as text or JSON to standard error, or as JSON to syslog, too: at /dev/log, /PATH or HOST:PORT",
    )


def _approving(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--approve", metavar="FINGERPRINT", nargs="+", default=[], help="let these holds go, as far as still wanted"
    )
    parser.add_argument("--reason", metavar="TEXT", default="", help="why; recorded with the approval")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("write a date like 2026-11-24") from None


def _micros(text: str) -> int:
    if not text.isdecimal() or len(text) > 17:
        raise argparse.ArgumentTypeError("write microseconds since 1970")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 100_000:
        raise argparse.ArgumentTypeError("write a number from 1 to 100000")
    return int(text)
