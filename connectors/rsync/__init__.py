"""The kind `rsync`: a mail store, and where its copies are. Either side may be on another machine."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from collima.core.errors import ConfigError
from collima.core.options import Side
from connectors.rsync.pattern import Pattern
from connectors.rsync.rate import Rate

if TYPE_CHECKING:
    from connectors.rsync.session import Session

_SIDE = re.compile(r"(?:(?:[\w.-]+@)?\w[\w.-]*:)?/[^\0]*", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rsync:
    """A mail store of Maildirs and the folder of its copies, which rsync makes. Either side may be on another machine,
    as `HOST:/path`, over ssh without a password and with a known host key; a side that is mounted here is looked at
    much faster. Copies are only read by whoever restores from them."""

    offers: ClassVar[frozenset[str]] = frozenset({"store", "copies"})

    from_: Annotated[Side, "the mail store: `/srv/mail`, or `USER@HOST:/srv/mail`"]
    to: Annotated[Side, "the folder of the copies: `/backup/mail`, or `USER@HOST:/backup/mail`"]
    sentinel: Annotated[str, "a file in the mail store: without it the store is not mounted, and nothing is copied"]
    mailboxes: Annotated[str, "what makes a mailbox: a path below the store with a star for its name"] = "*/Maildir"
    bandwidth: Annotated[Rate | None, "at most so much a second, like 50 MB/s"] = None
    ssh: Annotated[tuple[str, ...], "the command that reaches another machine, with more options if need be"] = ("ssh",)

    def __post_init__(self) -> None:
        for name in ("from_", "to"):
            if not _SIDE.fullmatch(getattr(self, name)):
                raise ConfigError(f"{name.rstrip('_')}: write an absolute path, or HOST:/path")
        if all(not side.startswith("/") for side in (self.from_, self.to)):
            raise ConfigError("to: one of the two sides must be on this machine")
        here, there = (Path(side.rstrip("/") or "/") for side in (self.from_, self.to))
        if here == there or here in there.parents or there in here.parents:
            raise ConfigError("to: copies are kept outside of the mail store, and it outside of them")
        if not self.sentinel or self.sentinel.startswith("/") or ".." in self.sentinel.split("/"):
            raise ConfigError("sentinel: write the name of a file in the mail store, like .mailstore")
        if not self.ssh:
            raise ConfigError("ssh: name the command")
        Pattern(self.mailboxes)

    @contextmanager
    def open(self, *, clock: Callable[[], float] = time.time) -> Iterator["Session"]:
        from connectors.rsync.session import Session  # noqa: PLC0415  # only a run needs it

        with ExitStack() as begun:
            yield Session(self, begun, clock)
