"""How the members that a target has today came to be there, beside what the stanzas want. Pure, but for one reading."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from collima.core.errors import blaming
from collima.core.targets import Adoptable, Id, Roster, Rosters, Standing, Step
from jobs.roster_sync.expand import Wish
from jobs.roster_sync.members import of_ours
from jobs.roster_sync.sync import Seen, Sync

Addresses = tuple[str, ...]
"""Sorted."""


@dataclass(frozen=True, slots=True)
class Ways:
    """Members by the way they came: somebody who came by several is in the first of them only."""

    manual: Addresses = ()
    ours: Addresses = ()
    others: Mapping[str, Addresses] = field(default_factory=dict)  # by the label of their source

    @property
    def elsewhere(self) -> int:
        """How many are in by another source."""
        return sum(map(len, self.others.values()))


@dataclass(frozen=True, slots=True)
class Adopted:
    """One roster: today's members, and the answer of the stanzas."""

    name: str
    mode: str
    today: int
    wanted: int
    coming: Addresses = ()  # wanted, and not in
    staying: Ways = field(default_factory=Ways)  # wanted, and in
    unwanted: Ways = field(default_factory=Ways)  # in, and not wanted
    opted_out: Addresses = ()  # nobody puts them in again
    sources: tuple[str, ...] = ()
    missing: bool = False  # the target has no such roster
    fault: str = ""  # why it cannot be told
    claimed: bool = False  # by a run of this job in mode apply
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Adoption:
    """`backup` is None where the target keeps no other rosters than ours."""

    rosters: Sequence[Adopted]
    backup: Step | None = None


def adopt(sync: Sync, seen: Seen, now: datetime) -> Adoption:
    """Reads once more how the members came to be in. Changes nothing. Raises SourceError."""
    session, wishes = seen.rosters, seen.wishes.good
    if not isinstance(session, Adoptable):
        return Adoption([_adopted(sync, seen, wish, _plain(seen.have[wish.name]), (), now) for wish in wishes])
    names = [wish.name for wish in wishes if not seen.have[wish.name].fault]
    before = {new: old for old, new in sync.options.renamed.items() if new in names}
    with blaming(sync.target):
        standings = session.standing(sorted({*names, *before.values()}))

    def one(wish: Wish) -> Adopted:
        name, standing = wish.name, standings.get(wish.name, Standing())
        steps: Sequence[Step] = ()
        if seen.have[name].fault:
            pass
        elif standing.missing and name in before and not standings[before[name]].missing:
            steps = session.renaming(before[name], name)
        else:
            guests = {m for m in standing.manual if not of_ours(seen.rosters.address(m), sync.options)}
            steps = session.handover(name, standing, sync.wanted(wish, seen, now).members, frozenset(guests))
        return _adopted(sync, seen, wish, standing, steps, now)

    return Adoption([one(wish) for wish in wishes], session.backup(names))


def _adopted(sync: Sync, seen: Seen, wish: Wish, standing: Standing, steps: Sequence[Step], now: datetime) -> Adopted:
    session, roster = seen.rosters, seen.have[wish.name]
    mode = "watch" if sync.watched(wish) else "apply"
    if roster.fault:
        return Adopted(wish.name, mode, 0, 0, fault=roster.fault)
    wanted = sync.wanted(wish, seen, now).members
    today = standing.ours.union(standing.manual, *(standing.others or {}).values())
    owner = seen.owned.get(wish.name)
    return Adopted(
        name=wish.name,
        mode=mode,
        today=len(today),
        wanted=len(wanted),
        coming=_addresses(session, wanted - today),
        staying=_ways(session, standing, wanted),
        unwanted=_ways(session, standing, today - wanted),
        opted_out=_addresses(session, standing.opted_out),
        sources=standing.sources,
        missing=standing.missing,
        claimed=owner is not None and owner.job == sync.context.name,
        steps=tuple(steps),
    )


def _plain(roster: Roster) -> Standing:
    """Of a target that knows two ways only."""
    opted_out = frozenset(roster.refused or ())
    return Standing(roster.members, roster.manual, opted_out=opted_out, missing=roster.missing)


def _ways(session: Rosters, standing: Standing, some: frozenset[Id]) -> Ways:
    others = standing.others or {}
    taken = standing.manual | standing.ours
    labelled: dict[str, Addresses] = {}
    for label, members in others.items():
        if mine := (members & some) - taken:
            labelled[label] = _addresses(session, mine)
        taken |= members
    manual, ours = standing.manual & some, (standing.ours & some) - standing.manual
    return Ways(_addresses(session, manual), _addresses(session, ours), labelled)


def _addresses(session: Rosters, members: Collection[Id]) -> Addresses:
    return tuple(sorted(map(session.address, members)))
