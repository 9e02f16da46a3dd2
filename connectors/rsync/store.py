"""Copying a mail store for one job: `core.stores.Store`."""

import errno
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

from collima.core.errors import NotHere, Refused, SourceError
from collima.core.stores import Box, Copied, Errand, Inventory, Room, Shape
from connectors.rsync import child, layout
from connectors.rsync.beside import Beside
from connectors.rsync.checks import Checks
from connectors.rsync.contents import Parts, below
from connectors.rsync.here import Here
from connectors.rsync.leaving import Leaving
from connectors.rsync.links import Links
from connectors.rsync.maildir import guid
from connectors.rsync.names import STORE, meant
from connectors.rsync.pattern import Pattern
from connectors.rsync.rate import Rate
from connectors.rsync.rehearsal import Rehearsal, rehearsed
from connectors.rsync.renames import Renames
from connectors.rsync.replaced import Replaced
from connectors.rsync.survey import Side, Survey, above, top
from connectors.rsync.there import There
from connectors.rsync.transfer import Transfer, just, outside, quoted


@dataclass(slots=True)
class Tree:
    """`most_links`: as if no file could have more names than this; 0: what the file system says."""

    source: Here | There
    side: Here | There  # of the copies
    sentinel: str
    shape: Shape
    pattern: Pattern
    ssh: tuple[str, ...]
    begun: ExitStack  # of whoever opened this
    beside: Beside
    bandwidth: Rate | None = None
    most_links: int = 0
    clock: Callable[[], float] = time.time
    looked: float = field(default=0.0, init=False)  # when the inventory began, by the clock of file systems
    torn: bool = field(default=False, init=False)  # an earlier run left what it had replaced
    root: str = field(default="", init=False)  # below the side: the copy that `copy` works on
    known: dict[str, Parts] = field(default_factory=dict, init=False)  # of mailboxes that `copy` did not touch
    rehearsal: Rehearsal | None = field(default=None, init=False)

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
        self.torn = layout.REPLACED in names
        root = self._newest(names)
        self.root = root or ""
        copy = None if root is None else Side(self.side, root)
        unfinished = bool(self.shape.generations) and layout.INCOMING in names
        if not (copy is None or unfinished or self.torn) and self._mounted:
            command = Transfer(self.source.argument, self._target, self.pattern, self._options()).rehearsal
            self.rehearsal = self.begun.enter_context(rehearsed(command))
        survey = Survey(self.pattern, Side(self.source), copy, block, self.beside, self.rehearsal)
        found = survey.inventory(unfinished=unfinished)
        self.known = dict(found.parts)
        if not any(box.source for box in found.boxes.values()) or len(found.gone) == len(found.boxes):
            raise SourceError(f"{self.source.argument}: there is no mailbox {self.pattern.text} with a message in it")
        if root or any(box.entries for box in found.boxes.values()):
            return found
        return replace(found, bare=root is None or not self.side.has(self.sentinel))

    def _newest(self, names: Collection[str]) -> str | None:
        """The copy that a run goes on from: one that was left in the middle, else the newest; None: there is none."""
        if not self.shape.generations:
            return ""
        if layout.INCOMING in names:
            return layout.INCOMING
        return next(iter(layout.stamps(names)), None)

    # ---- copying

    def copy(self, errand: Errand, seen: Inventory, told: Callable[[str], None]) -> Copied:
        if self.rehearsal and not errand.attributes:
            self.rehearsal.drop()
        try:
            self._begin(errand)
            turned = self._make_way(errand, seen, self._drop(errand, seen))
            renamed = self._follow(errand, seen)
        except (OSError, SourceError) as err:
            full = isinstance(err, OSError) and err.errno in (errno.ENOSPC, errno.EDQUOT)
            raise Refused(
                "no room is left where the copies are" if full else f"the copy cannot begin: {_why(err)}"
            ) from err
        options = [*self._options(), self._replaced.option, *(["--existing"] if self._in_place(errand) else [])]
        transfer = Transfer(self.source.argument, self._target, self.pattern, options)
        sent: dict[str, set[str]] = {}

        def heard(mailbox: str, path: str) -> None:
            come = sent.setdefault(mailbox, set())
            if seen.boxes.get(mailbox, Box()).copy:
                come.add(guid(path.rpartition("/")[2]))
            told(mailbox)

        self._there()
        idle = errand.attributes and self.rehearsal is not None and self.rehearsal.nothing()
        faults = {} if idle else transfer.run(self._rules(errand, turned), heard)
        self._there()
        try:
            rewritten = self._replaced.messages()
            back = not errand.bears(rewritten)
            if back or (rewritten and self._in_place(errand)):
                self._replaced.put_back()
            elif self._replaced.forget() and not self.shape.generations:
                transfer.date()  # rsync had set that of the root before it kept there what it replaced
        except (OSError, SourceError) as err:
            raise Refused(f"what came cannot be judged: {_why(err)}", transient=_passes(err)) from err
        if rewritten and self._in_place(errand):
            return self.copy(replace(errand, attributes=False), seen, told)
        self.known = {
            name: seen.parts[name]
            for name, box in seen.boxes.items()
            if not (box.come or box.leave or box.rests or name in sent or name in errand.drop)
        }
        gone, left = ({}, frozenset[str]()) if back else self._remove(errand, seen, sent, transfer)
        return Copied(
            sent=transfer.figures.get("sent", 0),
            files=transfer.figures.get("files", 0),
            idle=idle,
            renamed=renamed,
            vanished=faults is None,
            faults=faults or {},
            gone=gone,
            rewritten=rewritten,
            back=back,
            turned={name: len(paths) for name, paths in turned.items()},
            left=left,
        )

    def _in_place(self, errand: Errand) -> bool:
        """Whether it is a generation that is put in order."""
        return errand.attributes and self.shape.generations > 0

    @property
    def _replaced(self) -> Replaced:
        return Replaced(self.source, self.side, self.root, self.pattern)

    @property
    def _mounted(self) -> bool:
        """Whether both sides are."""
        return isinstance(self.source, Here) and isinstance(self.side, Here)

    def _there(self) -> None:
        """Raises Refused when the mail store is not any more."""
        if not self.source.has(self.sentinel):
            raise Refused("the mail store went away while it was copied: the copy is not finished", transient=True)

    @property
    def _target(self) -> str:
        return f"{self.side.argument}{self.root}/" if self.root else self.side.argument

    def _options(self) -> list[str]:
        """Where it is, and who."""
        options = []
        if isinstance(self.side, Here) and child.gives_away():
            options.append("--super")
        if self.bandwidth:
            options.append(f"--bwlimit={max(1, self.bandwidth.bytes // 1024)}")
        if isinstance(self.source, There) or isinstance(self.side, There):
            options += child.over(self.ssh, self.source.argument + self._target)
        return options

    def _begin(self, errand: Errand) -> None:
        """The tree that rsync works on. Raises OSError or SourceError."""
        if self.torn:  # by a run that was killed before it could judge
            self._replaced.put_back()
        if not self.shape.generations or errand.attributes or self.root == layout.INCOMING:
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
        if not (self.shape.follow_renames and self._mounted and come) or seen.empty:
            return 0
        assert isinstance(self.source, Here)
        assert isinstance(self.side, Here)
        renames = Renames(self.pattern, self.source.root, self.side.root / self.root, seen.differences)
        names = [name for name, box in sorted(seen.boxes.items()) if box.come]
        renames.follow([name for name in names if errand.only is None or name in errand.only])
        return renames.count

    def _rules(self, errand: Errand, turned: Mapping[str, Collection[str]]) -> list[str]:
        rules = [f"- /{quoted(path)}" for paths in turned.values() for path in sorted(paths)]
        if errand.only is not None:
            homes = [self._home(name) for name in errand.only - {STORE}]
            rules += outside(self.pattern, homes) if STORE in errand.only else just(homes)
        return rules

    def _drop(self, errand: Errand, seen: Inventory) -> Collection[str]:
        """What left the store long ago. Before rsync looks: what has come back is sent again."""
        paths = {*self._tops(errand, seen), *map(meant, errand.stray)}
        for path in paths:
            self.side.remove(below(self.root, path))
        return paths

    def _make_way(self, errand: Errand, seen: Inventory, dropped: Collection[str]) -> Mapping[str, Collection[str]]:
        """Folders of the copy that are none in the source any more, and that rsync does not remove, go where what is
        gone may go. Returns those that stay, by mailbox: rsync leaves them alone."""
        stay: dict[str, set[str]] = {}
        for name, paths in seen.turned.items():
            asked = name and (errand.only is None or name in errand.only)
            may = asked and (name in errand.clean or not seen.boxes[name].leave)
            for path in paths:
                if may and not self.source.is_folder(path):
                    self.side.discard(below(self.root, path))
                elif path not in dropped:
                    stay.setdefault(name, set()).add(path)
        return stay

    def _tops(self, errand: Errand, seen: Inventory) -> Iterator[str]:
        """Each mailbox that goes, with the folders above it that nobody else is in."""
        others: set[str] = set()
        if errand.drop:
            others = {path for name in seen.boxes.keys() - errand.drop for path in above(self._home(name))}
        for home in map(self._home, errand.drop):
            others |= {path for path in above(home) if self.source.is_folder(path)}
            yield top(home, others)

    def _remove(
        self, errand: Errand, seen: Inventory, sent: Mapping[str, Collection[str]], transfer: Transfer
    ) -> tuple[Mapping[str, int], frozenset[str]]:
        """What is gone, and may go. Returns how much was gone by mailbox, and the mailboxes that went away."""
        try:
            removals, gone, left = Leaving(self._checks, errand, seen, self.beside).judged(sent)
            emptied = removals.end()
        except (OSError, SourceError) as err:
            raise Refused(f"what left the store is still in the copy: {_why(err)}", transient=_passes(err)) from err
        if emptied and isinstance(self.side, There):
            transfer.dates(emptied)
        return gone, left

    def _home(self, name: str) -> str:
        return self.pattern.path(meant(name))

    # ---- looking at what came of it

    @property
    def _checks(self) -> Checks:
        return Checks(self.source, self.side, self.root, self.pattern, self.ssh, self.looked, self.known, self.beside)

    def counts(self) -> Iterator[tuple[str, int]]:
        return self._checks.counts()

    def missing(self, mailbox: str) -> int:
        return self._checks.missing(mailbox)

    def sample(self, counts: Mapping[str, int], size: int, chance: Random) -> Collection[str]:
        return self._checks.sample(counts, size, chance)

    # ---- the end

    def finish(self, moment: datetime, held: datetime | None) -> str:
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
            kept = layout.stamps({*names, name})
            before = next((old for old in kept if held and old < layout.stamp(held)), "")
            for old in kept[self.shape.generations :]:
                if old == before:
                    continue
                self.side.rename(old, layout.GOING + old)
                self.side.remove(layout.GOING + old)
        except (OSError, SourceError, child.Failed) as err:
            raise Refused(f"the generation could not be finished: {_why(err)}") from err
        return name


def _passes(err: Exception) -> bool:
    return isinstance(err, SourceError) and err.transient


def _why(err: Exception) -> str:
    return (err.strerror or "") if isinstance(err, OSError) else str(err)
