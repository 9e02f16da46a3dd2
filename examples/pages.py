"""Pictures of the pages of `collima web`, with invented mail: `python examples/pages.py FOLDER` (needs chromium).

Makes the pictures of docs/quarantine.md, as wide as a phone and on a desktop, by day and by night.
"""

from collections.abc import Iterator
from datetime import timedelta

from mails import HELD, NOW, ROME, pictures

from collima.app.web.pages import Pages
from collima.core.quarantine import Action, Holder, Item, ItemId
from jobs.quarantine_digest.actions import Standing

HOLDER = Holder("anna.rossi@unimore.it", ("anna.rossi@unimore.it", "a.rossi@unimore.it"), "it", asked=True)


def items() -> list[Item]:
    return [
        Item(
            id=ItemId(str(number)),
            recipient=HOLDER.addresses[number % 2],
            at=NOW - timedelta(hours=3 * number + 2, minutes=7 * number),
            sender=sender or author.partition("<")[2].rstrip(">"),
            author=author,
            subject=subject,
            size=size,
            category=category,
            score=5.0 + number,
        )
        for number, (author, sender, subject, size, category) in enumerate(HELD)
    ]


def person() -> dict[str, object]:
    fates = {"banned": "waiting", "virus": "asks"}
    rows = []
    for item in items():
        fate = fates.get(item.category, "held")
        rows.append(
            {"item": item, "fate": fate, "release": "" if fate == "waiting" else "#", "allow": "#", "block": "#"}
        )
    asked = items()[2]
    request = Action(
        1,
        "request",
        HOLDER.owner,
        asked.recipient,
        asked.id,
        asked.sender,
        "banned",
        "waiting",
        NOW - timedelta(hours=1),
    )
    rules = [
        ("anna.rossi@unimore.it", "notizie@museo.example", "allow"),
        ("a.rossi@unimore.it", "offerte@negozio.example", "block"),
    ]
    return {"holder": HOLDER, "rows": rows, "more": 0, "rules": rules, "requests": [request]}


def pages() -> Iterator[tuple[str, str]]:
    """(name, HTML)."""
    drawn = Pages("it", ROME)
    first = items()[0]
    standing = Standing(first.id, first.recipient, first.sender, first, {})
    yield "pages", drawn.draw("page", "it", person())[0]
    yield "pages-release", drawn.draw("release", "it", {"standing": standing, "fate": "held", "back": "#"})[0]


if __name__ == "__main__":
    pictures(pages())
