"""Sends the report of one run through the connector that `reports` names, because somebody asked for it."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from collima.app import postman, wiring
from collima.app.config import Config, Reports
from collima.app.paste import Commands
from collima.app.report import Letterhead, compose
from collima.app.sessions import connector
from collima.core.errors import Refused
from collima.core.result import Result
from collima.core.targets import Mail
from collima.state import SqlJournal
from collima.state.outbox import Letter

PATIENCE = 30.0  # seconds that a person at the keyboard waits for a slow relay


def mail_run(config: Config, result: Result, commands: Commands, journal: SqlJournal) -> None:
    """To those whom the configuration names, by way of the outbox: what the relay does not take now it gets later.

    The report of a plan, which stores nothing, is sent at once or not at all. Raises Refused, whose text says what
    becomes of the mail; StateError; ConfigError. The run stays as it is.
    """
    reports = wiring.reports(config)
    letterhead = Letterhead(
        sender=reports.from_, to=reports.to, site=config.site, language=reports.language, commands=commands
    )
    now = wiring.utc_now().astimezone(config.timezone)
    if result.run:
        _post(config, journal, reports, result, letterhead, now)
    else:
        send_report(result, letterhead, lambda: connector(config, reports.via), now)


def send_report(
    result: Result, letterhead: Letterhead, mail: Callable[[], AbstractContextManager[Mail]], now: datetime
) -> None:
    """`mail` opens the connector that sends. Raises Refused or ConfigError."""
    message = compose(result, letterhead, now)
    with mail() as session:
        session.send(message, letterhead.to)


def _post(
    config: Config, journal: SqlJournal, reports: Reports, result: Result, letterhead: Letterhead, now: datetime
) -> None:
    """Into the outbox, and from there to the relay if that takes it soon. Other reports that wait go along."""
    message = compose(result, letterhead, now)
    journal.outbox.add([Letter(message, letterhead.to, reports.via, result.job, again="once")])
    over = time.monotonic() + PATIENCE
    postman.deliver(config, journal, clock=wiring.utc_now, stop=lambda: time.monotonic() > over, bulk=False)
    state, error = journal.outbox.fate(str(message["Message-ID"]))
    if state != "sent":
        trouble = journal.relays.of(reports.via)
        why = error or (trouble.error if trouble else "")
        later = "it waits in the outbox" if state in ("planned", "sending") else "it is given up"
        raise Refused(": ".join(filter(None, [later, why])), transient=True)
