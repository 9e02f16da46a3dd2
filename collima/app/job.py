"""`run-job` and `collima` as programs; `python -m collima.app.job` is `run-job`, as the service starts it."""

import gc
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import NoReturn

from collima.app import cli


def main() -> NoReturn:
    gc.disable()  # until all is loaded: that makes many objects, which stay
    _end(cli.run_job())


def collima() -> NoReturn:
    gc.disable()
    code = cli.main()
    if threading.active_count() > 1:  # a server has threads, which the interpreter waits for or ends
        sys.exit(code)
    _end(code)


def _end(code: int) -> NoReturn:
    """Ends the process at once when all is said: taking the interpreter apart costs a sixth of a run."""
    for number in (signal.SIGTERM, signal.SIGINT):  # too late for these
        signal.signal(number, signal.SIG_IGN)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
