"""Another look at both sides when all that is new has come: what is gone meanwhile, and what of it may go."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from collima.core.stores import Errand, Inventory
from connectors.rsync.beside import listed
from connectors.rsync.checks import Checks
from connectors.rsync.contents import Contents, Parts, contents, mailboxes
from connectors.rsync.here import Here
from connectors.rsync.maildir import is_rest
from connectors.rsync.names import shown
from connectors.rsync.removals import Removals, Surplus
from connectors.rsync.there import There


@dataclass(frozen=True, slots=True)
class Leaving:
    checks: Checks
    errand: Errand
    seen: Inventory

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
        for name, source, copy in self._again((known - left) & (differ | sent.keys())):
            if source is None:
                left.add(name)
            else:
                found[name] = Surplus.between(source, copy, sent.get(name, ()))
                if not any(map(is_rest, copy.others)):
                    parts[name] = copy.parts
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

    def _again(self, names: Collection[str]) -> Iterator[tuple[str, Contents | None, Contents]]:
        """Mailboxes of both sides: one list of a side that is not here."""
        checks = self.checks
        if not names:
            return
        if isinstance(checks.source, There):
            for name, found in mailboxes(checks.source, "", checks.pattern, {}):
                if shown(name) in names:
                    copy = contents(checks.side, checks.root, checks.pattern.path(name), closely=False)
                    yield shown(name), found, copy or Contents()
            return
        if isinstance(checks.side, There):
            for home, found in checks.named(names):
                yield shown(checks.pattern.name(home)), contents(checks.source, "", home, closely=False), found
            return
        ordered = sorted(names)
        homes = [checks.home(name) for name in ordered]
        with listed(checks.side, checks.root, homes, closely=False) as copies:
            for name, home, copied in zip(ordered, homes, copies, strict=True):
                yield name, contents(checks.source, "", home, closely=False), copied or Contents()


def _without(parts: Parts, going: Iterable[str]) -> Parts:
    """What is left of them when these files have gone."""
    gone = Counter(path.rpartition("/")[0] for path in going)
    return {part: count - gone[part] for part, count in parts.items() if count > gone[part]}
