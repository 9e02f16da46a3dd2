"""Sends the report of a run through the connector that `reports` names."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from collima.app import wiring
from collima.app.config import Config
from collima.app.paste import Commands
from collima.app.report import Letterhead, compose
from collima.core.ports import Mail
from collima.core.result import Result


def mail_run(config: Config, result: Result, commands: Commands) -> None:
    """To those whom the configuration names. Raises Refused, SourceError or ConfigError; the run stays as it is."""
    reports = wiring.reports(config)
    letterhead = Letterhead(
        sender=reports.from_, to=reports.to, site=config.site, language=reports.language, commands=commands
    )
    now = wiring.utc_now().astimezone(config.timezone)
    send_report(result, letterhead, lambda: wiring.connector(config, reports.via), now)


def send_report(
    result: Result, letterhead: Letterhead, mail: Callable[[], AbstractContextManager[Mail]], now: datetime
) -> None:
    """`mail` opens the connector that sends. Raises Refused or ConfigError."""
    message = compose(result, letterhead, now)
    with mail() as session:
        session.send(message, letterhead.to)
