"""What outlives a run of jobs that end accounts: who was told what and when, and what was done to whose account.

Both are of one job on one target, and know an account by the target's id: an address may go to another person. Whose
account it was is kept as a digest of what makes somebody a person, never as that itself.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

from collima.core.options import Address
from collima.core.targets import Id, Turn


@dataclass(frozen=True, slots=True)
class Notice:
    """Word to one person that their account is about to end."""

    account: Id
    address: str  # of the account, as it was then
    person: str  # a digest
    ends: date  # its last day
    stage: str  # of the job's `notify`: "30 days"


@dataclass(frozen=True, slots=True)
class Noticed:
    """One notice, and what became of its mails: one for each recipient."""

    notice: Notice
    at: datetime  # when it was written
    taken: datetime | None  # when a relay took the first of them
    lost: bool  # each was refused, or nobody can tell


@dataclass(frozen=True, slots=True)
class Closure:
    """One account that a run has closed, or was about to."""

    account: Id
    address: str
    person: str  # a digest
    since: datetime  # when it was closed first: from then on the next step is counted
    turn: Turn  # the last one
    at: datetime  # of that
    done: bool  # False: a run began it, and only the target can tell what came of it


class Ledger(Protocol):
    """Each method is one transaction."""

    def noticed(self) -> Sequence[Noticed]: ...
    def closures(self) -> Mapping[Id, Closure]: ...
    def notify(self, notices: Iterable[tuple[Notice, Mapping[Address, EmailMessage]]], via: str) -> None:
        """The notices go on record and their mails into the outbox, together. One whose Message-ID is there already
        is not sent again. `via`: the connector that sends them."""

    def begin(self, closures: Sequence[Closure]) -> None:
        """These accounts are about to be turned: so it is known later, whatever becomes of this run."""

    def settle(self, *, done: Collection[Id], forget: Collection[Id]) -> None:
        """`done`: it is so now. `forget`: this one is no closure of ours, or no longer."""


class Stationery(Protocol):
    """How mail to people is written: in their language, by templates that a site may replace."""

    @property
    def site(self) -> str:
        """What stands after the @ of a Message-ID."""

    def check(self, name: str, folder: Path | None) -> None:
        """Whether every template of this name can be used. Raises ConfigError."""

    def write(
        self,
        name: str,
        values: Mapping[str, object],
        *,
        to: Address,
        language: str,
        message_id: str,
        now: datetime,
        folder: Path | None,
        sender: str = "",
        unsubscribe: str = "",
    ) -> EmailMessage:
        """`language`: values of preferredLanguage (`it`, `en-GB, it;q=0.5`), "" for the site's own. `message_id`: what
        stands before the @. `now` is aware, in the reader's zone. `sender`: an address, "" for that of reports.
        `unsubscribe`: a URL where a POST alone ends such mail. Raises ConfigError."""

    def pad(self, name: str, folder: Path | None, sender: str = "") -> "Pad": ...


class Pad(Protocol):
    """For many letters of one name: its templates are looked up once."""

    def write(
        self,
        values: Mapping[str, object],
        *,
        to: Address,
        language: str,
        message_id: str,
        now: datetime,
        unsubscribe: str = "",
    ) -> bytes:
        """What `Stationery.write` would, as it goes over the wire."""


class Post(Protocol):
    """Mail of a job that goes out once: into the outbox, of one job."""

    def post(self, message: EmailMessage, to: Address, via: str) -> None:
        """One transaction; a Message-ID that is there already is not sent again. `via`: the connector that sends it."""
