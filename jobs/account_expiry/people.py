"""From entries to persons, and whose account is whose. Pure."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from collima.core.options import Address, address
from collima.core.targets import Account, Id
from collima.directory.ports import People
from jobs.account_expiry.dates import Fault, Since, since
from jobs.account_expiry.options import Options

WHO, UNLESS = 0, 1  # the filters of the question, in this order


@dataclass(frozen=True, slots=True)
class Holder:
    """One person, by all of their entries; or one entry that does not say whose it is."""

    digests: frozenset[str]  # of what makes entries one person; (): an entry without
    ends: bool  # an entry is in `who`
    ending: frozenset[Id]  # the accounts that such an entry names: no other account of this person ends
    back: bool  # an entry is in `unless`
    since: date | None  # the latest; None: see `fault`
    fault: Fault | None
    accounts: frozenset[Id]  # that any entry names
    others: tuple[Address, ...] = ()  # of `notify-also`
    names: frozenset[str] = frozenset()  # every address that any entry names, whether the target knows it or not
    language: str = ""

    @property
    def known(self) -> bool:
        return bool(self.digests)

    def is_whose(self, digest: str) -> bool:
        return digest in self.digests

    @property
    def digest(self) -> str:
        return min(self.digests)


@dataclass(frozen=True, slots=True)
class Census:
    """Everybody, and who has which account."""

    holders: Sequence[Holder]
    whose: Mapping[Id, Sequence[Holder]]  # several: they claim one account
    without: int  # entries in `who` whose account is not there
    newest: date | None  # of all dates in `who` that can be true


def index(accounts: Iterable[Account]) -> Mapping[str, Id]:
    """By every address and alias."""
    return {name: account.id for account in accounts for name in (account.address, *account.aliases)}


def census(options: Options, people: People, accounts: Mapping[Id, Account], now: datetime, zone: tzinfo) -> Census:
    by_name = index(accounts.values())
    who = people.answers[WHO]
    unless = people.answers[UNLESS] if options.unless else 0
    named = people.values(options.account)
    dated = people.values(options.since)
    others = people.values(options.notify_also) if options.notify_also else [()] * people.size
    spoken = people.values(options.language)
    mine = [frozenset(by_name[text.lower()] for text in texts if text.lower() in by_name) for texts in named]
    holders: list[Holder] = []
    newest: date | None = None
    for digests, entries in _persons(people.values(options.person)):
        ends = [at for at in entries if who >> at & 1]
        found = since([text for at in entries for text in dated[at]], now, zone)
        if any(not dated[at] for at in ends):  # of what ended last nobody knows when
            found = Since(None, found.fault or "no-date")
        more = tuple(sorted({a for at in entries for text in others[at] if (a := _address(text))}))
        if ends and found.day:
            newest = max(newest or found.day, found.day)
        holders.append(
            Holder(
                digests=digests,
                ends=bool(ends),
                ending=frozenset().union(*(mine[at] for at in ends)),
                back=any(unless >> at & 1 for at in entries),
                since=found.day,
                fault=found.fault,
                accounts=frozenset().union(*(mine[at] for at in entries)),
                others=more,
                names=frozenset(more).union(text.lower() for at in entries for text in named[at]),
                language=next((text for at in entries for text in spoken[at]), ""),
            )
        )
    whose: dict[Id, list[Holder]] = {}
    for holder in holders:
        for account in holder.accounts:
            whose.setdefault(account, []).append(holder)
    without = sum(1 for at, found_ in enumerate(mine) if who >> at & 1 and not found_)
    return Census(holders, whose, without, newest)


def _persons(keys: Sequence[tuple[str, ...]]) -> Iterable[tuple[frozenset[str], Sequence[int]]]:
    """(digests, entries): entries that share a key are of one person; one without any is nobody's."""
    entries: dict[str, list[int]] = {}
    parents: dict[str, str] = {}

    def root(key: str) -> str:
        while parents[key] != key:
            parents[key] = key = parents[parents[key]]
        return key

    for at, values in enumerate(keys):
        folded = [" ".join(value.lower().split()) for value in values if value.strip()]
        if not folded:
            yield frozenset(), (at,)
            continue
        for key in folded:
            parents.setdefault(key, key)
            parents[root(key)] = root(folded[0])
        entries.setdefault(folded[0], []).append(at)
    groups: dict[str, tuple[set[str], list[int]]] = {}
    for key in parents:
        digests, together = groups.setdefault(root(key), (set(), []))
        digests.add(digest(key))
        together.extend(entries.get(key, ()))
    for digests, together in groups.values():
        yield frozenset(digests), sorted(together)


def digest(key: str) -> str:
    """Not the key itself, which is a fiscal code as a rule, goes on record."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _address(text: str) -> Address | None:
    try:
        return address(text)
    except ValueError:
        return None
