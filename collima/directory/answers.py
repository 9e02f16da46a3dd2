"""From a question to its answer: by the snapshot where it can, by the server where it must, and checked."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random

from collima.core.errors import SourceError
from collima.core.model import Reading
from collima.directory.filters import And, Filter, shape
from collima.directory.ports import Question
from collima.directory.snapshot import Snapshot

Read = Callable[[], tuple[Snapshot, Reading]]
"""Reads everybody in `among` anew."""

Ask = Callable[[Sequence[Filter]], Iterable[Iterable[bytes]]]
"""Asks the server: for each filter the names of the entries that match, as the server spells them. Complete or
SourceError."""


@dataclass(frozen=True, slots=True)
class Answers:
    """A `ports.People`: all of it from one snapshot."""

    reading: Reading
    answers: Sequence[int]
    _snapshot: Snapshot
    _asked: frozenset[Filter]

    @property
    def size(self) -> int:
        return self._snapshot.size

    def dn(self, person: int) -> str:
        return self._snapshot.dn(person)

    def values(self, attribute: str) -> Sequence[tuple[str, ...]]:
        return self._snapshot.values(attribute)

    def why(self, filter: Filter) -> str:
        return "server" if filter in self._asked else "snapshot"


def answered(question: Question, read: Read, ask: Ask | None, *, verify: int, rng: Random) -> Answers:
    """Reads, answers every filter, and asks the server again for `verify` filters chosen at random.

    People come and go while this is under way: where the server names somebody who is not in the snapshot, or answers
    a chosen filter otherwise than the snapshot, all is read once more. A difference in that reading, too, is a
    SourceError: the matching or the rights of the reading account are not what this snapshot assumes.

    `ask`: None where there is nobody to ask; a filter that the snapshot cannot answer is then a SourceError.
    """
    answers, differing = _attempt(question, read, ask, verify, rng)
    if differing:
        answers, differing = _attempt(question, read, ask, verify, rng, differing)
    if differing:
        raise SourceError(
            f"the server and our own reading of everybody differ, twice, on {len(differing)} filters, "
            f"the first of them {shape(differing[0])}. If the directory was being loaded, run again later. Else some "
            "people's attributes are hidden from the account that reads: see docs/rights.md",
            transient=True,
        )
    return answers


def _attempt(
    question: Question, read: Read, ask: Ask | None, verify: int, rng: Random, again: Sequence[Filter] = ()
) -> tuple[Answers, Sequence[Filter]]:
    """The answers of one reading, and the filters on which the server differs. `again`: check these as well."""
    snapshot, reading = read()
    found = {asked: snapshot.answer(asked) for asked in question.filters}
    beyond = [asked for asked, people in found.items() if people is None]
    differing: list[Filter] = []
    if ask:
        local = [asked for asked, people in found.items() if people is not None]
        chosen = {*rng.sample(local, min(verify, len(local))), *again}
        questions = [*beyond, *(asked for asked in local if asked in chosen)]
        told = ask([And((question.among, asked)) for asked in questions]) if questions else ()
        for asked, names in zip(questions, told, strict=True):
            people = _located(snapshot, names)
            if people is None or found[asked] not in {None, people}:
                differing.append(asked)
            found[asked] = people
    elif beyond:
        raise SourceError(
            f"only a server can answer {shape(beyond[0])}: `~=`, `:=` and comparisons of unusual attributes are beyond "
            f"a file; write it otherwise"
        )
    answers = Answers(reading, tuple(found[asked] or 0 for asked in question.filters), snapshot, frozenset(beyond))
    return answers, differing


def _located(snapshot: Snapshot, names: Iterable[bytes]) -> int | None:
    """None when somebody is not in the snapshot."""
    try:
        return snapshot.locate(names)
    except KeyError:
        return None
