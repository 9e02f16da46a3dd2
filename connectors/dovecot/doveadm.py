"""doveadm, run here or over ssh: its tables as rows, its refusals without anybody's name."""

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from collima.core.errors import SourceError
from collima.core.quantities import Duration
from connectors.programs import lines, output
from connectors.ssh import UNATTENDED

SSH = ("-T", *UNATTENDED)

_WHOSE = re.compile(r"doveadm\([^)]*\)(?:<[^>]*>)*")  # doveadm(anna.rossi)<25697><+yStMCmn>: Error: …
_PATTERN = re.compile(r"[*?\x00-\x1f]")


@dataclass(frozen=True, slots=True)
class Doveadm:
    program: tuple[str, ...]
    host: str
    ssh: tuple[str, ...]
    timeout: Duration

    def command(self, *words: str) -> Sequence[str]:
        """As it is run: a shell on the other machine reads every word as it is."""
        given = (*self.program, *words)
        return (*self.ssh, *SSH, "--", self.host, shlex.join(given)) if self.host else given

    def run(self, *words: str) -> str:
        """What it prints. Raises SourceError: whether it has done what it was told is then for the mailbox to say."""
        with self._errors():
            return output(self.command(*words), self.timeout)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Without anybody's name."""
        try:
            yield
        except SourceError as err:
            raise SourceError(_WHOSE.sub("doveadm", str(err)), transient=err.transient) from err

    def rows(self, *words: str) -> Iterator[list[str]]:
        """The rows of a table, as they come. Bytes that are no UTF-8 are kept by surrogateescape.

        Raises SourceError, for a row that is not as wide as the heading, too: only at the end are they complete.
        """
        with self._errors(), closing(lines(self.command("-f", "tab", *words), self.timeout)) as printed:
            wide = next(printed, b"").count(b"\t") + 1
            for line in filter(None, printed):
                row = [_plain(cell) for cell in os.fsdecode(line).split("\t")]
                if len(row) != wide:
                    raise SourceError(f"doveadm {words[0]} printed a row with {len(row)} columns of {wide}")
                yield row


def one(mailbox: str) -> str:
    """The mailbox, where doveadm would take a pattern. Raises SourceError for a name that is one."""
    if not mailbox or mailbox.startswith("-") or _PATTERN.search(mailbox):
        raise SourceError("doveadm takes this name for a pattern of names, and would act on others, too")
    return mailbox


def _plain(cell: str) -> str:
    """As it was before doveadm kept tabs and line ends out of its table."""
    return _ESCAPED.sub(lambda match: _ESCAPES[match[1]], cell)


_ESCAPES = {"0": "\0", "1": "\x01", "t": "\t", "r": "\r", "n": "\n"}
_ESCAPED = re.compile("\x01([01trn])")
