"""One job's desk: what a link that was signed asks for is looked up or done, and what to show is returned.

The link is the whole credential: it names its owner, comes by mail to them alone, and no cookie or login stands beside
it. So another site cannot act for a person by a form of its own (CSRF): it would need the link, and with the link it
would need no person.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from urllib.parse import urlencode, urlsplit

from collima.core.quarantine import Holder, ItemId, Rank, Rule
from jobs.quarantine_digest.actions import Actions, Declined, Standing
from jobs.quarantine_digest.requests import Requests
from jobs.quarantine_digest.tokens import Errand, Links

SHOWN = 200  # items on one page
FROM = "from"  # in the query of an item's page: the link of the page from which it was reached


@dataclass(frozen=True, slots=True)
class Sight:
    """What a page shows."""

    template: str
    values: Mapping[str, object]
    language: str = ""  # values of preferredLanguage; "": the site's own
    status: int = 200


@dataclass(frozen=True, slots=True)
class Desk:
    """Its methods wait for databases: they are for threads. They raise Declined, Refused, SourceError, StateError."""

    name: str
    links: Links
    actions: Actions
    requests: Requests

    @property
    def path(self) -> str:
        """Of its pages, as they are reached from outside: without a slash at its end."""
        return urlsplit(self.links.url).path.rstrip("/")

    @property
    def links_in_a_mail(self) -> int:
        """At most: three of each line, that of the page, and two that turn digests off."""
        return 3 * self.actions.options.most + 3

    def see(self, errand: Errand, page: str) -> Sight:
        """Changes nothing. `page`: a link that came with the request."""
        if errand.sort == "decide":
            return self._request(errand)
        holder = self._holder(errand)
        if errand.sort == "page":
            return self._page(holder, errand.item)
        if errand.sort == "off":
            return Sight("off", {"holder": holder}, holder.language)
        standing = self.actions.standing(holder, ItemId(errand.item))
        values = {"standing": standing, "back": self._back(holder, page)}
        if errand.sort == "release":
            fate = standing.fate(self.actions.clock())
            status = 410 if fate == "gone" else 200
            return Sight("release", {**values, "fate": fate}, holder.language, status)
        barred = self.actions.barred(holder, standing.sender)
        return Sight("rule", {**values, "rule": errand.sort, "barred": barred}, holder.language)

    def do(self, errand: Errand, form: Mapping[str, str]) -> bool:
        """Whether the form was one of this link's. What came of it is seen."""
        does = form.get("do", "")
        if errand.sort == "decide":
            if fits := does in ("approve", "refuse"):
                self.requests.decide(errand.item, approve=does == "approve")
            return fits
        holder = self._holder(errand)
        if errand.sort == "off" and "List-Unsubscribe" in form:  # RFC 8058: by a mail program, for the person
            does = "off"
        if errand.sort in ("page", "off"):
            return self._of_page(holder, does, form if errand.sort == "page" else {})
        item = ItemId(errand.item)
        if does == "release" == errand.sort:
            self.actions.release(holder, item, self.requests.ask)
        elif does == errand.sort:
            self.actions.rule(holder, item, cast("Rule", does))
        elif does == "undo" and errand.sort != "release":
            self.actions.undo(holder, item)
        else:
            return False
        return True

    def language(self, errand: Errand) -> str:
        """Of whoever has the link."""
        holder = self.actions.holder(errand.owner) if errand.owner else None
        return holder.language if holder else ""

    def _holder(self, errand: Errand) -> Holder:
        if (holder := self.actions.holder(errand.owner)) is None:
            raise Declined("gone")
        return holder

    def _of_page(self, holder: Holder, does: str, form: Mapping[str, str]) -> bool:
        if does == "off" or (does == "on" and holder.asked):
            self.actions.turn(holder, off=does == "off")
        elif does == "forget" and {"recipient", "sender"} <= form.keys():
            self.actions.forget(holder, form["recipient"], form["sender"])
        else:
            return False
        return True

    def _page(self, holder: Holder, after: str) -> Sight:
        """Pages after the first are links as the first is, with where they go on in what is signed."""
        seen, now = self.actions.everything(holder, _rank(after), SHOWN), self.actions.clock()
        until = self.actions.options.keep.after(now)

        def page(after: str) -> str:
            return self.links.page(holder.owner, until, after).rpartition("/")[2]

        here = page(after)
        values = {
            "holder": holder,
            "rows": [self._row(holder, standing, now, here) for standing in seen.items],
            "total": seen.total,
            "before": seen.before,
            "more": seen.total - seen.before - SHOWN if seen.last else 0,
            "first": page("") if after else "",
            "next": page(_told(seen.last)) if seen.last else "",
            "rules": seen.rules,
            "requests": seen.requests,
        }
        return Sight("page", values, holder.language)

    def _row(self, holder: Holder, standing: Standing, now: datetime, back: str) -> Mapping[str, object]:
        """One item with its links: each does one deed, as those in mails do."""
        assert standing.item is not None
        ends = self.actions.options.keep.after(standing.item.at)
        fate, query = standing.fate(now), urlencode({FROM: back})
        relative = {
            deed: f"{self.links.item(holder.owner, standing.id, deed, ends).rpartition('/')[2]}?{query}"
            for deed in ("release", "allow", "block")
        }
        if fate not in ("held", "again", "asks"):
            relative["release"] = ""
        if self.actions.barred(holder, standing.sender):
            relative |= {"allow": "", "block": ""}
        return {"item": standing.item, "fate": fate, **relative}

    def _request(self, errand: Errand) -> Sight:
        action, standing = self.requests.waiting(errand.item)
        tried = standing.done.get("release") if standing else None
        again = bool(tried and tried.state == "failed")
        cut = bool(tried and tried.state in ("doing", "refused"))
        return Sight("decide", {"action": action, "standing": standing, "again": again, "cut": cut})

    def _back(self, holder: Holder, page: str) -> str:
        """The page's link, if it is one of theirs."""
        errand = self.links.read(page, self.actions.clock()) if page else None
        return page if errand and (errand.sort, errand.owner) == ("page", holder.owner) else ""


def _told(rank: Rank) -> str:
    return f"{rank.virus:d}:{rank.score!r}:{rank.age}:{rank.id}"


def _rank(told: str) -> Rank | None:
    """Of what we signed."""
    if not told:
        return None
    virus, score, age, item = told.split(":", 3)
    return Rank(virus == "1", float(score), int(age), ItemId(item))
