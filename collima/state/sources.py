"""What sources answered, run by run."""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from collima.core.model import Reading
from collima.core.ports import Past
from collima.state.keys import add
from collima.state.tables import readings

REMEMBERED = 7
"""So many complete runs of one question are on record for `source-drop`."""


def past(connection: Connection, scope: str) -> Past:
    rows = connection.execute(
        select(readings.c.standing, readings.c.csn)
        .where(readings.c.scope == scope, readings.c.counts)
        .order_by(readings.c.id.desc())
        .limit(REMEMBERED)
    ).all()
    return Past(tuple(row.standing for row in rows), tuple(json.loads(rows[0].csn)) if rows else ())


def store(
    connection: Connection, run: str, answered: Sequence[Reading], verdicts: Sequence[str], *, counts: bool
) -> None:
    """A reading without a scope is compared with none, and so never counts."""
    add(
        connection,
        readings,
        (
            {
                "run": run,
                "connector": reading.connector,
                "scope": reading.scope,
                "entries": reading.entries,
                "standing": reading.entries,
                "server": reading.server,
                "csn": json.dumps(reading.csn),
                "doubt": reading.doubt,
                "verdict": verdict,
                "counts": counts and reading.scope != "",
            }
            for reading, verdict in zip(answered, verdicts, strict=True)
        ),
    )


def accept(connection: Connection, scope: str, entries: int) -> None:
    """The approved count stands for all that are on record. What was read then stays in `entries`."""
    connection.execute(update(readings).where(readings.c.scope == scope, readings.c.counts).values(standing=entries))
