"""The two programs as if on another machine, at another time: `HOST LEASE SHIFT collima|run-job …`.

LEASE in seconds; a tenth of it is the pause of the loop. SHIFT: so many seconds is the clock ahead. Knows the kind
`script`.
"""

import socket
import sys
from datetime import UTC, datetime, timedelta

from collima.app import cli, kinds, wiring
from collima.app.commands import serve
from collima.app.service import child, runs, serving
from collima.state import locks


def become(host: str, lease: float, shift: float) -> None:
    kinds.JOBS["script"] = "tests.app.service.kind:Script"
    socket.gethostname = lambda: host
    socket.getfqdn = lambda name="": f"{host}.example.org"
    wiring.utc_now = lambda: datetime.now(UTC) + timedelta(seconds=shift)
    locks.LEASE, locks.RENEWAL = timedelta(seconds=lease), timedelta(seconds=lease / 4)
    serving.PAUSE = lease / 10
    child.GRACE = runs.GRACE = 1.0
    runs.STORED = 0.2
    serve.RUN_JOB = (sys.executable, __file__, host, str(lease), str(shift), "run-job")


if __name__ == "__main__":
    _, host, lease, shift, program, *rest = sys.argv
    become(host, float(lease), float(shift))
    sys.exit((cli.main if program == "collima" else cli.run_job)(rest))
