"""The services that run the schedule: one row each, with a lease that its loop renews."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.engine import Row

from collima.state import locks
from collima.state.clock import maybe, micros, moment
from collima.state.database import Database
from collima.state.tables import services

LONGEST = 10_000  # characters of a fault: MariaDB refuses more than 64 KB


@dataclass(frozen=True, slots=True)
class ServiceRow:
    id: str
    host: str
    pid: int
    born: str
    started: datetime
    tick: datetime  # when its loop last decided
    lease: datetime  # until when others believe that it lives
    config: str  # the hash of the schedule that it runs
    version: str
    loaded: datetime  # when it was last told to load a schedule, and took it or not
    fault: str  # why the schedule that it was told to load was not taken
    stopped: datetime | None


@dataclass(frozen=True, slots=True)
class Services:
    database: Database
    host: str

    def begin(self, name: str, *, config: str, version: str) -> None:
        """A service of this process. `name` is new."""
        now, by = micros(self.database.now()), locks.holder(self.host)
        with self.database.write() as connection:
            connection.execute(
                insert(services).values(
                    id=name,
                    host=by.host,
                    pid=by.pid,
                    born=by.born,
                    started=now,
                    tick=now,
                    lease=locks.until(now),
                    config=config,
                    version=version,
                    loaded=now,
                    fault="",
                )
            )

    def tick(self, name: str) -> bool:
        """A new lease. False: there is no such service any more."""
        now = micros(self.database.now())
        return self._change(name, tick=now, lease=locks.until(now))

    def loaded(self, name: str, *, config: str, fault: str) -> None:
        """The answer to a reload: the hash of what it runs now, and why it did not take another one."""
        self._change(name, config=config, fault=fault[:LONGEST], loaded=micros(self.database.now()))

    def end(self, name: str) -> None:
        now = micros(self.database.now())
        self._change(name, stopped=now, lease=now)

    def open(self) -> tuple[ServiceRow, ...]:
        """Those that did not stop by themselves, dead ones included."""
        wanted = select(services).where(services.c.stopped.is_(None)).order_by(services.c.started, services.c.id)
        with self.database.read() as connection:
            return tuple(map(service_row, connection.execute(wanted)))

    def alive(self, now: datetime) -> tuple[ServiceRow, ...]:
        """Those that run, as far as can be told from here."""
        return tuple(row for row in self.open() if not locks.dead(row, self.host, now, longest=locks.LEASE))

    def newest(self) -> ServiceRow | None:
        """The one that decided last, whether it still runs or not; one whose clock was ahead if there is no other."""
        ahead = services.c.tick > locks.until(micros(self.database.now()))
        with self.database.read() as connection:
            row = connection.execute(select(services).order_by(ahead, services.c.tick.desc()).limit(1)).first()
        return service_row(row) if row else None

    def _change(self, name: str, **values: object) -> bool:
        with self.database.write() as connection:
            return connection.execute(update(services).where(services.c.id == name).values(**values)).rowcount == 1


def service_row(row: Row[Any]) -> ServiceRow:
    return ServiceRow(
        id=row.id,
        host=row.host,
        pid=row.pid,
        born=row.born,
        started=moment(row.started),
        tick=moment(row.tick),
        lease=moment(row.lease),
        config=row.config,
        version=row.version,
        loaded=moment(row.loaded),
        fault=row.fault,
        stopped=maybe(row.stopped),
    )
