"""Reading, planning and ending accounts."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from email.message import EmailMessage
from itertools import islice

from collima.core.errors import ConfigError, blaming
from collima.core.ledger import Closure, Ledger, Notice, Noticed, Stationery
from collima.core.model import Change, Finding, Key, Limit, Outcome, Plan, Reading, Subject
from collima.core.options import Address, Person
from collima.core.ports import Context
from collima.core.quantities import Amount
from collima.core.targets import Account, Accounts, Id, Place, Turn
from collima.directory.filters import Filter, Or, Present
from collima.directory.ports import People, Question
from jobs.account_expiry.findings import ACCOUNTS, ahead, counted, freed, paced
from jobs.account_expiry.judge import Book, Due, Judge
from jobs.account_expiry.options import Options, later
from jobs.account_expiry.people import WHO, census, index

LETTER = "expiry"  # the template
BATCH = 50  # that go on record at once


@dataclass(frozen=True, slots=True)
class Seen:
    """All that one run has read. An undo has read no people."""

    session: Accounts
    accounts: Mapping[Id, Account]
    book: Book
    people: People | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """A change's detail: a notice, and what it says."""

    notice: Notice
    to: tuple[Address, ...]
    language: str
    closes: date | None
    deletes: date | None
    days: int  # until the account is closed
    at: datetime


@dataclass(frozen=True, slots=True)
class Move:
    """A change's detail: a turn, and the closure that it makes or ends."""

    turn: Turn
    closure: Closure


Detail = Word | Move


@dataclass(frozen=True, slots=True)
class Expiry:
    """`ports.Job` of the kind account-expiry."""

    options: Options
    context: Context
    ledger: Ledger
    stationery: Stationery
    verbs: tuple[str, ...] = ("notify", "reactivate", "suspend", "archive", "delete")

    @property
    def target(self) -> str:
        return self.options.target

    # ---- reading

    @contextmanager
    def read(self) -> Iterator[Seen]:
        """Raises ConfigError, too, for a template that cannot be used."""
        options, connect = self.options, self.context.connect
        self.stationery.check(LETTER, options.templates)
        with connect(options.source) as directory, connect(options.target) as session:
            with blaming(options.source):
                people = directory.people(self.question)
            with blaming(options.target):
                accounts = session.accounts()
            yield Seen(session, accounts, self._book(), people)

    @property
    def question(self) -> Question:
        """Everybody with an account is read, so that it is seen whose an address is as well."""
        options = self.options
        filters = (options.who, *([options.unless] if options.unless else []))
        among: Filter = Or((*filters, Present(options.account)))
        names = (options.account, options.person, options.since, options.language, options.notify_also)
        return Question(among, filters, tuple(dict.fromkeys(name for name in names if name)))

    def _book(self) -> Book:
        noticed: dict[Id, list[Noticed]] = {}
        for one in self.ledger.noticed():
            noticed.setdefault(one.notice.account, []).append(one)
        return Book(noticed, self.ledger.closures())

    def place(self, seen: Seen) -> Place | None:
        return seen.session if isinstance(seen.session, Place) else None

    # ---- planning

    def plan(self, seen: Seen, now: datetime) -> Plan[Detail]:
        assert seen.people is not None
        options, judge = self.options, self.judge(seen, now)
        named = frozenset(index(seen.accounts.values())).union(*(h.names for h in judge.census.holders))
        current, lapsed = _counting(options.except_, judge.today)
        found = judge.judge()
        notices = found.notices[: options.per_run]
        closing = found.closing[: options.per_run]
        size = seen.people.answers[WHO].bit_count()
        counts = Counter(found.counts)
        counts["except-expired"] = len(lapsed)
        counts["except-unknown"] = sum(line.address not in named for line in current)
        counts["not-there"] = judge.census.without
        changes = [
            *(self._return(account, why, seen.book, now) for account, _, why in found.returning),
            *(self._word(due, stage, judge, now) for due, stage in notices),
            *(self._close(due, verb, seen.book, now) for due, verb in (*closing, *found.going_on)),
        ]
        return Plan(
            readings=tuple(self._readings(seen.people, size)),
            subjects=(self._subject(size, max(size - found.over, 0)),),
            changes=tuple(changes),
            findings=(
                *counted(counts),
                *paced(len(found.notices) - len(notices), len(found.closing) - len(closing), options.per_run),
                ahead(found.soon),
                *freed(found.megabytes),
            ),
            doubts=tuple(judge.doubts()),
            wary=frozenset({"notify"}),
        )

    def judge(self, seen: Seen, now: datetime) -> Judge:
        """Of every account."""
        assert seen.people is not None
        zone, named = self.context.timezone, index(seen.accounts.values())
        current, _ = _counting(self.options.except_, now.astimezone(zone).date())
        known = census(self.options, seen.people, seen.accounts, now, zone)
        lines = {line.address for line in current}
        excepted = {named[line] for line in lines if line in named}
        excepted.update(a for holder in known.holders if not lines.isdisjoint(holder.names) for a in holder.accounts)
        return Judge(self.options, seen.accounts, known, seen.book, excepted, now, zone)

    def _readings(self, people: People, size: int) -> Iterator[Reading]:
        """`who`, and everybody: without those who came back, others would look as if they had not."""
        everybody = replace(people.reading, connector=self.options.source)
        scope = everybody.scope and f"{everybody.scope}:who"
        yield replace(everybody, entries=size, scope=scope)
        if self.options.unless:
            yield everybody

    def _subject(self, size: int, wanted: int) -> Subject:
        policy = self.options.guard.over(self.context.guard)
        closing, floor = policy.max_suspensions or policy.max_removals, policy.small_change or 0
        limits = [Limit(verb, closing, floor) for verb in ("suspend", "archive") if closing is not None]
        always = Limit("delete", Amount(0, percent=False))
        return Subject(ACCOUNTS, size, wanted, limits=(*limits, always), watch=self.context.watch, grace=policy.grace)

    def _word(self, due: Due, stage: str, judge: Judge, now: datetime) -> Change[Detail]:
        closes = judge.closes(due)
        wait = dict(self.options.steps).get("delete")
        notice = Notice(due.account.id, due.account.address, due.holder.digest, due.last, stage)
        word = Word(
            notice=notice,
            to=tuple(dict.fromkeys((Address(due.account.address), *due.holder.others))),
            language=due.holder.language,
            closes=closes,
            deletes=later(closes, wait) if closes and wait else None,
            days=((closes or due.last) - judge.today).days,
            at=now.astimezone(self.context.timezone),
        )
        return Change(Key(ACCOUNTS, "notify", due.account.address), f"{stage}: last day {due.last}", word)

    def _close(self, due: Due, verb: Turn, book: Book, now: datetime) -> Change[Detail]:
        account, before = due.account, book.ours(due.account, due.holder)
        since = before.since if before else now
        closure = Closure(account.id, account.address, due.holder.digest, since, verb, now, done=False)
        return Change(Key(ACCOUNTS, verb, account.address), f"last day {due.last}", Move(verb, closure))

    def _return(self, account: Account, why: str, book: Book, now: datetime) -> Change[Detail]:
        before = book.closures[account.id]
        closure = replace(before, address=account.address, turn="reactivate", at=now, done=True)
        return Change(Key(ACCOUNTS, "reactivate", account.address), why, Move("reactivate", closure))

    # ---- doing

    def apply(self, seen: Seen, go: Sequence[Change[Detail]]) -> Iterator[Outcome]:
        words = ((change.key, change.detail) for change in go if isinstance(change.detail, Word))
        moves = [(change.key, change.detail) for change in go if isinstance(change.detail, Move)]
        yield from self._turn(seen, [(key, move) for key, move in moves if _opens(move.turn)])
        while some := list(islice(words, BATCH)):
            yield from self._notify(some)
        yield from self._turn(seen, [(key, move) for key, move in moves if not _opens(move.turn)])

    def _notify(self, words: Sequence[tuple[Key, Word]]) -> Iterator[Outcome]:
        """On record and in the outbox, or neither. A template that fails for one does not for the others."""
        written, outcomes = [], []
        for key, word in words:
            try:
                mails = {to: self._letter(to, word) for to in word.to}
            except ConfigError as err:
                outcomes.append(Outcome(key, str(err)))
                continue
            written.append((word.notice, mails))
            outcomes.append(Outcome(key))
        if written:
            self.ledger.notify(written, self.options.via)
        yield from outcomes

    def _letter(self, to: Address, word: Word) -> EmailMessage:
        notice = word.notice
        whose = (self.context.name, self.target, notice.account, notice.person)
        identity = "\0".join((*whose, str(notice.ends), notice.stage, to))
        values = {
            "address": notice.address,
            "last": notice.ends,
            "closes": word.closes,
            "deletes": word.deletes,
            "days": word.days,
            "today": word.at.date(),
            "also": to != notice.address,
        }
        name = f"{self.context.name}.{hashlib.sha256(identity.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}"
        return self.stationery.write(
            LETTER, values, to=to, language=word.language, message_id=name, now=word.at, folder=self.options.templates
        )

    def _turn(self, seen: Seen, moves: Sequence[tuple[Key, Move]]) -> Iterator[Outcome]:
        """Closures go on record before they are made, so that what a kill leaves is known as ours."""
        if not moves:
            return
        by_account = {move.closure.account: (key, move) for key, move in moves}
        self.ledger.begin([move.closure for _, move in moves if not _opens(move.turn)])
        turned = seen.session.turn([(move.closure.account, move.turn) for _, move in moves])
        while some := list(islice(turned, BATCH)):
            done = [by_account[one.account] for one in some if not one.error]
            self.ledger.begin([move.closure for _, move in done if _opens(move.turn)])
            self.ledger.settle(
                done={move.closure.account for _, move in done},
                forget={
                    one.account
                    for one in some
                    if one.error and not one.transient and one.account not in seen.book.closures
                },
            )
            yield from (Outcome(by_account[one.account][0], one.error, one.transient) for one in some)

    def verify(self, seen: Seen, done: Collection[Key]) -> Iterable[Finding]:
        turned = [key for key in done if key.verb != "notify"]
        if not turned or not seen.session.immediate:
            return
        accounts = seen.session.accounts()
        states = {account.address: account.state for account in accounts.values()}
        wanted = {
            "reactivate": ("active", "suspended", "archived"),
            "suspend": ("suspended",),
            "archive": ("archived",),
        }
        wrong = sum(states.get(key.what, "gone") not in wanted.get(key.verb, ("gone",)) for key in turned)
        if wrong:
            told = f"{wrong} of {len(turned)} changes are not there when read again: does another program write here?"
            yield Finding("critical", ACCOUNTS, "not-as-left", told)

    # ---- taking back

    @contextmanager
    def invert(self, done: Collection[Key]) -> Iterator[tuple[Seen, Plan[Detail]]]:
        with self.context.connect(self.target) as session:
            with blaming(self.target):
                seen = Seen(session, session.accounts(), self._book())
            yield seen, self._way_back(seen, done)

    def _way_back(self, seen: Seen, done: Collection[Key]) -> Plan[Detail]:
        counts: Counter[str] = Counter()
        changes: list[Change[Detail]] = []
        for key in sorted(done):
            if key.verb == "notify":
                counts["no-way-back"] += 1
            elif move := _inverse(key, seen):
                verb = "suspend" if move.turn == "suspend" else "reactivate"
                changes.append(Change(Key(ACCOUNTS, verb, key.what), "undo", move))
            else:
                counts["not-as-it-was"] += 1
        size = len(seen.accounts)
        return Plan((), (self._subject(size, size),), tuple(changes), tuple(counted(counts)))


def _inverse(key: Key, seen: Seen) -> Move | None:
    """What takes back one turn; None when the account is no longer as it was left."""
    closures = [one for one in seen.book.closures.values() if one.address == key.what]
    for closure in sorted(closures, key=lambda one: one.at, reverse=True):
        account = seen.accounts.get(closure.account)
        if key.verb == "delete":
            if closure.turn == "delete" and account is None:
                return Move("undelete", replace(closure, turn="undelete", done=True))
        elif account and key.verb == "reactivate":
            if closure.turn == "reactivate" and account.state == "active":
                return Move("suspend", replace(closure, since=closure.at, turn="suspend", done=False))
        elif account and closure.turn == key.verb and account.state != "active":
            return Move("reactivate", replace(closure, turn="reactivate", at=closure.since, done=True))
    return None


def _opens(turn: Turn) -> bool:
    return turn in ("reactivate", "undelete")


def _counting(people: Sequence[Person], today: date) -> tuple[list[Person], list[Person]]:
    """(those that count today, those whose last day has passed)."""
    current = [p for p in people if p.until is None or today <= p.until]
    return current, [p for p in people if p.until is not None and today > p.until]
