"""The two programs as if on a machine of this name, with a shorter lease: `HOST LEASE collima|run-job …`.

`LEASE` in seconds, `PAUSE` of the loop is a tenth of it. Knows the kind `script`.
"""

import socket
import sys
from datetime import timedelta

from collima.app import cli, kinds
from collima.app.commands import serve
from collima.app.service import child, runs, serving
from collima.state import locks


def become(host: str, lease: float) -> None:
    kinds.JOBS["script"] = "tests.app.service.kind:Script"
    socket.gethostname = lambda: host
    socket.getfqdn = lambda name="": f"{host}.example.org"
    locks.LEASE, locks.RENEWAL = timedelta(seconds=lease), timedelta(seconds=lease / 4)
    serving.PAUSE = lease / 10
    child.GRACE = 1.0
    runs.STORED = timedelta(seconds=0.2)
    serve.RUN_JOB = (sys.executable, __file__, host, str(lease), "run-job")


if __name__ == "__main__":
    _, host, lease, program, *rest = sys.argv
    become(host, float(lease))
    sys.exit((cli.main if program == "collima" else cli.run_job)(rest))
