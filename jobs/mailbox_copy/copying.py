"""Planning and making a copy of a mail store."""

import hashlib
import random
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime

from collima.core.copies import CopyBook, Past
from collima.core.errors import Refused, SourceError, blaming
from collima.core.model import Cell, Change, Finding, Key, Limit, Outcome, Plan, Reading, Subject
from collima.core.ports import Context
from collima.core.quantities import Duration
from collima.core.stores import Box, Copied, Errand, Inventory, Shape, Store
from collima.core.targets import Place
from jobs.mailbox_copy import belts, findings
from jobs.mailbox_copy.findings import STORE
from jobs.mailbox_copy.options import ONE_PERCENT, Options
from jobs.mailbox_copy.pace import Pace

A_YEAR = Duration(1, "year")
LONGEST = 200
FREE = random.Random()  # noqa: S311 - a sample, no secret


def unseen(done: int, total: int) -> None:
    """For those who do not look."""


@dataclass(slots=True)
class Seen:
    """One run: what it saw, and what came of it."""

    store: Store
    inventory: Inventory
    at: datetime
    past: Sequence[Past] = ()  # a year of runs
    only: frozenset[str] | None = None
    copied: Copied | None = None
    tried: bool = False
    clean: frozenset[str] = frozenset()  # mailboxes that were taken from
    progress: Callable[[int, int], None] = unseen


@dataclass(frozen=True, slots=True)
class Copying:
    """`ports.Job` of the kind mailbox-copy, and `ports.Mending`: rsync looks at what names do not tell, too."""

    options: Options
    context: Context
    book: CopyBook
    chance: random.Random = FREE
    verbs: tuple[str, ...] = ("copy", "remove", "drop-mailbox")
    bulk: frozenset[str] = frozenset({"copy", "remove"})

    @property
    def target(self) -> str:
        return self.options.store

    # ---- reading

    @contextmanager
    def read(self) -> Iterator[Seen]:
        options, guard = self.options, self.context.guard
        shape = Shape(options.mailboxes, options.generations, options.follow_renames)
        with self.context.connect(options.store) as session, blaming(options.store):
            store: Store = session.store(shape)
            room = store.ready()
            inventory = store.inventory()
            past = self.book.past(A_YEAR.before(self.context.clock()))
            belts.there(inventory, past)
            assert guard.max_removals is not None
            most_gone = options.guard.max_mailboxes_gone or ONE_PERCENT
            belts.whole(inventory, self.book.missed(), most_gone, guard.max_removals, guard.small_change or 0)
            belts.fits(inventory, room, generation=options.generations > 0)
            yield Seen(store, inventory, self.context.clock(), past)

    def place(self, seen: Seen) -> Place | None:  # noqa: ARG002
        return None

    # ---- planning

    def plan(self, seen: Seen, now: datetime) -> Plan[None]:  # noqa: ARG002
        inventory = seen.inventory
        messages = sum(box.source for box in inventory.boxes.values())
        return Plan(
            (Reading(self.options.store, scope="", entries=messages),),
            (self._whole(inventory, findings.cells(seen.past)), *self._mailboxes(inventory)),
            tuple(self._changes(inventory)),
            (*findings.sizes(inventory, seen.past), *findings.links(inventory)),
            mends=frozenset({STORE}),
        )

    def _whole(self, inventory: Inventory, cells: tuple[Cell, ...]) -> Subject:
        most = self.options.guard.max_mailboxes_gone or ONE_PERCENT
        known = [name for name, box in inventory.boxes.items() if box.entries]
        return Subject(
            STORE,
            size=len(known),
            wanted=len(inventory.boxes) - len(inventory.gone),
            limits=(Limit("drop-mailbox", most, floor=1),),
            watch=self.context.watch,
            grace=self.options.keep_gone,
            cells=cells,
        )

    def _mailboxes(self, inventory: Inventory) -> Iterator[Subject]:
        guard = self.context.guard
        assert guard.max_removals is not None
        limits = (Limit("remove", guard.max_removals, guard.small_change or 0),)
        for name, box in sorted(inventory.boxes.items()):
            if name not in inventory.gone:
                yield Subject(name, box.copy, box.source, limits=limits, watch=self.context.watch)

    def _changes(self, inventory: Inventory) -> Iterator[Change[None]]:
        for name, box in sorted(inventory.boxes.items()):
            if name in inventory.gone:
                yield Change(Key(STORE, "drop-mailbox", name), "it left the store", None)
                continue
            if box.come:
                yield Change(Key(name, "copy", ""), "new, or changed", None, box.come)
            if box.leave:
                yield Change(Key(name, "remove", ""), "not in the store any more", None, box.leave)
        if inventory.fresh:
            yield Change(Key(STORE, "copy", ""), "outside of mailboxes", None, inventory.fresh)
        for path, entries in sorted(inventory.strays.items()):
            yield Change(
                Key(STORE, "remove", _brief(path)), "outside of mailboxes, and not in the store any more", None, entries
            )

    # ---- doing

    def pace(self, seen: Seen, progress: Callable[[int, int], None]) -> None:
        seen.progress = progress

    def apply(self, seen: Seen, go: Sequence[Change[None]]) -> Iterator[Outcome]:
        keys = {change.key for change in go}
        planned = {change.key for change in self._changes(seen.inventory) if change.key.verb == "copy"}
        if not planned <= keys:
            seen.only = frozenset(key.what if key.verb == "drop-mailbox" else key.subject for key in keys)
        done = self._copy(seen, self._errand(seen, keys))
        for key in sorted(keys):
            yield Outcome(key, done.faults.get("" if key.subject == STORE else key.subject, ""))

    def _errand(self, seen: Seen, keys: Collection[Key]) -> Errand:
        inventory = seen.inventory
        clean = {key.subject: self._may(inventory, key.subject) for key in keys if key.verb == "remove"}
        drop = frozenset(key.what for key in keys if key.verb == "drop-mailbox")
        stray = frozenset(path for path in inventory.strays if Key(STORE, "remove", _brief(path)) in keys)
        clean.pop(STORE, None)
        return Errand(
            only=seen.only,
            clean=clean,
            drop=drop,
            stray=stray,
            unplanned=self._unasked(inventory),
            bears=lambda rewritten: self._bears(inventory, rewritten),
        )

    def _may(self, inventory: Inventory, name: str) -> int:
        """How much may leave a mailbox once it may be taken from: what was approved, and what nobody would be asked
        for. A live store changes while it is copied."""
        return max(inventory.boxes.get(name, Box()).leave, self._unasked(inventory, name))

    def _unasked(self, inventory: Inventory, name: str = "") -> int:
        """`name` "": of all mailboxes together."""
        guard = self.context.guard
        assert guard.max_removals is not None
        if name:
            most, size = guard.max_removals, inventory.boxes.get(name, Box()).copy
        else:
            most, size = guard.max_removals_total or guard.max_removals, sum(b.copy for b in inventory.boxes.values())
        return belts.unasked(most, guard.small_change or 0, size)

    def _bears(self, inventory: Inventory, rewritten: Mapping[str, int]) -> bool:
        """A message that has another content is as good as one that is gone."""
        return sum(rewritten.values()) <= self._unasked(inventory) and all(
            count <= self._unasked(inventory, name) for name, count in rewritten.items()
        )

    def _copy(self, seen: Seen, errand: Errand) -> Copied:
        """Once in a run. Raises Refused."""
        seen.tried, seen.clean = True, frozenset(errand.clean)
        total = sum(box.come for box in seen.inventory.boxes.values()) + seen.inventory.fresh
        seen.copied = seen.store.copy(errand, seen.inventory, Pace(total, seen.progress, time.monotonic).told)
        return seen.copied

    def mend(self, seen: Seen, subjects: Collection[str]) -> Iterable[Finding]:  # noqa: ARG002
        """Nothing is to be done by names, or all that is waits: attributes are put in order, and nothing is deleted.

        Not where something is to come, and was not asked for (`--only`).
        """
        if seen.tried or any(change.key.verb == "copy" for change in self._changes(seen.inventory)):
            return
        errand, ahead = self._errand(seen, ()), None
        if seen.inventory.rehearsing:  # there is time
            with suppress(SourceError):
                ahead = self._sampled(seen, {name: box.copy for name, box in seen.inventory.boxes.items()}, ())
        try:
            copied = self._copy(seen, errand if seen.inventory.unfinished else replace(errand, attributes=True))
        except Refused as err:
            yield Finding("critical", STORE, "not-copied", str(err))
            return
        yield from self._looked(seen, ahead if copied.idle else None)

    # ---- looking at what came of it

    def verify(self, seen: Seen, done: Collection[Key]) -> Iterable[Finding]:  # noqa: ARG002
        if seen.copied is not None:
            yield from self._looked(seen)

    def _looked(self, seen: Seen, sampled: Collection[str] | None = None) -> Iterator[Finding]:
        """Counts and a sample of the copy; when both are right it becomes a generation, and is counted.

        `sampled`: what a sample of it that was taken already has found.
        """
        assert seen.copied is not None
        told = [*self._faults(seen, seen.copied), *findings.changed(seen.copied), *self._gone(seen, seen.copied)]
        yield from told
        if seen.copied.back:
            return
        name = ""
        try:
            counts = dict(seen.store.counts())
            differing = [*self._compared(seen, counts, {f.subject for f in told}, sampled)]
            yield from differing
            if not any(finding.level == "critical" for finding in (*told, *differing)) and self._is_whole(seen):
                name = seen.store.finish(seen.at, self._since(seen))
        except (Refused, SourceError) as err:  # a copy that nobody has looked at is no good one
            yield Finding("critical", STORE, "not-finished", str(err))
            return
        if name and seen.only is None:
            size = sum(box.size for box in seen.inventory.boxes.values())
            self.book.count("", mailboxes=len(counts), messages=sum(counts.values()), size=size)
        yield from findings.copied(seen.copied, name if self.options.generations else "")

    def _is_whole(self, seen: Seen) -> bool:
        """Whether the copy has all mailboxes, though only some were brought up to date."""
        whole = not (seen.inventory.unfinished or seen.inventory.empty)
        return seen.only is None or (whole and self.options.generations > 0)

    def _since(self, seen: Seen) -> datetime | None:
        """Since when removals have been held, by the runs on record; None: none is now."""
        asked = {name for name, box in seen.inventory.boxes.items() if box.leave} - seen.inventory.gone
        if asked <= seen.clean:
            return None
        since = seen.at
        for run in reversed(seen.past):
            if run.state in ("changed", "in-sync"):
                break
            since = run.at
        return since

    def _faults(self, seen: Seen, copied: Copied) -> Iterator[Finding]:
        for name, why in sorted(copied.faults.items()):
            subject = name if name in seen.inventory.boxes and name not in seen.inventory.gone else STORE
            yield Finding("critical", subject, "not-copied", f"some of its files were not copied: {why}")

    def _gone(self, seen: Seen, copied: Copied) -> Iterator[Finding]:
        """What went while it was copied, and is still in the copy."""
        most = self.options.guard.max_mailboxes_gone or ONE_PERCENT
        if told := belts.many(seen.inventory, len(copied.left), most):
            yield Finding("critical", STORE, "not-whole", f"{told} since it was looked at: the copy is not finished")
        elif (lost := seen.inventory.unplanned(copied.gone)) > (limit := self._unasked(seen.inventory)):
            told = (
                f"{lost} messages more went from all mailboxes since it was looked at (limit {limit}): is it mounted, "
                "and whole? They are kept, and the copy is not finished"
            )
            yield Finding("critical", STORE, "not-whole", told)
        for name in sorted(copied.left):
            told = "it went away while the store was copied: it is kept, and the next run looks again"
            yield Finding("warning", name, "left-meanwhile", told)
        for name, gone in sorted(copied.gone.items()):
            held = seen.inventory.boxes[name].leave and name not in seen.clean
            if gone > self._may(seen.inventory, name) and not held:
                told = (
                    f"{gone} messages are gone, more than when it was looked at, and more than go unasked: they are "
                    "kept, and the next run judges"
                )
                yield Finding("warning", name, "gone-meanwhile", told)

    def _compared(
        self, seen: Seen, counts: Mapping[str, int], spared: Collection[str], sampled: Collection[str] | None
    ) -> Iterator[Finding]:
        for name, box in sorted(seen.inventory.boxes.items()):
            if name in seen.inventory.gone or name in spared or (seen.only is not None and name not in seen.only):
                continue
            if counts.get(name, 0) != box.source and (lost := seen.store.missing(name)):
                told = f"{lost} messages of the store are not in the copy"
                yield Finding("critical", name, "copy-differs", told)
        for name in sorted(self._sampled(seen, counts, spared) if sampled is None else sampled):
            yield Finding("critical", name, "sample-differs", "a message of the copy is not what the store has")

    def _sampled(self, seen: Seen, counts: Mapping[str, int], spared: Collection[str]) -> Collection[str]:
        """`spared`: mailboxes of which it is known that something is wrong."""
        there = {
            name: count
            for name, count in counts.items()
            if name not in spared and name not in seen.inventory.gone and (seen.only is None or name in seen.only)
        }
        return seen.store.sample(there, self.options.sample, self.chance)

    # ---- there is no way back

    @contextmanager
    def invert(self, done: Collection[Key]) -> Iterator[tuple[Seen, Plan[None]]]:
        told = Finding("info", STORE, "no-way-back", f"{len(done)} changes of a copy cannot be taken back")
        with self.context.connect(self.options.store) as session, blaming(self.options.store):
            store: Store = session.store(Shape(self.options.mailboxes, self.options.generations))
            yield Seen(store, Inventory({}), self.context.clock()), Plan((), (Subject(STORE, 0),), (), (told,))


def _brief(path: str) -> str:
    """A path as it goes on record, where 255 characters have room."""
    if len(path) <= LONGEST:
        return path
    return f"{path[:LONGEST]}…{hashlib.sha256(path.encode()).hexdigest()[:16]}"
