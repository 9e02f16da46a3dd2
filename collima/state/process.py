"""Whether a process that took a lock still lives. A pid alone cannot tell: it is given again, and after a boot, too."""

import os
from pathlib import Path

_PROC = Path("/proc")


def born(pid: int) -> str:
    """The boot and the clock tick at which this process started; "" if that cannot be told, or it is a zombie.

    Source: proc(5), `stat` field 22.
    """
    try:
        stat = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    state, *rest = stat.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return "" if state in "ZX" else f"{_boot()}/{rest[18]}"


def lives(pid: int, since: str) -> bool:
    """Whether the process `pid` that was born at `since` is still there. In doubt it is."""
    now = born(pid)
    if now and since:
        return now == since
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return bool(now) or not (_PROC / str(pid) / "stat").exists()  # else it is there, but a zombie


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
