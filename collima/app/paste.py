"""The lines that an alert ends with, ready to be pasted into a shell."""

import shlex
from dataclasses import dataclass

REASON = "--reason '…'"
"""A reason is a person's own: it is left to be filled in."""


@dataclass(frozen=True, slots=True)
class Commands:
    """`config` is the file as it was named on the command line; "" when it was found by itself."""

    config: str = ""
    undoes: str = ""  # the run that an undo takes back: its hold is approved by the undo

    def plan(self, job: str) -> str:
        return self._line("run-job", job, "--plan")

    def only(self, job: str, subject: str) -> str:
        return self._line("run-job", job, "--only", subject)

    def adopt(self, job: str, subject: str) -> str:
        return self._line("collima", "adopt", job, "--only", subject)

    def show(self, run: str) -> str:
        return self._line("collima", "show", run)

    def approve(self, job: str, *fingerprints: str) -> str:
        words = ("collima", "undo", self.undoes) if self.undoes else ("run-job", job)
        return f"{self._line(*words, '--approve', *fingerprints)} {REASON}"

    def pause(self, job: str) -> str:
        return f"{self._line('collima', 'pause', job, '--until', '2 days')} {REASON}"

    def run(self, job: str) -> str:
        return self._line("run-job", job)

    def holds(self) -> str:
        return self._line("collima", "holds")

    def history(self, job: str) -> str:
        return self._line("collima", "history", job)

    def check(self) -> str:
        return self._line("collima", "check")

    def status(self) -> str:
        return self._line("collima", "status")

    def _line(self, *words: str) -> str:
        return shlex.join([*words, *(["--config", self.config] if self.config else [])])
