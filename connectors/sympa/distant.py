"""Sympa on another machine: the same few deeds, over ssh.

Each exchange is one ssh of its own, so that nothing hangs on a connection that died meanwhile. All deeds may be done
twice; a connection that failed is tried again once, but for what was given time by its size and had no answer.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed

from collima.core.errors import CollimaError, ConfigError, SourceError
from collima.core.text import discreet, line
from connectors.ssh import UNATTENDED
from connectors.sympa.machine import Look, Place, Said, request

_SSH_ITSELF = 255  # the exit code with which ssh tells that it, not the command, failed
_OPTIONS = ("-T", *UNATTENDED, "-oServerAliveCountMax=4")
_A_FILE = 1.0  # seconds to write one: it is synced to a disk that may be slow
_Answer = tuple[Mapping[str, Any], Sequence[bytes | None]]


class _Silence(SourceError):
    """Time was over."""


@dataclass(frozen=True, slots=True)
class Distant:
    """`machine.Machine` on the other end of ssh. Every method raises SourceError when the other end gives no answer."""

    host: str
    ssh: tuple[str, ...]
    patience: float  # seconds for one exchange, beside those that its files and includes take
    timeout: float  # seconds for one include
    parallel: int
    sleep: Callable[[float], None]

    def look(self, names: Collection[str]) -> dict[str, Look]:
        answers = self._ask(request("look", names=list(names)))
        return {str(head["name"]): Look(file, config, str(head["fault"])) for head, (file, config) in answers}

    def put(self, files: Mapping[str, bytes]) -> dict[str, str]:
        requests = [request("put", content, name=name) for name, content in files.items()]
        answers = self._ask(*requests, work=len(files) * _A_FILE)
        return {str(head["name"]): str(head["error"]) for head, _ in answers if head["error"]}

    def include(self, names: Collection[str]) -> dict[str, Said]:
        rounds = -(-len(names) // self.parallel)
        answers = self._ask(request("include", names=list(names)), work=rounds * self.timeout)
        return {
            str(head["name"]): Said((parts[0] or b"").decode("utf-8", "replace"), head["ran"], head["missing"])
            for head, parts in answers
        }

    def place(self) -> Place:
        ((head, (mark,)),) = self._ask(request("place"))
        return Place(head["there"], mark, str(head["fault"]), str(head["robot"]), str(head["folder"]))

    def attempt(self) -> str:
        ((head, _),) = self._ask(request("try"))
        return f"{self.host}: {head['fault']}" if head["fault"] else ""

    def keep(self, mark: bytes) -> None:
        self._ask(request("keep", mark))

    def _ask(self, *requests: bytes, work: float = 0.0) -> list[_Answer]:
        """What is answered to all of them, without the ends. `work`: seconds that they take the other machine."""

        def again(err: BaseException) -> bool:
            return isinstance(err, CollimaError) and err.transient and not (work and isinstance(err, _Silence))

        attempts = Retrying(
            stop=stop_after_attempt(2),
            wait=wait_fixed(2),
            retry=retry_if_exception(again),
            sleep=self.sleep,
            reraise=True,
        )
        return attempts(self._exchange, requests, self.patience + work)

    def _exchange(self, requests: Sequence[bytes], seconds: float) -> list[_Answer]:
        command = [*self.ssh, *_OPTIONS, f"-oConnectTimeout={max(1, int(self.patience))}", "--", self.host]
        if shutil.which(command[0]) is None:
            raise ConfigError(f"ssh: there is no command {command[0]} here: install an ssh client")
        try:
            done = subprocess.run(  # noqa: S603  # the configuration's own command, without a shell
                command, input=b"".join(requests), capture_output=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as err:
            raise _Silence(f"{self.host} gave no answer within {seconds:g} seconds", transient=True) from err
        except OSError as err:
            raise SourceError(f"{self.host}: ssh cannot be run: {err.strerror}") from err
        return self._understood(done, len(requests))

    def _understood(self, done: subprocess.CompletedProcess[bytes], asked: int) -> list[_Answer]:
        """Raises SourceError unless every request was answered to its end."""
        try:
            answers = list(_parts(done.stdout))
        except (ValueError, KeyError, TypeError):
            answers = []
        for head, _ in answers:
            if "failed" in head:
                raise SourceError(f"{self.host}: {line(discreet(str(head['failed'])))}")
        if sum("done" in head for head, _ in answers) == asked:
            return [(head, parts) for head, parts in answers if "done" not in head]
        why = _last(done.stderr) or "its answer was cut, or is none: is its forced command the one that Collima ships?"
        cut = done.returncode < 0 or (done.returncode == _SSH_ITSELF and not _lasting(why))
        raise SourceError(f"{self.host}: {why}", transient=cut)


def _parts(said: bytes) -> Iterator[_Answer]:
    """Raises ValueError, KeyError or TypeError for what is no answer, or cut."""
    while said:
        head, _, said = said.partition(b"\n")
        told = json.loads(head)
        parts: list[bytes | None] = []
        for size in told["sizes"]:
            if size > len(said):
                raise ValueError("cut")
            parts.append(None if size < 0 else said[:size])
            said = said[max(0, size) :]
        yield told, parts


def _lasting(why: str) -> bool:
    """What no second try will cure."""
    return any(word in why for word in ("Permission denied", "Host key verification failed", "Could not resolve"))


def _last(said: bytes) -> str:
    lines = [text for text in said.decode("utf-8", "replace").splitlines() if text.strip()]
    return line(discreet(lines[-1]), 200) if lines else ""
