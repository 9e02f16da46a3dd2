"""A kind of job that writes its mail as it goes out: what its ledger lists, less what a file says is gone."""

import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.message import EmailMessage
from pathlib import Path
from typing import Annotated, Any

from collima.app import kinds
from collima.app.kinds import Family, Kinds
from collima.core.errors import ConfigError, SourceError
from collima.core.ports import Context
from collima.core.quarantine import Compose, Digest, Digests, ItemId, Ref
from collima.state.outbox import wire

KINDS = Kinds(
    Family(kinds.CONNECTORS),
    Family({"telling": "tests.app.writing:Telling", "silent": "tests.app.writing:Silent"}),
)
AT = 1_795_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """`trouble`: a file that says what is wrong with the quarantine, or that items of it are gone, as JSON.

    {"error": "source" | "config" | "fault" | "id"}, {"gone": [item, …]}.
    """

    trouble: Annotated[Path, "what is wrong"]

    def note(self, what: str) -> None:
        """Opened, closed, and what was written in between: in whatever process."""
        with self.trouble.with_suffix(".calls").open("a") as file:
            file.write(f"{what}\n")

    def bind(self, context: Context) -> "Writer":
        assert context.digests is not None
        return Writer(self, context.digests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """Writes nothing."""

    def bind(self, context: Context) -> object:
        return object()


@dataclass(frozen=True, slots=True)
class Writer:
    options: Telling
    digests: Digests

    @contextmanager
    def composing(self) -> Iterator[Compose]:
        self.options.note("open")
        if self._trouble().get("error") == "away":
            raise SourceError("the quarantine is away", transient=True)
        yield lambda message_ids: map(self._compose, message_ids)
        self.options.note("close")

    def _trouble(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.options.trouble.read_text()) if self.options.trouble.exists() else {}
        return found

    def _compose(self, message_id: str) -> bytes | None:
        self.options.note(message_id)
        trouble = self._trouble()
        match trouble.get("error"):
            case "source":
                raise SourceError("the quarantine is away", transient=True)
            case "config":
                raise ConfigError("no template")
            case "fault":
                raise ZeroDivisionError("of p0@unimore.it")
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
        digest = self.digests.digest(message_id)
        left = [ref for ref in digest.items if ref.id not in trouble.get("gone", ())] if digest else []
        if digest is None or not left:
            return None
        return wire(written(replace(digest, items=tuple(left)), "" if trouble.get("error") != "id" else "another"))


def written(digest: Digest, prefix: str = "") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "quarantena@unimore.it", digest.owner, "Held"
    message["Message-ID"] = f"<{prefix}{digest.message_id[1:]}"
    message.set_content("\n".join(f"item {ref.id}" for ref in digest.items))
    return message


def digests(count: int, items: int = 2, first: int = 0) -> Sequence[Digest]:
    return [
        Digest(
            f"<d{n}@unimore.it>",
            f"p{n}@unimore.it",
            (f"p{n}@unimore.it",),
            "it",
            tuple(Ref(ItemId(f"{n}.{m}"), f"p{n}@unimore.it", AT + m) for m in range(items)),
        )
        for n in range(first, first + count)
    ]
