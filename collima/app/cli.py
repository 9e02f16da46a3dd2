"""The two programs: `run-job` and `collima`. They parse, call and turn errors into one line and an exit code."""

import errno
import gc
import logging
import os
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
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
GARBAGE = 50_000  # new objects before garbage is looked for: a run is short


def run_job(argv: Sequence[str] | None = None) -> int:
    return _main(parser.run_job(), argv)


def main(argv: Sequence[str] | None = None) -> int:
    return _main(parser.main(), argv)


def _main(words: ArgumentParser, argv: Sequence[str] | None) -> int:
    outputs.ensure()
    arguments = words.parse_args(argv)
    for text in sys.argv[1:] if argv is None else argv:
        if not _is_text(text):
            words.error(f"the argument {text!r} is not UTF-8")
    how: Form = getattr(arguments, "log", logs.TEXT)
    logs.configure(how, words.prog)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    with about(job=getattr(arguments, "job", None) or ""):
        return _called(arguments, how, words.prog)


def _is_text(argument: str) -> bool:
    """Bytes that are no UTF-8 come as lone surrogates, which neither a database nor a mail takes."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def _called(arguments: Namespace, how: Form, program: str) -> int:
    module, _, function = arguments.call.partition(":")
    try:
        command = getattr(import_module(module), function)
        if not gc.isenabled():  # a program
            gc.freeze()
            gc.set_threshold(GARBAGE)
            gc.enable()
        code: int = command(arguments)
        sys.stdout.flush()
    except (CollimaError, Stopped) as err:
        _tell(str(err), how, program)
        return _exit_code(err)
    except OSError as err:
        if _of_the_output(err):  # `collima history | head`, or a full disk behind `>`
            outputs.unwritable(err)
        elif err.filename is None:  # a fault of this program, which says where
            raise
        else:
            _tell(f"{os.fsdecode(err.filename)}: {err.strerror}", how, program)
        return FAILED
    return code


def _tell(what: str, how: Form, program: str) -> None:
    if how.kind == "text":  # to the person who typed: as it is, with the line to paste
        print(f"{program}: {what}", file=sys.stderr)
    else:
        log.error("%s", what)


def _of_the_output(err: OSError) -> bool:
    """What could not be written is still in its buffer, and fails again; only much at once is not kept there."""
    if err.filename is not None:
        return False
    try:
        sys.stdout.flush()
    except OSError:
        return True
    return isinstance(err, BrokenPipeError) or err.errno in FULL


def _exit_code(err: CollimaError | Stopped) -> int:
    if isinstance(err, ConfigError):
        return USAGE
    return BUSY if isinstance(err, Busy | Stopped) else FAILED


def _stop(number: int, _frame: FrameType | None) -> None:
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, signal.SIG_IGN)  # once is enough: what is being written down must not be stopped
    stop(f"stopped by {signal.Signals(number).name}: what was begun is on record, the next run goes on")
