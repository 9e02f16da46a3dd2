"""Counting and taking out. `ports.Job` of the kind archive-retention."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from collima.core.errors import Refused, blaming
from collima.core.mailstore import Aged, Mailstore
from collima.core.model import Change, Finding, Key, Limit, Outcome, Plan, Reading, Subject
from collima.core.ports import Context
from collima.core.targets import Place
from jobs.archive_retention.options import Options


@dataclass(frozen=True, slots=True)
class Seen:
    session: Mailstore | None
    before: datetime  # what is older may go
    since: datetime  # what is younger is recent
    aged: Sequence[Aged]


@dataclass(frozen=True, slots=True)
class Retention:
    options: Options
    context: Context
    verbs: tuple[str, ...] = ("remove",)
    bulk: frozenset[str] = frozenset({"remove"})

    @property
    def target(self) -> str:
        return self.options.mailstore

    @contextmanager
    def read(self) -> Iterator[Seen]:
        now = self.context.clock().astimezone(self.context.timezone)
        before, since = (span.before(now).astimezone(UTC) for span in (self.options.keep, self.options.silent))
        with self.context.connect(self.target) as session:
            with blaming(self.target):
                aged = session.aged(before, since)
            yield Seen(session, before, since, aged)

    def place(self, seen: Seen) -> Place | None:  # noqa: ARG002
        return None

    def plan(self, seen: Seen, now: datetime) -> Plan[datetime]:  # noqa: ARG002
        day = f"{seen.before.astimezone(self.context.timezone):%Y-%m-%d}"
        doubt = self._doubt(seen)
        return Plan(
            readings=(Reading(self.target, scope="", entries=sum(one.all for one in seen.aged)),),
            subjects=tuple(self._subject(one) for one in seen.aged),
            changes=tuple(
                Change(Key(one.mailbox, "remove", ""), f"before {day}", seen.before, weight=one.old)
                for one in seen.aged
                if one.old
            ),
            findings=(Finding("warning", "", "archive-silent", doubt),) if doubt else (),
            doubts=(doubt,) if doubt else (),
        )

    def _doubt(self, seen: Seen) -> str:
        """An archive that nothing comes into any more would run empty, week by week; or a clock is wrong."""
        if any(one.recent for one in seen.aged):
            return ""
        moment = f"{seen.since.astimezone(self.context.timezone):%Y-%m-%d %H:%M}"
        return f"no message was saved since {moment}: does each still get its copy, and are the clocks right?"

    def _subject(self, one: Aged) -> Subject:
        guard = self.context.guard
        limits = (Limit("remove", guard.max_removals, guard.small_change or 0),) if guard.max_removals else ()
        return Subject(one.mailbox, size=one.all, wanted=one.all - one.old, limits=limits, watch=self.context.watch)

    def apply(self, seen: Seen, go: Sequence[Change[datetime]]) -> Iterator[Outcome]:
        assert seen.session
        for change in go:
            try:
                seen.session.expunge(change.key.subject, change.detail)
            except Refused as err:
                yield Outcome(change.key, str(err), err.transient)
            else:
                yield Outcome(change.key)

    def verify(self, seen: Seen, done: Collection[Key]) -> Iterable[Finding]:
        """Counts again."""
        assert seen.session
        with blaming(self.target):
            now = {one.mailbox: one for one in seen.session.aged(seen.before, seen.since)}
        mailboxes = {key.subject for key in done}
        for one in seen.aged:
            left = now.get(one.mailbox, Aged(one.mailbox, 0, 0, 0))
            if one.mailbox in mailboxes and left.old:
                yield Finding("critical", one.mailbox, "not-as-left", f"{left.old} of {one.old} are there still")
            elif one.mailbox in mailboxes and left.all < one.all - one.old:
                more = one.all - one.old - left.all
                told = f"{more} more than the {one.old} that were counted are gone: does another program delete here?"
                yield Finding("warning", one.mailbox, "more-gone", told)

    @contextmanager
    def invert(self, done: Collection[Key]) -> Iterator[tuple[Seen, Plan[datetime]]]:
        told = "what was taken out of the archive is gone"
        mailboxes = sorted({key.subject for key in done})
        epoch = datetime.fromtimestamp(0, UTC)
        yield (
            Seen(None, epoch, epoch, ()),
            Plan(
                (),
                tuple(Subject(mailbox, size=0) for mailbox in mailboxes),
                (),
                tuple(Finding("info", mailbox, "no-way-back", told) for mailbox in mailboxes),
            ),
        )
