"""Another look at both sides when all that is new has come: what is gone meanwhile, and what of it may go."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from collima.core.stores import Errand, Inventory
from connectors.rsync.beside import Beside
from connectors.rsync.checks import Checks
from connectors.rsync.contents import Contents, Difference, Parts, contents, mailboxes, untold
from connectors.rsync.here import Here
from connectors.rsync.maildir import is_rest
from connectors.rsync.names import shown
from connectors.rsync.removals import Removals, Surplus
from connectors.rsync.there import There
from connectors.rsync.unmoved import Unmoved


@dataclass(frozen=True, slots=True)
class Leaving:
    checks: Checks
    errand: Errand
    seen: Inventory
    beside: Beside

    def judged(self, sent: Mapping[str, Collection[str]]) -> tuple[Removals, dict[str, int], frozenset[str]]:
        """What may go, how much was gone by mailbox, and the mailboxes that went away. Raises SourceError.

        `sent`: by mailbox, the guids of what came in this run.
        """
        known = {n for n, box in self.seen.boxes.items() if box.entries and n not in self.seen.gone}
        if self.errand.only is not None:
            known &= self.errand.only
        left = self._left(known)
        differ = {name for name, box in self.seen.boxes.items() if box.come or box.leave}
        found: dict[str, Surplus] = {}
        parts: dict[str, Parts] = {}  # of those in which nothing else is to be put in order
        for name, rest in self._again((known - left) & (differ | sent.keys()), sent):
            if rest is None:
                left.add(name)
                continue
            found[name] = rest.surplus
            if not rest.unkempt:
                parts[name] = rest.parts
        gone = {name: len(surplus.gone) for name, surplus in found.items()}
        vanishing = self.seen.unplanned(gone) > self.errand.unplanned
        removals = Removals(self.checks.side, self.checks.root)
        for name, surplus in found.items():
            planned = self.seen.boxes[name].leave
            held = bool(planned) and name not in self.errand.clean
            most = self.errand.clean.get(name, 0)
            going = removals.take(self.checks.home(name), surplus, planned if vanishing else most, held=held)
            if name in parts:
                self.checks.known[name] = _without(parts[name], going)
        return removals, gone, frozenset(left)

    def _left(self, names: Collection[str]) -> set[str]:
        """Those that went away from a store that is mounted here. A link in their place is none."""
        source = self.checks.source
        return {n for n in names if isinstance(source, Here) and not source.is_folder(self.checks.home(n))}

    def _again(
        self, names: Collection[str], sent: Mapping[str, Collection[str]]
    ) -> Iterator[tuple[str, "Rest | None"]]:
        """Mailboxes of both sides: one list of a side that is not here. None: the source does not have it any more."""
        checks = self.checks
        if not names:
            return
        come = {checks.home(name): sent.get(name, ()) for name in sorted(names)}
        if isinstance(checks.source, There):
            for name, found in mailboxes(checks.source, "", checks.pattern, {}):
                if (home := checks.pattern.path(name)) in come:
                    copied = contents(checks.side, checks.root, home, closely=False) or Contents()
                    yield shown(name), Rest.of(found, copied, come[home])
        elif isinstance(checks.side, There):
            for home, copy in checks.named(names):
                source = contents(checks.source, "", home, closely=False)
                yield shown(checks.pattern.name(home)), Rest.of(source, copy, come[home])
        else:
            then = {checks.home(name): self.seen.differences.get(name) for name in names}
            look = partial(_rest, checks.source, checks.side, checks.root, come, then)
            with self.beside.shared(look, list(come)) as rests:
                yield from ((shown(checks.pattern.name(home)), rest) for home, rest in rests)


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of one mailbox in the copy."""

    surplus: Surplus
    parts: Parts
    unkempt: bool  # a killed rsync has left something

    @classmethod
    def of(cls, source: Contents | None, copy: Contents, come: Collection[str]) -> "Rest | None":
        if source is None:
            return None
        return cls(Surplus.between(source, copy, come), copy.parts, any(map(is_rest, copy.others)))


def _rest(
    source: Here,
    copy: Here,
    root: str,
    come: Mapping[str, Collection[str]],
    then: Mapping[str, Difference | None],
    home: str,
) -> Rest | None:
    there, differs = contents(copy, root, home, closely=False) or Contents(), then[home]
    told = untold if differs is None else Unmoved(source, home, there, differs).names
    rest = Rest.of(contents(source, "", home, closely=False, told=told), there, come[home])
    return rest and replace(rest, surplus=rest.surplus.without(lambda path: source.has(f"{home}/{path}")))


def _without(parts: Parts, going: Iterable[str]) -> Parts:
    """What is left of them when these files have gone."""
    gone = Counter(path.rpartition("/")[0] for path in going)
    return {part: count - gone[part] for part, count in parts.items() if count > gone[part]}
