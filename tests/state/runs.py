"""Short words for the tests of the state."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from collima.core.guard import fingerprint
from collima.core.model import Key, Outcome
from collima.core.ports import Waiting
from collima.state import SqlJournal
from collima.state.record import SqlRecord

JOB, TARGET = "sympa-lists", "lists"


@contextmanager
def run(
    journal: SqlJournal, job: str = JOB, target: str = TARGET, *, slot: int | None = None, undoes: str = ""
) -> Iterator[SqlRecord]:
    """A run that ends well."""
    kind = "undo" if undoes else "run"
    with journal.begin(job, target, slot=slot, kind=kind, config="c0", undoes=undoes) as record:
        yield record
        record.end("changed", {"job": job}, transient=False, cause="")


def add(*people: str, subject: str = "docenti") -> frozenset[Key]:
    return frozenset(Key(subject, "add", one) for one in people)


def remove(*people: str, subject: str = "docenti") -> frozenset[Key]:
    return frozenset(Key(subject, "remove", one) for one in people)


def do(record: SqlRecord, *keys: Collection[Key]) -> None:
    """Intends and settles."""
    every = [key for some in keys for key in some]
    record.intend(every, {})
    record.settle([Outcome(key) for key in every])


def hold(
    record: SqlRecord,
    *sets: frozenset[Key],
    planned: Collection[Key] | None = None,
    complete: bool = True,
    only: Collection[str] | None = None,
    reason: str = "too many",
) -> list[str]:
    """One hold for each set of keys; everything held is planned unless said otherwise."""
    every = [key for some in sets for key in some]
    return list(
        record.hold(
            [Waiting(next(iter(some)).subject, some, reason, record.ticket.undoes) for some in sets],
            mark(*sets),
            every if planned is None else planned,
            concerns=lambda subject: only is None or subject in only,
            complete=complete,
        )
    )


def mark(*sets: frozenset[Key]) -> str:
    """The fingerprint of these."""
    return fingerprint(JOB, TARGET, [key for some in sets for key in some])
