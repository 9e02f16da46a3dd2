"""What a mailbox-copy run tells beside what it does."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from collima.core.copies import Past
from collima.core.model import Cell, Finding, Mood, State
from collima.core.stores import Copied, Inventory

STORE = "store"
"""The subject that is the whole."""
LARGEST = 10
_MOODS: dict[State, Mood] = {
    "failed": "critical",
    "missed": "critical",
    "partial": "warning",
    "held": "warning",
    "changed": "good",
    "in-sync": "good",
}


def sizes(seen: Inventory, past: Sequence[Past]) -> Iterator[Finding]:
    """How large the store is, how it grew, and who has most of it."""
    there = {name: box for name, box in seen.boxes.items() if name not in seen.gone}
    messages, size = sum(box.source for box in there.values()), sum(box.size for box in there.values())
    grew = ""
    if counted := [run for run in past if run.messages]:
        last = counted[-1]
        grew = f"; since {last.at:%Y-%m-%d} {messages - last.messages:+,} messages, {volume(size - last.bytes, '+')}"
    told = f"{len(there):,} mailboxes with {messages:,} messages, {volume(size)}{grew}"
    yield Finding("info", STORE, "copy-size", told)
    largest = sorted(there.items(), key=lambda one: (-one[1].size, one[0]))[:LARGEST]
    listed = ", ".join(f"{name} {volume(box.size)}" for name, box in largest)
    yield Finding("info", STORE, "largest-mailboxes", listed)
    if seen.gone:
        yield Finding("info", STORE, "mailboxes-gone", f"{len(seen.gone)} mailboxes left the store and are in the copy")
    if seen.unfinished:
        yield Finding(
            "info", STORE, "goes-on", "an earlier run has left its copy in the middle: this one goes on with it"
        )


def copied(done: Copied, name: str) -> Iterator[Finding]:
    """What was sent. `name`: of the generation; "" where there is none."""
    told = f"{volume(done.sent)} in {done.files:,} files were sent, {done.renamed:,} messages were renamed or linked"
    yield Finding("info", STORE, "copied", f"{told}{f'; the copy is {name}' if name else ''}")
    if done.vanished:
        yield Finding(
            "info", STORE, "vanished", "some files went away while they were copied, as they do in a live store"
        )


def links(seen: Inventory) -> Iterator[Finding]:
    for path in sorted(seen.links):
        told = "a symbolic link is in the place of this mailbox: what it leads to is not copied"
        yield Finding("warning", path, "mailbox-link", told)


def changed(done: Copied) -> Iterator[Finding]:
    """What is under the same name and is not what it was: folders, messages."""
    for name, count in sorted(done.turned.items()):
        told = (
            f"{count} folders of the copy are links or files in the mail store: what was in them may not go yet, and "
            "what took their place was not copied"
        )
        yield Finding("warning", name or STORE, "folder-replaced", told)
    if done.back:
        count, boxes = sum(done.rewritten.values()), len(done.rewritten)
        told = (
            f"{count} messages in {boxes} mailboxes have another content, or date, under the same name, which messages "
            "never get: is the mail store damaged? In the copy they are as they were, and it is not finished"
        )
        yield Finding("critical", STORE, "content-changed", told)
        return
    for name, count in sorted(done.rewritten.items()):
        told = f"{count} messages have another content, or date, under the same name, which messages never get"
        yield Finding("warning", name, "content-changed", told)


def cells(past: Sequence[Past]) -> tuple[Cell, ...]:
    """Runs as boxes, the oldest first."""
    return tuple(Cell(f"{run.at:%Y-%m-%d}", _MOODS.get(run.state, "none")) for run in past)


def volume(size: int, sign: str = "") -> str:
    """Bytes as people read them."""
    for unit, scale in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if abs(size) >= scale:
            return f"{size / scale:{sign},.1f} {unit}"
    return f"{size / 1000:{sign},.1f} kB"


def left(done: int, total: int, passed: float) -> str:
    """How long it will take from here, by what was done in `passed` seconds."""
    return str(timedelta(seconds=int(passed * (total - done) / done))) if done else "unknown"
