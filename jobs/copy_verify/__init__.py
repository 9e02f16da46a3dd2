"""The job kind `copy-verify`: whether messages of a copy are what they were, by reading some of them whole."""

from dataclasses import dataclass
from random import SystemRandom

from collima.core.ports import Context
from jobs.copy_verify.options import Options
from jobs.copy_verify.verify import Verify


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyVerify(Options):
    """Restores random messages of random mailboxes of a random generation into nowhere, and compares their hashes.

    Each is read whole, and compared with the size in its name, with the live message, and with other generations. It
    changes nothing: what is damaged is a finding. See docs/copies.md.
    """

    def bind(self, context: Context) -> Verify:
        return Verify(self, context, SystemRandom())
