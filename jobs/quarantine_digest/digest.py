"""Reading, planning and listing what is held. The mail itself is written when it goes out: see `compose`."""

import hashlib
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter

from collima.core.errors import blaming
from collima.core.ledger import Stationery
from collima.core.model import Change, Finding, Key, Limit, Outcome, Plan, Reading, Subject
from collima.core.ports import Context
from collima.core.quantities import Amount, Duration
from collima.core.quarantine import OLDER, Compose, Digest, Digests, Holder, ItemId, Quarantine, Ref
from collima.core.targets import Place
from collima.directory.filters import Or, Present
from collima.directory.ports import Question
from jobs.quarantine_digest import requests
from jobs.quarantine_digest.compose import LETTER, Composer
from jobs.quarantine_digest.findings import DIGESTS, counted, released, silent, spared
from jobs.quarantine_digest.options import AT_ONCE, SETTLING, Options
from jobs.quarantine_digest.owners import NOBODY, SEVERAL, Owners, owners
from jobs.quarantine_digest.tokens import Links

WHO = 0  # the filter of the question
ON_RECORD = 3  # runs that make a median
RELEASED = Duration(30, "day")  # so far back releases are counted
SLACK = Duration(1, "day")  # by which the ledger outlives what the quarantine keeps
_CAME = attrgetter("at")


@dataclass(frozen=True, slots=True)
class Seen:
    """All that one run has read. An undo has read nothing."""

    new: Mapping[str, Sequence[Ref]] = field(default_factory=dict)  # recipient -> what no digest has listed
    owners: Owners = NOBODY
    reading: Reading | None = None  # of `who`
    off: frozenset[str] = frozenset()
    usual: Sequence[int] = ()
    began: datetime | None = None
    requests: int = 0  # that wait for an administrator
    released: Mapping[str, int] = field(default_factory=dict)  # by sender
    missing: int = 0  # people of the last run who are not found now
    known: int = 0  # people of the last run


@dataclass(frozen=True, slots=True)
class Digesting:
    """`ports.Job` of the kind quarantine-digest, and `quarantine.Composing`."""

    options: Options
    context: Context
    digests: Digests
    stationery: Stationery
    verbs: tuple[str, ...] = ("send",)

    @property
    def target(self) -> str:
        return self.options.target

    # ---- reading

    @contextmanager
    def read(self) -> Iterator[Seen]:
        """Raises ConfigError, too, for a template or a key that cannot be used when the mail goes out."""
        options, connect, now = self.options, self.context.connect, self.context.clock()
        for letter in (LETTER, requests.LETTER) if options.actions else (LETTER,):
            self.stationery.check(letter, options.templates)
        self._links()
        began = self.digests.began()
        with connect(options.source) as directory, blaming(options.source):
            people = directory.people(self.question)
        with connect(options.quarantine) as session, blaming(options.quarantine):
            new = self._new(session, now, began)
        who = people.answers[WHO]
        found = owners(people, options.addresses, options.language, who, new.keys())
        missing, known = self.digests.missing({holder.owner for holder in found.holders.values()})
        everybody: Reading = replace(people.reading, connector=options.source, entries=who.bit_count())
        yield Seen(
            new=new,
            owners=found,
            reading=replace(everybody, scope=everybody.scope and f"{everybody.scope}:who"),
            off=self.digests.off(),
            usual=self.digests.usual(),
            began=began,
            requests=len(self.digests.actions(waiting=True)),
            released=self.digests.released(RELEASED.before(now)),
            missing=missing,
            known=known,
        )

    @property
    def question(self) -> Question:
        """Everybody with an address is read, so that it is seen whose each one is, and whether another has it, too."""
        options = self.options
        has = tuple(Present(name) for name in options.addresses)
        names = dict.fromkeys((*options.addresses, options.language))
        return Question(Or((options.who, *has)), (options.who,), tuple(names))

    def _new(self, session: Quarantine, now: datetime, began: datetime | None) -> Mapping[str, Sequence[Ref]]:
        """The window is read to its end, and nothing is kept but what is new: of a week's mail, one day's."""
        new: defaultdict[str, list[Ref]] = defaultdict(list)
        for refs in session.held(self.options.keep.before(now), SETTLING.before(now)):
            listed = self.digests.listed(refs) if began else frozenset[ItemId]()
            for ref in refs:
                if ref.id not in listed:
                    new[ref.recipient].append(ref)
        return new

    def place(self, seen: Seen) -> Place | None:  # noqa: ARG002
        return None

    # ---- planning

    def plan(self, seen: Seen, now: datetime) -> Plan[Digest]:
        counts: Counter[str] = Counter()
        since = int((seen.began or AT_ONCE.before(now)).timestamp())
        changes: list[Change[Digest]] = []
        waits: dict[Key, str] = {}
        for holder, refs in self._of_holders(seen, counts):
            begins = bisect_left(refs, since, key=_CAME)
            before, told = refs[:begins], refs[begins:]
            if told:
                changes.append(self._change(holder, told, older=False))
            if before:
                changes.append(change := self._change(holder, before, older=True))
                waits[change.key] = "from before the first digest"
            counts["beyond-most"] += sum(max(0, len(some) - self.options.most) for some in (told, before))
        counts["no-own-address"] = seen.owners.without
        counts["requests-waiting"] = seen.requests
        day = RELEASED.before(now).astimezone(self.context.timezone).date()
        return Plan(
            readings=(seen.reading,) if seen.reading else (),
            subjects=(self._subject(seen),),
            changes=tuple(changes),
            findings=(
                *counted(counts),
                *spared(seen.missing, seen.known, self._exceeded(seen)),
                *released(seen.released, day),
            ),
            waits=waits,
            mends=frozenset({DIGESTS}),
        )

    def _of_holders(self, seen: Seen, counts: Counter[str]) -> Iterator[tuple[Holder, Sequence[Ref]]]:
        """Those who want a digest, each with what is new, oldest first. The others are counted."""
        by_person: dict[int, list[Ref]] = {}
        others: set[int] = set()
        for recipient, refs in seen.new.items():
            person = seen.owners.of(recipient)
            if person is None:
                counts["no-owner"] += 1
            elif person == SEVERAL:
                counts["two-owners"] += 1
            elif person in seen.owners.holders:
                by_person.setdefault(person, []).extend(refs)
            else:
                others.add(person)
        counts["not-asked"] = len(others)
        for person, refs in sorted(by_person.items(), key=lambda one: seen.owners.holders[one[0]].owner):
            holder = seen.owners.holders[person]
            if holder.owner in seen.off:
                counts["digest-off"] += 1
            else:
                yield holder, sorted(refs, key=_CAME)

    def _change(self, holder: Holder, refs: Sequence[Ref], *, older: bool) -> Change[Digest]:
        digest = Digest(
            message_id=self._message_id(holder.owner, refs),
            owner=holder.owner,
            addresses=holder.addresses,
            language=holder.language,
            items=tuple(refs),
            older=older,
        )
        what = f"{holder.owner}{OLDER}" if older else holder.owner
        return Change(Key(DIGESTS, "send", what), f"{len(refs)} messages", digest)

    def _message_id(self, owner: str, refs: Sequence[Ref]) -> str:
        """The same for the same messages: what a killed run has listed, the next one finds."""
        told = "\0".join((self.context.name, self.target, owner, *sorted([ref.id for ref in refs])))
        name = hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return f"<{self.context.name}.{name}@{self.stationery.site}>"

    def _subject(self, seen: Seen) -> Subject:
        """So few as `small-change` are never too many."""
        size = seen.reading.entries if seen.reading else 0
        floor = self.options.guard.over(self.context.guard).small_change or 0
        limits: tuple[Limit, ...] = ()
        if len(seen.usual) >= ON_RECORD:
            ordered, half = sorted(seen.usual), len(seen.usual) // 2
            twice = ordered[half] + ordered[-half - 1]
            limits = (Limit("send", Amount(max(twice, floor), percent=False)),)
        return Subject(DIGESTS, size, size, limits=limits, watch=self.context.watch)

    # ---- doing

    def apply(self, seen: Seen, go: Sequence[Change[Digest]]) -> Iterator[Outcome]:
        self._begin(seen)
        left = {change.detail.message_id: change.key for change in go}
        for message_id in self.digests.list((change.detail for change in go), self.options.via):
            yield Outcome(left.pop(message_id))
        yield from (Outcome(key, "all of its messages are in another digest") for key in left.values())
        if count := sum(not change.detail.older for change in go):  # what is older says nothing of a usual night
            self.digests.count(count)
        self._forget()

    def mend(self, seen: Seen, subjects: Collection[str]) -> Iterable[Finding]:  # noqa: ARG002
        """`ports.Mending`: a run without a digest keeps the ledger in order all the same."""
        self._begin(seen)
        return self._forget()

    def _begin(self, seen: Seen) -> None:
        if seen.began is None:
            self.digests.begin(AT_ONCE.before(self.context.clock()))
        spare = self.options.keep.before(self.context.clock()) if self._exceeded(seen) else None
        self.digests.know(seen.owners.holders.values(), spare)

    def _exceeded(self, seen: Seen) -> Amount | None:
        """`source-drop`, where more people than that vanished at once. They are spared for as long as their messages
        are kept: who vanishes so comes back, and has mails that wait."""
        guard = self.options.guard.over(self.context.guard)
        drop = guard.source_drop
        many = seen.missing > (guard.small_change or 0) and drop and drop.exceeded_by(seen.missing, seen.known)
        return drop if many else None

    def _forget(self) -> Iterable[Finding]:
        """Nothing, where that would be all there is: a clock that is ahead looks just like that."""
        before = SLACK.before(self.options.keep.before(self.context.clock()))
        if newest := self.digests.newest():
            if newest < before:
                return silent(newest)
            self.digests.forget(before)
        for request in self.digests.actions(waiting=True):
            if request.at < before:  # what it asked for came in before it was asked for
                self.digests.acted(request.id, "failed", "it was purged before anybody decided")
        return ()

    def verify(self, seen: Seen, done: Collection[Key]) -> Iterable[Finding]:  # noqa: ARG002
        return ()

    @contextmanager
    def invert(self, done: Collection[Key]) -> Iterator[tuple[Seen, Plan[Digest]]]:
        """A mail that was sent is not taken back."""
        seen = Seen()
        yield seen, Plan((), (self._subject(seen),), (), tuple(counted({"no-way-back": len(done)})))

    # ---- writing, as it goes out

    @contextmanager
    def composing(self) -> Iterator[Compose]:
        """Raises ConfigError for keys that cannot be read."""
        options, context = self.options, self.context
        links, pad = self._links(), self.stationery.pad(LETTER, options.templates, options.from_)
        with context.connect(options.quarantine) as session:
            composer = Composer(options, self.digests, pad, links, self.stationery.site, context.timezone, session)

            def compose(message_ids: Sequence[str]) -> Iterator[bytes | None]:
                with blaming(options.quarantine):
                    yield from composer.compose(message_ids, context.clock)

            yield compose

    def _links(self) -> Links | None:
        actions = self.options.actions
        return actions.links(self.context.name) if actions else None
