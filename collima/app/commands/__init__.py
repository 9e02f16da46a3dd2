"""What the commands do. Each function takes the parsed arguments and returns the exit code; only these print."""

import getpass
import json
import os
import shlex
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from collima.app import config as configuration
from collima.app.config import Config
from collima.core.targets import Step
from collima.core.text import line

if TYPE_CHECKING:
    from collima.state import SqlJournal


def load(arguments: Namespace) -> Config:
    """The configuration that the command line means. Raises ConfigError."""
    path, loaded = configuration.find(arguments.config), getattr(arguments, "loaded", "")
    return configuration.load(path, raw=configuration.read(Path(loaded)) if loaded else None)


@contextmanager
def opened(arguments: Namespace) -> "Iterator[tuple[Config, SqlJournal]]":
    """The configuration and its state. Raises ConfigError and StateError."""
    config = load(arguments)
    from collima.app import wiring  # noqa: PLC0415 - with SQLAlchemy: only who needs the state waits for it

    with wiring.open_journal(config, command=command_line()) as journal:
        yield config, journal


def command_line() -> str:
    """What was typed, ready to be typed again."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def who() -> str:
    """Who types, for the record: behind sudo, too."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def as_json(value: object) -> None:
    """One JSON document on standard output."""
    print(json.dumps(plain(value), ensure_ascii=False))


def plain(value: object) -> object:
    """Dataclasses as objects, without the fields that their repr leaves out; times in ISO 8601."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value) if f.repr}
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence | frozenset) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def print_steps(steps: Iterable[Step], about: str = "") -> None:
    """Ready for a shell: what is told is a comment in it."""
    for number, step in enumerate(steps, 1):
        print(f"\n# {f'{about} {number}. ' if about else ''}{line(step.told)}")
        for text in step.lines:
            print(text)
