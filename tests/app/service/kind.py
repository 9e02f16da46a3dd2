"""A kind of job for the tests of the service: its reading is a shell script, which may do anything."""

import subprocess
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from collima.core.errors import NotHere, SourceError
from collima.core.model import Change, Finding, Key, Outcome, Plan
from collima.core.ports import Context
from collima.core.targets import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Runs a shell script. It fails with any exit code but 0, for a transient reason with 75.

    With 69 what it works on is not here.
    """

    script: Annotated[str, "what /bin/sh does"] = ""
    target: Annotated[str, "what else it locks"] = ""

    def bind(self, context: Context) -> "Scripted":
        return Scripted(self.script, self.target)


@dataclass(frozen=True, slots=True)
class Scripted:
    script: str
    target: str
    verbs: tuple[str, ...] = ()

    @contextmanager
    def read(self) -> Iterator[None]:
        if self.script and (code := subprocess.run(["/bin/sh", "-c", self.script], check=False).returncode):
            if code == 69:
                raise NotHere("no .mailstore in the store")
            raise SourceError(f"the script ended with {code}", transient=code == 75)
        yield

    def plan(self, seen: None, now: datetime) -> Plan[Any]:
        return Plan(readings=(), subjects=(), changes=())

    def place(self, seen: None) -> Place | None:
        return None

    def apply(self, seen: None, go: Sequence[Change[Any]]) -> Iterator[Outcome]:
        return iter(())

    def verify(self, seen: None, done: Collection[Key]) -> Iterable[Finding]:
        return ()

    def invert(self, done: Collection[Key]) -> Any:
        raise NotImplementedError
