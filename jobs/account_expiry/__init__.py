"""The job kind `account-expiry`: accounts that end some time after a date in the directory."""

from dataclasses import dataclass

from collima.core.errors import ConfigError
from collima.core.ports import Context
from jobs.account_expiry.expiry import Expiry
from jobs.account_expiry.options import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountExpiry(Options):
    """Ends accounts some time after a date in the directory: word to their owners first, then suspended, then deleted.

    Nobody is suspended without a notice that is old enough, and nothing is deleted but what this job has suspended, and
    after a person approved it. Whoever came back is never touched. See docs/expiry.md.
    """

    def bind(self, context: Context) -> Expiry:
        """Raises ConfigError where there is nobody to write notices."""
        if context.ledger is None or context.stationery is None:
            raise ConfigError(f"{context.name}: notices need a sender: write `reports` with `from`")
        return Expiry(self, context, context.ledger, context.stationery)
