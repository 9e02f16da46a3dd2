"""The kind `ldif`: people and places from a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from connectors.ldif.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Ldif:
    """A file of entries (RFC 2849), as `slapcat` or `ldapsearch -LLL` writes it: a whole directory without a server.
    All of it is read and checked for every answer; a damaged line, an entry that comes twice, or a file that changes
    while it is read fails the run. Matching is by the standard attributes; those that a file adds ignore case."""

    offers: ClassVar[frozenset[str]] = frozenset({"directory"})

    file: Annotated[Path, "the LDIF file; write it under another name and rename it when it is complete"]

    @contextmanager
    def open(self) -> Iterator[Session]:
        """Nothing is held open between two questions."""
        yield Session(self.file)
