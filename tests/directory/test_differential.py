"""The snapshot against a real slapd: whatever it answers by itself is what the server answers."""

import itertools
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from collima.directory import schema
from collima.directory.filters import And, Filter, attributes, parse, text
from collima.directory.snapshot import Gatherer, Snapshot
from connectors.ldap import ber
from connectors.ldap.request import Query
from connectors.ldap.search import Searcher
from connectors.ldap.wire import Wire
from tests.directory.nasty import MORE_INDEXES, MORE_TYPES, people, random_filter
from tests.servers.slapd import READER, READER_PASSWORD, SUFFIX, Slapd, slapd
from tests.soak import size

AMONG = parse("(objectClass=person)")
PEOPLE = 350
FLOOR = 0.9
"""So many of the answers must come from the snapshot: it shall not pass by asking for everything."""
BATCH = 1000


@pytest.fixture(scope="module", params=[(), MORE_INDEXES], ids=["few-indexes", "many-indexes"])
def campus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    folder = tmp_path_factory.mktemp("differential") / "slapd"
    with served(folder, people(Random(2), PEOPLE), request.param) as searcher:
        yield searcher


@contextmanager
def served(folder: Path, ldif: str, indexes: Sequence[str]) -> Iterator[Searcher]:
    with slapd(folder, ldif, settings=MORE_TYPES, database=indexes) as server, reader(server) as searcher:
        yield searcher


@contextmanager
def reader(server: Slapd) -> Iterator[Searcher]:
    """Asks as the reading account, who may not see `unimoreNote`, over a connection of its own."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        wire = Wire(connection, itertools.count(1).__next__, timeout=60)
        wire.send(ber.element(0x60, ber.integer(3), ber.octets(READER), ber.octets(READER_PASSWORD, 0x80)))
        wire.receive()
        yield Searcher(wire, 1000)


def differences(reader: Searcher, filters: Sequence[Filter]) -> tuple[list[str], int]:
    """What the snapshot answers otherwise than the server, and how many filters it left to the server."""
    asked = sorted(frozenset().union(*map(attributes, filters)))
    gatherer = Gatherer(ber.attribute, asked)
    for dn, raws in reader.entries(Query(SUFFIX, AMONG, tuple(asked))):
        gatherer.add(dn, raws)
    snapshot = gatherer.snapshot(read_schema(reader))
    assert snapshot.size == PEOPLE
    found = list(map(snapshot.answer, filters))
    told = map(snapshot.locate, reader.names([Query(SUFFIX, And((AMONG, one))) for one in filters]))
    wrong = [
        tell(snapshot, one, ours, theirs)
        for one, ours, theirs in zip(filters, found, told, strict=True)
        if ours not in {None, theirs}
    ]
    return wrong, found.count(None)


def read_schema(reader: Searcher) -> schema.Schema:
    kinds = ("attributeTypes", "objectClasses", "matchingRules")
    entry = reader.read("cn=Subschema", kinds)
    assert entry
    return schema.read(*([value.decode() for value in entry[kind.lower()]] for kind in kinds))


def tell(snapshot: Snapshot, filter: Filter, ours: int, theirs: int) -> str:
    """A filter with an invented person on whom the two differ, and what he has."""
    person = (ours ^ theirs).bit_length() - 1
    values = {name: snapshot.values(name)[person] for name in attributes(filter)}
    return f"{text(filter)}: {'ours' if ours >> person & 1 else 'theirs'} has {snapshot.dn(person)} with {values!a}"


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_snapshot_answers_by_itself_is_what_slapd_answers(campus: Searcher, seed: int) -> None:
    rng = Random(seed)
    wrong, left = differences(campus, [random_filter(rng) for _ in range(BATCH)])
    assert not wrong, "\n".join(wrong[:20])
    assert left <= BATCH * (1 - FLOOR), f"{left} of {BATCH} were left to the server"


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_filters_over_ever_new_people(tmp_path: Path) -> None:
    count, left, wrong = size("COLLIMA_SOAK_FILTERS", 100_000, 20_000), 0, []
    for number, start in enumerate(range(0, count, 10 * BATCH)):
        rng = Random(f"soak {number}")
        with served(tmp_path / str(number), people(rng, PEOPLE), MORE_INDEXES if number % 2 else ()) as searcher:
            for _ in range(start, min(start + 10 * BATCH, count), BATCH):
                differing, beyond = differences(searcher, [random_filter(rng) for _ in range(BATCH)])
                wrong += differing
                left += beyond
    assert not wrong, "\n".join(wrong[:50])
    assert left <= count * (1 - FLOOR), f"{left} of {count} were left to the server"
