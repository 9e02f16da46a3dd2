"""Copying a mail store for one job: `core.stores.Store`."""

import contextlib
import errno
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from collima.core.errors import NotHere, Refused, SourceError
from collima.core.stores import Copied, Errand, Inventory, Room, Shape
from connectors.rsync import child, layout
from connectors.rsync.compare import distant, mounted
from connectors.rsync.contents import Contents, Difference, below, contents, mailboxes
from connectors.rsync.here import Here
from connectors.rsync.links import Links
from connectors.rsync.names import meant, shown
from connectors.rsync.pattern import Pattern
from connectors.rsync.rate import Rate
from connectors.rsync.removals import Removals, Surplus
from connectors.rsync.renames import Renames
from connectors.rsync.survey import Side, Survey, above, top
from connectors.rsync.there import There
from connectors.rsync.transfer import Transfer, just

SKEW = 2.0  # seconds that the clock of a file server may be wrong
AT_ONCE = 500_000  # files that rsync lists before it begins: nearly twice as fast, for some 200 bytes of memory each


@dataclass(slots=True)
class Tree:
    """`most_links`: as if no file could have more names than this; 0: what the file system says."""

    source: Here | There
    side: Here | There  # of the copies
    sentinel: str
    shape: Shape
    pattern: Pattern
    ssh: tuple[str, ...]
    bandwidth: Rate | None = None
    most_links: int = 0
    clock: Callable[[], float] = time.time
    looked: float = field(default=0.0, init=False)  # when the inventory began, by the clock of file systems
    root: str = field(default="", init=False)  # below the side: the copy that `copy` works on

    # ---- looking

    def ready(self) -> Room:
        if not self.source.has(self.sentinel):
            raise NotHere(
                f"{self.source.argument}: there is no {self.sentinel}: the mail store is not mounted here, or nobody "
                "has put this file into it"
            )
        room = self.side.room()
        names = [entry.path for entry in self.side.names() if entry.folder]
        stamps = layout.stamps(names)
        if not self.shape.generations and (stamps or layout.INCOMING in names):
            raise SourceError(
                f"{self.side.argument} holds generations, which a mirror would delete: write `generations`, or name "
                "another folder in `to`"
            )
        if self.shape.generations and not stamps and self._mirrored(names):
            raise SourceError(
                f"{self.side.argument} holds a mirror: write `generations: 0`, or name another folder in `to`"
            )
        return room

    def _mirrored(self, names: Collection[str]) -> bool:
        """Whether mailboxes are where generations should be."""
        return any(self.side.has(below(n, self.pattern.parts[-1])) for n in names if self.pattern.fits(0, n))

    def inventory(self) -> Inventory:
        self.looked = self.clock()
        block = self.side.room().block
        names = {entry.path for entry in self.side.names() if entry.folder}
        root = self._newest(names)
        self.root = root or ""
        copy = None if root is None else Side(self.side, root)
        found = Survey(self.pattern, Side(self.source), copy, block).inventory(
            unfinished=bool(self.shape.generations) and layout.INCOMING in names
        )
        if not any(box.source for box in found.boxes.values()) or len(found.gone) == len(found.boxes):
            raise SourceError(f"{self.source.argument}: there is no mailbox {self.pattern.text} with a message in it")
        return found

    def _newest(self, names: Collection[str]) -> str | None:
        """The copy that a run goes on from: one that was left in the middle, else the newest; None: there is none."""
        if not self.shape.generations:
            return ""
        if layout.INCOMING in names:
            return layout.INCOMING
        return next(iter(layout.stamps(names)), None)

    # ---- copying

    def copy(self, errand: Errand, seen: Inventory, told: Callable[[str], None]) -> Copied:
        try:
            self._begin(errand)
            self._drop(errand, seen)
            renamed = self._follow(errand, seen)
        except (OSError, SourceError) as err:
            full = isinstance(err, OSError) and err.errno in (errno.ENOSPC, errno.EDQUOT)
            raise Refused(
                "no room is left where the copies are" if full else f"the copy cannot begin: {_why(err)}"
            ) from err
        transfer = Transfer(self.source.argument, self._target, self.pattern, self._options(seen))
        sent: set[str] = set()

        def heard(mailbox: str) -> None:
            sent.add(mailbox)
            told(mailbox)

        self._mounted()
        faults = transfer.run(self._rules(errand), heard)
        self._mounted()
        removals = Removals(self.side, self.root)
        gone, left = self._remove(errand, seen, sent, removals)
        try:
            emptied = removals.end()
        except (OSError, SourceError) as err:
            transient = isinstance(err, SourceError) and err.transient
            raise Refused(f"what left the store is still in the copy: {_why(err)}", transient=transient) from err
        if emptied and isinstance(self.side, There):
            transfer.dates(emptied)
        return Copied(
            sent=transfer.figures.get("sent", 0),
            files=transfer.figures.get("files", 0),
            renamed=renamed,
            vanished=faults is None,
            faults=faults or {},
            gone=gone,
            left=left,
        )

    def _mounted(self) -> None:
        """Raises Refused when it is not any more."""
        if not self.source.has(self.sentinel):
            raise Refused("the mail store went away while it was copied: the copy is not finished", transient=True)

    @property
    def _target(self) -> str:
        return f"{self.side.argument}{self.root}/" if self.root else self.side.argument

    def _options(self, seen: Inventory) -> list[str]:
        options: list[str] = []
        if sum(max(box.source, box.copy) for box in seen.boxes.values()) <= AT_ONCE:
            options.append("--no-inc-recursive")
        if isinstance(self.side, Here) and child.gives_away():
            options.append("--super")
        if self.bandwidth:
            options.append(f"--bwlimit={max(1, self.bandwidth.bytes // 1024)}")
        if isinstance(self.source, There) or isinstance(self.side, There):
            options += child.over(self.ssh, self.source.argument + self._target)
        return options

    def _begin(self, errand: Errand) -> None:
        """The tree that rsync works on. Raises OSError or SourceError."""
        if not self.shape.generations or errand.attributes or self.root == layout.INCOMING:
            return
        if errand.only is not None and self.root:  # no generation of its own: the newest is put right in place
            return
        names = {entry.path for entry in self.side.names() if entry.folder}
        for name in names:
            if name.startswith(layout.GOING):
                self.side.remove(name)
        if isinstance(self.side, There):
            self.side.remove(layout.LINKING)
            self.side.link(self.root, layout.LINKING)
        elif self.root:
            Links(self.side.root / self.root, self.side.root / layout.LINKING, self.most_links).make()
        else:
            (self.side.root / layout.LINKING).mkdir(exist_ok=True)
        self.side.rename(layout.LINKING, layout.INCOMING)
        self.root = layout.INCOMING

    def _follow(self, errand: Errand, seen: Inventory) -> int:
        come = any(box.come for box in seen.boxes.values())
        mounted = isinstance(self.source, Here) and isinstance(self.side, Here)
        if not (self.shape.follow_renames and mounted and come) or seen.empty:
            return 0
        assert isinstance(self.source, Here)
        assert isinstance(self.side, Here)
        renames = Renames(self.pattern, self.source.root, self.side.root / self.root, seen.differences)
        names = [name for name, box in sorted(seen.boxes.items()) if box.come]
        renames.follow([name for name in names if errand.only is None or name in errand.only])
        return renames.count

    def _rules(self, errand: Errand) -> list[str]:
        return just([self._home(name) for name in errand.only]) if errand.only is not None else []

    def _drop(self, errand: Errand, seen: Inventory) -> None:
        """What left the store long ago. Before rsync looks: what has come back is sent again."""
        for path in {*self._tops(errand, seen), *map(meant, errand.stray)}:
            self.side.remove(below(self.root, path))

    def _tops(self, errand: Errand, seen: Inventory) -> Iterator[str]:
        """Each mailbox that goes, with the folders above it that nobody else is in."""
        others: dict[str, object] = {}
        if errand.drop:
            others = {path: None for name in seen.boxes.keys() - errand.drop for path in above(self._home(name))}
        for home in map(self._home, errand.drop):
            others |= {path: None for path in above(home) if self.source.has(path)}
            yield top(home, others)

    def _remove(
        self, errand: Errand, seen: Inventory, sent: Collection[str], removals: Removals
    ) -> tuple[dict[str, int], frozenset[str]]:
        """What is gone, and may go, and older names of what is there, by another look at both sides.

        Returns how much was gone by mailbox, and the mailboxes that went away. Raises Refused.
        """
        known = {n for n, box in seen.boxes.items() if box.entries and n not in seen.gone}
        if errand.only is not None:
            known &= errand.only
        left = self._left(known)
        gone: dict[str, int] = {}
        for name, source, copy in self._again((known - left) & (errand.clean.keys() | sent)):
            if source is None:
                left.add(name)
                continue
            surplus = Surplus.between(source, copy, errand.clean.get(name, 0))
            removals.take(self._home(name), surplus)
            gone[name] = surplus.gone
        return gone, frozenset(left)

    def _left(self, names: Collection[str]) -> set[str]:
        """Those that went away from a store that is mounted here."""
        return {name for name in names if isinstance(self.source, Here) and not self.source.has(self._home(name))}

    def _again(self, names: Collection[str]) -> Iterator[tuple[str, Contents | None, Contents]]:
        """Mailboxes of both sides: one list of a side that is not here."""
        if not names:
            return
        if isinstance(self.source, There):
            for name, found in mailboxes(self.source, "", self.pattern, {}):
                if shown(name) in names:
                    yield shown(name), found, self._copied(self.pattern.path(name))
            return
        for home, found in self._named(names):
            yield shown(self.pattern.name(home)), contents(self.source, "", home, closely=False), found

    def _copied(self, home: str) -> Contents:
        return contents(self.side, self.root, home, closely=False) or Contents()

    def _home(self, name: str) -> str:
        return self.pattern.path(meant(name))

    # ---- looking at what came of it

    def counts(self) -> Iterator[tuple[str, int]]:
        for name, found in mailboxes(self.side, self.root, self.pattern, {}, closely=False):
            if found.partial:
                self._sweep(below(self.root, f"{self.pattern.path(name)}/{path}") for path in found.partial)
            yield shown(name), found.count

    def _sweep(self, folders: Iterable[str]) -> None:
        """What rsync kept of files that are there now, or are gone. Their folders keep the times that rsync set."""
        assert isinstance(self.side, Here)
        for folder in folders:
            with contextlib.suppress(OSError):
                above = (self.side.root / folder).parent
                times = above.stat()
                self.side.remove(folder)
                os.utime(above, ns=(times.st_atime_ns, times.st_mtime_ns))

    def missing(self, mailbox: str) -> int:
        home = self._home(mailbox)
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

    def sample(self, counts: Mapping[str, int], size: int, chance: Random) -> Collection[str]:
        held = [name for name, count in counts.items() if count]
        chosen = Counter(chance.choices(held, [counts[name] for name in held], k=size) if held else ())
        paths: list[str] = []
        for home, found in self._named(chosen):
            there = sorted(found.paths())
            several = min(chosen[shown(self.pattern.name(home))], len(there))
            paths += [f"{home}/{path}" for path in chance.sample(there, several)]
        return [shown(self.pattern.name(path)) for path in sorted(self._differing(paths))]

    def _named(self, names: Collection[str]) -> Iterator[tuple[str, Contents]]:
        """Where mailboxes of the copy are, and what is in them: in one list where each look takes a connection."""
        if isinstance(self.side, Here):
            for home in map(self._home, sorted(names)):
                yield home, contents(self.side, self.root, home, closely=False) or Contents()
            return
        for name, found in mailboxes(self.side, self.root, self.pattern, {}):
            if shown(name) in names:
                yield self.pattern.path(name), found

    def _differing(self, paths: Collection[str]) -> Collection[str]:
        if isinstance(self.source, Here) and isinstance(self.side, Here):
            copy = self.side.root / self.root
            return [path for path in paths if mounted(self.source, copy, self.pattern, path)]
        return distant(
            self.source.argument, self._target, child.over(self.ssh, self.source.argument + self._target), paths
        )

    # ---- the end

    def finish(self, moment: datetime) -> str:
        if not self.shape.generations:
            if isinstance(self.side, Here):  # its change time tells when
                self.side.root.chmod(self.side.root.stat().st_mode & 0o7777)
            return layout.MIRROR
        if self.root != layout.INCOMING:
            return self.root
        try:
            names = {entry.path for entry in self.side.names()}
            newest = next(iter(layout.stamps(names)), "")
            while (name := layout.stamp(moment)) <= newest or name in names:  # several in a minute keep their order
                moment += timedelta(minutes=1)
            if isinstance(self.side, Here):
                child.output(["sync", "--file-system", os.fspath(self.side.root)])
            self.side.rename(layout.INCOMING, name)
            self.root = name
            for old in layout.stamps({*names, name})[self.shape.generations :]:
                self.side.rename(old, layout.GOING + old)
                self.side.remove(layout.GOING + old)
        except (OSError, SourceError, child.Failed) as err:
            raise Refused(f"the generation could not be finished: {_why(err)}") from err
        return name


def _why(err: Exception) -> str:
    return (err.strerror or "") if isinstance(err, OSError) else str(err)
