"""A mail store, a real rsync, a state in SQLite, and a clock to turn."""

import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from collima.app.result_json import stored
from collima.core import engine
from collima.core.decide import Task
from collima.core.engine import Desk, Order
from collima.core.guard import Whole
from collima.core.options import BUILT_IN_GUARD
from collima.core.ports import Context
from collima.core.quantities import Amount
from collima.core.result import Result, SubjectResult
from collima.state import open_state
from connectors.rsync import Rsync
from jobs.mailbox_copy import MailboxCopy
from jobs.mailbox_copy.options import CopyGuard
from tests.jobs.italian import untold
from tests.servers import program, require
from tests.servers.maildirs import MailStore, mail_store
from tests.servers.sshd import Sshd

SATURDAY = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)
JOB = "mailbox-copy"


@dataclass
class Place:
    """`folder/mail` is copied to `folder/copies`."""

    folder: Path
    store: MailStore
    now: datetime = SATURDAY
    options: dict[str, Any] = field(default_factory=dict)  # of the job
    sides: dict[str, Any] = field(default_factory=dict)  # of the connector
    seed: int = 1
    ahead: float = 0.0  # seconds that the clock is before that of the file system

    @property
    def copies(self) -> Path:
        return self.folder / "copies"

    @property
    def newest(self) -> Path:
        return self.generations[-1]

    @property
    def generations(self) -> list[Path]:
        return sorted(path for path in self.copies.iterdir() if path.name.endswith("Z"))

    @property
    def connector(self) -> Rsync:
        sides = {"from_": str(self.store.root), "to": str(self.copies), "sentinel": ".mailstore", **self.sides}
        return Rsync(**sides)

    @contextmanager
    def connect(self, name: str) -> Iterator[Any]:
        with self.connector.open(clock=lambda: time.time() + self.ahead) as session:
            yield session

    @contextmanager
    def task(self) -> Iterator[tuple[Task[Any, Any], Desk]]:
        path = f"sqlite:///{self.folder}/collima.db"
        with open_state(path, password="", now=lambda: self.now, host="mail1", command="run-job") as journal:
            kind = MailboxCopy(store="store", **{"generations": 0, **self.options})
            guard = kind.guard.over(BUILT_IN_GUARD)
            context = Context(
                name=JOB,
                timezone=UTC,
                guard=guard,
                registry=journal,
                connect=self.connect,
                copies=journal.copies(JOB, "store"),
                clock=lambda: self.now,
            )
            job = kind.bind(context)
            whole = Whole(guard.max_removals_total, guard.source_drop, guard.small_change or 0)
            desk = Desk(journal=journal, clock=lambda: self.now, document=stored)
            yield Task(JOB, type(job)(job.options, context, job.book, random.Random(self.seed)), whole), desk

    def run(self, **order: Any) -> Result:
        """A week after the last one."""
        with self.task() as (task, desk):
            result = engine.run(task, desk, Order(**order))
        self.now += timedelta(days=7)
        assert untold(result) == []
        return result

    def plan(self) -> Result:
        with self.task() as (task, desk):
            return engine.plan(task, desk, Order())

    def differences(self, copy: Path | None = None) -> str:
        """What rsync would have to do yet."""
        command = ["rsync", "-aHn", "--delete", "--itemize-changes", f"{self.store.root}/", f"{copy or self.copies}/"]
        return subprocess.run(command, check=True, capture_output=True).stdout.decode("utf-8", "replace")


def place(folder: Path, *, users: int = 6, messages: int = 240, **options: Any) -> Place:
    require("rsync")
    store = mail_store(folder / "mail", users=users, messages=messages)
    (folder / "copies").mkdir()
    options.setdefault("guard", CopyGuard(max_removals=Amount(1000, percent=True), small_change=20))
    return Place(folder, store, options=options)


def subject(result: Result, name: str) -> SubjectResult:
    return next(one for one in result.subjects if one.name == name)


def codes(result: Result, level: str = "critical") -> list[str]:
    return [finding.code for finding in result.findings if finding.level == level]


def names(root: Path) -> dict[str, int]:
    """Every file below a folder, and its inode."""
    return {str(path.relative_to(root)): path.lstat().st_ino for path in root.rglob("*") if not path.is_dir()}


@contextmanager
def instead_of_rsync(
    folder: Path, script: str, monkeypatch: pytest.MonkeyPatch, *, rehearsal: str = 'exec $RSYNC "$@"'
) -> Iterator[None]:
    """A shell script by the name of rsync; `$RSYNC "$@"` in it is the real one. `rehearsal`: another, for these."""
    fake = folder / "bin/rsync"
    fake.parent.mkdir(exist_ok=True)
    either = f'case "$*" in *" --dry-run --out-format"*)\n{rehearsal}\n;; *)\n{script}\n;; esac'
    fake.write_text(f"#!/bin/sh\nRSYNC={program('rsync')}\n{either}\n")
    fake.chmod(0o755)
    with monkeypatch.context() as here:
        here.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
        yield


def afar(made: Place, way: str, sshd: Sshd) -> None:
    """`way`: a store that is on another machine is pulled, and what is pushed has its copies there."""
    sshd.shell()
    side, at = ("from_", made.store.root) if way == "pulled" else ("to", made.copies)
    made.sides |= {"ssh": sshd.command, side: f"{sshd.host}:{at}"}


def over_ssh(*ways: str) -> list[Any]:
    """Campaigns: a run makes some fifteen connections, and each takes half a second."""
    return [pytest.param(way, marks=pytest.mark.soak) for way in ways]
