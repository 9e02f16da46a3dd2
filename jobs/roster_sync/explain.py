"""Why an address is in a roster, or not. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from collima.core.model import Key
from collima.core.options import Person
from collima.core.targets import Id
from collima.directory.filters import text
from jobs.roster_sync.expand import Wish
from jobs.roster_sync.members import known
from jobs.roster_sync.population import counting
from jobs.roster_sync.sync import Seen, Sync


@dataclass(frozen=True, slots=True)
class Explained:
    """One roster, and one address. `state`: in, out, or what is about to happen."""

    roster: str
    state: str  # in, out, to be added, to be removed, held: to be added, waiting: to be removed …
    member: bool  # now
    why: str
    stanza: str
    filter: str
    what: str  # the member as the target knows it; "" if it is none
    mode: str


def explain(
    sync: Sync, seen: Seen, held: Collection[Key], waiting: Collection[Key], address: str, now: datetime
) -> Sequence[Explained]:
    """Every roster that the job names, in the order of the configuration."""
    assert seen.population is not None
    identify = seen.rosters.identify
    member = identify(address)
    people = seen.population.people.get(member, ()) if member is not None else ()
    same = {i for person in people for i in seen.population.ids[person]} | ({member} if member is not None else set())
    today = now.astimezone(sync.context.timezone).date()

    def one(wish: Wish) -> Explained:
        assert seen.answers is not None
        roster = seen.have[wish.name]
        guest = known(address.lower(), roster, identify)
        mine = same if guest is None else same | {guest}

        def named(lines: Sequence[Person]) -> Person | None:
            current, _ = counting(lines, today)
            return next((line for line in current if known(line.address, roster, identify) in mine), None)

        apart = roster.apart or {}
        wanted = sync.wanted(wish, seen, now)
        want = (wanted.members | (apart.keys() - wanted.expelled)) & mine
        by_hand = (roster.manual - roster.members) & mine
        have = (roster.members | apart.keys() | (by_hand - want)) & mine
        found = any(seen.answers[wish.filter] >> person & 1 for person in people)
        noes = {**(roster.refused or {}), **(roster.barred or {})} if mine else {}
        refusal = next((noes[i] for i in mine if i in noes), "")
        standing = next((apart[i] for i in mine if i in apart), "")
        if by_hand and not want:
            want, standing = have, "put in by hand"
        who = next(iter(sorted(want or have)), None)
        what = seen.rosters.address(who) if who is not None else ""
        return Explained(
            roster=wish.name,
            member=bool(have),
            state=_state(wish.name, what, want, have, held, waiting),
            why=_why(found, bool(people), refusal, standing, named(wish.stanza.also), named(wish.stanza.except_)),
            stanza=wish.stanza.name,
            filter=text(wish.filter),
            what=what,
            mode="watch" if sync.watched(wish) else "apply",
        )

    return [one(wish) for wish in seen.wishes.good]


def _state(
    name: str, what: str, want: Collection[Id], have: Collection[Id], held: Collection[Key], waiting: Collection[Key]
) -> str:
    if bool(want) == bool(have):
        return "in" if want else "out"
    verb, told = ("add", "to be added") if want else ("remove", "to be removed")
    key = Key(name, verb, what)
    return f"held: {told}" if key in held else f"waiting: {told}" if key in waiting else told


def _why(
    found: bool, one_of_us: bool, refusal: str, standing: str, also: Person | None, exception: Person | None
) -> str:
    if exception:
        return "`except` names this person" + (f": {exception.why}" if exception.why else "")
    if standing:
        return f"left alone, as {standing}"
    if refusal:
        return f"refused by the target: {refusal}"
    if found:
        return "the filter finds this person"
    if also:
        return "`also` names this address" + (f": {also.why}" if also.why else "")
    return "the filter does not find this person" if one_of_us else "nobody in `among` has this address"
