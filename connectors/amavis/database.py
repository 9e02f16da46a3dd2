"""amavisd's database: its tables as README.sql-mysql has them, and two ways in, of which one changes nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, and_, column, exists, select, table
from sqlalchemy.exc import SQLAlchemyError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from collima.core.errors import Refused, SourceError
from connectors import mariadb

T = TypeVar("T")

MSGS = table(
    "msgs",
    *map(column, ("partition_tag", "mail_id", "secret_id", "time_num", "sid", "size", "content", "quar_type")),
    *map(column, ("from_addr", "subject")),
)
MSGRCPT = table("msgrcpt", *map(column, ("partition_tag", "mail_id", "rseqnum", "rid", "ds", "rs", "bspam_level")))
MADDR = table("maddr", *map(column, ("partition_tag", "id", "email")))
QUARANTINE = table("quarantine", *map(column, ("partition_tag", "mail_id", "chunk_ind")))
USERS = table("users", *map(column, ("id", "priority", "policy_id", "email")))
MAILADDR = table("mailaddr", *map(column, ("id", "priority", "email")))
WBLIST = table("wblist", *map(column, ("rid", "sid", "wb")))

UNSEEN, VIEWED, PENDING, RELEASED = " ", "V", "p", "R"
"""Of msgrcpt.rs. amavisd writes the first, and looks at none of them. Pending: its release is under way, or nobody can
tell what came of it."""

TO_RECIPIENT = and_(MSGRCPT.c.partition_tag == MSGS.c.partition_tag, MSGRCPT.c.mail_id == MSGS.c.mail_id)
FINAL = and_(MSGS.c.content.is_not(None), MSGS.c.quar_type == "Q")
"""Not the placeholder of a message that is being looked at; and its body was put into this database."""
KEPT_BACK = MSGRCPT.c.ds.in_(("D", "B", "R"))
"""This recipient did not get it: it was discarded, bounced or rejected. A `T` comes again by itself."""
WAITING = MSGRCPT.c.rs.in_((UNSEEN, VIEWED))
HELD: ColumnElement[bool] = and_(FINAL, KEPT_BACK, WAITING)
BODY = exists(
    select(QUARANTINE.c.chunk_ind)
    .where(QUARANTINE.c.partition_tag == MSGS.c.partition_tag, QUARANTINE.c.mail_id == MSGS.c.mail_id)
    .correlate(MSGS)
)

_PATIENT = 86400  # seconds that the server waits for somebody who does other things between two portions
_LOCKED = 3  # seconds that a transaction waits for another one's lock
_ATTEMPTS = 5


class Database:
    """Its errors are SourceError while reading, and Refused while changing."""

    def __init__(self, url: str, password: str, sleep: Callable[[float], None]) -> None:
        self._reader = mariadb.engine(
            url,
            password,
            "READ COMMITTED",
            ("SET SESSION TRANSACTION READ ONLY", f"SET SESSION net_write_timeout = {_PATIENT}"),
        )
        self._writer = mariadb.engine(
            url, password, "READ COMMITTED", (f"SET SESSION innodb_lock_wait_timeout = {_LOCKED}",)
        )
        self._sleep = sleep

    def close(self) -> None:
        self._reader.dispose()
        self._writer.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        try:
            with self._reader.connect() as connection:
                yield connection
        except SQLAlchemyError as err:
            words, transient = self._told(err)
            raise SourceError(words, transient=transient) from err

    def change(self, deed: Callable[[Connection], T]) -> T:
        """In one transaction, which is done again when another one's lock took it back. Raises Refused."""
        attempts = Retrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.05, max=2),
            retry=retry_if_exception(mariadb.locked),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            done: T = attempts(self._once, deed)
        except SQLAlchemyError as err:
            words, transient = self._told(err)
            raise Refused(words, transient=transient) from err
        return done

    def _once(self, deed: Callable[[Connection], T]) -> T:
        with self._writer.begin() as connection:
            return deed(connection)

    def _told(self, err: SQLAlchemyError) -> tuple[str, bool]:
        words, transient = mariadb.told(err)
        return f"amavisd's database on {self._reader.url.host or 'this machine'}: {words}", transient
