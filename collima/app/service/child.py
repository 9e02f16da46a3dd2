"""One run: a process in a session of its own, followed by a thread from its first byte to the end of its group.

Nothing that it does holds up the service: it may print a gigabyte, ignore TERM, close its output and go on, or fork and
leave children behind that hold the pipe open.
"""

import errno
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Literal

from collima.app.service.bell import Bell
from collima.app.service.output import Output

GRACE = 10.0  # seconds between TERM and KILL
STRAYS = 2.0  # seconds that what is left of the group gets to go, and then to close the pipe
CHUNK = 2**16

Why = Literal["", "limit", "stop"]
"""Why it was told to end: it was not, its time-limit was over, or the service stops."""


class Child:
    """Starts it. Raises OSError. `done` is called, in another thread, when it is over and nothing of it is left."""

    def __init__(
        self,
        command: Sequence[str],
        done: Callable[[], None],
        *,
        limit: float | None = None,  # seconds
        environment: Mapping[str, str] | None = None,
        inherited: Sequence[int] = (),  # file descriptors
        grace: float = GRACE,
    ) -> None:
        self.output = Output()
        self.why: Why = ""
        self.code: int | None = None  # as subprocess has it: minus the signal that killed it; None: not over
        self._done = done
        self._limit = limit
        self._grace = grace
        self._lock = threading.Lock()
        self._over = False
        with ExitStack() as undo:  # too many open files, or threads: whatever is there goes again
            self._told = Bell()
            undo.callback(self._told.close)
            self._pipe, write = os.pipe()
            undo.callback(os.close, self._pipe)
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own program
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=write,
                    stderr=write,
                    env=environment,
                    pass_fds=inherited,
                    start_new_session=True,
                )
            finally:
                os.close(write)
            self.pid = self._process.pid
            undo.callback(self._kill)
            self._exit = os.pidfd_open(self.pid)  # readable when it has ended, and not reaped by that: its number stays
            undo.callback(os.close, self._exit)
            try:
                threading.Thread(target=self._follow, name=f"run {self.pid}", daemon=True).start()
            except RuntimeError as err:
                raise OSError(errno.EAGAIN, "no thread could be started") from err
            undo.pop_all()

    def end(self, why: Why) -> None:
        """TERM to the whole group, after a grace KILL. Returns at once."""
        with self._lock:
            if not self._over:
                self.why = self.why or why
                self._told.ring()

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _follow(self) -> None:
        try:
            with selectors.PollSelector() as ready:  # it takes no descriptor, of which there may be none left
                ready.register(self._pipe, selectors.EVENT_READ)
                ready.register(self._exit, selectors.EVENT_READ)
                ready.register(self._told, selectors.EVENT_READ)
                self._until_it_ends(ready)
            self._clear()
        finally:
            os.close(self._exit)
            os.close(self._pipe)
            with self._lock:
                self._over = True
                self._told.close()
            self.code = self._process.wait()
            self._done()

    def _until_it_ends(self, ready: selectors.BaseSelector) -> None:
        until = None if self._limit is None else time.monotonic() + self._limit
        signals = [signal.SIGTERM, signal.SIGKILL]
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            found = {key.fd for key, _ in ready.select(left)}
            if self._exit in found:
                return
            if self._pipe in found and not self._take():
                ready.unregister(self._pipe)  # it closed its output, and goes on
            told = self._told.fileno() in found
            if told:
                self._told.drain()
            if (told and len(signals) == 2) or (until is not None and time.monotonic() >= until):
                self.why = self.why or "limit"
                self._signal(signals.pop(0))
                until = time.monotonic() + self._grace if signals else None

    def _clear(self) -> None:
        """Ends what is left of the group. One that left it, too, loses its reader."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._drained(0.0):
                break
            self._signal(number)
            if self._drained(STRAYS):
                break
        self._signal(signal.SIGKILL)  # also those that print nothing

    def _drained(self, seconds: float) -> bool:
        """Reads on, for so long at most. Returns whether nobody can write any more."""
        until = time.monotonic() + seconds
        with selectors.PollSelector() as ready:
            ready.register(self._pipe, selectors.EVENT_READ)
            while ready.select(max(0.0, until - time.monotonic())):
                if not self._take():
                    return True
                if time.monotonic() > until + STRAYS:
                    break
        return False

    def _take(self) -> bool:
        """One piece of its output. False: its end."""
        printed = os.read(self._pipe, CHUNK)
        self.output.add(printed)
        return bool(printed)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
