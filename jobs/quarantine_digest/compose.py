"""The words of one digest, written as it goes out: what was released, purged or delivered meanwhile is left out."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from collima.core.ledger import Pad
from collima.core.options import Address
from collima.core.quantities import Duration
from collima.core.quarantine import Category, Digest, Digests, Holder, Item, ItemId, Quarantine
from jobs.quarantine_digest.options import Options
from jobs.quarantine_digest.owners import plain
from jobs.quarantine_digest.senders import barred, own
from jobs.quarantine_digest.shown import shown
from jobs.quarantine_digest.tokens import Links

LETTER = "digest"  # the template
ITEMS = 2_000  # that are read at once: a hundred people seldom have more in one night
A_MONTH = Duration(30, "day")
"""How long the links to a person's own page live: who wants no digest, or wants it again, has an old one at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One message as the templates show it. Its texts are safe as text, not as HTML."""

    author: str
    sender: str  # of the envelope, where it is not the author's; ""
    to: str  # which address of theirs, if they have several; ""
    subject: str
    at: datetime  # in the site's zone
    size: int
    category: Category
    release: str  # links; ""
    allow: str
    block: str


@dataclass(frozen=True, slots=True)
class Composer:
    """Writes the digests of one job on one pad. `links`: None, and they have none."""

    options: Options
    digests: Digests
    pad: Pad
    links: Links | None
    site: str
    zone: tzinfo
    session: Quarantine

    def compose(self, message_ids: Sequence[str], clock: Callable[[], datetime]) -> Iterator[bytes | None]:
        """Each as it goes over the wire; None: nothing is left to tell. Those of a few thousand items are read at once,
        and written one by one. Raises SourceError, and ConfigError for a template that cannot be used."""
        digests = self.digests.digests(message_ids)
        holders = self.digests.holders([digest.owner for digest in digests.values()])
        wanted = [
            (one, self._wanted(one, holders.get(one.owner)) if one else ()) for one in map(digests.get, message_ids)
        ]
        while wanted:
            count = _portion([len(ids) for _, ids in wanted])
            some, wanted = wanted[:count], wanted[count:]
            found = self.session.items([item for _, ids in some for item in ids])
            for digest, ids in some:
                held = [found[item] for item in ids if item in found]
                yield self._letter(digest, _ordered(held), clock()) if digest and held else None

    def _wanted(self, digest: Digest, holder: Holder | None) -> Sequence[ItemId]:
        """Nothing for who wants no digest any more, and nothing of an address that is theirs no longer: that is new
        again, for whoever has the address when the next digests are planned."""
        if holder and holder.off:
            return ()
        theirs = holder.addresses if holder else ()
        kept = [ref.id for ref in digest.items if not {ref.recipient, plain(ref.recipient)}.isdisjoint(theirs)]
        if len(kept) < len(digest.items):
            self.digests.unlist(digest.message_id, {ref.id for ref in digest.items}.difference(kept))
        return kept

    def _letter(self, digest: Digest, held: Sequence[Item], now: datetime) -> bytes:
        local = now.astimezone(self.zone)
        links, until = self.links, A_MONTH.after(now)
        ours = own((self.site, *self.options.own_domains), digest.addresses)
        off = links.off(digest.owner, until) if links else ""
        values = {
            "owner": digest.owner,
            "today": local.date(),
            "count": len(held),
            "lines": [self._line(digest, item, ours) for item in held[: self.options.most]],
            "more": max(0, len(held) - self.options.most),
            "days": max(1, self.options.keep.seconds // 86400),
            "page": links.page(digest.owner, until) if links else "",
            "off": off,
            "older": digest.older,
        }
        return self.pad.write(
            values,
            to=Address(digest.owner),
            language=digest.language,
            message_id=digest.message_id.strip("<>").rpartition("@")[0],
            now=local,
            unsubscribe=off,
        )

    def _line(self, digest: Digest, item: Item, ours: Collection[str]) -> Line:
        """`ours`: domains of which no sender is allowed or blocked."""
        author = item.author.strip()
        return Line(
            author=shown(author or item.sender, 100) or "<>",
            sender=shown(item.sender, 100) if author and item.sender not in author.lower() else "",
            to=shown(item.recipient, 100) if len(digest.addresses) > 1 or item.recipient != digest.owner else "",
            subject=shown(item.subject, 150),
            at=item.at.astimezone(self.zone),
            size=item.size,
            category=item.category,
            **self._links(digest.owner, item, ours),
        )

    def _links(self, owner: str, item: Item, ours: Collection[str]) -> Mapping[str, str]:
        links, until = self.links, self.options.keep.after(item.at)
        if not links:
            return {"release": "", "allow": "", "block": ""}
        named = barred(item.sender, ours) is None
        return {
            "release": links.item(owner, item.id, "release", until),
            "allow": links.item(owner, item.id, "allow", until) if named else "",
            "block": links.item(owner, item.id, "block", until) if named else "",
        }


def _portion(sizes: Sequence[int]) -> int:
    """How many of the first may be read at once; one at least."""
    total = 0
    for at, size in enumerate(sizes):
        total += size
        if at and total > ITEMS:
            return at
    return len(sizes)


def _ordered(held: Sequence[Item]) -> Sequence[Item]:
    """Least spammy first, viruses last."""
    return sorted(held, key=lambda item: (item.category == "virus", item.score, item.at, item.id))
