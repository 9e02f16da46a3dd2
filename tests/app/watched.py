"""A schedule and its state at a moment that the test turns, filled by the same calls that runs and services make."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from collima.app import standing
from collima.app.config import Config, load
from collima.app.standing import Standing
from collima.app.status import Line, Status, judge
from collima.core.model import Key
from collima.core.ports import Waiting
from collima.state import SqlJournal, open_state
from collima.state.clock import micros
from collima.state.slot_rows import SlotRow
from collima.state.tables import outbox

SCHEDULE = """\
version: 1
timezone: Europe/Rome
state: {state}
connectors:
  people: {{kind: ldif, file: people.ldif}}
  lists: {{kind: list-files, directory: lists}}
jobs:
  lists:
    kind: roster-sync
    when: daily at 05:30
    {of_lists}
    source: people
    target: lists
    among: (objectClass=person)
    address: mail
    rosters: [{{name: modena, members: (l=Modena)}}]
  by-hand:
    kind: roster-sync
    when: manual
    source: people
    target: lists
    among: (objectClass=person)
    address: mail
    rosters: [{{name: reggio, members: (l=Reggio)}}]
"""

DUE = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)  # 05:30 in Rome


@dataclass
class Watched:
    """`now` is the clock of everything: five minutes past the slot of `lists`, until the test turns it."""

    config: Config
    now: datetime = DUE + timedelta(minutes=5)
    tokens: int = 0
    journal: SqlJournal = field(init=False)

    def run(
        self,
        job: str = "lists",
        state: str = "changed",
        *,
        cause: str = "",
        transient: bool = False,
        slot: datetime | None = None,
        document: Mapping[str, Any] | None = None,
        held: int = 0,
        kind: str = "run",
    ) -> str:
        """A run that takes three seconds. Returns its id."""
        due = micros(slot) if slot else None
        with self.journal.begin(job, "", slot=due, kind=kind, config="c0") as record:
            if held:
                keys = frozenset(Key("modena", "remove", f"person{n}@example.org") for n in range(held))
                record.hold(
                    [Waiting("modena", keys, "too many")], "f" * 16, keys, concerns=lambda _: True, complete=True
                )
            self.now += timedelta(seconds=3)
            record.end(state, document or {}, transient=transient, cause=cause)
        return record.run

    def service(self, name: str = "s1", *, host: str = "here", config: str = "") -> None:
        """A service that decides now."""
        with self.another(host) as journal:
            journal.services.begin(name, config=config or self.config.hash, version="0")

    def slot(self, state: str, due: datetime = DUE, job: str = "lists", cause: str = "") -> SlotRow:
        row = SlotRow(job, due, state, cause=cause)
        self.journal.slots.claim([row])
        return row

    def mail(self, state: str, *, attempts: int = 0, not_before: datetime | None = None, again: bool = True) -> None:
        self.tokens += 1
        over = micros(self.now) if state in ("sent", "failed", "unknown") else None
        with self.journal.database.write() as connection:
            connection.execute(
                insert(outbox).values(
                    message_id=f"<{self.tokens}@example.org>",
                    job="",
                    via="mail",
                    recipients="[]",
                    message="",
                    state=state,
                    urgent=again,
                    again="once" if again else "never",
                    created=micros(self.now),
                    not_before=micros(not_before or self.now),
                    attempts=attempts,
                    error="",
                    ended=over,
                )
            )

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    @contextmanager
    def another(self, host: str = "here", password: str = "") -> Iterator[SqlJournal]:
        with open_state(self.config.state, now=lambda: self.now, host=host, password=password) as journal:
            yield journal

    def standing(self) -> Standing:
        return standing.read(self.config, self.journal, self.now)

    def status(self) -> Status:
        return judge(self.standing())

    def line(self, what: str, name: str = "") -> Line:
        return next(line for line in self.status().lines if (line.what, line.name) == (what, name))


@contextmanager
def watched(
    folder: Path, of_lists: str = "", *, text: str = SCHEDULE, state: str = "", password: str = ""
) -> Iterator[Watched]:
    path = folder / "schedules.yaml"
    path.write_text(text.format(of_lists=of_lists, state=state or f"sqlite:///{folder}/state.db"), "ascii")
    made = Watched(load(path))
    with made.another(password=password) as made.journal:
        yield made
