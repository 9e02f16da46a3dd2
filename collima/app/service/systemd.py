"""What a service of Type=notify tells systemd: ready, reloading, stopping, and that its loop still turns.

Source: sd_notify(3): a datagram of VARIABLE=value lines to the socket that $NOTIFY_SOCKET names.
"""

import logging
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

log = logging.getLogger(__name__)

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""Of the service alone: a run must not speak for it."""


@dataclass(frozen=True, slots=True)
class Systemd:
    """Without a socket it says nothing. A supervisor that does not listen never disturbs the service."""

    socket: str = ""
    watchdog: float = 0.0  # seconds after which a silent service is restarted; 0: never

    @classmethod
    def found(cls, environment: Mapping[str, str], pid: int) -> "Systemd":
        ours = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        micros = environment.get("WATCHDOG_USEC", "") if ours else ""
        return cls(environment.get("NOTIFY_SOCKET", ""), int(micros) / 1e6 if micros.isdecimal() else 0.0)

    @property
    def pause(self) -> float | None:
        """Seconds between two signs of life: half of what is allowed; None: as it likes."""
        return self.watchdog / 2 or None

    def ready(self, status: str) -> None:
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """`ready` ends it."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str) -> None:
        self._tell("STOPPING=1", f"STATUS={status}")

    def alive(self, status: str = "", *, longer: float = 0.0) -> None:
        """`longer`: seconds more that a start or a stop may take."""
        lines = ["WATCHDOG=1"] if self.watchdog else []
        lines += [f"STATUS={status}"] if status else []
        lines += [f"EXTEND_TIMEOUT_USEC={int(longer * 1e6)}"] if longer else []
        self._tell(*lines)

    def _tell(self, *lines: str) -> None:
        if not self.socket or not lines:
            return
        address = f"\0{self.socket[1:]}" if self.socket.startswith("@") else self.socket
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
                to.setblocking(False)
                to.sendto("\n".join(lines).encode(), address)
        except OSError as err:
            log.warning("systemd was not told %s: %s", lines[0], err.strerror)


def cleaned(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a run."""
    return {name: value for name, value in environment.items() if name not in VARIABLES}


def here() -> Systemd:
    return Systemd.found(os.environ, os.getpid())
