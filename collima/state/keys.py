"""Change keys as rows, and many of them in few statements."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Insert, Table, Update, and_, bindparam, insert
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.engine import Row

from collima.core.model import Key

T = TypeVar("T")

ROWS = 10_000  # that are sent at once
NAMES = 500  # in one IN list


@dataclass(frozen=True, slots=True)
class Ticket:
    """Whose record is written: a run of a job on a target; `undoes` is the run that it takes back, "" for others."""

    run: str  # "" for a plan
    job: str
    target: str
    undoes: str = ""

    def of(self, table: Table) -> ColumnElement[bool]:
        """The rows of this job and target."""
        return and_(table.c.job == self.job, table.c.target == self.target)


def key(row: Row[Any]) -> Key:
    return Key(row.subject, row.verb, row.what)


def order(key: Key) -> tuple[str, str, str]:
    """That of the primary keys: rows that come in it are stored several times as fast."""
    return key.subject, key.verb, key.what


def columns(key: Key) -> dict[str, str]:
    return {"subject": key.subject, "verb": key.verb, "what": key.what}


def among(table: Table, keys: Iterable[Key]) -> Iterator[ColumnElement[bool]]:
    """Conditions that together name these keys. An index range each, which row comparisons are not on MariaDB."""
    by_verb: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for one in keys:
        by_verb[one.subject, one.verb].append(one.what)
    for (subject, verb), names in by_verb.items():
        for some in batches(names, NAMES):
            yield and_(table.c.subject == subject, table.c.verb == verb, table.c.what.in_(some))


def each(
    connection: Connection, statement: Update, table: Table, keys: Iterable[Key], *conditions: ColumnElement[bool]
) -> None:
    """Runs an UPDATE for these keys: one by one on SQLite, which is at hand; in few statements on MariaDB."""
    if connection.dialect.name != "sqlite":
        for these in among(table, keys):
            connection.execute(statement.where(*conditions, these))
        return
    named = statement.where(
        *conditions, *(table.c[part] == bindparam(f"{part}_") for part in ("subject", "verb", "what"))
    )
    for some in batches(keys, ROWS):
        connection.execute(named, [{f"{part}_": value for part, value in columns(one).items()} for one in some])


def add(connection: Connection, table: Table, rows: Iterable[Mapping[str, object]]) -> None:
    for some in batches(rows, ROWS):
        connection.execute(insert(table), some)


def put(connection: Connection, table: Table, rows: Iterable[Mapping[str, object]], changed: Sequence[str]) -> None:
    """Adds rows; of those that are there already (by primary key) the columns `changed` get the new values.

    On either database this sends many rows at once, which an UPDATE does not on MariaDB.
    """
    if connection.dialect.name == "sqlite":
        lite = sqlite.insert(table)
        statement: Insert = lite.on_conflict_do_update(table.primary_key, set_={c: lite.excluded[c] for c in changed})
    else:
        maria = mysql.insert(table)
        statement = maria.on_duplicate_key_update({c: maria.inserted[c] for c in changed})
    for some in batches(rows, ROWS):
        connection.execute(statement, some)


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
