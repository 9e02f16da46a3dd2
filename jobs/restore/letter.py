"""Word to the owner of a mailbox: what came back into it, and where it is."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from email.message import EmailMessage
from pathlib import Path

from collima.core import options
from collima.core.folders import shown
from collima.core.ledger import Stationery
from collima.core.mailstore import Found
from collima.core.text import line
from jobs.restore.request import Request

LETTER = "restored"  # the template
MOST = 50  # messages that are named


@dataclass(frozen=True, slots=True)
class Row:
    """Fit to be shown: its texts come from a stranger."""

    received: datetime
    author: str
    subject: str


def address(mailbox: str, domain: str) -> options.Address:
    """Raises ValueError for a mailbox whose name makes no address."""
    return options.address(mailbox if "@" in mailbox else f"{mailbox}@{domain}")


def write(
    stationery: Stationery,
    request: Request,
    back: Sequence[Found],
    *,
    job: str,
    to: options.Address,
    now: datetime,
    zone: tzinfo,
    folder: Path | None,
) -> EmailMessage:
    """Who asked for it, and why, is not in it. Its Message-ID is that of these messages where they are now.

    Raises ConfigError for a template that cannot be used.
    """
    ordered = sorted(back, key=lambda one: one.received, reverse=True)
    rows = [Row(one.received.astimezone(zone), line(one.author, 60), line(one.subject, 80)) for one in ordered[:MOST]]
    there = sorted(f"{shown(one.folder)} {one.place} {one.guid}" for one in back)
    identity = "\0".join((job, request.mailbox, *there))
    values = {
        "address": to,
        "folder": shown(request.into),
        "count": len(back),
        "messages": rows,
        "more": len(back) - len(rows),
    }
    return stationery.write(
        LETTER,
        values,
        to=to,
        language="",
        message_id=f"{job}.{hashlib.sha256(identity.encode()).hexdigest()[:32]}",
        now=now.astimezone(zone),
        folder=folder,
    )
