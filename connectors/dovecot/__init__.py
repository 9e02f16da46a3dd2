"""The connector kind `dovecot`: a live mail store, through doveadm and Dovecot's own IMAP."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from collima.core.errors import ConfigError
from collima.core.quantities import Duration
from connectors.dovecot.doveadm import Doveadm
from connectors.dovecot.session import Session

TEN_MINUTES = Duration(10, "minute")

_HOST = re.compile(r"(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9][A-Za-z0-9.:-]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dovecot:
    """A Dovecot 2.3, through `doveadm`: here or, with `host`, over ssh.

    Mail is put back with `doveadm import`, looked for by guid and read again by IMAP, which `doveadm exec imap` speaks:
    no password is needed. What doveadm answers is never taken for what is so: the mailbox is asked again.
    """

    offers: ClassVar[frozenset[str]] = frozenset({"mailstore"})

    doveadm: Annotated[tuple[str, ...], "the program, and what stands before it: `[sudo, doveadm]`"] = ("doveadm",)
    host: Annotated[str, "USER@MACHINE, when Dovecot is on another one: doveadm is run there by ssh"] = ""
    ssh: Annotated[tuple[str, ...], "the command that reaches `host`, with more options if need be"] = ("ssh",)
    staging: Annotated[
        Path | None,
        "where messages wait for doveadm: a folder that Dovecot's machine has by the same path; by default a temporary "
        "one, which does for a Dovecot that is here",
    ] = None
    timeout: Annotated[Duration, "one doveadm is killed after this"] = TEN_MINUTES

    def __post_init__(self) -> None:
        if not self.doveadm:
            raise ConfigError("doveadm: write the program: [doveadm], or [sudo, doveadm]")
        if len(self.doveadm) == 1 and " " in self.doveadm[0]:
            raise ConfigError(f"doveadm: is no text for a shell: write [{', '.join(self.doveadm[0].split())}]")
        if self.host and not _HOST.fullmatch(self.host):
            raise ConfigError("host: write USER@MACHINE; what else ssh needs goes into `ssh` or ~/.ssh/config")
        if self.host and not self.ssh:
            raise ConfigError("ssh: write the command: [ssh]")
        if self.staging and ":" in str(self.staging):
            raise ConfigError("staging: Dovecot takes a path only without a colon")
        if not self.timeout.seconds:
            raise ConfigError("timeout: nothing ends in no time")

    @contextmanager
    def open(self) -> Iterator[Session]:
        """Starts nothing: each question is a doveadm of its own."""
        yield Session(Doveadm(self.doveadm, self.host, self.ssh, self.timeout), self.staging)
