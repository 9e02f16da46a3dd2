"""Which job manages which roster of a target, and since when no stanza names it."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, delete, select, update

from collima.core.errors import ConfigError, StateError
from collima.core.ports import Owned
from collima.state.clock import maybe
from collima.state.keys import NAMES, add, batches
from collima.state.tables import absences, changes, holds, rosters, runs, undone


def owned(connection: Connection, target: str) -> Mapping[str, Owned]:
    rows = connection.execute(select(rosters).where(rosters.c.target == target))
    return {row.roster: Owned(row.job, row.stanza, maybe(row.frozen)) for row in rows}


def claim(connection: Connection, job: str, target: str, stanzas: Mapping[str, str], now: int) -> None:
    """Raises StateError for a roster of another job: the job's own reading should have told before."""
    present = owned(connection, target)
    for name, stanza in stanzas.items():
        if (owner := present.get(name)) is None:
            continue
        if owner.job != job:
            raise StateError(f"{name} of {target} belongs to the job {owner.job}, not to {job}")
        if owner.stanza != stanza or owner.frozen:
            connection.execute(
                update(rosters)
                .where(rosters.c.target == target, rosters.c.roster == name)
                .values(stanza=stanza, frozen=None)
            )
    common = {"target": target, "job": job, "since": now}
    new = sorted(stanzas.keys() - present.keys())
    add(connection, rosters, ({**common, "roster": name, "stanza": stanzas[name]} for name in new))


def freeze(connection: Connection, job: str, target: str, names: Collection[str], now: int) -> None:
    for some in batches(sorted(names), NAMES):
        connection.execute(
            update(rosters)
            .where(rosters.c.target == target, rosters.c.job == job, rosters.c.roster.in_(some))
            .where(rosters.c.frozen.is_(None))
            .values(frozen=now)
        )


def where(connection: Connection, roster: str) -> Mapping[str, Owned]:
    """By target: who manages a roster of this name there."""
    rows = connection.execute(select(rosters).where(rosters.c.roster == roster).order_by(rosters.c.target))
    return {row.target: Owned(row.job, row.stanza, maybe(row.frozen)) for row in rows}


def retire(connection: Connection, target: str, roster: str) -> bool:
    """Nobody manages it any more; its members stay as they are. Returns whether anybody did."""
    found = connection.execute(delete(rosters).where(rosters.c.target == target, rosters.c.roster == roster))
    return found.rowcount > 0


def rename(connection: Connection, target: str, old: str, new: str, now: int) -> None:
    """Who managed `old` manages `new`, and what is on record of `old` is of `new`; its holds end (they name `old`).

    Raises ConfigError when nobody did, or somebody manages `new`.
    """
    present = owned(connection, target)
    if old not in present:
        raise ConfigError(f"{target}: nobody manages {old}")
    if new in present:
        raise ConfigError(f"{target}: {new} is managed by the job {present[new].job}: `collima retire {new}` first")
    connection.execute(
        update(rosters).where(rosters.c.target == target, rosters.c.roster == old).values(roster=new, frozen=None)
    )
    mine = select(runs.c.id).where(runs.c.job == present[old].job, runs.c.target == target)
    connection.execute(update(changes).where(changes.c.subject == old, changes.c.run.in_(mine)).values(subject=new))
    open_holds = (holds.c.job == present[old].job, holds.c.target == target, holds.c.subject == old)
    connection.execute(update(holds).where(*open_holds, holds.c.ended.is_(None)).values(ended=now, ending="superseded"))
    for table in (absences, undone):
        here = (table.c.job == present[old].job, table.c.target == target, table.c.subject == old)
        connection.execute(update(table).where(*here).values(subject=new))
