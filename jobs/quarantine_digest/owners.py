"""Whose an address is, among those that one run is about. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from collima.core.options import Address, address
from collima.core.quarantine import Holder
from collima.directory.ports import People

SEVERAL = -1
"""In place of a person: two or more have this address, and nobody is told what is held for it."""


@dataclass(frozen=True, slots=True)
class Owners:
    """Persons are indices of the directory's answer."""

    whose: Mapping[str, int]  # address -> person, or SEVERAL; of everybody in `who`, and of all recipients asked for
    holders: Mapping[int, Holder]  # everybody in `who` with an address of their own
    without: int  # people in `who` without

    def of(self, recipient: str) -> int | None:
        """`name+list@host` is of whoever has `name@host`, unless somebody has just that address."""
        found = self.whose.get(recipient)
        return self.whose.get(plain(recipient)) if found is None else found


NOBODY = Owners({}, {}, 0)


def plain(recipient: str) -> str:
    """The address without its extension."""
    local, at, host = recipient.rpartition("@")
    return f"{local.partition('+')[0]}{at}{host}"


def owners(people: People, attributes: Sequence[str], language: str, who: int, recipients: Collection[str]) -> Owners:
    """`who`: a set of people. `recipients`: lower-cased, those whose owners are looked for."""
    columns = [people.values(name) for name in attributes]
    asked = [person for person in range(people.size) if who >> person & 1]
    wanted = {text for recipient in recipients for text in (recipient, plain(recipient))}
    for person in asked:
        wanted.update(_texts(columns, person))
    whose: dict[str, int] = {}
    for person in range(people.size):
        for text in _texts(columns, person):
            if text in wanted and whose.setdefault(text, person) != person:
                whose[text] = SEVERAL
    spoken = people.values(language)
    holders = {}
    for person in asked:
        own = tuple(
            dict.fromkeys(a for text in _texts(columns, person) if whose[text] != SEVERAL and (a := _sound(text)))
        )
        if own:
            holders[person] = Holder(own[0], own, next(iter(spoken[person]), ""), asked=True)
    return Owners(whose, holders, len(asked) - len(holders))


def _texts(columns: Sequence[Sequence[tuple[str, ...]]], person: int) -> Iterator[str]:
    """In the order of the attributes."""
    for column in columns:
        for text in column[person]:
            yield text.strip().lower()


def _sound(text: str) -> Address | None:
    try:
        return address(text)
    except ValueError:
        return None
