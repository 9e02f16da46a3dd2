"""Sends what the report composed, through any connector that offers mail."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from collima.app.report import Letterhead, compose
from collima.core.ports import Mail
from collima.core.result import Result


def send_report(
    result: Result, letterhead: Letterhead, mail: Callable[[], AbstractContextManager[Mail]], now: datetime
) -> None:
    """`mail` opens the connector that `reports.via` names. Raises Refused or ConfigError; the run stays as it is."""
    message = compose(result, letterhead, now)
    with mail() as session:
        session.send(message, letterhead.to)
