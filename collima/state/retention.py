"""How long history is kept."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import and_, delete, exists, or_, select

from collima.state.clock import micros
from collima.state.database import Database
from collima.state.keys import NAMES, batches
from collima.state.tables import approvals, changes, fingerprints, holds, notices, runs


def purge(database: Database, *, keep_changes: datetime, keep_runs: datetime) -> Mapping[str, int]:
    """Deletes changes, notices and ended holds from before `keep_changes`; runs, with all of theirs, from before
    `keep_runs`.

    Approvals and the holds that were approved stay, the ids of closed accounts, and so do runs under way. Returns what
    was deleted, by table. Each run is a transaction of its own: nobody waits long.
    """
    counts = {"changes": 0, "holds": 0, "notices": 0, "runs": 0}
    before_changes, before_runs = micros(keep_changes), micros(keep_runs)
    over = runs.c.state.is_not(None)
    with database.read() as connection:
        having = exists().where(changes.c.run == runs.c.id)
        worn = connection.scalars(select(runs.c.id).where(runs.c.started < before_changes, over, having)).all()
        old = connection.scalars(select(runs.c.id).where(runs.c.started < before_runs, over)).all()
    for run in worn:
        with database.write() as connection:
            counts["changes"] += connection.execute(delete(changes).where(changes.c.run == run)).rowcount
    for run in old:
        with database.write() as connection:
            counts["runs"] += connection.execute(delete(runs).where(runs.c.id == run)).rowcount
    ended = or_(holds.c.ended < before_changes, and_(holds.c.undoes != "", holds.c.seen < before_changes))
    approved = or_(
        holds.c.ending == "approved",
        exists().where(approvals.c.fingerprint == holds.c.fingerprint, approvals.c.job == holds.c.job),
        exists().where(
            fingerprints.c.hold == holds.c.id,
            approvals.c.fingerprint == fingerprints.c.fingerprint,
            approvals.c.job == fingerprints.c.job,
        ),
    )
    with database.write() as connection:
        worn_holds = connection.scalars(select(holds.c.id).where(ended, approved.is_not(True))).all()
        for some in batches(worn_holds, NAMES):
            counts["holds"] += connection.execute(delete(holds).where(holds.c.id.in_(some))).rowcount
        counts["notices"] = connection.execute(delete(notices).where(notices.c.at < before_changes)).rowcount
    return counts
