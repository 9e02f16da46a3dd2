"""The one tree of errors. The class says what happens next; the bit `transient` says whether trying again may help.

CollimaError
├── ConfigError   a person edits the file, or types another command (exit 2)
├── SourceError   a reading is not complete: stop before any change (exit 1)
│   └── NotHere   what the job works on is not on this machine: a scheduled run leaves it to another one
├── StateError    the state database cannot be used: stop before any change (exit 1)
├── Refused       one change was refused: record it, go on with the rest
│   └── Undelivered   a mail was not handed over, not to everyone, or nobody can tell
└── Busy          another run has this job or target (exit 75)

Stopped (asked to stop by TERM, exit 75) is outside the tree, as KeyboardInterrupt is outside Exception: nothing that
catches errors to go on may catch it.

A hold is a result, not an error. A connector translates once, at its border, with `raise … from err`.
A message says who, what, how many, the limit, and what to do; it carries no secret and no personal data.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class CollimaError(Exception):
    transient = False

    def __init__(self, message: str, *, transient: bool | None = None) -> None:
        super().__init__(message)
        if transient is not None:
            self.transient = transient


class ConfigError(CollimaError):
    """What a person wrote cannot be meant. The message names the place and the cure."""


class SourceError(CollimaError):
    """A reading is incomplete. Never caught to go on with less. `connector`: its name in the configuration."""

    connector = ""


class NotHere(SourceError):
    """What this job works on is not on this machine now: a disk that another node of the cluster has mounted.

    Raised while reading, before anything was done. A run that a service started, of a job that several machines may
    run, leaves no trace and gives its slot back (exit 75); any other fails, as by every SourceError.
    """


class StateError(CollimaError):
    """The state is newer than this program, unreadable, or not ours to open."""


class Refused(CollimaError):
    """The target did not take one change."""


class Undelivered(Refused):
    """A mail was not handed over, or not to everyone.

    `left`: who does not have it: of a transient refusal those for whom trying again may help. `doubt`: the answer was
    lost, so they may have it. `unreachable`: the relay said nothing about this mail, and others would fare alike.
    `addressee`: it refused nothing but their addresses, and would take others'.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool | None = None,
        left: Sequence[str] = (),
        doubt: bool = False,
        unreachable: bool = False,
        addressee: bool = False,
    ) -> None:
        super().__init__(message, transient=transient)
        self.left, self.doubt, self.unreachable, self.addressee = tuple(left), doubt, unreachable, addressee


class Busy(CollimaError):
    transient = True


class Stopped(BaseException):
    """Raised in the main thread by TERM. What was begun is on record; the next run goes on."""

    transient = True


@contextmanager
def blaming(connector: str) -> Iterator[None]:
    """A SourceError that leaves the block says whose it is, unless it knows already."""
    try:
        yield
    except SourceError as err:
        err.connector = err.connector or connector
        raise
