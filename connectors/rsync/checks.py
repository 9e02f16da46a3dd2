"""Looking at a copy that was made: is it what the source has?"""

import contextlib
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from connectors.rsync import child, maildir
from connectors.rsync.beside import Beside
from connectors.rsync.compare import distant, mounted
from connectors.rsync.contents import Contents, Difference, Parts, below, contents, homes, mailboxes
from connectors.rsync.here import Entry, Here
from connectors.rsync.names import meant, shown
from connectors.rsync.pattern import Pattern
from connectors.rsync.there import There

SKEW = 2.0  # seconds that the clock of a file server may be wrong


@dataclass(frozen=True, slots=True)
class Checks:
    """Of the copy at `root`. `looked`: when the inventory began, by the clock of file systems. Raises SourceError."""

    source: Here | There
    side: Here | There  # of the copies
    root: str
    pattern: Pattern
    ssh: tuple[str, ...]
    looked: float
    known: dict[str, Parts]  # of mailboxes that were looked at, and not touched since
    beside: Beside

    def counts(self) -> Iterator[tuple[str, int]]:
        """(mailbox, messages) in the copy: all are known then. What a killed rsync has left goes."""
        outside: dict[str, Entry] = {}
        rests: list[str] = []
        for name, found in self._looked_at(outside):
            if found is None:
                yield shown(name), sum(self.known[shown(name)].values())
                continue
            self.known[shown(name)] = found.parts
            rests += [f"{self.pattern.path(name)}/{path}" for path in found.others if maildir.is_rest(path)]
            yield shown(name), found.count
        rests += [path for path, entry in outside.items() if maildir.is_rest(path, folder=entry.folder)]
        for path in rests:
            if not self.source.has(path):
                with contextlib.suppress(OSError):
                    self.side.discard(below(self.root, path))

    def _looked_at(self, outside: dict[str, Entry]) -> Iterator[tuple[str, Contents | None]]:
        """None: it is known."""
        if isinstance(self.side, There):
            yield from mailboxes(self.side, self.root, self.pattern, outside, closely=False)
            return
        for home in homes(self.side, self.root, self.pattern, outside):
            name = self.pattern.name(home)
            if shown(name) in self.known:
                yield name, None
            elif (found := contents(self.side, self.root, home, closely=False)) is not None:
                yield name, found

    def missing(self, mailbox: str) -> int:
        home = self.home(mailbox)
        source = contents(self.source, "", home, closely=False) or Contents()
        copy = contents(self.side, self.root, home, closely=False) or Contents()
        lost = Difference.between(source, copy).come
        return sum(self._since(home, path, source) < self.looked - SKEW for path in lost)

    def _since(self, home: str, message: str, source: Contents) -> float:
        """Since when it has been there under this name, seconds; by its mtime where nothing else is told."""
        if not isinstance(self.source, Here):
            return source.known[message].mtime
        try:
            return (self.source.root / home / message).lstat().st_ctime
        except OSError:
            return float("inf")

    def sample(self, names: Iterable[str], size: int, chance: Random) -> Collection[str]:
        held = [(name, part, count) for name in names for part, count in self.known.get(name, {}).items()]
        chosen = Counter(chance.choices([(n, p) for n, p, _ in held], [c for *_, c in held], k=size) if held else ())
        if isinstance(self.source, Here) and isinstance(self.side, Here):
            some = {f"{self.home(name)}/{part}": count for (name, part), count in sorted(chosen.items())}
            copy = Here(self.side.root / self.root)
            look = partial(_differing, self.source, copy, self.pattern, some, chance.random())
            with self.beside.shared(look, list(some), begun=True) as looked:
                differing: Collection[str] = [path for _, paths in looked for path in paths]
        else:
            differing = self._listed(chosen, chance)
        return [shown(self.pattern.name(path)) for path in sorted(differing)]

    def _listed(self, chosen: Mapping[tuple[str, str], int], chance: Random) -> Collection[str]:
        """Those that differ, where a side is not here."""
        paths: list[str] = []
        for (name, part), there in self._in_parts(chosen.keys()):
            several = min(chosen[name, part], len(there))
            paths += [f"{self.home(name)}/{part}/{message}" for message in chance.sample(there, several)]
        target = f"{self.side.argument}{self.root}/" if self.root else self.side.argument
        return distant(self.source.argument, target, child.over(self.ssh, self.source.argument + target), paths)

    def _in_parts(self, parts: Collection[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], Sequence[str]]]:
        """The messages in these folders of mailboxes of the copy."""
        if isinstance(self.side, Here):
            for name, part in sorted(parts):
                yield (name, part), _messages(self.side, below(self.root, f"{self.home(name)}/{part}"))
            return
        for home, listed in self.named({name for name, _ in parts}):
            name = shown(self.pattern.name(home))
            for part, there in listed.messages.items():
                if (name, part) in parts:
                    yield (name, part), sorted(there)

    def named(self, names: Collection[str]) -> Iterator[tuple[str, Contents]]:
        """Where mailboxes of a copy that is not here are, and what is in them: in one list, for each look takes a
        connection."""
        for name, found in mailboxes(self.side, self.root, self.pattern, {}):
            if shown(name) in names:
                yield self.pattern.path(name), found

    def home(self, name: str) -> str:
        """Where the mailbox of this name, as it is shown, is."""
        return self.pattern.path(meant(name))


def _messages(side: Here, part: str) -> Sequence[str]:
    """The names in a folder of messages, in an order that is always the same."""
    found = side.folder(part)
    return sorted(name for name in (found.files if found else ()) if name[:1] != ".")


def _differing(
    source: Here, copy: Here, pattern: Pattern, chosen: Mapping[str, int], seed: float, part: str
) -> Collection[str]:
    """So many messages, as are chosen in this folder, are compared: those that differ."""
    there = _messages(copy, part)
    chance = Random(f"{seed} ".encode() + os.fsencode(part))  # noqa: S311 - a sample, no secret
    some = chance.sample(there, min(chosen[part], len(there)))
    return [path for path in (f"{part}/{name}" for name in some) if mounted(source, copy.root, pattern, path)]
