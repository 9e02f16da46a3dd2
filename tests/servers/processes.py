"""Processes that a test did not start itself."""

import time
from pathlib import Path


def ends(pid: int) -> bool:
    """Whether a process is gone, or goes in the moments that a kill takes to arrive."""
    for _ in range(3000):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False
