"""Who should be in one roster. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from collima.core.model import Finding, Level
from collima.core.options import Person
from collima.core.targets import OPTED_OUT, Id, Roster
from jobs.roster_sync.expand import Wish
from jobs.roster_sync.options import Options
from jobs.roster_sync.population import Population, counting, each, one_of


@dataclass(frozen=True, slots=True)
class Wanted:
    """`found`: people with an address that the filter finds, whatever `also` and `except` say of them."""

    members: frozenset[Id]
    found: int
    because: Mapping[Id, str]  # of those that the filter does not find
    findings: Sequence[Finding]
    expelled: frozenset[Id] = frozenset()  # in it as more than a member, and `except` names them


def known(address: str, roster: Roster, identify: Callable[[str], Id | None]) -> Id | None:
    """Whom an address means in this roster, also if it has no account at the target and the roster names it."""
    return identify(address) or (roster.guests or {}).get(address)


def wanted(
    wish: Wish,
    job: Options,
    *,
    answer: int,
    population: Population,
    roster: Roster,
    identify: Callable[[str], Id | None],
    address: Callable[[Id], str],
    today: date,
) -> Wanted:
    stanza, present = wish.stanza, roster.members
    refusing = (roster.refused or {}).keys()
    # by which of several addresses: whoever opted out by one of them is not put in by another
    apart, barring = (roster.apart or {}).keys(), (roster.barred or {}).keys()
    preferred = (present | apart, roster.manual | roster.pending, refusing)
    findings = [*_without_address(wish.name, job.attribute, answer, population)]
    members: set[Id] = set()
    if job.every:
        for person in each(answer):
            members.update(population.ids[person])
    else:
        for person in each(answer):
            ids = population.ids[person]
            if len(ids) == 1:
                members.add(ids[0])
            elif ids:
                free = tuple(i for i in ids if i not in barring) or ids
                near = next((some for some in preferred if not some.isdisjoint(free)), ())
                members.add(one_of(free, near))
    found = (answer & ~(population.bad | population.strange | population.mute)).bit_count()

    also, expired = counting(stanza.also, today)
    because: dict[Id, str] = {}
    unknown = inactive = 0
    for line in also:
        if (member := known(line.address, roster, identify)) is None:
            unknown += 1
            continue
        if member not in members:
            because[member] = f"also: {line.why}" if line.why else "also"
        members.add(member)
        inactive += member not in population.people and of_ours(line.address, job)
    excepted, lapsed = counting(stanza.except_, today)
    out = _meant(excepted, roster, population, identify)
    members -= out | apart
    barred = (members | present) & barring
    members -= barred
    refused = (members - present) & refusing  # who is in already stays
    members -= refused

    by_hand = roster.manual - members
    left = {member for member in by_hand if of_ours(address(member), job) and member not in population.people}

    def tell(count: int, code: str, told: str, level: Level = "warning") -> None:
        if count:
            findings.append(Finding(level, wish.name, code, f"{count} {told}"))

    tell(len(expired), "also-expired", f"of `also` had their last day ({_days(expired)}): take them out")
    tell(len(lapsed), "except-expired", f"of `except` had their last day ({_days(lapsed)}): take them out")
    tell(inactive, "also-inactive", "of our own addresses in `also` belong to nobody in `among` any more")
    tell(unknown, "also-unknown", "addresses in `also` have no account at the target")
    tell(len(by_hand - left), "manual", "members came by hand, and no filter finds them: kept", "info")
    tell(len(left), "manual-left", "members came by hand and belong to nobody in `among` any more: they stay for ever")
    reasons = sorted({(roster.refused or {})[member] for member in refused})
    tell(
        len(refused),
        "refused",
        f"people are not added: {', '.join(reasons)}",
        "info" if reasons == [OPTED_OUT] else "warning",
    )
    states = ", ".join(sorted({(roster.barred or {})[member] for member in barred}))
    tell(len(barred & present), "barred", f"members are taken out: {states}", "info")
    tell(len(barred - present), "barred-out", f"people stay out: {states}", "info")
    return Wanted(frozenset(members), found, because, findings, frozenset(out & apart))


def _meant(
    lines: Sequence[Person], roster: Roster, population: Population, identify: Callable[[str], Id | None]
) -> set[Id]:
    """These people, by all of their addresses."""
    found = {member for line in lines if (member := known(line.address, roster, identify)) is not None}
    return found.union(*(population.ids[person] for member in found for person in population.people.get(member, ())))


def of_ours(address: str, job: Options) -> bool:
    return address.rpartition("@")[2] in job.own_domains


def _days(people: Sequence[Person]) -> str:
    return ", ".join(sorted({str(p.until) for p in people}))


def _without_address(name: str, attribute: str, answer: int, population: Population) -> list[Finding]:
    kinds: tuple[tuple[int, Level, str, str], ...] = (
        (population.mute, "info", "no-address", f"have no {attribute}"),
        (population.bad, "warning", "bad-address", f"have a {attribute} that is no plain mail address"),
        (population.strange, "warning", "no-account", "have no account at the target"),
    )
    return [
        Finding(level, name, code, f"{count} of {answer.bit_count()} people {told}")
        for people, level, code, told in kinds
        if (count := (answer & people).bit_count())
    ]
