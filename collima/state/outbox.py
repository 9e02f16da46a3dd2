"""The outbox: every mail that must go out once, from the moment at which it is decided until a relay has it.

planned → sending → sent. A row is `sending`, and committed as such, from just before the content goes out until the
relay's answer is stored. Whoever finds one so after its sender died is in doubt: a mail of which a second copy is
better than none is sent again with the same Message-ID (`again`), another one becomes `unknown`. `failed`: refused for
good, or for too long. When its way has ended a row keeps neither content nor recipients.

A row without content is written by its job as it goes out (`core.quarantine.Composing`); `dropped`: nothing was left to
tell. Of mail that is always sent again a few rows are `sending` at once: one that was not handed over is no repeat.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from typing import Literal

from sqlalchemy import ColumnElement, Connection, Insert, bindparam, func, or_, select, update
from sqlalchemy.dialects import mysql, sqlite

from collima.core.options import Address
from collima.core.text import discreet, line
from collima.state.backlog import IN_VAIN, TO_GO
from collima.state.clock import maybe, micros, moment
from collima.state.database import Database
from collima.state.faults import raced
from collima.state.keys import batches
from collima.state.tables import outbox

Again = Literal["never", "once", "always"]
"""How often a mail is sent again when nobody can tell whether it arrived."""

ROWS = 500  # that are added at once: mails are larger than other rows
LOST = "whoever sent it died before the answer was stored: it may have been delivered"


class _Wire(policy.EmailPolicy):
    def fold_binary(self, name: str, value: str) -> bytes:
        """A subject that just fits a line of its own would be put there, and its first line be empty."""
        folded = super().fold_binary(name, value)
        empty = name == "Subject" and not folded.split(b"\r\n")[0].removeprefix(b"Subject:").strip()
        return _NARROW.fold_binary(name, value) if empty else folded


_NARROW = policy.SMTP.clone(max_line_length=78 - len("Subject: "))  # 78 in all: RFC 5322 2.1.1
_WIRE = _Wire(linesep="\r\n", cte_type="7bit")


def wire(message: EmailMessage) -> bytes:
    """As it goes over the wire, but for its dots."""
    return message.as_bytes(policy=_WIRE)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to be sent. It is known by its Message-ID: the same one is sent once, however often it is added."""

    message: EmailMessage  # with a Message-ID
    to: Sequence[str]
    via: str  # a connector
    job: str = ""
    again: Again = "never"  # mail that is sent again once goes before other mail


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A mail to be sent that its job writes as it goes out; always again, for its Message-ID tells a repeat."""

    message_id: str  # with < and >
    to: Sequence[str]
    via: str
    job: str


@dataclass(frozen=True, slots=True)
class Planned:
    """A row that may go out now."""

    id: int
    job: str
    via: str
    to: tuple[str, ...]
    again: Again
    created: datetime
    attempts: int
    unwritten: bool  # its job writes it
    message_id: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How the outbox stands, and why: for the digest."""

    waiting: int  # planned or sending
    failed: int  # since the moment asked about
    unknown: int
    errors: tuple[tuple[str, int], ...]  # why mails failed or are unknown, and how many; most frequent first


def add(connection: Connection, letters: Iterable[Letter | Unwritten], now: int) -> None:
    """Adds them in the caller's transaction, whether a few or forty thousand; those that are there already stay.

    A mail takes a millisecond to be written down, during which nobody else writes on SQLite: many go in portions.
    """
    if connection.dialect.name == "sqlite":
        statement: Insert = sqlite.insert(outbox).on_conflict_do_nothing(index_elements=["message_id"])
    else:
        statement = mysql.insert(outbox)
        statement = statement.on_duplicate_key_update(message_id=outbox.c.message_id)
    for some in batches(_rows(letters, now), ROWS):
        connection.execute(statement, some)


def _rows(letters: Iterable[Letter | Unwritten], now: int) -> Iterator[Mapping[str, object]]:
    for letter in letters:
        if isinstance(letter, Unwritten):
            name, content, again = letter.message_id, "", "always"
        else:
            name, again = str(letter.message["Message-ID"]), letter.again
            content = wire(letter.message).decode("ascii")
        yield {
            "message_id": name,
            "job": letter.job,
            "via": letter.via,
            "recipients": json.dumps(list(letter.to)),
            "message": content,
            "state": "planned",
            "urgent": again == "once",
            "again": again,
            "created": now,
            "not_before": 0,  # at once, whatever becomes of the clock
            "attempts": 0,
            "error": "",
        }


def names(connection: Connection, message_ids: Sequence[str]) -> frozenset[str]:
    """Which of them there are, or were."""
    return frozenset(connection.scalars(select(outbox.c.message_id).where(outbox.c.message_id.in_(message_ids))))


def doubt(connection: Connection, via: str, now: int) -> None:
    """What is `sending` through `via`, and whose sender is gone: sent again, or unknown."""
    mine = outbox.c.via == via, outbox.c.state == "sending"
    fresh = {"state": "planned", "error": LOST, "not_before": now}
    connection.execute(update(outbox).where(*mine, outbox.c.again == "always").values(**fresh))
    connection.execute(update(outbox).where(*mine, outbox.c.again == "once").values(**fresh, again="never"))
    connection.execute(
        update(outbox).where(*mine).values(state="unknown", error=LOST, ended=now, message="", recipients="[]")
    )


_ENDING = (
    update(outbox)
    .where(outbox.c.id == bindparam("row"), or_(*(outbox.c.state == state for state in TO_GO)))
    .values(state=bindparam("to"), error=bindparam("why"), ended=bindparam("at"), message="", recipients="[]")
)
"""Made once: building it takes longer than SQLite does."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """`journal.outbox`. What sends has the relay (`journal.relays`), so that each row has one sender."""

    database: Database

    def add(self, letters: Iterable[Letter]) -> None:
        """A transaction of its own. Those that are there already stay."""
        several = tuple(letters)
        raced(lambda: self._add(several))

    def _add(self, letters: Sequence[Letter]) -> None:
        with self.database.write() as connection:
            add(connection, letters, micros(self.database.now()))

    def known(self, message_id: str) -> bool:
        with self.database.read() as connection:
            return bool(connection.scalar(select(outbox.c.id).where(outbox.c.message_id == message_id)))

    def fate(self, message_id: str) -> tuple[str, str]:
        """(state, error) of one; ("", "") when it is not there."""
        with self.database.read() as connection:
            row = connection.execute(
                select(outbox.c.state, outbox.c.error).where(outbox.c.message_id == message_id)
            ).first()
        return (row.state, row.error) if row else ("", "")

    def vias(self) -> tuple[str, ...]:
        """The connectors through which something waits, or is being sent."""
        with self.database.read() as connection:
            return tuple(connection.scalars(select(outbox.c.via).where(outbox.c.state.in_(TO_GO)).distinct()))

    def next(self, via: str) -> datetime | None:
        """When the next one that waits may be tried; None: nothing waits."""
        waits = select(func.min(outbox.c.not_before)).where(outbox.c.via == via, outbox.c.state == "planned")
        with self.database.read() as connection:
            return maybe(connection.scalar(waits))

    def due(self, via: str, most: int, *, bulk: bool = True) -> tuple[Planned, ...]:
        """The first that may go out now: the urgent ones before (`bulk`) the others; the oldest first."""
        now, found = micros(self.database.now()), list[Planned]()
        with self.database.read() as connection:
            for urgent in (True, False) if bulk else (True,):
                rows = connection.execute(
                    select(*(c for c in outbox.c if c.name != "message"), (outbox.c.message == "").label("unwritten"))
                    .where(outbox.c.via == via, outbox.c.state == "planned", outbox.c.urgent.is_(urgent))
                    .where(outbox.c.not_before <= now)
                    .order_by(outbox.c.id)
                    .limit(most - len(found))
                )
                found += [
                    Planned(
                        id=row.id,
                        job=row.job,
                        via=row.via,
                        to=tuple(json.loads(row.recipients)),
                        again=row.again,
                        created=moment(row.created),
                        attempts=row.attempts,
                        unwritten=bool(row.unwritten),
                        message_id=row.message_id,
                    )
                    for row in rows
                ]
        return tuple(found)

    def message(self, row: Planned) -> str:
        """As it is on the wire."""
        with self.database.read() as connection:
            return str(connection.execute(select(outbox.c.message).where(outbox.c.id == row.id)).scalar_one())

    @contextmanager
    def ending(self) -> Iterator[Callable[[Planned], None]]:
        """What stores that a mail was sent, many a second. A power cut may take the last ones, which go out again."""
        with self.database.kept() as write:

            def sent(row: Planned) -> None:
                with write() as connection:
                    connection.execute(_ENDING, self._ended(row, "sent", ""))

            yield sent

    def sent(self, row: Planned) -> None:
        with self.ending() as sent:
            sent(row)

    def failed(self, row: Planned, error: str) -> None:
        self._end(row, "failed", error)

    def unknown(self, row: Planned, error: str) -> None:
        self._end(row, "unknown", error)

    def dropped(self, row: Planned) -> None:
        """Nothing is left to tell in it."""
        self._end(row, "dropped", "")

    def put_off(self, row: Planned, until: datetime, error: str, *, left: Sequence[str], again: Again) -> None:
        """It is tried again, for those who do not have it yet."""
        self._change(
            row,
            state="planned",
            not_before=micros(until),
            attempts=row.attempts + 1,
            error=short(error),
            recipients=json.dumps(list(left)),
            again=again,
        )

    def back(self, rows: Sequence[Planned]) -> None:
        """Those of them that are `sending` were not handed over after all."""
        mine = outbox.c.id.in_([row.id for row in rows]), outbox.c.state == "sending"
        with self.database.write() as connection:
            connection.execute(update(outbox).where(*mine).values(state="planned"))

    def shelve(self, via: str, job: str, now: datetime, until: datetime, error: str) -> None:
        """What this job is to write by now, and cannot write, is tried again then."""
        values = {"not_before": micros(until), "attempts": outbox.c.attempts + 1, "error": short(error)}
        with self.database.write() as connection:
            due = outbox.c.not_before <= micros(now)
            connection.execute(update(outbox).where(*_unwritten(via, job), due).values(state="planned", **values))

    def expire(self, via: str, before: datetime, error: str) -> int:
        """Gives up what has waited since before then. Returns how many."""
        return self._give_up(error, outbox.c.via == via, outbox.c.state == "planned", outbox.c.created < micros(before))

    def orphaned(self, via: str, job: str, error: str, *, before: datetime | None = None, tries: int = 0) -> int:
        """Gives up what nobody will write any more: this job's that is as old, and was tried so often."""
        old = [] if before is None else [outbox.c.created < micros(before)]
        return self._give_up(error, *_unwritten(via, job), outbox.c.attempts >= tries, *old)

    def _give_up(self, error: str, *which: ColumnElement[bool]) -> int:
        values = {"state": "failed", "error": short(error), "ended": micros(self.database.now())}
        with self.database.write() as connection:
            done = connection.execute(update(outbox).where(*which).values(**values, message="", recipients="[]"))
            return done.rowcount

    def standing(self, since: datetime) -> Standing:
        """What waits now, and what failed or is unknown since then."""
        ended = outbox.c.state.in_(IN_VAIN), outbox.c.ended >= micros(since)
        with self.database.read() as connection:
            waiting = connection.execute(select(func.count()).where(outbox.c.state.in_(TO_GO))).scalar_one()
            by = select(outbox.c.state, outbox.c.error, func.count()).where(*ended)
            rows = connection.execute(by.group_by(outbox.c.state, outbox.c.error)).tuples().all()
        counts = {state: sum(n for of, _, n in rows if of == state) for state in IN_VAIN}
        errors = sorted(((error, n) for _, error, n in rows), key=lambda pair: (-pair[1], pair[0]))
        return Standing(waiting, counts["failed"], counts["unknown"], tuple(errors))

    def _end(self, row: Planned, state: str, error: str) -> None:
        with self.database.write() as connection:
            connection.execute(_ENDING, self._ended(row, state, error))

    def _ended(self, row: Planned, state: str, error: str) -> Mapping[str, object]:
        return {"row": row.id, "to": state, "why": short(error), "at": micros(self.database.now())}

    def _change(self, row: Planned, **values: object) -> None:
        with self.database.write() as connection:
            connection.execute(update(outbox).where(outbox.c.id == row.id, outbox.c.state.in_(TO_GO)).values(**values))


def _unwritten(via: str, job: str) -> tuple[ColumnElement[bool], ...]:
    return outbox.c.via == via, outbox.c.state.in_(TO_GO), outbox.c.job == job, outbox.c.message == ""


def short(error: str) -> str:
    """An error as it is stored: one line, nobody's address."""
    return discreet(line(error))


@dataclass(frozen=True, slots=True)
class Post:
    """`core.ledger.Post`."""

    outbox: Outbox
    job: str

    def post(self, message: EmailMessage, to: Address, via: str) -> None:
        self.outbox.add([Letter(message, (to,), via, self.job)])
