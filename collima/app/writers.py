"""Jobs that write their mail as it goes out (`core.quarantine.Composing`): opened once in a turn, closed after it.

All of it happens in one thread beside the one that sends: the next mail is written while the present one is under way,
and what a job has opened is used by the thread that opened it.
"""

import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Self

from collima.app import wiring
from collima.app.config import Config
from collima.core.errors import CollimaError, ConfigError, StateError
from collima.core.quarantine import Compose
from collima.state import SqlJournal
from collima.state.outbox import Planned

log = logging.getLogger("collima.mail")

AHEAD = 3  # mails that are written before their turn


class Orphaned(ConfigError):
    """Nobody writes this job's mail any more."""


@dataclass
class Writers:
    """A context. Its thread begins with the first mail."""

    config: Config
    journal: SqlJournal
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "writer"))
    _opened: ExitStack = field(default_factory=ExitStack)
    _by_job: dict[str, Compose | CollimaError] = field(default_factory=dict)
    _drafts: dict[int, Future[EmailMessage | None]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for draft in self._drafts.values():
            draft.cancel()
        try:
            if self._by_job:
                self._thread.submit(self._opened.close).result()
        except CollimaError as err:  # all that was to be read was read
            log.warning("what writes mail did not close: %s", err)
        finally:
            self._thread.shutdown()

    def write(self, row: Planned, then: Iterable[Planned]) -> EmailMessage | None:
        """The mail as it is to go out; None: nothing is left to tell. Those after it are begun.

        Raises Orphaned, and what the job raises: SourceError, ConfigError.
        """
        draft = self._begin(row)
        for other, _ in zip((one for one in then if one.unwritten), range(AHEAD), strict=False):
            self._begin(other)
        del self._drafts[row.id]
        try:
            return draft.result()
        except StateError:
            raise
        except CollimaError as err:  # it is not asked again in this turn
            self._by_job[row.job] = err
            raise

    def _begin(self, row: Planned) -> Future[EmailMessage | None]:
        if row.id not in self._drafts:
            self._drafts[row.id] = self._thread.submit(self._written, row)
        return self._drafts[row.id]

    def _written(self, row: Planned) -> EmailMessage | None:
        if row.job not in self._by_job:
            try:
                self._by_job[row.job] = self._open(row.job)
            except CollimaError as err:
                self._by_job[row.job] = err
        compose = self._by_job[row.job]
        if isinstance(compose, CollimaError):
            raise compose
        message = compose(row.message_id)
        if message is not None and message["Message-ID"] != row.message_id:
            raise ValueError("another Message-ID than the one on record")
        return message

    def _open(self, job: str) -> Compose:
        jobs: Mapping[str, object] = self.config.jobs
        if job not in jobs:
            raise Orphaned(f"{self.config.path} has no job {job!r} any more: nobody writes this mail")
        bound = wiring.bound(self.config, job, self.journal)
        if not hasattr(bound, "composing"):
            raise Orphaned(f"the job {job!r} is of another kind now: nobody writes this mail")
        compose: Compose = self._opened.enter_context(bound.composing())
        return compose
