"""What a run of digests tells the administrators beside what it sends. Counts, and nobody's address."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime

from collima.core import counting
from collima.core.counting import Sentences
from collima.core.guard import share
from collima.core.model import Finding
from collima.core.quantities import Amount
from collima.core.text import line

DIGESTS = "digests"
"""The one subject of this kind."""
SENDERS = 5  # domains of which most was released

_TOLD: Sentences = (
    ("warning", "no-owner", "addresses with new messages belong to nobody in the directory"),
    ("warning", "two-owners", "addresses with new messages belong to two people or more: nobody is told"),
    ("warning", "no-own-address", "people of `who` have no address of their own: they get no digest"),
    ("info", "not-asked", "people with new messages did not ask for a digest"),
    ("info", "digest-off", "people with new messages want no digest"),
    ("info", "beyond-most", "messages are only counted in their digests, which have more than `most`"),
    ("warning", "requests-waiting", "requests to release an attachment or a virus wait for an administrator"),
    ("info", "no-way-back", "digests cannot be taken back"),
)
CODES = frozenset(code for _, code, _ in _TOLD)


def counted(counts: Mapping[str, int]) -> Iterator[Finding]:
    return counting.counted(_TOLD, DIGESTS, counts)


def spared(missing: int, known: int, limit: Amount | None) -> Iterator[Finding]:
    """`limit`: what they are more than; None: they are not."""
    if limit:
        told = f"{missing} of {known} people are not found any more ({share(missing, known)}, limit {limit})"
        yield Finding("warning", DIGESTS, "people-spared", f"{told}: their pages and their mails that wait are kept")


def silent(newest: datetime) -> Iterator[Finding]:
    """`newest`: all that the ledger knows is as old, and would be forgotten."""
    told = f"the newest message that was told came in at {newest.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    yield Finding("warning", DIGESTS, "silent", f"{told}: is the clock right, does mail come in?")


def released(senders: Mapping[str, int], since: date) -> Iterator[Finding]:
    """`senders`: how often mail of each was released since then. Their domains, for an address is somebody's."""
    domains: Counter[str] = Counter()
    for sender, count in senders.items():
        domains[sender.rpartition("@")[2] or "<>"] += count
    if domains:
        most = ", ".join(f"{line(name, 80)} {count}" for name, count in domains.most_common(SENDERS))
        yield Finding("info", DIGESTS, "most-released", f"most released since {since}: {most}")
