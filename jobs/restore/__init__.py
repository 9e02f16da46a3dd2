"""The job kind `restore`: messages of a copy, put back into the live mailbox when somebody asks for them."""

from dataclasses import dataclass
from typing import ClassVar

from collima.core.errors import ConfigError
from collima.core.ports import Context
from jobs.restore.options import Options
from jobs.restore.request import Request
from jobs.restore.restore import Restoring


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore(Options):
    """Puts messages of a copy back into the live mailbox: what `collima restore put` asks for, and nothing by itself.

    What is in the mailbox already is not put there again, and nothing is written into the copy. See docs/restore.md.
    """

    by_hand: ClassVar[str] = "a restore is asked for: `collima restore put USER MESSAGE… --reason TICKET`"

    def bind(self, context: Context) -> Restoring:
        return Restoring(self, context, None)

    def asked(self, request: Request) -> "Asked":
        return Asked(self, request)


@dataclass(frozen=True, slots=True)
class Asked:
    """In place of the options, for one run: the same job, with what it was asked for."""

    options: Options
    request: Request

    @property
    def target(self) -> str:
        return self.options.target

    def bind(self, context: Context) -> Restoring:
        """Raises ConfigError where nobody can write to the owner, though somebody is to."""
        if self.options.via and (context.stationery is None or context.post is None):
            raise ConfigError(f"{context.name}: `via` needs a sender: write `reports` with `from`")
        return Restoring(self.options, context, self.request)
