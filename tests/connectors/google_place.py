"""A Google of our own with an invented domain, and the connector on it: what the tests of the connector share."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors.google import Google
from connectors.google.session import Session
from tests.servers.google import Domain, Emulator, emulator

HERE = "studenti.acquamorta.example"


def at(*names: str) -> list[str]:
    return [f"{name}@{HERE}" for name in names]


@dataclass
class Clock:
    """Time passes by sleeping only: for the client, for the domain and for its quota alike."""

    now: float = 1_800_000_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Place:
    google: Emulator
    clock: Clock
    options: dict[str, Any] = field(default_factory=dict)

    def kind(self, **options: Any) -> Google:
        known: dict[str, Any] = {
            "domain": self.google.domain.name,
            "key_file": self.google.key_file,
            "act_as": self.google.act_as,
            "api_url": self.google.url,
        }
        return Google(**(known | self.options | options))

    def open(self, **options: Any) -> AbstractContextManager[Session]:
        return self.kind(**options).open(clock=self.clock, sleep=self.clock.sleep, chance=lambda: 0.5)

    # ---- arranging

    def accounts(self, *names: str) -> None:
        for name in names:
            self.google.domain.add_user(f"{name}@{self.google.domain.name}")

    def group(self, name: str, members: Sequence[str] = ()) -> str:
        address = f"{name}@{self.google.domain.name}"
        self.google.domain.add_group(address)
        if members:
            self.google.domain.enrol(address, *members)
        return address


@contextmanager
def place(folder: Path, *more_domains: str) -> Iterator[Place]:
    """Its domain is empty but for the administrator."""
    clock = Clock()
    with emulator(folder, Domain(HERE, *more_domains, clock=clock), clock=clock) as google:
        yield Place(google, clock)
