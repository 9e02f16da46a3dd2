"""The live session of the kind `ldap`: a Directory."""

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_random_exponential

from collima.core.errors import SourceError
from collima.core.model import Reading
from collima.directory.answers import answered
from collima.directory.filters import Filter, Present
from collima.directory.ports import Entry, People, Question
from collima.directory.snapshot import Gatherer, Snapshot
from connectors.ldap import Ldap, ber, urls
from connectors.ldap.dial import Access, dialled
from connectors.ldap.request import NO_ATTRIBUTES, Query
from connectors.ldap.results import Unanswered
from connectors.ldap.search import Searcher
from connectors.ldap.server import About, about, csn
from connectors.reading import entry, needed, scope

T = TypeVar("T")

ATTEMPTS = 3


class Session:
    """Connects when it is first asked, and again when the connection was lost before an answer came."""

    def __init__(self, kind: Ldap, sleep: Callable[[float], None], rng: random.Random) -> None:
        self._kind = kind
        self._sleep = sleep
        self._rng = rng
        self._open = ExitStack()
        self._searcher: Searcher | None = None
        self._server = ""

    def connect(self) -> None:
        self._ask(lambda _: None)

    def close(self) -> None:
        self._searcher = None
        self._open.close()

    def check(self) -> str:
        """What `collima check --connect` tells: server, account, and how many entries it may read."""
        query = Query(self._kind.base, Present("objectClass"))
        count = self._ask(lambda searcher: sum(1 for _ in searcher.entries(query)))
        return f"{self._server}: {self._account()}, {count} entries below {self._kind.base}"

    def _account(self) -> str:
        if self._kind.bind:
            return f"bound as {self._kind.bind}"
        return "bound by SASL EXTERNAL" if self._server.startswith("ldapi") else "bound anonymously"

    def entries(self, where: Filter, attributes: Sequence[str]) -> Sequence[Entry]:
        """Every entry below the base that matches, in order of DN."""
        query = Query(self._kind.base, where, tuple(attributes) or NO_ATTRIBUTES)

        def read(searcher: Searcher) -> list[Entry]:
            found = [entry(dn, map(ber.attribute, raws)) for dn, raws in searcher.entries(query)]
            return sorted(found, key=lambda one: one.dn)

        return self._ask(read)

    def people(self, question: Question) -> People:
        """One scan of `among` and, on the same connection, what only the server can answer."""
        return self._ask(lambda searcher: self._people(searcher, question))

    def _people(self, searcher: Searcher, question: Question) -> People:
        server = about(searcher, self._kind.base)

        def read() -> tuple[Snapshot, Reading]:
            return self._read(searcher, question, server)

        def ask(filters: Sequence[Filter]) -> list[list[bytes]]:
            return searcher.names([Query(self._kind.base, asked) for asked in filters])

        return answered(question, read, ask, verify=self._kind.verify, rng=self._rng)

    def _read(self, searcher: Searcher, question: Question, server: About) -> tuple[Snapshot, Reading]:
        seen = csn(searcher, server)  # before the data: what is recorded is never newer than what was read
        gatherer = Gatherer(ber.attribute, question.attributes, describe=ber.description)
        types = needed(server.schema, question.attributes, question.filters)
        attributes = tuple(known.names[0] if known.names else known.oid for known in types) or NO_ATTRIBUTES
        for dn, raws in searcher.entries(Query(self._kind.base, question.among, attributes)):
            gatherer.add(dn, raws)
        snapshot = gatherer.snapshot(server.schema)
        reading = Reading(
            connector="",
            scope=scope("ldap", self._kind.base, question.among),
            entries=snapshot.size,
            server=self._server,
            csn=seen,
        )
        return snapshot, reading

    def _ask(self, question: Callable[[Searcher], T]) -> T:
        """The one place that tries again: when nothing of an answer has come, and for no longer than `timeout`."""
        retrying = Retrying(
            retry=retry_if_exception_type(Unanswered),
            stop=stop_after_attempt(ATTEMPTS) | stop_after_delay(self._kind.timeout.seconds),
            wait=wait_random_exponential(multiplier=0.5, max=5),
            sleep=self._sleep,
            reraise=True,
        )
        answer: T = retrying(self._once, question)
        return answer

    def _once(self, question: Callable[[Searcher], T]) -> T:
        if self._searcher is None:
            self._searcher = self._connected()
        try:
            return question(self._searcher)
        except SourceError as err:
            self.close()  # what may still come would be taken for the answer to the next question
            kind = Unanswered if isinstance(err, Unanswered) else SourceError
            raise kind(f"{self._server}: {err}", transient=err.transient) from err

    def _connected(self) -> Searcher:
        kind = self._kind
        access = Access(
            bind=kind.bind,
            password=kind.password.reveal() if kind.password else "",
            start_tls=kind.start_tls,
            ca_file=kind.ca_file,
            insecure=kind.insecure,
            timeout=kind.timeout.seconds,
        )
        wire, self._server = self._open.enter_context(dialled([urls.parse(url) for url in kind.url], access))
        return Searcher(wire, kind.page_size)
