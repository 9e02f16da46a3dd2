"""A session on what amavisd holds."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, TableClause, delete, select, update

from collima.core.errors import Refused, SourceError
from collima.core.quarantine import Item, ItemId, Rank, Ref, Rule, Stale
from connectors.amavis import changing, reading
from connectors.amavis.database import (
    MADDR,
    MAILADDR,
    MSGRCPT,
    MSGS,
    QUARANTINE,
    USERS,
    WBLIST,
    Database,
)
from connectors.amavis.release import Doubt, Releases
from connectors.amavis.rows import key

log = logging.getLogger(__name__)

_NOTHING = -1  # a key that no row has
_READ = (MSGRCPT.c, MADDR.c, QUARANTINE.c, USERS.c["id", "email"], MAILADDR.c["id", "email"], WBLIST.c)


class Session:
    """Offers the port `core.quarantine.Quarantine`."""

    def __init__(self, database: Database, releases: Releases) -> None:
        self._database, self._releases = database, releases

    def check(self) -> str:
        """Reads of every table, tries what it may change without changing anything, and asks amavisd for an answer.
        Raises SourceError when it cannot read."""
        with self._database.read() as connection:
            for columns in _READ:
                connection.execute(select(*columns).limit(1)).all()
            last = reading.newest(connection)
        told = f"the last message was held at {last:%Y-%m-%d %H:%M} UTC" if last else "nothing is held"
        places = [f"{place} does not answer ({why})" if why else place for place, why in self._releases.answering()]
        told += f"; release by {', '.join(places)}" if places else "; no `release`"
        missing = [what for what, fault in self._rights() if fault]
        return told + (f"; this user may not {', '.join(missing)}" if missing else "")

    def _rights(self) -> Iterator[tuple[str, str]]:
        attempts = (
            ("release", update(MSGRCPT).where(MSGRCPT.c.rseqnum == _NOTHING, MSGRCPT.c.mail_id == "").values(rs="R")),
            ("forget a rule", delete(WBLIST).where(WBLIST.c.rid == 0, WBLIST.c.sid == 0)),
            ("purge", delete(MSGS).where(MSGS.c.partition_tag == _NOTHING, MSGS.c.mail_id == "")),
        )
        for what, attempt in attempts:
            try:
                self._database.change(partial(Connection.execute, statement=attempt))
            except Refused as err:
                yield what, str(err)
            else:
                yield what, ""

    # ---- reading

    def held(self, since: datetime, until: datetime) -> Iterator[Sequence[Ref]]:
        with self._database.read() as connection:
            yield from reading.stream(connection, since, until)

    def items(self, ids: Collection[ItemId]) -> Mapping[ItemId, Item]:
        with self._database.read() as connection:
            return reading.items(connection, ids)

    def held_for(self, recipients: Collection[str], since: datetime) -> Sequence[Rank]:
        with self._database.read() as connection:
            return reading.held_for(connection, recipients, since)

    def extended(self, recipients: Collection[str]) -> frozenset[str]:
        with self._database.read() as connection:
            return reading.extended(connection, recipients)

    def rules(self, recipients: Collection[str]) -> Mapping[tuple[str, str], Rule]:
        with self._database.read() as connection:
            return reading.rules(connection, recipients)

    def said(self, recipient: str, sender: str) -> str:
        with self._database.read() as connection:
            return reading.said(connection, recipient, sender)

    def stale(self, before: datetime) -> Stale:
        with self._database.read() as connection:
            return reading.stale(connection, before)

    def orphans(self) -> int:
        with self._database.read() as connection:
            return reading.orphans(connection)

    # ---- changing

    def release(self, item: ItemId, recipient: str) -> None:
        known = key(item)
        if known is None:
            raise Refused("there is no such message")
        claimed = self._database.change(lambda connection: changing.claim(connection, known, recipient))
        try:
            self._releases.release(claimed)
        except Doubt:
            raise  # it stays marked: a second release might deliver it twice
        except Refused as err:
            self._mark(claimed, released=False)
            raise err from None
        self._mark(claimed, released=True)

    def _mark(self, claimed: changing.Claimed, *, released: bool) -> None:
        try:
            self._database.change(lambda connection: changing.mark(connection, claimed, released=released))
        except Refused as err:
            done = "was delivered" if released else "was not delivered"
            log.warning("message %s %s, and stays marked as pending: %s", claimed.key.id, done, err)

    def rule(self, recipient: str, sender: str, rule: Rule | None) -> None:
        self._database.change(lambda connection: changing.say(connection, recipient, sender, rule))

    def put_back(self, recipient: str, sender: str, said: str) -> None:
        self._database.change(lambda connection: changing.put(connection, recipient, sender, said))

    def purge(self, before: datetime) -> Iterator[int]:
        since: int | None = 0
        while since is not None:
            done = self._database.change(partial(changing.purge, since=since, before=before))
            since = done.since
            if done.messages:
                yield done.messages
                self._database.change(partial(changing.forget, addresses=done.addresses))

    def sweep(self) -> None:
        for table in (QUARANTINE, MSGRCPT):
            self._remove_orphans(table)

    def _remove_orphans(self, of: TableClause) -> None:
        """They are read on one connection and removed on another: looking for them takes longer than removing them."""
        try:
            with self._database.read() as connection:
                asked = reading.orphaned(of).execution_options(yield_per=reading.PORTION)
                for rows in connection.execute(asked).partitions():
                    for partition, mails in changing.by_partition(rows):
                        self._database.change(partial(changing.remove, of=of, partition=partition, mails=mails))
        except SourceError as err:
            raise Refused(str(err), transient=err.transient) from err
