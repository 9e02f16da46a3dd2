"""The two programs: `run-job` and `collima`. They parse, call and turn errors into one line and an exit code."""

import logging
import signal
import sys
import traceback
from argparse import ArgumentParser
from collections.abc import Sequence
from importlib import import_module
from types import FrameType, TracebackType

from collima.app import outputs, parser
from collima.core.errors import Busy, CollimaError, ConfigError, Stopped
from collima.core.stopping import stop
from collima.core.text import discreet

USAGE, FAILED, BUSY = 2, 1, 75


def run_job(argv: Sequence[str] | None = None) -> int:
    return _main(parser.run_job(), argv)


def main(argv: Sequence[str] | None = None) -> int:
    return _main(parser.main(), argv)


def _main(words: ArgumentParser, argv: Sequence[str] | None) -> int:
    outputs.ensure()
    arguments = words.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=_level())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    sys.excepthook = _crashed
    module, _, function = arguments.call.partition(":")
    try:
        code: int = getattr(import_module(module), function)(arguments)
        sys.stdout.flush()
    except CollimaError as err:
        print(f"{words.prog}: {err}", file=sys.stderr)
        return _exit_code(err)
    except Stopped as err:
        print(f"{words.prog}: {err}", file=sys.stderr)
        return BUSY
    except OSError as err:  # `collima history | head`, or a full disk behind `>`
        outputs.unwritable(err)
        return FAILED
    return code


def _exit_code(err: CollimaError) -> int:
    if isinstance(err, ConfigError):
        return USAGE
    return BUSY if isinstance(err, Busy) else FAILED


def _level() -> int:
    """A terminal's reader sees the result; a log's reader wants a line for each subject and verb."""
    return logging.WARNING if sys.stderr.isatty() else logging.INFO


def _stop(number: int, _frame: FrameType | None) -> None:
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, signal.SIG_IGN)  # once is enough: what is being written down must not be stopped
    stop(f"stopped by {signal.Signals(number).name}: what was begun is on record, the next run goes on")


def _crashed(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
    """A fault of ours: the place, without the local part of any address."""
    print(discreet("".join(traceback.format_exception(kind, value, trace))), file=sys.stderr)
