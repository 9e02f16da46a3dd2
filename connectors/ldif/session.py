"""The live session of the kind `ldif`: a Directory that answers everything itself."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from collima.core.errors import SourceError
from collima.core.model import Reading
from collima.directory.answers import answered
from collima.directory.filters import Filter, shape
from collima.directory.ports import Entry, People, Question
from collima.directory.snapshot import Gatherer, Snapshot
from collima.directory.standard import STANDARD
from connectors.ldif.records import Reader, attribute, description
from connectors.reading import entry, needed, scope

BATCH = 10_000
"""So many entries at once are asked whether they match."""

Raws = Mapping[bytes, bytes]
"""The wanted attributes of one entry by their descriptions."""


class Session:
    """Reads the file anew for each question, so that each is answered from one state of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._doubt = ""  # of the last reading

    def check(self) -> str:
        """What `collima check --connect` tells: how many entries there are, all of them sound."""
        return f"{self._path}: {sum(1 for _ in self._read(lambda _: False))} entries"

    def entries(self, where: Filter, attributes: Sequence[str]) -> Sequence[Entry]:
        """Every entry of the file that matches, in order of DN."""
        found = [entry(dn, map(attribute, raws.values())) for dn, raws in self._matching(where, attributes)]
        return sorted(found, key=lambda one: one.dn)

    def people(self, question: Question) -> People:
        """Raises SourceError, too, for a filter that only a server can answer."""

        def read() -> tuple[Snapshot, Reading]:
            gatherer = Gatherer(attribute, question.attributes, describe=description)
            for dn, raws in self._matching(question.among, question.attributes, question.filters):
                gatherer.add(dn, raws.values())
            snapshot = gatherer.snapshot(STANDARD, whole=True)
            return snapshot, Reading(
                connector="", scope=scope("ldif", "", question.among), entries=snapshot.size, doubt=self._doubt
            )

        return answered(question, read, None, verify=0, rng=random.SystemRandom())

    def _matching(
        self, where: Filter, attributes: Sequence[str], filters: Sequence[Filter] = ()
    ) -> Iterator[tuple[bytes, Raws]]:
        """The entries that match, with what else is needed of them."""
        deciding = {known.oid for known in needed(STANDARD, (), [where])}
        useful = deciding | {known.oid for known in needed(STANDARD, attributes, filters)}
        keys: set[bytes] = set()  # of the attributes that decide

        def wanted(name: str) -> bool:
            known = STANDARD.type(name.partition(";")[0])
            oid = known.oid if known else ""
            if oid in deciding:
                keys.add(name.encode())
            return oid in useful

        entries = self._read(wanted)
        while batch := list(islice(entries, BATCH)):
            gatherer = Gatherer(attribute, (), describe=description)
            for dn, raws in batch:
                gatherer.add(dn, [raws[key] for key in keys if key in raws])
            matching = gatherer.snapshot(STANDARD, whole=True).answer(where)
            if matching is None:
                raise SourceError(f"{self._path}: only a server can answer {shape(where)}; write it otherwise")
            yield from (found for place, found in enumerate(batch) if matching >> place & 1)

    def _read(self, wanted: Callable[[str], bool]) -> Iterator[tuple[bytes, Raws]]:
        try:
            with self._path.open("rb") as file:
                reader = Reader(str(self._path), file, wanted)
                yield from reader.entries()
                self._doubt = "" if reader.ended else "the file does not end with the end of a line: it may be cut"
        except OSError as err:
            raise SourceError(f"{self._path}: {err.strerror}") from err
