"""What a person does about what is held for them. Every deed is on record before it is done, and is done once.

`collima.app.web` draws this and calls it; nothing here knows of pages.
"""

import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, cast

from collima.core.errors import ConfigError, Refused, StateError
from collima.core.ports import Clock, Context
from collima.core.quarantine import (
    Action,
    ActionState,
    Category,
    Deed,
    Digests,
    Holder,
    Item,
    ItemId,
    Quarantine,
    Rank,
    Rule,
)
from jobs.quarantine_digest.options import Options
from jobs.quarantine_digest.owners import plain
from jobs.quarantine_digest.senders import Bar, barred, own

ASKING: Collection[Category] = frozenset({"banned", "virus"})
"""What an administrator approves before anybody gets it."""
SLOW = timedelta(minutes=5)
"""A deed under way for longer than that was cut short, and nobody knows how far it came."""

PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between the attempts to store what became of a deed, which cannot be taken back."""

Why = Literal["gone", "many", "doubt"] | Bar
Fate = Literal["held", "asks", "again", "under-way", "released", "waiting", "refused", "lost", "gone"]


class Declined(Refused):
    """What a person asked for is not done, and trying again does not help.

    `why`: gone: it is not held any more. own, nobody, odd: its sender is neither allowed nor blocked. many: too many of
    their requests wait. doubt: it may have been done, and what became of it could not be stored.
    """

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Standing:
    """One item, and what its owner did about it."""

    id: ItemId
    recipient: str
    sender: str
    item: Item | None  # as it is held now
    done: Mapping[Deed, Action]  # the newest of each deed
    said: Rule | None = None  # of this sender to this recipient, as it is now
    theirs: bool = False  # and it is what a person said

    def fate(self, now: datetime) -> Fate:
        """What became of it, or may. asks: an administrator decides. again: it did not work, and may be tried again.
        lost: it was refused for good, or nobody can tell. gone: it is not held any more, and was not released by them.
        """
        release, request = self.done.get("release"), self.done.get("request")
        if release and release.state == "done":
            return "released"
        if release and release.state == "doing" and release.at > now - SLOW:
            return "under-way"
        if request and request.state in ("waiting", "refused"):
            return "waiting" if request.state == "waiting" else "refused"
        if release and (release.state == "refused" or (release.state == "doing" and self.item is None)):
            return "lost"
        if self.item is None:
            return "gone"
        if self.item.category in ASKING or (release and release.state == "doing"):
            return "asks"
        return "again" if release and release.state == "failed" else "held"


@dataclass(frozen=True, slots=True)
class Everything:
    """What a person's own page shows."""

    items: Sequence[Standing]  # held now, least spammy first: those of this page
    total: int  # that are held now
    before: int  # of them, on pages before this one
    last: Rank | None  # where the next page goes on; None: there is none
    rules: Sequence[tuple[str, str, Rule, bool]]  # recipient, sender; and whether a person said it
    requests: Sequence[Action]  # newest first


Ask = Callable[[Holder, Item], Action]
"""What becomes of an item that an administrator decides on: `Requests.ask`."""


@dataclass(frozen=True, slots=True)
class Actions:
    """Of one job. Raises SourceError and StateError when something cannot be reached: nothing was done then."""

    options: Options
    context: Context
    clock: Clock
    sleep: Callable[[float], None] = time.sleep

    @property
    def digests(self) -> Digests:
        if self.context.digests is None:
            raise ConfigError(f"{self.context.name}: there is no state to keep its actions in")
        return self.context.digests

    @contextmanager
    def quarantine(self) -> Iterator[Quarantine]:
        with self.context.connect(self.options.quarantine) as session:
            yield cast("Quarantine", session)

    # ---- what there is

    def holder(self, owner: str) -> Holder | None:
        """None for whoever the last run did not know: their addresses may be somebody else's by now."""
        return self.digests.holder(owner)

    def everything(self, holder: Holder, after: Rank | None = None, most: int = 200) -> Everything:
        """The `most` items after that one: whatever is released meanwhile, none is left out, and none shown twice."""
        with self.quarantine() as quarantine:
            addresses = self._addresses(quarantine, holder)
            ranks = quarantine.held_for(addresses, self.options.keep.before(self.clock()))
            begin = bisect_right(ranks, after) if after else 0
            here = [rank.id for rank in ranks[begin : begin + most]]
            items = quarantine.items(here)
            rules = quarantine.rules(addresses)
        done, words = self.digests.done(holder.owner, here), self.digests.words(addresses)
        return Everything(
            items=[_standing(item, items[item], done) for item in here if item in items],
            total=len(ranks),
            before=begin,
            last=ranks[begin + most - 1] if begin + most < len(ranks) else None,
            rules=sorted((*of, rule, words.get(of) == rule) for of, rule in rules.items()),
            requests=[one for one in self.digests.actions(owner=holder.owner) if one.deed == "request"],
        )

    def theirs(self, holder: Holder, recipient: str) -> bool:
        """As digests have it: `name+list@host` is of whoever has `name@host`, unless somebody has just that address."""
        if recipient in holder.addresses:
            return True
        return plain(recipient) in holder.addresses and not self.digests.owned([recipient])

    def _addresses(self, quarantine: Quarantine, holder: Holder) -> Collection[str]:
        extended = quarantine.extended(holder.addresses)
        return {*holder.addresses, *extended - self.digests.owned(extended)}

    def standing(self, holder: Holder, item: ItemId) -> Standing:
        """Raises Declined (gone) for one that is not theirs, is not held any more, and that they did nothing about."""
        with self.quarantine() as quarantine:
            found = self._standing(quarantine, holder, item)
            of = found.recipient, found.sender
            said = quarantine.rules([found.recipient]).get(of)
        theirs = said is not None and self.digests.words([found.recipient]).get(of) == said
        return replace(found, said=said, theirs=theirs)

    def barred(self, holder: Holder, sender: str) -> Why | None:
        """Why this sender is neither allowed nor blocked by them."""
        site = [self.context.stationery.site] if self.context.stationery else []
        return barred(sender, own((*site, *self.options.own_domains), holder.addresses))

    def _standing(self, quarantine: Quarantine, holder: Holder, id: ItemId) -> Standing:
        item = quarantine.items([id]).get(id)
        past = self.digests.done(holder.owner, [id])
        recipient = item.recipient if item else past[0].recipient if past else ""
        if not self.theirs(holder, recipient):
            raise Declined("gone")
        return _standing(id, item, past)

    # ---- what they do

    def release(self, holder: Holder, item: ItemId, ask: Ask) -> None:
        """Delivers it to them, or asks an administrator to. What came of it is on record. Raises Declined."""
        with self.quarantine() as quarantine:
            found = self._standing(quarantine, holder, item)
            before = found.done.get("release")
            cut = self.cut(before)  # a person decides whether it goes again
            if found.item is None:
                if not found.done:
                    raise Declined("gone")
            elif cut or found.item.category in ASKING:
                ask(holder, found.item)
            elif before and before.state == "refused":
                return  # whatever the reason was, it is the same still
            else:
                self.deliver(quarantine, holder.owner, found.item)

    def cut(self, release: Action | None) -> bool:
        """Whether it was cut short: then it is refused from now on, for it may have been delivered."""
        if release is None or release.state != "doing" or release.at >= self.clock() - SLOW:
            return False
        self.digests.acted(release.id, "refused", "cut short: it may have been delivered")
        return True

    def deliver(self, quarantine: Quarantine, owner: str, item: Item) -> Action:
        """Once, however many click, or are killed. `failed`: it may be tried again; `refused`: it may not."""
        action, new = self.digests.act(self._action("release", owner, item))
        if not new:
            return action
        try:
            quarantine.release(item.id, item.recipient)
        except Refused as err:
            return self.settle(action, "failed" if err.transient else "refused", str(err))
        return self.settle(action, "done")

    def settle(self, action: Action, state: ActionState, error: str = "", *, waiting: bool = False) -> Action:
        """What became of a deed that was done. Raises Declined (doubt) when it cannot be stored for some seconds."""
        for pause in (*PAUSES, None):
            try:
                self.digests.acted(action.id, state, error, waiting=waiting)
                break
            except StateError as err:
                if pause is None:
                    raise Declined("doubt") from err
                self.sleep(pause)
        return replace(action, state=state, error=error)

    def rule(self, holder: Holder, item: ItemId, rule: Rule) -> None:
        """Allows or blocks exactly this item's sender, for exactly its recipient. Raises Declined, Refused."""
        with self.quarantine() as quarantine:
            found = self._standing(quarantine, holder, item)
            if why := self.barred(holder, found.sender):
                raise Declined(why)
            of = found.recipient, found.sender
            words, before = self._words(of), quarantine.said(*of)
            if words and quarantine.rules([of[0]]).get(of) != words[0].deed:
                self._end(words)  # somebody else has changed it since
            made = Action(
                id=0,
                deed=rule,
                owner=holder.owner,
                recipient=found.recipient,
                item=item,
                sender=found.sender,
                category=found.item.category if found.item else "",
                state="doing",
                at=self.clock(),
                before=before,
            )
            action, _ = self.digests.act(made)  # twice does no harm, and puts right what was changed elsewhere
            try:
                quarantine.rule(found.recipient, found.sender, rule)
            except Refused as err:
                self.settle(action, "failed", str(err))
                raise
            self.settle(action, "done")

    def undo(self, holder: Holder, item: ItemId) -> None:
        """Takes back their last word on this item's sender: what was said before it, by them or by an administrator,
        holds again. Raises Declined, Refused."""
        with self.quarantine() as quarantine:
            found = self._standing(quarantine, holder, item)
            self._take_back(quarantine, (found.recipient, found.sender), 1)

    def forget(self, holder: Holder, recipient: str, sender: str) -> None:
        """Takes back all that they said of this sender. Raises Declined for an address that is not theirs, and
        Refused."""
        if not self.theirs(holder, recipient):
            raise Declined("gone")
        with self.quarantine() as quarantine:
            self._take_back(quarantine, (recipient, sender), None)

    def turn(self, holder: Holder, *, off: bool) -> None:
        """No digest from now on, or one again."""
        deed: Deed = "off" if off else "on"
        self.digests.turn(holder.owner, off=off)
        made = Action(0, deed, holder.owner, holder.owner, "", "", "", "done", self.clock())
        self.digests.act(made)

    def _take_back(self, quarantine: Quarantine, of: tuple[str, str], most: int | None) -> None:
        """So many of their words, newest first. Where theirs is not what holds now, somebody else has changed it since:
        that stays, and all that they have said is over."""
        words = self._words(of)
        if words and quarantine.rules([of[0]]).get(of) == words[0].deed:
            words = words[:most]
            quarantine.put_back(*of, words[-1].before)
        self._end(words)

    def _words(self, of: tuple[str, str]) -> Sequence[Action]:
        """What was said of that sender for that recipient, and not taken back; newest first. By whoever had the address
        then: it is theirs now."""
        return [one for one in self.digests.actions(of=of) if one.state in ("done", "doing")]

    def _end(self, words: Sequence[Action]) -> None:
        for word in words:
            self.settle(word, "undone")

    def _action(self, deed: Deed, owner: str, item: Item) -> Action:
        return Action(0, deed, owner, item.recipient, item.id, item.sender, item.category, "doing", self.clock())


def _standing(id: ItemId, item: Item | None, past: Sequence[Action]) -> Standing:
    """`past`: the newest of each deed, of other items, too."""
    mine = [action for action in past if action.item == id]
    done = {action.deed: action for action in mine}
    recipient, sender = (item.recipient, item.sender) if item else (mine[0].recipient, mine[0].sender)
    return Standing(id, recipient, sender, item, done)
