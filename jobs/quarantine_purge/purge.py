"""Counting, judging and deleting what is older than `keep`."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from collima.core.errors import Refused, blaming
from collima.core.model import Change, Finding, Key, Outcome, Plan, Subject
from collima.core.ports import Context
from collima.core.quantities import Duration
from collima.core.quarantine import Purges, Quarantine, Stale
from collima.core.targets import Place

QUARANTINE = "quarantine"
"""The one subject of this kind."""
PURGE = "purge"
HANDFUL = 10  # messages that may go though they are all that there are
NOTHING = Stale(0, 0, None)
_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


@dataclass(frozen=True, slots=True)
class Seen:
    """What would go, and what there is. An undo has looked at nothing."""

    before: datetime
    session: Quarantine | None = None
    stale: Stale = NOTHING
    orphans: int = 0
    kept: int | None = None  # seconds, by the last run


@dataclass(frozen=True, slots=True)
class Purging:
    """`ports.Job` of the kind quarantine-purge."""

    target: str
    keep: Duration
    context: Context
    purges: Purges
    verbs: tuple[str, ...] = (PURGE,)
    bulk: frozenset[str] = frozenset({PURGE})

    @contextmanager
    def read(self) -> Iterator[Seen]:
        before = self.keep.before(self.context.clock())
        with self.context.connect(self.target) as session:
            with blaming(self.target):
                stale, orphans = session.stale(before), session.orphans()
            yield Seen(before, session, stale, orphans, self.purges.keep())

    def plan(self, seen: Seen, now: datetime) -> Plan[None]:  # noqa: ARG002 - what is old was asked while reading
        stale = seen.stale
        changes, findings, waits = [], [], {}
        if stale.messages or seen.orphans:
            why = f"{stale.messages} messages from before {_told(seen.before)} UTC"
            key = Key(QUARANTINE, PURGE, f"keep {self.keep}")  # who approves one `keep` approves no other
            changes.append(Change(key, why, None, weight=stale.messages))
            if reasons := list(self._doubts(seen)):
                waits[key] = "; ".join(reasons)
        if seen.orphans:
            told = f"{seen.orphans} rows belong to no message any more"
            findings.append(Finding("info", QUARANTINE, "orphans", told))
        return Plan(
            (),
            (self._subject(stale),),
            tuple(changes),
            tuple(findings),
            waits=waits,
            mends=frozenset({QUARANTINE}),
        )

    def _subject(self, stale: Stale) -> Subject:
        return Subject(QUARANTINE, size=stale.all, wanted=max(stale.all - stale.messages, 0), watch=self.context.watch)

    def _doubts(self, seen: Seen) -> Iterator[str]:
        """Why a person has to look first."""
        stale = seen.stale
        if seen.kept is not None and self.keep.seconds < seen.kept:
            yield f"keep is {self.keep} now, and was {_span(seen.kept)} before"
        if stale.all > HANDFUL and stale.messages >= stale.all:
            newest = _told(stale.newest or seen.before)
            left = f"nothing would be left of {stale.all} messages, the newest of {newest} UTC"
            yield f"{left}: is the clock right, does mail come in?"

    def place(self, seen: Seen) -> Place | None:  # noqa: ARG002
        return None

    def apply(self, seen: Seen, go: Sequence[Change[None]]) -> Iterator[Outcome]:
        """A purge that was cut short goes on with the next one: what is gone is gone."""
        assert seen.session is not None
        for change in go:
            taken = 0
            try:
                for count in seen.session.purge(seen.before):
                    taken += count
                if seen.orphans:
                    seen.session.sweep()
            except Refused as err:
                yield Outcome(change.key, f"{err} ({taken} of {change.weight} messages are deleted)", err.transient)
                return
            self.purges.kept(self.keep.seconds)
            yield Outcome(change.key)

    def mend(self, seen: Seen, subjects: Collection[str]) -> Iterable[Finding]:  # noqa: ARG002
        """`ports.Mending`: what a run keeps that purges nothing is a measure, too. A smaller one waits for a purge."""
        if self.keep.seconds > (seen.kept or 0):
            self.purges.kept(self.keep.seconds)
        return ()

    def verify(self, seen: Seen, done: Collection[Key]) -> Iterable[Finding]:
        if done and seen.session is not None:
            with blaming(self.target):
                left = seen.session.stale(seen.before).messages
            if left:
                told = f"{left} messages from before {_told(seen.before)} UTC are still there"
                yield Finding("warning", QUARANTINE, "not-purged", told)

    @contextmanager
    def invert(self, done: Collection[Key]) -> Iterator[tuple[Seen, Plan[None]]]:
        told = Finding("info", QUARANTINE, "no-way-back", "what was purged cannot be brought back")
        yield (
            Seen(self.context.clock()),
            Plan((), (self._subject(NOTHING),), (), (told,) if done else ()),
        )


def _told(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def _span(seconds: int) -> Duration:
    """In the largest unit of which it is a whole number."""
    unit, size = next((unit, size) for unit, size in _UNITS if seconds % size == 0)
    return Duration(seconds // size, unit)
