"""Wakes one who waits: from another thread, or from a signal handler, where an Event could wait for its own lock."""

import os
import select
from contextlib import suppress


class Bell:
    """A pipe. Whoever selects on it is woken, and drains it; rings before that count once."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        return self._read

    def ring(self) -> None:
        with suppress(BlockingIOError):  # full: it will be heard
            os.write(self._write, b"!")

    def wait(self, seconds: float) -> None:
        """Until it rings, or for so long."""
        select.select([self._read], [], [], seconds)
        self.drain()

    def drain(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._read, 4096):
                pass

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)
