"""The writing desk: from what there is to tell to mails for the outbox. Without `reports` it writes none."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.message import EmailMessage

from collima.app.config import Config
from collima.app.config.load import PLACES
from collima.app.paste import Commands
from collima.app.report import Letterhead, Notice, compose, notify
from collima.app.result_json import restored
from collima.app.telling import notices
from collima.app.telling.policy import Corrected, Missed, News, Recovered, Report, Verdict, Waits
from collima.app.words import Words
from collima.core.model import Finding
from collima.core.result import Result
from collima.state import SqlJournal
from collima.state.alerts import AlertRow, Decided
from collima.state.archive import RunRow
from collima.state.outbox import Letter
from collima.state.slot_rows import SlotRow


def commands(config: Config) -> Commands:
    """As whoever reads the mail types them, wherever that is."""
    return Commands("" if config.path == PLACES[-1] else str(config.path.resolve()))


@dataclass(frozen=True, slots=True)
class Desk:
    config: Config
    journal: SqlJournal
    now: datetime

    def decided(
        self, verdict: Verdict, job: str, waiting: Mapping[str, Waits] | None = None, run: Result | None = None
    ) -> Decided:
        """The verdict with its mails. `waiting`: what the job holds now. `run`: what it came to, if it is about one."""
        letters = [letter for news in verdict.news for letter in self._told(news, job, waiting or {}, run)]
        return Decided(verdict.alerts, verdict.closed, letters)

    def missed(self, slots: Mapping[str, SlotRow]) -> list[Letter]:
        """Many jobs, by name, in one mail."""
        return self._notice(notices.many_missed(slots, self._words, self._commands, self.config.timezone))

    def bare(self, word: str, job: str, about: str, run: str = "") -> list[Letter]:
        """That something is to be told which cannot be drawn."""
        paste = self._commands
        pastes = ("show", paste.show(run)) if run else ("history", paste.history(job))
        return self._notice(notices.bare(word, job, about, self._words, (pastes,)))

    def troubled(self, alert: AlertRow) -> list[Letter]:
        """The service has trouble, or still has it."""
        told = notices.trouble(
            alert.about, alert.cause, alert.since, self.now, self._words, self._commands, self.config.timezone
        )
        return self._notice(told)

    def over(self, alert: AlertRow) -> list[Letter]:
        """The service has it no more."""
        return self._notice(notices.well(alert.about, alert.cause, alert.since, self.now, self._words, self._commands))

    def letter(self, message: EmailMessage, job: str = "") -> list[Letter]:
        """An alert: in doubt a second copy is better than none."""
        reports = self.config.reports
        return [Letter(message, reports.to, reports.via, job, again="once")] if reports else []

    @property
    def letterhead(self) -> Letterhead | None:
        """None: nobody is to be told."""
        if (reports := self.config.reports) is None:
            return None
        return Letterhead(
            sender=reports.from_,
            to=reports.to,
            site=self.config.site,
            language=reports.language,
            commands=self._commands,
        )

    @property
    def local(self) -> datetime:
        return self.now.astimezone(self.config.timezone)

    @property
    def _commands(self) -> Commands:
        return commands(self.config)

    @property
    def _words(self) -> Words:
        return Words(self.config.reports.language if self.config.reports else "en")

    def _told(self, news: News, job: str, waiting: Mapping[str, Waits], run: Result | None) -> list[Letter]:
        words, paste, zone = self._words, self._commands, self.config.timezone
        match news:
            case Report():
                return self._report(run) if run else []
            case Recovered():
                return self._notice(notices.recovered(news, job, self.now, words, paste, zone))
            case Corrected():
                return self._notice(notices.corrected(news, job, words, paste))
            case Missed():
                return self._notice(notices.missed(news, job, words, paste, zone))
        return self._notice(notices.reminder(news, job, self.now, words, paste, zone, waiting))

    def _report(self, run: Result) -> list[Letter]:
        head = self.letterhead
        return self.letter(compose(run, head, self.local), run.job) if head else []

    def _notice(self, notice: Notice) -> list[Letter]:
        head = self.letterhead
        return self.letter(notify(notice, head, self.local), notice.job) if head else []


def result(run: RunRow, died_on: str = "") -> Result:
    """What is on record of a run; of one that could not speak for itself only why. `died_on`: whose slot it has."""
    if run.document.get("state") == run.state:
        told = restored(run.document)
    else:
        told = Result(
            job=run.job,
            run=run.id,
            state="failed",
            fingerprint="",
            sources=(),
            subjects=(),
            findings=(),
            seconds={},
            cause=run.cause,
            transient=run.transient,
            exit_code=1,
        )
    if not died_on:
        return told
    over = Finding("info", "", "taken-over", f"the run before it died on {died_on}; this one was started in its place")
    return replace(told, findings=(*told.findings, over))
