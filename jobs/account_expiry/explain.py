"""What is to become of one person's accounts, and why. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from collima.core.model import Key
from collima.core.targets import Account, AccountState
from jobs.account_expiry.expiry import Expiry, Seen
from jobs.account_expiry.findings import ACCOUNTS, why
from jobs.account_expiry.judge import Judge, Judgement
from jobs.account_expiry.options import later
from jobs.account_expiry.people import index


@dataclass(frozen=True, slots=True)
class Explained:
    """One account. `due`: what is to be done today, and whether it waits."""

    account: str  # its address
    state: AccountState
    last: date | None  # its last day
    due: str  # notify, suspend, held: delete …; "" for nothing
    why: str


def explain(
    expiry: Expiry, seen: Seen, held: Collection[Key], waiting: Collection[Key], address: str, now: datetime
) -> Sequence[Explained]:
    """Every account of whoever has this address; () when no account has it."""
    named = index(seen.accounts.values())
    if address not in named:
        return ()
    judge = expiry.judge(seen, now)
    mine = {named[address]}.union(*(holder.accounts for holder in judge.census.whose.get(named[address], ())))
    accounts = sorted((seen.accounts[one] for one in mine), key=lambda account: account.address)
    return [_one(judge, account, held, waiting) for account in accounts]


def _one(judge: Judge, account: Account, held: Collection[Key], waiting: Collection[Key]) -> Explained:
    holders = judge.census.whose.get(account.id, ())
    since = holders[0].since if len(holders) == 1 and account.id in holders[0].ending else None
    last = later(since, judge.options.expires_after) if since else None
    verb, told = _due(replace(judge, accounts={account.id: account}).judge())
    key = Key(ACCOUNTS, verb, account.address)
    due = f"held: {verb}" if key in held else f"waiting: {verb}" if key in waiting else verb
    if not told:
        told = "nobody in the directory has its address" if not holders else _quiet(last)
    return Explained(account.address, account.state, last, due, told)


def _due(found: Judgement) -> tuple[str, str]:
    """(verb, why) of the only account that was judged."""
    for account_why in found.returning:
        return "reactivate", account_why[2]
    for due, verb in (*found.closing, *found.going_on):
        return verb, f"its last day was {due.last}"
    for due, stage in found.notices:
        return "notify", f"{stage.partition(',')[0]} before its last day, {due.last}"
    return "", next((why(code) for code in found.counts), "")


def _quiet(last: date | None) -> str:
    return "nothing is due today" if last else "no entry in `who` names it"
