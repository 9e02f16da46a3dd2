"""What runs printed: the beginning and the end of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from collima.state.clock import micros, moment
from collima.state.database import Database
from collima.state.faults import raced
from collima.state.keys import put
from collima.state.tables import logs


@dataclass(frozen=True, slots=True)
class LogRow:
    run: str
    text: str
    size: int  # bytes that were printed; `text` may have less
    at: datetime  # when it was stored


@dataclass(frozen=True, slots=True)
class Logs:
    database: Database

    def put(self, run: str, text: str, size: int) -> None:
        """All that is kept of it, in place of what was stored before."""
        row = {"run": run, "text": text, "size": size, "at": micros(self.database.now())}
        raced(lambda: self._put(row))

    def _put(self, row: Mapping[str, Any]) -> None:
        with self.database.write() as connection:
            put(connection, logs, [row], changed=["text", "size", "at"])

    def of(self, run: str) -> LogRow | None:
        with self.database.read() as connection:
            row = connection.execute(select(logs).where(logs.c.run == run)).first()
        return LogRow(row.run, row.text, row.size, moment(row.at)) if row else None
