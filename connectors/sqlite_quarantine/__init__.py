"""The kind `sqlite-quarantine`: a small quarantine in one file, for a machine without a mail filter."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from connectors.maildir import Maildir
from connectors.sqlite_quarantine import store
from connectors.sqlite_quarantine.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteQuarantine:
    """A quarantine in one SQLite file, to try things out without a mail filter. It is made when it is first used, with
    invented messages if a sample is named, each as many hours old as the sample says. What is released lands in a
    Maildir."""

    offers: ClassVar[frozenset[str]] = frozenset({"quarantine"})

    file: Annotated[Path, "the database; made, for its owner alone, when it is not there"]
    released: Annotated[Path, "the Maildir where released messages land; made when it is not there"]
    sample: Annotated[Path | None, "what a new one holds (JSON, as `examples/quarantine.json`)"] = None

    @contextmanager
    def open(self, clock: Callable[[], float] = time.time) -> "Iterator[Session]":
        """Raises SourceError when it cannot be opened or made, ConfigError for a sample that cannot be meant."""
        if not self.file.exists():
            store.make(self.file, self.sample, int(clock()))
        with Maildir(directory=self.released).open() as mail, closing(store.connect(self.file)) as connection:
            yield Session(connection, mail, clock)
