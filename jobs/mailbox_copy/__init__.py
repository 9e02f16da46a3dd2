"""The job kind `mailbox-copy`: a whole mail store copied to other storage, in generations."""

from dataclasses import dataclass

from collima.core.ports import Context
from jobs.mailbox_copy.copying import Copying
from jobs.mailbox_copy.options import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxCopy(Options):
    """Copies a mail store as a whole, and keeps some generations of it.

    What is wrong with the store, or with the place of the copies, is found before the first deletion. A message whose
    flags changed is neither sent nor stored again. See docs/copies.md.
    """

    def bind(self, context: Context) -> Copying:
        assert context.copies is not None
        return Copying(self, context, context.copies)
