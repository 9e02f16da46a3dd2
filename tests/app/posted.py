"""An outbox, a relay and a clock that the test turns."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path

from collima.app import config as configuration
from collima.app import postman
from collima.app.config import Config
from collima.state import SqlJournal, open_state
from collima.state.outbox import Letter
from tests.servers.smtpd import Relay

SCHEDULE = """
version: 1
timezone: Europe/Rome
site: unimore.it
state: {state}
reports: {{from: collima@unimore.it, to: [posta@unimore.it], via: mail, language: {language}{digest}}}
connectors:
  people: {{kind: ldif, file: people.ldif}}
  lists: {{kind: list-files, directory: lists}}
  mail: {mail}
jobs:{jobs}
"""
NO_JOBS = " {}"


def smtp(server: Relay, more: str = "") -> str:
    return f"{{kind: smtp, host: localhost, port: {server.port}, ca-file: {server.ca}{more}}}"


@dataclass
class Clock:
    """Sleeping makes it later; nothing else does."""

    now: datetime = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Post:
    """A state with an outbox. Every `open` is another machine's journal, as far as the database can tell."""

    url: str
    config: Config
    clock: Clock
    stack: ExitStack
    password: str = ""

    def open(self, host: str = "here") -> SqlJournal:
        made = open_state(self.url, now=self.clock, host=host, password=self.password)
        return self.stack.enter_context(made)

    def deliver(self, journal: SqlJournal, *, bulk: bool = True) -> datetime | None:
        return postman.deliver(self.config, journal, clock=self.clock, sleep=self.clock.sleep, bulk=bulk)


def written(
    folder: Path, mail: str, *, state: str = "", jobs: str = NO_JOBS, language: str = "en", digest: str = ""
) -> Config:
    file = folder / "schedules.yaml"
    text = SCHEDULE.format(
        state=state or f"sqlite:///{folder}/collima.db", mail=mail, jobs=jobs, language=language, digest=digest
    )
    file.write_text(text)
    return configuration.load(file)


@contextmanager
def post(folder: Path, mail: str) -> Iterator[Post]:
    with ExitStack() as stack:
        yield Post(f"sqlite:///{folder}/collima.db", written(folder, mail), Clock(), stack)


def letter(name: str, *to: str, again: bool = True, via: str = "mail") -> Letter:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "collima@unimore.it", "posta@unimore.it", f"Novità: {name}"
    message["Date"], message["Message-ID"] = formatdate(0), f"<{name}@unimore.it>"
    message.set_content(f"Perché no, {name}.\n.\n", cte="quoted-printable")
    return Letter(message, to or ("posta@unimore.it",), via, again="once" if again else "never")
