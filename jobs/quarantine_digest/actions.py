"""What a person does about what is held for them. Every deed is on record before it is done, and is done once.

`collima.app.web` draws this and calls it; nothing here knows of pages.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, cast

from collima.core.errors import ConfigError, Refused
from collima.core.options import address
from collima.core.ports import Clock, Context
from collima.core.quarantine import Action, Category, Deed, Digests, Holder, Item, ItemId, Quarantine, Rule
from jobs.quarantine_digest.options import Options
from jobs.quarantine_digest.owners import plain

ASKING: Collection[Category] = frozenset({"banned", "virus"})
"""What an administrator approves before anybody gets it."""
SLOW = timedelta(minutes=5)
"""A deed under way for longer than that was cut short, and nobody knows how far it came."""

Why = Literal["gone", "own", "nobody", "odd", "many"]
Fate = Literal["held", "asks", "again", "under-way", "released", "waiting", "refused", "lost", "gone"]


class Declined(Refused):
    """What a person asked for is not done, and trying again does not help.

    `why`: gone: it is not held any more. own: a sender of ours is neither allowed nor blocked. nobody: it has no
    sender. odd: its sender is no plain address. many: too many of their requests wait.
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

    items: Sequence[Standing]  # held now, least spammy first
    rules: Sequence[tuple[str, str, Rule]]  # recipient, sender
    requests: Sequence[Action]  # newest first


Ask = Callable[[Holder, Item], Action]
"""What becomes of an item that an administrator decides on: `Requests.ask`."""


@dataclass(frozen=True, slots=True)
class Actions:
    """Of one job. Raises SourceError and StateError when something cannot be reached: nothing was done then."""

    options: Options
    context: Context
    clock: Clock

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

    def everything(self, holder: Holder) -> Everything:
        with self.quarantine() as quarantine:
            items = quarantine.held_for(holder.addresses, self.options.keep.before(self.clock()))
            rules = quarantine.rules(holder.addresses)
        past = self.digests.actions(owner=holder.owner)
        return Everything(
            items=[_standing(item.id, item, past) for item in items],
            rules=sorted((recipient, sender, rule) for (recipient, sender), rule in rules.items()),
            requests=[action for action in past if action.deed == "request"],
        )

    def standing(self, holder: Holder, item: ItemId) -> Standing:
        """Raises Declined (gone) for one that is not theirs, is not held any more, and that they did nothing about."""
        with self.quarantine() as quarantine:
            found = self._standing(quarantine, holder, item)
            said = quarantine.rules([found.recipient]).get((found.recipient, found.sender))
        return replace(found, said=said)

    def barred(self, holder: Holder, sender: str) -> Why | None:
        """Why this sender is neither allowed nor blocked by them."""
        if not sender:
            return "nobody"
        try:
            _, _, domain = address(sender).partition("@")
        except ValueError:
            return "odd"
        own = {own.partition("@")[2] for own in holder.addresses} | set(self.options.own_domains)
        return "own" if any(domain == one or domain.endswith(f".{one}") for one in own) else None

    def _standing(self, quarantine: Quarantine, holder: Holder, id: ItemId) -> Standing:
        item = quarantine.items([id]).get(id)
        past = [action for action in self.digests.actions(owner=holder.owner) if action.item == id]
        recipient = item.recipient if item else past[0].recipient if past else ""
        if recipient not in holder.addresses and plain(recipient) not in holder.addresses:
            raise Declined("gone")
        return _standing(id, item, past)

    # ---- what they do

    def release(self, holder: Holder, item: ItemId, ask: Ask) -> None:
        """Delivers it to them, or asks an administrator to. What came of it is on record. Raises Declined."""
        with self.quarantine() as quarantine:
            found = self._standing(quarantine, holder, item)
            before = found.done.get("release")
            cut = before is not None and before.state == "doing" and before.at < self.clock() - SLOW
            if before and cut:  # it may have been delivered: a person decides whether it goes again
                self.digests.acted(before.id, "refused", "cut short: it may have been delivered")
            if found.item is None:
                if not found.done:
                    raise Declined("gone")
            elif cut or found.item.category in ASKING:
                ask(holder, found.item)
            elif before and before.state == "refused":
                return  # whatever the reason was, it is the same still
            else:
                self.deliver(quarantine, holder.owner, found.item)

    def deliver(self, quarantine: Quarantine, owner: str, item: Item) -> Action:
        """Once, however many click, or are killed. `failed`: it may be tried again; `refused`: it may not."""
        action, new = self.digests.act(self._action("release", owner, item))
        if not new:
            return action
        try:
            quarantine.release(item.id, item.recipient)
        except Refused as err:
            self.digests.acted(action.id, "failed" if err.transient else "refused", str(err))
        else:
            self.digests.acted(action.id, "done")
        return self.digests.action(action.id) or action

    def rule(self, holder: Holder, item: ItemId, rule: Rule) -> None:
        """Allows or blocks exactly this item's sender, for exactly its recipient. Raises Declined, Refused."""
        with self.quarantine() as quarantine:
            found = self._standing(quarantine, holder, item)
            if why := self.barred(holder, found.sender):
                raise Declined(why)
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
            )
            action, _ = self.digests.act(made)  # twice does no harm, and puts right what was changed elsewhere
            try:
                quarantine.rule(found.recipient, found.sender, rule)
            except Refused as err:
                self.digests.acted(action.id, "failed", str(err))
                raise
            self.digests.acted(action.id, "done")

    def undo(self, holder: Holder, item: ItemId) -> None:
        """Forgets what was said of this item's sender. Raises Declined, Refused."""
        with self.quarantine() as quarantine:
            found = self._standing(quarantine, holder, item)
            self._forget(quarantine, holder, found.recipient, found.sender)

    def forget(self, holder: Holder, recipient: str, sender: str) -> None:
        """The same from a person's page. Raises Declined for an address that is not theirs, and Refused."""
        if recipient not in holder.addresses:
            raise Declined("gone")
        with self.quarantine() as quarantine:
            self._forget(quarantine, holder, recipient, sender)

    def turn(self, holder: Holder, *, off: bool) -> None:
        """No digest from now on, or one again."""
        deed: Deed = "off" if off else "on"
        self.digests.turn(holder.owner, off=off)
        made = Action(0, deed, holder.owner, holder.owner, "", "", "", "done", self.clock())
        self.digests.act(made)

    def _forget(self, quarantine: Quarantine, holder: Holder, recipient: str, sender: str) -> None:
        quarantine.rule(recipient, sender, None)
        for action in self.digests.actions(owner=holder.owner):
            same = action.deed in ("allow", "block") and (action.recipient, action.sender) == (recipient, sender)
            if same and action.state in ("done", "doing"):
                self.digests.acted(action.id, "undone")

    def _action(self, deed: Deed, owner: str, item: Item) -> Action:
        return Action(0, deed, owner, item.recipient, item.id, item.sender, item.category, "doing", self.clock())


def _standing(id: ItemId, item: Item | None, past: Sequence[Action]) -> Standing:
    """`past`: newest first, of other items, too."""
    mine = [action for action in past if action.item == id]
    done: dict[Deed, Action] = {}
    for action in mine:
        done.setdefault(action.deed, action)
    recipient, sender = (item.recipient, item.sender) if item else (mine[0].recipient, mine[0].sender)
    return Standing(id, recipient, sender, item, done)
