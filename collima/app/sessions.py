"""Live sessions on what a configuration names."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from collima.app.config import Config
from collima.core.errors import blaming


@contextmanager
def connector(config: Config, name: str) -> Iterator[Any]:
    """A live session on a connector. A SourceError while opening says whose it is."""
    with ExitStack() as stack:
        with blaming(name):
            session = stack.enter_context(config.connector(name).options.open())
        yield session
