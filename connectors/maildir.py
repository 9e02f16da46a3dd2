"""Mail that lands in a Maildir: whole in `new/`, or not at all (https://cr.yp.to/proto/maildir.html)."""

import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Annotated, ClassVar

from collima.core.errors import Undelivered
from collima.core.text import line
from connectors import whole

_WIRE = policy.default.clone(linesep="\n", cte_type="7bit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Maildir:
    """Mail written into a local Maildir, for a machine without a relay and for trying things out."""

    offers: ClassVar[frozenset[str]] = frozenset({"mail"})

    directory: Annotated[Path, "the Maildir; made, for its owner alone, when it is not there"]

    @contextmanager
    def open(
        self,
        clock: Callable[[], int] = time.time_ns,
        token: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> "Iterator[Session]":
        """`token` makes names unique. Raises Undelivered when the folders cannot be made."""
        self._make()
        yield Session(self.directory, clock, token)

    def _make(self) -> None:
        try:
            self.directory.parent.mkdir(parents=True, exist_ok=True)
            for folder in (self.directory, *(self.directory / name for name in ("tmp", "new", "cur"))):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as err:
            raise _refused(self.directory, err) from err


class Session:
    """Offers the Mail port."""

    spacing = 0.0

    def __init__(self, directory: Path, clock: Callable[[], int], token: Callable[[], str]) -> None:
        self._directory, self._clock, self._token = directory, clock, token

    def check(self) -> str:
        """Writes and removes an empty file. What was found; raises Undelivered."""
        probe = self._directory / "tmp" / f"check.{self._token()}"
        try:
            probe.touch(mode=0o600, exist_ok=False)
            probe.unlink()
        except OSError as err:
            raise _refused(self._directory, err) from err
        return f"{self._directory}: can be written"

    def send(self, message: EmailMessage, to: Sequence[str], handing_over: Callable[[], None] | None = None) -> None:
        """On disk when it returns. All mail is for the owner of the Maildir; `to` is kept in `Delivered-To` fields."""
        host = os.uname().nodename.replace("/", "\\057").replace(":", "\\072")
        name = f"{self._clock() // 1_000_000_000}.R{self._token()}P{os.getpid()}.{host}"
        trace = "Return-Path: <>\n" + "".join(f"Delivered-To: {line(address)}\n" for address in to)
        draft, new = self._directory / "tmp" / name, self._directory / "new"
        try:
            whole.write(draft, trace.encode("ascii", "replace") + message.as_bytes(policy=_WIRE), 0o600)
            if handing_over:
                handing_over()
            draft.rename(new / name)
        except OSError as err:
            draft.unlink(missing_ok=True)
            raise _refused(self._directory, err) from err
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        try:
            whole.sync(new)
        except OSError as err:  # it is there, as long as the power is
            raise Undelivered(f"{new}: {err.strerror}", transient=False, left=to, doubt=True) from err


def _refused(directory: Path, err: OSError) -> Undelivered:
    return Undelivered(f"{directory}: {err.strerror or type(err).__name__}", transient=False, unreachable=True)
