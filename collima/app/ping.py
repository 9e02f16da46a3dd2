"""Pings: a dead man's switch outside, like healthchecks, is told when a run of a job starts and how it ends.

`URL/start` before a run; after it the URL itself for exit code 0, else `URL/<exit code>`, which is a failure there
(https://healthchecks.io/docs/signaling_failures/): 3, too, for what is held waits for a person. Nothing depends on a
ping: it is sent in a thread, waited for briefly, never repeated, and its failure is a warning that shows the host only.
"""

import logging
import threading
import time
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import collima
from collima.app.config import Config
from collima.app.config.ping_url import PingUrl
from collima.core.about import about
from collima.core.errors import ConfigError
from collima.core.options import Secret

PATIENCE = 5.0  # seconds for each answer

log = logging.getLogger(__name__)


class Pings:
    """Of all jobs of a configuration; those without `ping` are told to nobody. Close it at the end."""

    def __init__(self, config: Config, *, patience: float = PATIENCE) -> None:
        self._urls = {name: job.ping for name, job in config.jobs.items() if job.ping}
        self._patience = patience
        self._last: dict[str, threading.Thread] = {}  # by job: the next one waits for it, so that none overtakes

    def started(self, job: str) -> None:
        """A run of this job begins. Returns at once."""
        self._send(job, "start")

    def ended(self, job: str, exit_code: int) -> None:
        """It is over. For the last try only: what will be tried again has not ended. Returns at once.

        `exit_code` as of a process: below 0 for one that a signal ended.
        """
        self._send(job, "" if exit_code == 0 else str(exit_code) if 0 < exit_code < 256 else "fail")

    def close(self) -> None:
        """Waits for what is under way, but not for ever. None that comes later is waited for."""
        until = time.monotonic() + 3 * self._patience
        for thread in self._last.values():
            thread.join(max(0.0, until - time.monotonic()))

    def _send(self, job: str, step: str) -> None:
        if (where := self._urls.get(job)) is None:
            return
        arguments = (job, where, step, self._patience, self._last.get(job))
        self._last[job] = threading.Thread(target=_ping, args=arguments, name=f"ping of {job}", daemon=True)
        self._last[job].start()


def _ping(job: str, where: PingUrl | Secret, step: str, patience: float, before: threading.Thread | None) -> None:
    if before is not None:
        before.join(2 * patience)
    with about(job=job):
        try:
            url = PingUrl.parse(where.reveal())
        except (ConfigError, ValueError) as err:
            log.warning("ping: %s", err)
            return
        if fault := _get(url.below(step), patience):
            log.warning("ping: %s %s", url.host, fault)


def _get(url: str, patience: float) -> str:
    """What is wrong, without the URL; "" when it was taken."""
    request = Request(url, headers={"User-Agent": f"collima/{collima.__version__}"})  # noqa: S310 - PingUrl: http only
    try:
        with urlopen(request, timeout=patience):  # noqa: S310
            return ""
    except HTTPError as err:
        err.close()
        return f"answers {err.code}"
    except OSError as err:  # URLError, too
        reason = getattr(err, "reason", err)
        return f"cannot be reached: {getattr(reason, 'strerror', None) or 'no answer in time'}"
    except (HTTPException, ValueError) as err:
        return f"answers what is no HTTP ({type(err).__name__})"
