"""Requests: what an administrator decides, because an attachment or a virus is let through only with open eyes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from hashlib import sha256

from collima.core.options import Address
from collima.core.quarantine import Action, Holder, Item, ItemId
from jobs.quarantine_digest.actions import Actions, Declined, Standing
from jobs.quarantine_digest.shown import shown
from jobs.quarantine_digest.tokens import Links

LETTER = "request"
MOST = 20
"""Requests of one person that wait at a time: each is a mail to the administrators."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Of one job. `to`: the administrators, who are told of each; without them it waits, and reports count it."""

    actions: Actions
    links: Links
    to: Sequence[Address]

    def ask(self, holder: Holder, item: Item) -> Action:
        """On record first, then told; asking again tells nobody twice. Raises Declined (many)."""
        digests = self.actions.digests
        made = Action(
            id=0,
            deed="request",
            owner=holder.owner,
            recipient=item.recipient,
            item=item.id,
            sender=item.sender,
            category=item.category,
            state="waiting",
            at=self.actions.clock(),
            subject=shown(item.subject, 200),
        )
        for one in digests.done(holder.owner, [item.id]):
            if one.deed == "request" and one.state == "refused":
                return one
        alive = self.actions.options.keep.before(self.actions.clock())
        waiting = digests.actions(owner=holder.owner, waiting=True)
        if sum(one.item != item.id and one.at >= alive for one in waiting) >= MOST:
            raise Declined("many")
        action, _ = digests.act(made)
        if action.state == "waiting":
            digests.post(self._letters(action, item), self.actions.options.via)
        return action

    def waiting(self, id: str) -> tuple[Action, Standing | None]:
        """What was asked for, and the item if it is held still. Raises Declined (gone)."""
        action = self.actions.digests.action(int(id))
        if action is None or action.deed != "request":
            raise Declined("gone")
        holder = self.actions.holder(action.owner)
        try:
            standing = holder and self.actions.standing(holder, ItemId(action.item))
        except Declined:
            standing = None
        return action, standing if standing and standing.item else None

    def decide(self, id: str, *, approve: bool) -> None:
        """An administrator's word, once: what came of it is on record, and of two at once the first one's word stands,
        unless it was delivered. A next hop that is down leaves it waiting."""
        digests = self.actions.digests
        action, standing = self.waiting(id)
        if action.state != "waiting":
            return
        if not approve:
            digests.acted(action.id, "refused", waiting=True)
            return
        if standing is None or standing.item is None:
            digests.acted(action.id, "failed", "it is not held any more", waiting=True)
            return
        self.actions.cut(
            standing.done.get("release")
        )  # by an administrator before: the quarantine knows how far it came
        with self.actions.quarantine() as quarantine:
            released = self.actions.deliver(quarantine, action.owner, standing.item)
        if released.state == "done":  # whatever another one has said meanwhile: it was delivered
            self.actions.settle(action, "done")
        elif released.state == "refused":
            self.actions.settle(action, "failed", released.error, waiting=True)

    def _letters(self, action: Action, item: Item) -> Iterator[tuple[EmailMessage, Sequence[str]]]:
        """One to each administrator. Its name is made of the request, so that it is one mail however often it is
        posted."""
        context, options = self.actions.context, self.actions.options
        if context.stationery is None:
            return
        ends = options.keep.after(item.at)
        values = {
            "owner": action.owner,
            "recipient": action.recipient,
            "sender": shown(item.sender, 100),
            "author": shown(item.author, 150),
            "subject": action.subject,
            "category": item.category,
            "at": _minute(item.at.astimezone(context.timezone)),
            "ends": _minute(ends.astimezone(context.timezone)),
            "link": self.links.decide(action.id, ends),
        }
        for to in self.to:
            name = sha256(repr((context.name, action.id, action.item, to)).encode()).hexdigest()[:32]
            letter = context.stationery.write(
                LETTER,
                values,
                to=to,
                language="",
                message_id=f"request-{name}",
                now=action.at.astimezone(context.timezone),
                folder=options.templates,
            )
            yield letter, (to,)


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
