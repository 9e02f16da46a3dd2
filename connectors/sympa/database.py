"""Sympa's own database: who is in a list and how they came there, and who must not be put into it again. Read only.

Addresses are compared in Python, in lower case: Sympa's tables have collations for which `rené` is `rene`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    case,
    column,
    func,
    not_,
    select,
    table,
)
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from collima.core.errors import SourceError
from connectors import mariadb

_AT_ONCE = 500  # names in one question
_LONGEST = 1 << 30

_SUBSCRIBERS = table(
    "subscriber_table",
    *map(column, ("list_subscriber", "robot_subscriber", "user_subscriber", "subscribed_subscriber")),
    *map(column, ("inclusion_subscriber", "inclusion_label_subscriber")),
)
_EXCLUSIONS = table(
    "exclusion_table",
    *map(column, ("list_exclusion", "family_exclusion", "robot_exclusion", "user_exclusion")),
)
_C = _SUBSCRIBERS.c
_INCLUDED = _C.inclusion_subscriber.is_not(None)
_BY_HAND = func.coalesce(_C.subscribed_subscriber, 0) == 1
_LABEL = func.coalesce(_C.inclusion_label_subscriber, "")
_ASKED = (
    _C.robot_subscriber == bindparam("robot"),
    _C.list_subscriber.in_(bindparam("names", expanding=True)),
)


def _joined(which: ColumnElement[bool]) -> ColumnElement[str]:
    return func.aggregate_strings(case((which, _C.user_subscriber)), "\n")


_OF_WHICH = case((_INCLUDED, _LABEL))
_JOINED = (  # one row for each list, its addresses joined by the server: five times as fast as a row for each
    select(_C.list_subscriber, func.count(), func.sum(func.char_length(_C.user_subscriber)))
    .add_columns(func.min(_OF_WHICH), func.max(_OF_WHICH))
    .add_columns(_joined(_INCLUDED & not_(_BY_HAND)), _joined(_INCLUDED & _BY_HAND), _joined(not_(_INCLUDED)))
    .where(*_ASKED)
    .group_by(_C.list_subscriber)
)
_EACH = select(_C.list_subscriber, _C.user_subscriber, _INCLUDED, _BY_HAND, _LABEL).where(*_ASKED)


@dataclass(frozen=True, slots=True)
class Rows:
    """Of one list, in lower case."""

    included: Mapping[str, str] = field(default_factory=dict)  # address -> the label of its source
    manual: frozenset[str] = frozenset()  # who came by hand, whether they are included, too, or not


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Who must not be included again. Of a list, and of a family for each of its lists."""

    lists: Mapping[str, frozenset[str]] = field(default_factory=dict)
    families: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def of(self, name: str, family: str) -> frozenset[str]:
        mine = self.lists.get(name, frozenset())
        return mine | self.families.get(family, frozenset()) if family else mine


def engine(url: str, password: str) -> Engine:
    """Every session is read only, and sees one moment. `url` was checked when the configuration was read."""
    return mariadb.engine(
        url,
        password,
        "REPEATABLE READ",
        ("SET SESSION TRANSACTION READ ONLY", f"SET SESSION group_concat_max_len = {_LONGEST}"),
    )


@dataclass(frozen=True, slots=True)
class Database:
    engine: Engine
    robot: str

    def rows(self, names: Collection[str]) -> dict[str, Rows]:
        """Every name asked for. Complete, or SourceError."""
        with self._read() as connection:
            return self._rows(connection, names)

    def all(self, names: Collection[str]) -> tuple[dict[str, Rows], Exclusions]:
        """Members and opt-outs, of one moment."""
        with self._read() as connection:
            return self._rows(connection, names), self._exclusions(connection)

    def check(self) -> int:
        """How many members the robot's lists have. Raises SourceError when a table cannot be read."""
        with self._read() as connection:
            self._exclusions(connection)
            count = select(func.count()).where(_SUBSCRIBERS.c.robot_subscriber == self.robot)
            return int(connection.execute(count).scalar_one())

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        try:
            with self.engine.connect() as connection:
                yield connection
        except SQLAlchemyError as err:
            raise self._translated(err) from err

    def _translated(self, err: SQLAlchemyError) -> SourceError:
        words, transient = mariadb.told(err)
        where = self.engine.url.host or "this machine"
        return SourceError(f"Sympa's database on {where}: {words}", transient=transient)

    def _rows(self, connection: Connection, names: Collection[str]) -> dict[str, Rows]:
        found: dict[str, Rows] = {}
        again: list[str] = []
        for asked in _pieces(names):
            answer = connection.execute(_JOINED, {"robot": self.robot, "names": asked})
            for name, count, length, least, most, *joined in answer:
                ours, both, by_hand = ((text or "").lower().split() for text in joined)
                whole = sum(len(text) + 1 for text in joined if text) == length + count
                if least != most or not whole:
                    again.append(name)  # from several sources, or cut by max_allowed_packet
                else:
                    found[name.lower()] = Rows(dict.fromkeys([*ours, *both], least), frozenset(both + by_hand))
        found |= self._one_by_one(connection, again)
        nobody = Rows()
        return {name: found.get(name, nobody) for name in names}

    def _one_by_one(self, connection: Connection, names: Collection[str]) -> dict[str, Rows]:
        included: dict[str, dict[str, str]] = {name.lower(): {} for name in names}
        manual: dict[str, set[str]] = defaultdict(set)
        for asked in _pieces(names):
            for name, address, is_included, is_manual, label in connection.execute(
                _EACH, {"robot": self.robot, "names": asked}
            ):
                if is_included:
                    included[name.lower()][address.lower()] = label
                if is_manual or not is_included:
                    manual[name.lower()].add(address.lower())
        return {name: Rows(addresses, frozenset(manual[name])) for name, addresses in included.items()}

    def _exclusions(self, connection: Connection) -> Exclusions:
        c = _EXCLUSIONS.c
        lists: dict[str, set[str]] = defaultdict(set)
        families: dict[str, set[str]] = defaultdict(set)
        question = select(c.list_exclusion, c.family_exclusion, c.user_exclusion).where(c.robot_exclusion == self.robot)
        for name, family, address in connection.execute(question):
            if name:
                lists[name.lower()].add(address.lower())
            if family:
                families[family].add(address.lower())
        return Exclusions(
            {name: frozenset(addresses) for name, addresses in lists.items()},
            {family: frozenset(addresses) for family, addresses in families.items()},
        )


def _pieces(names: Collection[str]) -> Iterator[list[str]]:
    asked = list(names)
    for at in range(0, len(asked), _AT_ONCE):
        yield asked[at : at + _AT_ONCE]
