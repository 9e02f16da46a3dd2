"""From stanzas to the rosters that they name, by what the directory has."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from collima.core.model import Finding
from collima.core.targets import NameRule
from collima.directory.filters import Filter, NoValue
from collima.directory.names import NameTemplate, fold
from collima.directory.ports import Directory, Entry
from jobs.roster_sync.options import ForEach, Options, Stanza


@dataclass(frozen=True, slots=True)
class Wish:
    """One roster as the configuration wants it."""

    name: str
    stanza: Stanza
    filter: Filter


@dataclass(frozen=True, slots=True)
class Broken:
    """A roster that fails, named as far as it has a name."""

    finding: Finding
    watch: bool

    @property
    def name(self) -> str:
        return self.finding.subject


@dataclass(frozen=True, slots=True)
class Wishes:
    """All rosters that the stanzas name.

    `nameless`: stanzas (by their name template) with a
    roster that got no name, whose vanished rosters are not to be frozen. `searched`: stanzas with a for-each over a
    filter.
    """

    good: tuple[Wish, ...]
    broken: tuple[Broken, ...]
    nameless: frozenset[str]
    searched: frozenset[str]


Value = Entry | tuple[str, Sequence[str]] | str
"""One value of a for-each variable: an entry, an item (key, values) of a mapping, or an item of a list."""


def expand(job: Options, directory: Directory, rule: NameRule) -> Wishes:
    """Reads every for-each over a filter. Raises SourceError."""
    good: dict[str, list[Wish]] = {}
    broken: list[Broken] = []
    nameless, searched = set(), set()
    for stanza in job.rosters:
        wanted = _attributes(stanza)
        values = {}
        for variable, each in stanza.for_each.items():
            if not isinstance(each, Mapping | tuple):
                searched.add(stanza.name)
            values[variable] = list(_values(each, directory, wanted.get(variable, ())))
        for combination in product(*values.values()):
            given = dict(zip(values, combination, strict=True))
            found = _wish(stanza, given, rule)
            if isinstance(found, Wish):
                good.setdefault(found.name, []).append(found)
            else:
                broken.append(Broken(found, stanza.mode == "watch"))
                if found.code == "no-name":
                    nameless.add(stanza.name)
    for name, wishes in good.items():
        if len(wishes) > 1:
            templates = ", ".join(sorted({w.stanza.name for w in wishes}))
            text = f"{len(wishes)} rosters would have this name (from {templates}): neither is touched"
            finding = Finding("critical", name, "name-clash", text)
            broken.append(Broken(finding, all(w.stanza.mode == "watch" for w in wishes)))
    broken_names = {b.name for b in broken}
    alone = tuple(wishes[0] for name, wishes in good.items() if name not in broken_names)
    return Wishes(alone, tuple(broken), frozenset(nameless), frozenset(searched))


def _attributes(stanza: Stanza) -> dict[str, tuple[str, ...]]:
    """The attributes of each variable that the stanza uses."""
    used = {*NameTemplate(stanza.name).placeholders, *stanza.members.placeholders}
    by_variable: dict[str, set[str]] = {}
    for variable, attribute in used:
        if attribute != "dn":
            by_variable.setdefault(variable, set()).add(attribute)
    return {variable: tuple(sorted(attributes)) for variable, attributes in by_variable.items()}


def _values(each: ForEach, directory: Directory, attributes: Sequence[str]) -> Iterable[Value]:
    if isinstance(each, Mapping):
        return each.items()
    if isinstance(each, tuple):
        return each
    return directory.entries(each, attributes)


def _wish(stanza: Stanza, given: Mapping[str, Value], rule: NameRule) -> Wish | Finding:
    lookup = _lookup(given)
    try:
        name = fold(NameTemplate(stanza.name).render(lookup), rule)
    except (NoValue, ValueError) as err:
        where = " and ".join(v.dn for v in given.values() if isinstance(v, Entry))
        subject = f"{stanza.name} {where}".rstrip()
        return Finding("critical", subject, "no-name", f"this roster gets no name: {err}")
    try:
        return Wish(name, stanza, stanza.members.render(lookup))
    except NoValue as err:
        return Finding("critical", name, "no-value", f"skipped: {err}")


def _lookup(given: Mapping[str, Value]) -> Callable[[str, str], Sequence[str]]:
    def lookup(variable: str, attribute: str) -> Sequence[str]:
        value = given[variable]
        if isinstance(value, Entry):
            return (value.dn,) if attribute == "dn" else value.attributes.get(attribute.lower(), ())
        if isinstance(value, str):
            return (value,)
        key, values = value
        return (key,) if attribute == "key" else values

    return lookup


def names_of(wishes: Wishes) -> Iterator[str]:
    """Every roster that some stanza still names, broken ones included."""
    yield from (wish.name for wish in wishes.good)
    yield from (broken.name for broken in wishes.broken)
