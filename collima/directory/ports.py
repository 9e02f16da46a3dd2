"""The port of a source of people. Connectors offer it, jobs ask it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from collima.core.model import Reading
from collima.directory.filters import Filter


@dataclass(frozen=True, slots=True)
class Entry:
    """One directory entry. Attribute descriptions are lower-cased, values decoded from UTF-8 (others are left out)."""

    dn: str
    attributes: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Question:
    """All that one run asks about people, so that it is answered from one moment."""

    among: Filter
    filters: tuple[Filter, ...]
    attributes: tuple[str, ...]  # whose values are wanted (addresses, names), beside those that the filters need


class People(Protocol):
    """The answer. A person is an index 0 … size-1; a set of people is an int whose bit i is person i."""

    @property
    def reading(self) -> Reading: ...
    @property
    def size(self) -> int: ...
    @property
    def answers(self) -> Sequence[int]:
        """One bitset for each filter of the question."""

    def dn(self, person: int) -> str: ...
    def values(self, attribute: str) -> Sequence[tuple[str, ...]]:
        """The values of an attribute of the question, by person; () where there is none. Decoded from UTF-8 with
        surrogateescape, so that a value that is no text can be told and never be mistaken for another."""

    def why(self, filter: Filter) -> str:
        """How a filter was answered: "snapshot" or "server"."""


class Directory(Protocol):
    """A live session on a source of people: complete or SourceError."""

    def entries(self, where: Filter, attributes: Sequence[str]) -> Sequence[Entry]:
        """Every entry below the base that matches, in order of DN."""

    def people(self, question: Question) -> People:
        """Everybody in `among`, with every filter answered within it."""
