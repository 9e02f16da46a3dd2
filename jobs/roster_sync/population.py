"""The people of one run as members: which address of each, and whom an address means."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from collima.core.options import Person, address
from collima.core.targets import Id


@dataclass(frozen=True, slots=True)
class Population:
    """People by index, as `directory.ports.People` counts them."""

    ids: Sequence[tuple[Id, ...]]  # those that the target knows, the preferred first
    people: Mapping[Id, Sequence[int]]  # whom an Id belongs to
    bad: int  # bitset: people with values that are no mail addresses, and no good one
    strange: int  # bitset: people with an address, but no account at the target
    mute: int  # bitset: people without any address


def one_of(ids: Sequence[Id], present: Collection[Id]) -> Id:
    """The member that somebody with several addresses stands for: one already there, else the preferred."""
    return next((i for i in ids if i in present), ids[0])


def population(
    values: Sequence[tuple[str, ...]], identify: Callable[[str], Id | None], own_domains: Sequence[str]
) -> Population:
    """`values`: the address attribute of each person. Preference: the order of `own_domains`, then the alphabet."""
    rank = {domain: n for n, domain in enumerate(own_domains)}
    ids: list[tuple[Id, ...]] = []
    people: dict[Id, list[int]] = {}
    flags = {name: bytearray(len(values) // 8 + 1) for name in ("bad", "strange", "mute")}

    def preference(text: str) -> tuple[int, str]:
        return rank.get(text.rpartition("@")[2], len(rank)), text

    for person, texts in enumerate(values):
        if len(texts) == 1:
            known = identify(texts[0].lower())
            mine: tuple[Id, ...] = (known,) if known is not None else ()
        else:
            found = [identify(t) for t in sorted({t.lower() for t in texts}, key=preference)]
            mine = tuple(dict.fromkeys(i for i in found if i is not None))
        ids.append(mine)
        for one in mine:
            people.setdefault(one, []).append(person)
        if not mine:
            kind = "mute" if not texts else "strange" if any(_plain(t) for t in texts) else "bad"
            flags[kind][person >> 3] |= 1 << (person & 7)
    bits = {name: int.from_bytes(raw, "little") for name, raw in flags.items()}
    return Population(ids, people, bits["bad"], bits["strange"], bits["mute"])


def _plain(text: str) -> bool:
    try:
        address(text)
    except ValueError:
        return False
    return True


def each(bits: int) -> Iterator[int]:
    """The people of a bitset."""
    digits = bin(bits)[:1:-1]
    at = digits.find("1")
    while at >= 0:
        yield at
        at = digits.find("1", at + 1)


def counting(people: Sequence[Person], today: date) -> tuple[list[Person], list[Person]]:
    """(those that count today, those whose last day has passed)."""
    current = [p for p in people if p.until is None or today <= p.until]
    return current, [p for p in people if p.until is not None and today > p.until]
