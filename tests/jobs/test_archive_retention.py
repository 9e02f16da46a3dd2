"""The real-time copy of mail, on a real Dovecot: what is old goes, and what looks wrong waits.

A Maildir's date of saving is its file's ctime, which nobody can set: so `now` is what moves.
"""

import itertools
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from collima.app.result_json import stored
from collima.core import engine
from collima.core.decide import Task
from collima.core.engine import Desk, Order
from collima.core.guard import Whole
from collima.core.options import BUILT_IN_GUARD
from collima.core.ports import Context
from collima.core.quantities import Amount, Duration
from collima.core.result import Result
from collima.state import open_state
from connectors.dovecot import Dovecot as Connector
from jobs.archive_retention import ArchiveRetention
from jobs.archive_retention.options import ALL, TWO_DAYS, RetentionGuard
from tests.jobs.italian import untold
from tests.servers.dovecot import Dovecot, dovecot

A_MONTH, A_YEAR = Duration(30, "day"), Duration(365, "day")


@dataclass
class Archive:
    """`later`: by how much now is later than it is."""

    server: Dovecot
    folder: Path
    later: timedelta = timedelta()
    keep: Duration = A_MONTH
    silent: Duration = TWO_DAYS
    guard: RetentionGuard = field(default_factory=RetentionGuard)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def gets(self, user: str, *, days: int, folder: str = "", times: int = 1) -> None:
        """Messages that were received so long ago, and are saved now."""
        there = self.server.maildir(user) / folder
        for part in ("tmp", "new", "cur"):
            (there / part).mkdir(parents=True, exist_ok=True)
        at = (datetime.now(UTC) - timedelta(days=days)).timestamp()
        for _ in range(times):
            path = there / "cur" / f"1700000000.M{next(self.numbers)}P1.archive:2,"
            path.write_text("From: a@example.org\nSubject: s\n\nText.\n")
            os.utime(path, (at, at))
        self.server.own(self.server.mail / user)

    def count(self, user: str) -> int:
        rows = self.server.run("-f", "tab", "mailbox", "status", "-u", user, "messages", "*").splitlines()[1:]
        return sum(int(row.split("\t")[-1]) for row in rows if row)

    def run(self, *approve: str, plan: bool = False) -> Result:
        options = ArchiveRetention(mailstore="archive", keep=self.keep, silent=self.silent, guard=self.guard)
        guard = self.guard.over(BUILT_IN_GUARD)
        connector = Connector(doveadm=tuple(self.server.doveadm))

        def now() -> datetime:
            return datetime.now(UTC) + self.later

        def connect(_: str) -> AbstractContextManager[Any]:
            return connector.open()

        with open_state(f"sqlite:///{self.folder}/state.db", password="", now=now, host="here") as journal:
            context = Context("archive", ZoneInfo("Europe/Rome"), guard, journal, connect, clock=now)
            whole = Whole(guard.max_removals_total, guard.source_drop, guard.small_change or 0)
            task = Task("archive", options.bind(context), whole)
            desk = Desk(journal=journal, clock=now, document=stored)
            if plan:
                return engine.plan(task, desk, Order())
            result = engine.run(task, desk, Order(approve=approve, reason="seen", who="root"))
            assert untold(result) == []
            return result


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with dovecot(strangers=False) as server:
        yield Archive(server, tmp_path)


def test_what_came_in_and_was_saved_before_goes_and_the_rest_stays(archive: Archive) -> None:
    archive.gets("anna.rossi", days=0, times=20)
    archive.gets("anna.rossi", days=50, times=3)  # long ago, and saved today: it was put back, or copied here
    archive.gets("bruno.bianchi", days=0, times=4, folder=".Posta &AOg-")
    assert archive.run().state == "in-sync"
    archive.later, archive.keep, archive.silent = timedelta(days=40), Duration(60, "day"), Duration(45, "day")
    assert archive.run().state == "in-sync"  # received 90 days before, saved 40 days before
    archive.keep, archive.guard = Duration(39, "day"), RetentionGuard(max_removals_total=ALL)
    planned = archive.run(plan=True)
    assert [(s.name, s.size, s.wanted, s.weights) for s in planned.subjects] == [
        ("anna.rossi", 23, 0, {"remove": 23}),
        ("bruno.bianchi", 4, 0, {"remove": 4}),
    ]
    done = archive.run()
    assert (done.state, done.findings) == ("changed", ())
    assert [archive.count(user) for user in ("anna.rossi", "bruno.bianchi")] == [0, 0]
    assert archive.run().state == "in-sync"


def test_more_of_the_whole_archive_than_usual_waits_until_somebody_approves(archive: Archive) -> None:
    """A mistake in `keep`, or a clock that jumped, but by so little that mail still seems to come in."""
    archive.gets("anna.rossi", days=0, times=8)
    archive.gets("bruno.bianchi", days=0, times=2)
    archive.later, archive.keep, archive.silent = timedelta(days=40), A_MONTH, Duration(45, "day")
    held = archive.run()
    assert (held.state, held.exit_code) == ("held", 3)
    assert {s.reason for s in held.subjects} == {"10 of 10 in the whole run (100 %, limit 50 %)"}
    assert archive.count("anna.rossi") == 8
    assert archive.run(held.fingerprint).state == "changed"
    assert archive.count("anna.rossi") == 0


def test_an_archive_that_nothing_comes_into_any_more_loses_nothing(archive: Archive) -> None:
    archive.gets("anna.rossi", days=0, times=1)
    archive.later = timedelta(days=40)
    held = archive.run()
    assert (held.state, held.exit_code) == ("held", 3)
    assert [f.code for f in held.findings] == ["archive-silent"]
    assert "no message was saved since" in held.subjects[0].reason
    assert archive.count("anna.rossi") == 1


def test_a_mailbox_of_somebody_who_left_runs_empty_unless_a_limit_says_otherwise(archive: Archive) -> None:
    archive.gets("anna.rossi", days=0, times=5)
    archive.later, archive.silent = timedelta(days=40), Duration(45, "day")
    archive.guard = RetentionGuard(max_removals=Amount(5000, percent=True), max_removals_total=ALL)
    held = archive.run()
    assert held.subjects[0].reason == "5 of 5 would go (100 %, limit 50 %)"
    archive.guard = RetentionGuard(max_removals_total=ALL)
    assert archive.run().state == "changed"


def test_options_that_would_keep_nothing_or_notice_too_late_are_faults() -> None:
    def faults(keep: Duration, silent: Duration) -> list[object]:
        return [way for way, _ in ArchiveRetention(mailstore="a", keep=keep, silent=silent).faults()]

    assert faults(A_MONTH, Duration(2, "day")) == []
    assert faults(Duration(0, "day"), Duration(2, "day")) == [("keep",), ("silent",)]
    assert faults(A_MONTH, A_YEAR) == [("silent",)]
    assert faults(A_MONTH, Duration(0, "day")) == [("silent",)]
