"""Who was in a roster on an earlier day: today's members, rewound by what runs have changed since."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, select

from collima.state.tables import changes, rosters, runs

_APPLYING = ("changed", "partial", "held", "failed")  # states of runs that may have changed something


def was_in(connection: Connection, target: str, roster: str, after: int) -> Mapping[str, bool]:
    """For each member that runs set out to change at or after `after`: whether it was in just before.

    The oldest of these changes tells, whatever came of it: who is to be added is not in, who is to be removed is.
    """
    when = func.coalesce(changes.c.settled, changes.c.intended)
    rows = connection.execute(
        select(changes.c.what, changes.c.verb)
        .join(runs, runs.c.id == changes.c.run)
        .where(runs.c.target == target, changes.c.subject == roster, when >= after)
        .where(changes.c.verb.in_(("add", "remove")))
        .order_by(when.desc(), changes.c.intended.desc())
    )
    return {row.what: row.verb == "remove" for row in rows}


def told_from(connection: Connection, target: str, roster: str) -> int | None:
    """Since when every change of ours to this roster is on record; None: nothing is.

    That is when a job claimed or first changed it; or later, where runs, or their changes, were purged since.
    """
    claimed = connection.scalar(select(rosters.c.since).where(rosters.c.target == target, rosters.c.roster == roster))
    here = runs.c.target == target
    changed = connection.scalar(
        select(func.min(changes.c.intended))
        .join(runs, runs.c.id == changes.c.run)
        .where(here, changes.c.subject == roster)
    )
    known: list[int] = [moment for moment in (claimed, changed) if moment is not None]
    if not known:
        return None
    oldest: int = connection.scalar(select(func.min(runs.c.started)).where(here)) or 0
    return max(min(known), oldest, _purged(connection, here))


def _purged(connection: Connection, here: ColumnElement[bool]) -> int:
    """When the newest run ended whose changes are not on record any more; 0: all are."""
    bare = here & runs.c.state.in_(_APPLYING) & ~exists().where(changes.c.run == runs.c.id)
    rows = connection.execute(select(runs.c.ended, runs.c.document).where(bare).order_by(runs.c.started.desc()))
    return next((row.ended for row in rows if row.document and _applied(json.loads(row.document))), 0)


def _applied(document: Mapping[str, Any]) -> bool:
    return any(any(s.get("applied", {}).values()) for s in document.get("subjects", ()))
