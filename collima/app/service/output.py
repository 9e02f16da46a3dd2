"""What a run prints, however much it is: the beginning and the end are kept."""

import json
import threading

from collima.core.text import discreet

HALF = 2**19  # bytes of the beginning that are kept, and of the end
LAST = 2**12  # bytes among which the last line is looked for


class Output:
    """Written by one thread, read by another."""

    def __init__(self, half: int = HALF) -> None:
        self.half = half
        self.size = 0  # bytes that were printed
        self._head = bytearray()
        self._tail = bytearray()
        self._lock = threading.Lock()

    def add(self, printed: bytes) -> None:
        with self._lock:
            self.size += len(printed)
            room = self.half - len(self._head)
            self._head += printed[:room]
            self._tail += printed[room:]
            if len(self._tail) > 2 * self.half:  # seldom, so that each byte is moved about once
                del self._tail[: -self.half]

    def text(self) -> str:
        """What is kept, without the local part of any address; a line in the middle says how much is left out."""
        with self._lock:
            head, tail, size = bytes(self._head), bytes(self._tail[-self.half :]), self.size
        left_out = size - len(head) - len(tail)
        if not left_out:
            return discreet((head + tail).decode("utf-8", "replace"))
        told = f"\n[… {left_out:,} bytes left out …]\n"
        return discreet(head.decode("utf-8", "ignore") + told + tail.decode("utf-8", "ignore"))

    def last_line(self) -> str:
        """What it said last; "" if nothing. Of a log in JSON: the last message."""
        with self._lock:
            tail = bytes(self._tail[-LAST:])
            end = bytes(self._head[len(tail) - LAST :]) + tail if len(tail) < LAST else tail
        lines = discreet(end.decode("utf-8", "ignore")).split("\n")
        return next((said for line in reversed(lines) if (said := _said(line.strip()))), "")


def _said(line: str) -> str:
    """Of a line of a log its message: none where there are figures only."""
    try:
        found = json.loads(line) if line.startswith("{") else None
    except ValueError:
        return line
    return str(found.get("message", "")) if isinstance(found, dict) and "logger" in found else line
