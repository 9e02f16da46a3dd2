"""What is to become of each account today. Pure."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo

from collima.core.ledger import Closure, Noticed
from collima.core.quantities import Duration
from collima.core.targets import Account, Id
from jobs.account_expiry.options import Closing, Options, earlier, later
from jobs.account_expiry.people import Census, Holder

SOON = (30, 90, 365)  # days
LAPSE = Duration(90, "day")
"""A notice counts for so long after the day that it named. Whoever was spared meanwhile, or waited, is told anew."""


@dataclass(frozen=True, slots=True)
class Due:
    """One account of which something is to be done."""

    account: Account
    holder: Holder
    last: date  # its last day


@dataclass(slots=True)
class Judgement:
    """What is due, the most urgent first, and what is to be told."""

    notices: list[tuple[Due, str]] = field(default_factory=list)  # with the stage
    closing: list[tuple[Due, Closing]] = field(default_factory=list)  # the first step
    going_on: list[tuple[Due, Closing]] = field(default_factory=list)  # a later step
    returning: list[tuple[Account, Holder, str]] = field(default_factory=list)  # why
    counts: Counter[str] = field(default_factory=Counter)  # by the code of a finding
    soon: dict[int, int] = field(default_factory=lambda: dict.fromkeys(SOON, 0))
    over: int = 0  # people of `who` whose accounts have ended
    megabytes: int = 0  # of accounts that have ended


@dataclass(frozen=True, slots=True)
class Book:
    """The ledger, as one run has read it, by account."""

    noticed: Mapping[Id, Sequence[Noticed]]
    closures: Mapping[Id, Closure]

    def ours(self, account: Account, holder: Holder) -> Closure | None:
        """The closure that keeps this account closed now, if it is this person's."""
        closure = self.closures.get(account.id)
        if closure is None or account.state == "active" or closure.turn == "reactivate":
            return None
        return closure if holder.is_whose(closure.person) else None

    def reopened(self, account: Account, holder: Holder) -> bool:
        """Whether somebody else has opened again what a run of ours had closed."""
        closure = self.closures.get(account.id)
        if closure is None or account.state != "active" or closure.turn == "reactivate":
            return False
        return holder.is_whose(closure.person) and (closure.done or closure.turn == "delete")

    def anothers(self, account: Account, holder: Holder) -> bool:
        """Whether a run of ours had closed it for somebody else, and it is closed still."""
        closure = self.closures.get(account.id)
        if closure is None or account.state == "active" or closure.turn == "reactivate":
            return False
        return not holder.is_whose(closure.person)

    def taken_back(self, account: Account) -> bool:
        """Whether an undo opened what a run of ours had closed: then it is of the time when it was closed."""
        closure = self.closures.get(account.id)
        return closure is not None and closure.turn == "reactivate" and closure.at == closure.since

    def told(self, account: Account, holder: Holder, last: date) -> Sequence[Noticed]:
        """The notices of this end to this person."""
        return [
            one
            for one in self.noticed.get(account.id, ())
            if one.notice.ends == last and holder.is_whose(one.notice.person)
        ]


@dataclass(frozen=True, slots=True)
class Judge:
    options: Options
    accounts: Mapping[Id, Account]
    census: Census
    book: Book
    excepted: Collection[Id]
    now: datetime
    zone: tzinfo

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def judge(self) -> Judgement:
        found = Judgement()
        spared = {id(h) for a in self.excepted for h in self.census.whose.get(a, ())}
        for known, account in self.accounts.items():
            holders = self.census.whose.get(known, ())
            if not holders:
                self._nobodys(account, found)
            elif any(known in holder.ending for holder in holders):
                if len(holders) > 1:
                    found.counts["shared-account"] += 1
                else:
                    self._one(account, holders[0], found, excepted=known in self.excepted or id(holders[0]) in spared)
            elif len(holders) == 1 and self.book.ours(account, holders[0]):
                if holders[0].back or known in self.excepted:
                    found.returning.append((account, holders[0], "came back"))
                else:
                    found.counts["left-closed"] += 1
        found.notices.sort(key=lambda pair: (pair[0].last < self.today, pair[0].last, pair[0].account.address))
        found.closing.sort(key=lambda pair: (pair[0].last, pair[0].account.address))
        found.going_on.sort(key=lambda pair: (pair[0].last, pair[0].account.address))
        return found

    def _nobodys(self, account: Account, found: Judgement) -> None:
        closure = self.book.closures.get(account.id)
        if closure and closure.turn != "reactivate" and account.state != "active":
            found.counts["left-closed"] += 1

    def _one(self, account: Account, holder: Holder, found: Judgement, *, excepted: bool) -> None:
        """An account of one person, named by an entry in `who`."""
        if holder.back or excepted:
            self._spared(account, holder, found, excepted=excepted)
        elif not holder.known:
            found.counts["no-person"] += 1
        elif holder.since is None:
            found.counts[holder.fault or "no-date"] += 1
        elif self.book.anothers(account, holder):
            found.counts["another-person"] += 1
        else:
            self._dated(Due(account, holder, later(holder.since, self.options.expires_after)), found)

    def _spared(self, account: Account, holder: Holder, found: Judgement, *, excepted: bool) -> None:
        why = "came back" if holder.back else "`except`"
        if self.book.ours(account, holder) or (excepted and self.book.reopened(account, holder)):
            found.returning.append((account, holder, why))
        elif holder.since and self.today >= self._first_word(later(holder.since, self.options.expires_after)):
            found.counts["came-back" if holder.back else "excepted"] += 1

    def _dated(self, due: Due, found: Judgement) -> None:
        account, ours = due.account, self.book.ours(due.account, due.holder)
        over, past = self.today >= self._closes(due.last), self.today > due.last
        found.over += past
        found.megabytes += (account.megabytes or 0) * past
        if ours and not over:
            found.returning.append((account, due.holder, f"last day {due.last}"))
        elif ours:
            self._go_on(due, ours, found)
        elif account.state != "active":
            found.counts["closed-elsewhere"] += over
        elif self.book.reopened(account, due.holder):
            found.counts["reopened"] += 1
        else:
            self._active(due, found, over=over)

    def _active(self, due: Due, found: Judgement, *, over: bool) -> None:
        told = self.book.told(due.account, due.holder, due.last)
        left = (due.last - self.today).days
        for days in SOON:
            found.soon[days] += 0 <= left <= days
        if over and self._noticed(due, told):
            found.closing.append((due, self.options.steps[0][0]))
            return
        stages = [stage for stage in self.options.notify if self.today >= earlier(due.last, stage)]
        stage = min(stages, key=lambda one: one.seconds, default=None)
        if stage and (named := self._named(stage, due, told)) not in {one.notice.stage for one in told}:
            found.notices.append((due, named))
        if over:
            lost = told and all(one.lost for one in told)
            found.counts["notice-lost" if lost else "too-early"] += 1

    def _go_on(self, due: Due, closure: Closure, found: Judgement) -> None:
        """Later steps are counted from the day on which ours was the first."""
        since = closure.since.astimezone(self.zone).date()
        ready = [verb for verb, wait in self.options.steps[1:] if later(since, wait) <= self.today]
        if "delete" in ready:
            found.going_on.append((due, "delete"))
        elif "archive" in ready and due.account.state == "suspended":
            found.going_on.append((due, "archive"))

    def _noticed(self, due: Due, told: Sequence[Noticed]) -> bool:
        """Whether a notice that a relay took, and that counts still, is old enough."""
        return any(later(day, self.options.min_notice) <= self.today for day in self._heard(due, told))

    def _taken(self, told: Sequence[Noticed]) -> Sequence[date]:
        return [one.taken.astimezone(self.zone).date() for one in told if one.taken]

    def _heard(self, due: Due, told: Sequence[Noticed]) -> Sequence[date]:
        """When notices were taken that count still. What was taken back waits for a person, and is not told anew."""
        if not self.options.steps or self.book.taken_back(due.account):
            return self._taken(told)
        closes, wait = self._closes(due.last), self.options.min_notice
        return [day for day in self._taken(told) if self.today <= later(max(closes, later(day, wait)), LAPSE)]

    def _named(self, stage: Duration, due: Due, told: Sequence[Noticed]) -> str:
        """A stage is told once; and once more, with the day of the last notice, when all that was told has lapsed."""
        taken = self._taken(told)
        return str(stage) if not taken or self._heard(due, told) else f"{stage}, {max(taken)}"

    def _first_word(self, last: date) -> date:
        return min((earlier(last, stage) for stage in self.options.notify), default=last)

    def _closes(self, last: date) -> date:
        """The first day on which the first step may be taken; an account lives through its last day."""
        if not self.options.steps:
            return date.max
        return later(later(last, Duration(1, "day")), self.options.steps[0][1])

    def closes(self, due: Due) -> date | None:
        """The day on which it will be closed if nothing changes, as its notice says; None: never."""
        if not self.options.steps:
            return None
        heard = self._heard(due, self.book.told(due.account, due.holder, due.last))
        return max(self._closes(due.last), later(min(heard, default=self.today), self.options.min_notice))

    def doubts(self) -> Iterator[str]:
        """Why neither a notice nor a closure is to be trusted today."""
        newest = self.census.newest
        if any(holder.ends for holder in self.census.holders):
            if newest is None:
                yield f"nobody in `who` has a {self.options.since} that can be true"
            elif later(newest, Duration(1, "year")) < self.today:
                yield (
                    f"the newest {self.options.since} in `who` is of {newest}, more than a year ago: "
                    "is this machine's clock right?"
                )
        back = [holder for holder in self.census.holders if holder.back]
        if back and not any(holder.known for holder in back):
            yield f"nobody in `unless` has a {self.options.person}: nobody can tell who came back"
        tomorrow = Duration(1, "day").after(self.now)
        at = [one.at for some in self.book.noticed.values() for one in some]
        at += [closure.at for closure in self.book.closures.values()]
        if ahead := sum(moment > tomorrow for moment in at):
            yield (
                f"{ahead} notices and closures on record are of a time that has not come: "
                "is this machine's clock right?"
            )
