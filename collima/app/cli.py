"""The two programs: `run-job` and `collima`. They parse, call and turn errors into one line and an exit code."""

import gc
import logging
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from importlib import import_module
from types import FrameType

from collima.app import logs, outputs, parser
from collima.app.logs import Form
from collima.core.about import about
from collima.core.errors import Busy, CollimaError, ConfigError, Stopped
from collima.core.stopping import stop

log = logging.getLogger("collima")

USAGE, FAILED, BUSY = 2, 1, 75
GARBAGE = 50_000  # new objects before garbage is looked for: loading makes many that stay, and a run is short


def run_job(argv: Sequence[str] | None = None) -> int:
    return _main(parser.run_job(), argv)


def main(argv: Sequence[str] | None = None) -> int:
    return _main(parser.main(), argv)


def _main(words: ArgumentParser, argv: Sequence[str] | None) -> int:
    gc.set_threshold(GARBAGE)
    outputs.ensure()
    arguments = words.parse_args(argv)
    how: Form = getattr(arguments, "log", logs.TEXT)
    logs.configure(how, program=words.prog)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    with about(job=getattr(arguments, "job", None) or ""):
        return _called(arguments, how, words.prog)


def _called(arguments: Namespace, how: Form, program: str) -> int:
    module, _, function = arguments.call.partition(":")
    try:
        code: int = getattr(import_module(module), function)(arguments)
        sys.stdout.flush()
    except (CollimaError, Stopped) as err:
        if how.kind == "text":  # to the person who typed: as it is, with the line to paste
            print(f"{program}: {err}", file=sys.stderr)
        else:
            log.error("%s", err)  # noqa: TRY400 - what a person can cause has no traceback
        return _exit_code(err)
    except OSError as err:  # `collima history | head`, or a full disk behind `>`
        outputs.unwritable(err)
        return FAILED
    return code


def _exit_code(err: CollimaError | Stopped) -> int:
    if isinstance(err, ConfigError):
        return USAGE
    return BUSY if isinstance(err, Busy | Stopped) else FAILED


def _stop(number: int, _frame: FrameType | None) -> None:
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, signal.SIG_IGN)  # once is enough: what is being written down must not be stopped
    stop(f"stopped by {signal.Signals(number).name}: what was begun is on record, the next run goes on")
