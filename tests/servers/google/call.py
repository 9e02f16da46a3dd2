"""One call on its way through the emulator: what the handlers of users, groups, members … are given."""

import re
import zlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from tests.servers.google import errors
from tests.servers.google.discovery import Method
from tests.servers.google.faults import Faults
from tests.servers.google.fields import Selection, pruned
from tests.servers.google.oauth import Token
from tests.servers.google.pages import Pages
from tests.servers.google.store import Domain

T = TypeVar("T")

Resource: TypeAlias = dict[str, Any]
"""A resource as the API's JSON has it."""


@dataclass(frozen=True, slots=True)
class Call:
    method: Method
    given: Mapping[str, str]  # parameters of path and query, checked, with defaults
    body: Resource
    wanted: Selection
    token: Token
    domain: Domain
    faults: Faults
    pages: Pages

    def need(self, *privileges: str) -> None:
        """Raises Refused (403) when who calls has not all of these."""
        if not all(self.token.may(privilege) for privilege in privileges):
            raise errors.forbidden()

    def below(self, name: str) -> Selection:
        """What is wanted of a property that is wanted; {} when it is not."""
        return None if self.wanted is None else self.wanted.get(name, {})

    def only(self, answer: Resource) -> Resource:
        return answer if self.wanted is None else pruned(answer, self.wanted)

    def listing(
        self,
        kind: str,
        name: str,
        all_items: Callable[[], Sequence[T]],
        drawn: Callable[[T, Selection], Resource],
        *,
        repeats: bool = False,
    ) -> Resource:
        """One page of a list; an empty list has no key of its own, as at Google."""
        now, size = self.domain.clock(), int(self.given["maxResults"])
        listing = self._listing()
        if token := self.given.get("pageToken"):
            items, start = self.pages.resumed(token, listing, now, self.faults.page_life)
        else:
            items, start = all_items(), 0
        page, token = self.pages.cut(items, start, size, listing, now, repeats=repeats)
        answer: Resource = {"kind": kind}
        if page and self.below(name) != {}:
            below = self.below(name)
            answer[name] = [drawn(item, below) for item in page]
        if token:
            answer["nextPageToken"] = token
        if self.wanted is None:
            return answer
        return {key: answer[key] for key in self.wanted if key in answer}

    def _listing(self) -> Hashable:
        """What makes two pages belong together."""
        apart = {"pageToken", "maxResults", "fields", "prettyPrint", "key", "access_token"}
        return self.method.id, tuple(sorted(item for item in self.given.items() if item[0] not in apart))


Handler: TypeAlias = Callable[[Call], Resource | None]
"""Answers a call with a resource, already cut to what is wanted; None: 204, no content."""


def tag(text: str) -> str:
    """An ETag, in its quotes."""
    return f'"Vq3kZ1/{zlib.crc32(text.encode()):08x}"'


def drawn(painters: Mapping[str, Callable[[T], object]], item: T, wanted: Selection) -> Resource:
    """A resource of the properties that are wanted, those that it lacks (None) left out."""
    resource = {}
    for name, painter in painters.items():
        if wanted is None or name in wanted:
            value = painter(item)
            if value is not None:
                below = None if wanted is None else wanted[name]
                resource[name] = value if below is None else pruned(value, below)
    return resource


CLAUSE = re.compile(r"""(\w+)\s*(=|:)\s*('(?:[^'\\]|\\.)*'|"[^"]*"|\S+)\s*""")


def clauses(query: str) -> list[tuple[str, str, str]]:
    """A search: fields, operators (= or :) and values; all must be true. Raises Refused (400).

    https://developers.google.com/workspace/admin/directory/v1/guides/search-users
    """
    found, at = [], 0
    while at < len(query.rstrip()):
        clause = CLAUSE.match(query, at)
        if clause is None:
            raise errors.invalid("query")
        name, operator, value = clause.groups()
        found.append((name, operator, value.strip("'\"").replace("\\'", "'")))
        at = clause.end()
    return found
