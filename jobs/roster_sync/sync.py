"""Reading, planning and applying rosters. One for Sympa, Google and files: it speaks identities, never addresses."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from collima.core import guard
from collima.core.errors import SourceError, blaming
from collima.core.model import Change, Finding, Key, Level, Limit, Outcome, Plan, Subject
from collima.core.options import Guard
from collima.core.ports import Context, Owned
from collima.core.quantities import Duration
from collima.core.targets import Edit, Expectant, Expected, Id, Place, Roster, Rosters
from collima.directory.filters import Filter, text
from collima.directory.ports import Directory, People, Question
from jobs.roster_sync.expand import Wish, Wishes, expand, names_of
from jobs.roster_sync.members import Wanted, known, wanted
from jobs.roster_sync.options import Options
from jobs.roster_sync.population import Population, population

FROZEN_TOO_LONG = Duration(30, "day")


@dataclass(frozen=True, slots=True)
class Seen:
    """All that one run has read. An undo has read no people: there `people` is None."""

    rosters: Rosters
    have: Mapping[str, Roster]
    owned: Mapping[str, Owned]
    wishes: Wishes
    people: People | None = None
    population: Population | None = None
    answers: Mapping[Filter, int] | None = None  # bitsets of people


@dataclass(frozen=True, slots=True)
class Member:
    """A change's detail: who, as the target knows them."""

    id: Id


@dataclass(frozen=True, slots=True)
class Sync:
    """`ports.Job` of the kind roster-sync."""

    options: Options
    context: Context
    verbs: tuple[str, ...] = ("add", "remove")

    @property
    def target(self) -> str:
        return self.options.target

    @property
    def guard(self) -> Guard:
        return self.options.guard.over(self.context.guard)

    def guard_of(self, wish: Wish) -> Guard:
        return wish.stanza.guard.over(self.guard)

    def watched(self, wish: Wish) -> bool:
        return self.context.watch or wish.stanza.mode == "watch"

    # ---- reading

    @contextmanager
    def read(self) -> Iterator[Seen]:
        options, connect = self.options, self.context.connect
        with connect(options.source) as directory, connect(options.target) as rosters:
            yield self._read(directory, rosters)

    def _owned(self, rosters: Rosters) -> Mapping[str, Owned]:
        """Whose rosters are whose; or SourceError when the target is not the one that they are in."""
        owned = self.context.registry.owned(self.target)
        unmarked = isinstance(rosters, Place) and rosters.mark() is None  # its mark was left before the first claim
        if owned and (unmarked or not rosters.exists()):
            raise SourceError(
                f"the place of its {len(owned)} rosters is gone, or another one (not mounted?): nothing was changed. "
                "If it is meant to start anew: `collima check --accept-state`"
            )
        return owned

    def _read(self, directory: Directory, rosters: Rosters) -> Seen:
        options = self.options
        with blaming(options.target):
            owned = self._owned(rosters)
        with blaming(options.source):
            wishes = expand(options, directory, rosters.rule)
            filters = tuple(dict.fromkeys(wish.filter for wish in wishes.good))
            people = directory.people(Question(options.among, filters, (options.attribute,)))
        with blaming(options.target):
            if isinstance(rosters, Expectant):
                rosters.expect({wish.name: wish.stanza.expected for wish in wishes.good})
            have = rosters.read([wish.name for wish in wishes.good])
        return Seen(
            rosters=rosters,
            have=have,
            owned=owned,
            wishes=wishes,
            people=people,
            population=population(people.values(options.attribute), rosters.identify, options.own_domains),
            answers=dict(zip(filters, people.answers, strict=True)),
        )

    def place(self, seen: Seen) -> Place | None:
        return seen.rosters if isinstance(seen.rosters, Place) else None

    # ---- planning

    def plan(self, seen: Seen, now: datetime) -> Plan[Member]:
        assert seen.people is not None
        changes: list[Change[Member]] = []
        findings = [broken.finding for broken in seen.wishes.broken]
        claims: dict[str, str] = {}
        mends: set[str] = set()
        failing = {b.name: b for b in seen.wishes.broken}
        before = {new: old for old, new in self.options.renamed.items()}
        subjects = [Subject(b.name, size=0, watch=self.context.watch or b.watch) for b in failing.values()]
        for wish in seen.wishes.good:
            roster, owner = seen.have[wish.name], seen.owned.get(wish.name)
            watch = self.watched(wish)
            if fault := _fault(wish.name, roster, owner, self.context.name, watch=watch, old=before.get(wish.name, "")):
                findings.append(fault)
                subjects.append(Subject(wish.name, size=len(roster.members), wanted=len(roster.members), watch=watch))
                continue
            if not watch:
                claims[wish.name] = wish.stanza.name
            want = self.wanted(wish, seen, now)
            subjects.append(self._subject(wish, roster, want, seen.people.size))
            findings.extend(want.findings)
            findings.extend(_untold(wish, seen.rosters))
            findings.extend(Finding(level, wish.name, code, told) for level, code, told in roster.findings)
            changes.extend(_changes(wish, roster, want, seen.rosters))
            if roster.torn:
                mends.add(wish.name)
            if changed := len(roster.lost & want.members):  # the others are about to go, by us
                told = f"{changed} of its {len(roster.members)} members are not in its source any more: who changes it?"
                findings.append(Finding("warning", wish.name, "source-changed", told))
        gone = self._gone(seen)
        findings.extend(_frozen_finding(name, seen.owned[name], now) for name in sorted(gone))
        return Plan(
            readings=(replace(seen.people.reading, connector=self.options.source),),
            subjects=tuple(subjects),
            changes=tuple(changes),
            findings=tuple(findings),
            doubts=tuple(self._vanished(seen, gone)),
            claims=claims,
            freezes=frozenset(gone),
            renames=self._renames(seen),
            mends=frozenset(mends),
        )

    def wanted(self, wish: Wish, seen: Seen, now: datetime) -> Wanted:
        assert seen.population is not None
        assert seen.answers is not None
        return wanted(
            wish,
            self.options,
            answer=seen.answers[wish.filter],
            population=seen.population,
            roster=seen.have[wish.name],
            identify=seen.rosters.identify,
            address=seen.rosters.address,
            today=now.astimezone(self.context.timezone).date(),
        )

    def _subject(self, wish: Wish, roster: Roster, want: Wanted, everyone: int) -> Subject:
        policy = self.guard_of(wish)
        return Subject(
            name=wish.name,
            size=len(roster.members),
            wanted=len(want.members),
            found=want.found,
            limits=_limits(policy),
            first_fill=policy.max_first_fill,
            everyone=everyone,
            allow_empty=wish.stanza.allow_empty,
            watch=self.watched(wish),
            grace=policy.grace,
        )

    def _renames(self, seen: Seen) -> dict[str, str]:
        pairs = self.options.renamed.items()
        return {old: new for old, new in pairs if self._mine(seen, old) and new not in seen.owned}

    def _mine(self, seen: Seen, name: str) -> bool:
        return name in seen.owned and seen.owned[name].job == self.context.name

    def _gone(self, seen: Seen) -> set[str]:
        """Rosters of this job that no stanza names any more: they are kept as they are."""
        named = {*names_of(seen.wishes), *self._renames(seen)}
        return {
            name
            for name, owned in seen.owned.items()
            if owned.job == self.context.name and name not in named and owned.stanza not in seen.wishes.nameless
        }

    def _vanished(self, seen: Seen, gone: Collection[str]) -> Iterator[str]:
        """Doubts: more than `source-drop` of the rosters of one for-each over a filter vanished at once."""
        drop = self.guard.source_drop
        for stanza in sorted(seen.wishes.searched):
            mine = ((name, owned) for name, owned in seen.owned.items() if owned.job == self.context.name)
            living = [name for name, owned in mine if owned.stanza == stanza and not owned.frozen]
            lost = [name for name in living if name in gone]
            if drop and lost and drop.exceeded_by(len(lost), len(living)):
                part = guard.share(len(lost), len(living))
                yield f"{len(lost)} of {len(living)} rosters of {stanza} vanished at once ({part}, limit {drop})"

    # ---- doing

    def apply(self, seen: Seen, go: Sequence[Change[Member]]) -> Iterator[Outcome]:
        keys = {(c.key.subject, c.detail.id): c.key for c in go}
        edits = []
        for name, changes in guard.of_subject(go).items():
            members = {verb: frozenset(c.detail.id for c in changes if c.key.verb == verb) for verb in self.verbs}
            edits.append(Edit(name, members["add"], members["remove"]))
        for settled in seen.rosters.apply(edits):
            yield Outcome(keys[settled.roster, settled.member], settled.error, settled.transient)

    def mend(self, seen: Seen, subjects: Collection[str]) -> Iterable[Finding]:
        list(seen.rosters.apply([Edit(name, frozenset(), frozenset()) for name in subjects]))
        for name, roster in seen.rosters.read(subjects).items():
            if roster.torn or roster.fault:
                told = roster.fault or "its source at the target is still not as it should be: can it be written?"
                yield Finding("critical", name, "not-mended", told)

    def verify(self, seen: Seen, done: Collection[Key]) -> Iterable[Finding]:
        if not seen.rosters.immediate:
            return
        by_name: dict[str, list[Key]] = {}
        for key in done:
            by_name.setdefault(key.subject, []).append(key)
        for name, roster in seen.rosters.read(sorted(by_name)).items():
            wrong = sum(
                (seen.rosters.identify(key.what) in roster.members) != (key.verb == "add") for key in by_name[name]
            )
            if wrong or roster.fault:
                told = roster.fault or f"{wrong} of {len(by_name[name])} changes are not there when read again"
                yield Finding("critical", name, "not-as-left", f"{told}: does another program write here?")

    @contextmanager
    def invert(self, done: Collection[Key]) -> Iterator[tuple[Seen, Plan[Member]]]:
        with self.context.connect(self.target) as rosters:
            with blaming(self.target):
                names = {key.subject for key in done}
                if isinstance(rosters, Expectant):  # so that it knows again whom it knew by name only
                    named = {name: frozenset(key.what for key in done if key.subject == name) for name in names}
                    rosters.expect({name: Expected(named=some) for name, some in named.items()})
                have = rosters.read(sorted(names))
                seen = Seen(rosters, have, self._owned(rosters), Wishes((), (), frozenset(), frozenset()))
            yield seen, self._way_back(seen, done)

    def _way_back(self, seen: Seen, done: Collection[Key]) -> Plan[Member]:
        faults = {
            name: fault
            for name, roster in seen.have.items()
            if (fault := _fault(name, roster, seen.owned.get(name), self.context.name, watch=False))
        }
        changes = []
        difference = dict.fromkeys(seen.have, 0)
        for key in sorted(done):
            roster = seen.have[key.subject]
            member = known(key.what, roster, seen.rosters.identify)
            if member is None or key.subject in faults or roster.missing:
                continue
            if key.verb == "remove" and member in (roster.barred or ()):
                continue
            if (member in roster.members) == (key.verb == "add"):
                verb = "remove" if key.verb == "add" else "add"
                changes.append(Change(Key(key.subject, verb, key.what), "undo", Member(member)))
                difference[key.subject] += 1 if verb == "add" else -1
        policies = {stanza.name: stanza.guard.over(self.guard) for stanza in self.options.rosters}

        def subject(name: str, roster: Roster) -> Subject:
            owned = seen.owned.get(name)
            policy = policies.get(owned.stanza, self.guard) if owned else self.guard
            return Subject(name, len(roster.members), len(roster.members) + difference[name], limits=_limits(policy))

        subjects = (subject(name, roster) for name, roster in seen.have.items())
        return Plan((), tuple(subjects), tuple(changes), tuple(faults.values()))


def _limits(policy: Guard) -> tuple[Limit, ...]:
    floor = policy.small_change or 0
    pairs = (("remove", policy.max_removals), ("add", policy.max_additions))
    return tuple(Limit(verb, most, floor) for verb, most in pairs if most is not None)


def _fault(name: str, roster: Roster, owner: Owned | None, job: str, *, watch: bool, old: str = "") -> Finding | None:
    """`old`: the name that it had before, if it is renamed."""
    if roster.fault:
        return Finding("critical", name, "roster-unreadable", roster.fault)
    if roster.missing:
        level: Level = "critical" if owner and owner.job == job else "warning"
        remedy = roster.remedy or "make it there, or take it out here"
        if old:
            remedy = f"rename {old} there, or make it: `collima adopt {job} --only {name}` prints the steps"
        return Finding(level, name, "roster-missing", f"the target has no such roster: {remedy}")
    if owner and owner.job != job and not watch:
        told = f"belongs to the job {owner.job}: take it out there and run `collima retire` first"
        return Finding("critical", name, "owned-by-another", told)
    return None


def _untold(wish: Wish, rosters: Rosters) -> Iterator[Finding]:
    if (wish.stanza.posting or wish.stanza.seeing) and not isinstance(rosters, Expectant):
        told = "the target cannot tell who may write to it or see it: take `posting` and `seeing` out here"
        yield Finding("warning", wish.name, "untold", told)


def _changes(wish: Wish, roster: Roster, want: Wanted, rosters: Rosters) -> Iterator[Change[Member]]:
    if want.members == roster.members and not roster.pending and not want.expelled:
        return
    why = text(wish.filter)
    barred = roster.barred or {}
    for member in sorted(want.members - roster.members):
        yield Change(Key(wish.name, "add", rosters.address(member)), want.because.get(member, why), Member(member))
    for member in sorted(((roster.members | roster.pending) - want.members) | want.expelled):
        because = barred.get(member) or f"not in {why}"
        yield Change(Key(wish.name, "remove", rosters.address(member)), because, Member(member))


def _frozen_finding(name: str, owned: Owned, now: datetime) -> Finding:
    since = owned.frozen or now
    too_long = since <= FROZEN_TOO_LONG.before(now)
    told = (
        f"no stanza names it any more (since {since:%Y-%m-%d}): kept as it is. "
        f"Name it again, write `renamed: {{{name}: NEW}}`, or run `collima retire {name}`"
    )
    return Finding("critical" if too_long else "warning", name, "frozen", told)
