"""What every system that tells of snapshots keeps to. A connector's test derives from it and says how to take one."""

import contextlib
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from collima.core.errors import SourceError
from collima.core.targets import Snapshots

ROME = ZoneInfo("Europe/Rome")


class Session(Snapshots, Protocol):
    def check(self) -> str: ...


class System(Protocol):
    """A place for one test. `take`: one more snapshot of a volume, the returned moment in the past."""

    def open(self) -> AbstractContextManager[Session]: ...
    def take(self, volume: str) -> datetime: ...


class SnapshotsContract:
    """Derive, and give a fixture `system: System` that knows the volumes `mail` and `mail/old`."""

    def test_each_snapshot_of_a_volume_is_told_with_its_time_in_utc(self, system: System) -> None:
        taken = [system.take("mail") for _ in range(3)]
        with system.open() as session:
            found = session.read("mail", ROME)
        assert sorted(s.taken.replace(second=0) for s in found) == sorted(t.replace(second=0) for t in taken)
        assert {s.taken.tzinfo for s in found} == {UTC}

    def test_a_volume_is_exactly_the_one_that_was_asked_for(self, system: System) -> None:
        system.take("mail")
        system.take("mail/old")
        with system.open() as session:
            assert [s.volume for s in session.read("mail", ROME)] == ["mail"]
            assert [s.volume for s in session.read("mail/old", ROME)] == ["mail/old"]

    def test_a_volume_that_is_not_there_has_none_or_cannot_be_read(self, system: System) -> None:
        system.take("mail")
        with system.open() as session, contextlib.suppress(SourceError):
            assert session.read("mai", ROME) == []

    def test_check_says_what_is_there(self, system: System) -> None:
        system.take("mail")
        with system.open() as session:
            assert "1" in session.check()
