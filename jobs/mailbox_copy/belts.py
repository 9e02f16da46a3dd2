"""What must be right before anything is touched. Pure; each raises SourceError, which nothing overrides."""

from collections.abc import Collection, Sequence

from collima.core.copies import Past
from collima.core.errors import SourceError
from collima.core.guard import share
from collima.core.quantities import Amount
from collima.core.stores import Inventory, Room


def whole(seen: Inventory, missed: Collection[str], most_gone: Amount, most_lost: Amount, small: int) -> None:
    """The store is not half of itself. `missed`: mailboxes that earlier runs did not find, and that are kept."""
    if told := many(seen, len(seen.gone - set(missed)), most_gone):
        raise SourceError(f"{told}: is it mounted, and whole? The copy is untouched")
    kept = [box for name, box in seen.boxes.items() if name not in seen.gone]
    there, here = sum(box.source for box in kept), sum(box.copy for box in kept)
    if here - there > small and most_lost.exceeded_by(here - there, here):
        raise SourceError(
            f"the mail store has {there} messages and the copy has {here} of the same mailboxes "
            f"({share(here - there, here)} fewer, limit max-removals {most_lost}): is it mounted, and whole? "
            "The copy is untouched"
        )


def there(seen: Inventory, past: Sequence[Past]) -> None:
    """The place of the copies has them. `past`: earlier runs, oldest first."""
    counted = [run for run in past if run.messages]
    if seen.bare and counted:
        raise SourceError(
            f"the copies of the run of {counted[-1].at:%Y-%m-%d} are not where they were: is their place mounted? "
            "To begin anew there: docs/copies.md, Beginning anew"
        )


def many(seen: Inventory, lost: int, most: Amount) -> str:
    """What is wrong with so many mailboxes that are gone; "" where they are few."""
    known = sum(1 for box in seen.boxes.values() if box.entries)
    if not most.exceeded_by(lost, known) or lost <= (1 if most.percent else 0):
        return ""
    return (
        f"{lost} of {known} mailboxes of the copy are gone from the mail store "
        f"({share(lost, known)}, limit max-mailboxes-gone {most})"
    )


def unasked(limit: Amount, small: int, copy: int) -> int:
    """So many of the messages in a mailbox, or in the whole copy, may go while nobody asks: a few of a small one."""
    if not limit.percent:
        return limit.value
    return max(limit.value * copy // 10_000, min(small, copy // 4))


def fits(seen: Inventory, room: Room, *, generation: bool) -> None:
    """There is room for what is to come. `generation`: in a new tree, which takes its folders again."""
    needed = seen.blocks * room.block
    if needed > room.bytes:
        raise SourceError(
            f"{needed / 1e6:,.0f} MB are to be copied and {room.bytes / 1e6:,.0f} MB are free where the copies are: "
            "make room, or remove the oldest generation (docs/copies.md, A full disk). The copy is untouched"
        )
    files = seen.files + (seen.folders if generation and not seen.unfinished else 0)
    if 0 <= room.inodes < files:
        raise SourceError(
            f"{files} files and folders are to be made and the file system of the copies has room for {room.inodes} "
            "(inodes). The copy is untouched"
        )
