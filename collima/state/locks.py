"""One run of a job, and of a target, at a time: rows `job:NAME` and `target:NAME`, taken together or not at all.

A lock ends with its run. That of a dead process is taken over: at once on the same machine, where its death can be
seen, after the lease on another one.
"""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.engine import Row

from collima.core.errors import Busy
from collima.state import process
from collima.state.clock import moment
from collima.state.keys import Ticket
from collima.state.tables import locks

LEASE = timedelta(seconds=90)
RENEWAL = timedelta(seconds=20)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who takes locks: this process."""

    host: str
    pid: int
    born: str


def holder(host: str) -> Holder:
    return Holder(host, os.getpid(), process.born(os.getpid()))


def names(ticket: Ticket) -> list[str]:
    """What a run locks, in the order of taking that all processes share. Jobs without a target lock themselves only."""
    return [f"job:{ticket.job}", *([f"target:{ticket.target}"] if ticket.target else [])]


def take(connection: Connection, ticket: Ticket, by: Holder, now: int) -> frozenset[str]:
    """Takes them all, and returns the runs that had them and are dead. Raises Busy.

    On MariaDB two transactions may insert one row at once: the loser gets an IntegrityError, and tries again.
    """
    wanted = names(ticket)
    found = connection.execute(select(locks).where(locks.c.name.in_(wanted)).with_for_update()).all()
    for row in found:
        if not dead(row, by.host, now, longest=LEASE):
            raise Busy(_busy(row))
    gone = frozenset(row.run for row in found)
    if gone:
        connection.execute(delete(locks).where(locks.c.run.in_(gone)))
    connection.execute(
        insert(locks),
        [
            {
                "name": name,
                "run": ticket.run,
                "job": ticket.job,
                "host": by.host,
                "pid": by.pid,
                "born": by.born,
                "since": now,
                "lease": until(now),
            }
            for name in wanted
        ],
    )
    return gone


def held(connection: Connection, ticket: Ticket) -> bool:
    """Whether this run still has all its locks."""
    count = select(func.count()).select_from(locks).where(locks.c.run == ticket.run)
    return connection.scalar(count) == len(names(ticket))


def renew(connection: Connection, ticket: Ticket, now: int) -> bool:
    """A new lease for all its locks; False: it has lost them."""
    renewed = update(locks).where(locks.c.run == ticket.run).values(lease=until(now))
    return connection.execute(renewed).rowcount == len(names(ticket))


def release(connection: Connection, run: str) -> None:
    connection.execute(delete(locks).where(locks.c.run == run))


def until(now: int) -> int:
    return now + LEASE // _MICROSECOND


def dead(row: Any, host: str, now: Any, *, longest: timedelta | None = None) -> bool:
    """Whether the process of a row can be told to be gone by somebody on `host`.

    The row has host, pid, born and lease; its lease and `now` are of one type, whichever. `longest`: for so long a
    lease is given. One that ends after twice that is of a clock that was wrong, and says nothing.
    """
    if row.host == host:
        return not process.lives(row.pid, row.born)
    if row.lease < now:
        return True
    if longest is None:
        return False
    return bool(row.lease - now > (2 * longest if isinstance(now, datetime) else 2 * longest // _MICROSECOND))


def _busy(row: Row[Any]) -> str:
    what, _, name = row.name.partition(":")
    since = f"{moment(row.since):%Y-%m-%d %H:%M:%S} UTC"
    who = f"run {row.run} (since {since}, process {row.pid} on {row.host})"
    if what == "job":
        return f"{name} is under way: {who}"
    return f"the target {name} is in use by {row.job}: {who}"
