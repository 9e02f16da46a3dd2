"""Jobs that run by the clock of a test, and the mails that this leads to."""

import email
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from pathlib import Path

from collima.app.config import Config
from collima.app.result_json import stored
from collima.app.telling import tell
from collima.core.guard import fingerprint
from collima.core.model import Key, State
from collima.core.ports import Waiting
from collima.core.result import Result
from collima.state import SqlJournal, open_state
from collima.state.clock import micros
from collima.state.slot_rows import SlotRow
from collima.state.tables import outbox
from tests.app import results
from tests.app.posted import Clock, written

TARGET = "lists"
JOB = """
  {name}: {{kind: roster-sync, when: {when}, source: people, target: lists, among: (objectClass=person),
    address: mail, rosters: [{{name: docenti, members: (l=Modena)}}]}}"""


def jobs(**when: str) -> str:
    return "".join(JOB.format(name=name.replace("_", "-"), when=text) for name, text in when.items())


LISTS = jobs(lists="daily at 05:30")


@dataclass
class Site:
    """A service's configuration and state, without the service."""

    config: Config
    clock: Clock
    journal: SqlJournal
    others: tuple[SqlJournal, ...] = ()  # of other services, which tell, too
    seen: int = 0
    ticks: int = 0
    held: dict[str, frozenset[Key]] = field(default_factory=dict)

    def tick(self) -> None:
        """Every service tells; in turns another one is the first."""
        self.ticks += 1
        every = (self.journal, *self.others)
        for number in range(len(every)):
            tell(self.config, every[(number + self.ticks) % len(every)], self.clock.now)

    def mails(self) -> list[EmailMessage]:
        """Those that were planned since this was asked last."""
        with self.journal.database.read() as connection:
            rows = connection.execute(outbox.select().where(outbox.c.id > self.seen).order_by(outbox.c.id)).all()
        self.seen = max((row.id for row in rows), default=self.seen)
        return [email.message_from_string(row.message, policy=policy.default) for row in rows]

    def told(self) -> list[str]:
        """Their subjects."""
        return [str(mail["Subject"]).strip().removeprefix("[collima] ") for mail in self.mails()]

    def run(
        self,
        state: State,
        cause: str = "",
        *,
        job: str = "lists",
        by_hand: bool = False,
        kind: str = "run",
        holds: Mapping[str, int] | None = None,  # how many removals of each subject wait
        first: int = 0,  # the number of the first of them
        corrected: bool = True,
        slot_state: str = "ended",
        tick: bool = True,
    ) -> str:
        """A run of the slot that is due now, and a tick of each service after it."""
        due = self.clock.now
        row = SlotRow(job, due, "waiting")
        if not by_hand:
            self.journal.slots.claim([row])
        waiting = {
            name: frozenset(Key(name, "remove", f"p{first + n}@unimore.it") for n in range(count))
            for name, count in (holds or {}).items()
        }
        keys = [key for some in waiting.values() for key in some]
        slot = None if by_hand else micros(due)
        with self.journal.begin(job, TARGET, slot=slot, kind=kind, config="") as record:
            mark = fingerprint(job, TARGET, keys)
            stored_holds = [Waiting(name, some, "too many", "") for name, some in waiting.items()]
            gone = record.hold(stored_holds, mark, keys, concerns=lambda _: True, complete=state != "failed")
            self.clock.later(seconds=20)
            record.end(
                state, stored(self._result(job, state, cause, waiting, record.run, gone)), transient=False, cause=cause
            )
        if not by_hand:
            self.journal.slots.end(row, slot_state, cause="", run=record.run)
        if tick:
            self.tick()
        return record.run

    def _result(
        self,
        job: str,
        state: State,
        cause: str,
        waiting: Mapping[str, frozenset[Key]],
        run: str,
        corrected: "list[str] | tuple[str, ...]",
    ) -> Result:
        subjects = [
            results.subject(
                name,
                100,
                remove=sorted(key.what for key in keys),
                held={"remove": len(keys)},
                reason="43 of 311 would go (13 %, limit 10 %)",
                fingerprint=fingerprint(job, TARGET, keys),
                state="held",
            )
            for name, keys in waiting.items()
        ]
        every = [key for keys in waiting.values() for key in keys]
        made = results.result(state, *subjects, *results.quiet(3), run=run)
        mark = fingerprint(job, TARGET, every) if every else ""
        return replace(made, job=job, cause=cause, fingerprint=mark, self_corrected=tuple(corrected))

    def until(self, moment: datetime, step: timedelta = timedelta(hours=1)) -> None:
        """Ticks now and then until it is so late."""
        while self.clock.now < moment:
            self.clock.now = min(moment, self.clock.now + step)
            self.tick()


@contextmanager
def site(
    folder: Path, *, jobs: str = LISTS, language: str = "en", digest: str = "", services: int = 1
) -> Iterator[Site]:
    config = written(folder, "{kind: maildir, directory: mail}", jobs=jobs, language=language, digest=digest)
    clock = Clock()
    with ExitStack() as stack:
        opened = [
            stack.enter_context(open_state(config.state, now=clock, host=f"host{number}")) for number in range(services)
        ]
        yield Site(config, clock, opened[0], tuple(opened[1:]))
