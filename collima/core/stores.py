"""A mail store that is copied: what a connector offers to the job that copies it, whatever copies."""

import random
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Shape:
    """How one job wants its copies."""

    mailboxes: str = ""  # what makes a mailbox; "": as the connector says
    generations: int = 0  # how many are kept; 0: a mirror
    follow_renames: bool = True


@dataclass(frozen=True, slots=True)
class Room:
    """What is left for us where the copies are."""

    block: int  # bytes
    bytes: int
    inodes: int  # -1: not counted there


@dataclass(frozen=True, slots=True)
class Box:
    """One mailbox, by the names of its files, in the source and in the copy that the run goes on from."""

    source: int = 0  # messages
    copy: int = 0  # messages
    size: int = 0  # bytes of its messages in the source
    come: int = 0  # messages and other files that the copy does not have so, renamed ones included
    leave: int = 0  # messages and other files that only the copy has
    entries: int = 0  # files and folders in the copy
    rests: bool = False  # the copy has something that a killed run left


@dataclass(frozen=True, slots=True)
class Inventory:
    """Both sides by names. Keys of mailboxes are fit to be shown and stored; one mailbox has one."""

    boxes: Mapping[str, Box]  # of every mailbox of either side
    gone: frozenset[str] = frozenset()  # those that only the copy has
    strays: Mapping[str, int] = field(default_factory=dict)  # outside of mailboxes, only in the copy: path -> entries
    fresh: int = 0  # files outside of mailboxes that the copy does not have so
    files: int = 0  # to be copied, each inode once
    blocks: int = 0  # that they take
    folders: int = 0  # that a new generation takes
    empty: bool = False  # there is no copy yet
    bare: bool = False  # nor a sign that one is to begin there
    unfinished: bool = False  # the copy is one that an earlier run has left in the middle
    differences: Mapping[str, Any] = field(default_factory=dict)  # the connector's own
    parts: Mapping[str, Any] = field(default_factory=dict)  # the same
    turned: Mapping[str, Collection[str]] = field(default_factory=dict)  # by mailbox, "" for outside: folders of the
    # copy that are a link, or a file, in the source
    links: frozenset[str] = frozenset()  # in the place of mailboxes: none is followed
    rehearsing: bool = False  # it is still being found out whether anything else differs: `copy` waits for that

    def unplanned(self, gone: Mapping[str, int]) -> int:
        """How much of what is gone in the end, by mailbox, was not when this was looked at."""
        return sum(max(0, count - self.boxes[name].leave) for name, count in gone.items())


@dataclass(frozen=True, slots=True)
class Errand:
    """What one run may do. What it does not name stays as it is in the copy."""

    only: frozenset[str] | None = None  # just these mailboxes; None: the whole store
    clean: Mapping[str, int] = field(default_factory=dict)  # how many messages and files may be deleted: by mailbox
    drop: frozenset[str] = frozenset()  # mailboxes that may be deleted
    stray: frozenset[str] = frozenset()  # strays that may be deleted
    unplanned: int = 0  # so much may go, over all mailboxes, that was not gone when the inventory was made
    bears: Callable[[Mapping[str, int]], bool] = lambda _: True  # so many messages, by mailbox, with another content
    attributes: bool = False  # names are the same: put attributes in order, delete nothing, make no generation


@dataclass(frozen=True, slots=True)
class Copied:
    """What came of it. `faults`: by mailbox, why files were not copied; "" for what is in none."""

    sent: int = 0  # bytes of files
    files: int = 0
    renamed: int = 0  # names that were given or moved without sending anything
    idle: bool = False  # nothing was to be done, and nothing was done
    vanished: bool = False  # files went away while they were copied
    faults: Mapping[str, str] = field(default_factory=dict)
    gone: Mapping[str, int] = field(default_factory=dict)  # by mailbox, what was gone in the end: of those looked at
    rewritten: Mapping[str, int] = field(default_factory=dict)  # by mailbox, messages with another content
    back: bool = False  # these were put back as they were, nothing was deleted: it cannot become a generation
    turned: Mapping[str, int] = field(default_factory=dict)  # of the inventory's, those that stay, and what took their
    # place was not copied
    left: frozenset[str] = frozenset()  # mailboxes that went away meanwhile: the copy has them as it had them


class Store(Protocol):
    """A live session on a mail store and its copies, for one job."""

    def ready(self) -> Room:
        """Raises NotHere where the store is not mounted, and SourceError for a side that cannot be used."""

    def inventory(self) -> Inventory:
        """Complete, or SourceError. Changes nothing."""

    def copy(self, errand: Errand, seen: Inventory, told: Callable[[str], None]) -> Copied:
        """`told` the mailbox of each file that is sent. Raises Refused: what is there is left for the next run.

        Where more of a mailbox is gone than may be deleted, nothing of it is; where more is gone than was when the
        inventory was made, and of all mailboxes together too much, nothing of that one is.
        """

    def counts(self) -> Iterator[tuple[str, int]]:
        """(mailbox, messages) in the copy that `copy` has made or put in order."""

    def missing(self, mailbox: str) -> int:
        """How many messages the source had before the inventory, and has now, that this copy has not."""

    def sample(self, counts: Mapping[str, int], size: int, chance: random.Random) -> Collection[str]:
        """Compares so many messages of that copy with the source, each byte. Returns the mailboxes of those that
        differ, one for each; what is gone from the source differs from nothing. Before `copy`: of the copy as it is."""

    def finish(self, moment: datetime, held: datetime | None) -> str:
        """The copy is good: it becomes a generation, and the oldest beyond those to keep are removed.

        `held`: since when what should go waits for a person. The newest generation from before is kept as well: it is
        the last one that nobody doubts. Returns its name. Raises Refused.
        """
