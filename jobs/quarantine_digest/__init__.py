"""The job kind `quarantine-digest`: one mail each morning with what was held for a person."""

from dataclasses import dataclass

from collima.core.errors import ConfigError
from collima.core.ports import Context
from jobs.quarantine_digest.digest import Digesting
from jobs.quarantine_digest.options import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineDigest(Options):
    """Tells each person who asked for it what was held for any of their addresses since the last time, in one mail.

    What is new is decided by a ledger, so that nothing is told twice and nothing is lost. Links in the mail release a
    message, allow its sender or block it. See docs/quarantine.md.
    """

    def bind(self, context: Context) -> Digesting:
        """Raises ConfigError where there is nobody to write for."""
        if context.digests is None or context.stationery is None:
            raise ConfigError(f"{context.name}: digests need a letterhead: write `reports` with `from`")
        return Digesting(self, context, context.digests, context.stationery)
