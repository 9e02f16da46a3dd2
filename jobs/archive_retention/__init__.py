"""The job kind `archive-retention`: what is too old goes out of the real-time copy of all mail."""

from dataclasses import dataclass

from collima.core.ports import Context
from jobs.archive_retention.options import Options
from jobs.archive_retention.retention import Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveRetention(Options):
    """Takes out of an archive of mail what both came in and was saved before `keep`: counted first, and guarded.

    For the copy that a mail server sends of each message as it comes in (Postfix `recipient_bcc_maps`). See
    docs/restore.md.
    """

    def bind(self, context: Context) -> Retention:
        return Retention(self, context)
