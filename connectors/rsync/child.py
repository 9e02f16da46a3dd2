"""rsync and ssh as children of ours: their words, their codes, and their end when we are stopped or killed."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from collima.core.errors import SourceError
from collima.core.stopping import undisturbed
from collima.core.text import line
from connectors.ssh import UNATTENDED

SSH = (*UNATTENDED, "-oConnectTimeout=30", "-oServerAliveCountMax=4")
PARTIAL, VANISHED = 23, 24
_PASSING = frozenset({5, 10, 12, 20, 30, 35, 137, 143, 255})
_LASTING = ("Permission denied (", "Host key verification failed", "Could not resolve", "No space left on device")
_PATH = re.compile(r'"[^"]*"|(?<=: )\'.*\'|(?<=cannot remove )\'.*\'')
_BARE = re.compile(r"(make way for new [a-z ]+:|non-empty directory:|skipping [a-z -]+ file) .*", re.DOTALL)
_PATIENCE = 10  # seconds from TERM to KILL


class Failed(Exception):
    """A child ended with something else than 0. `said`: what it wrote as errors, whole lines, names in them."""

    def __init__(self, code: int, said: Sequence[str]) -> None:
        super().__init__(code)
        self.code, self.said = code, tuple(said)

    @property
    def missing(self) -> bool:
        return any("No such file or directory" in text for text in self.said)

    @property
    def full(self) -> bool:
        return any("No space left on device" in text or "Disk quota exceeded" in text for text in self.said)

    @property
    def transient(self) -> bool:
        lasting = any(word in text for text in self.said for word in _LASTING)
        return (self.code < 0 or self.code in _PASSING) and not lasting

    def __str__(self) -> str:
        """One line, without the names of files, which are people's."""
        how = f"was ended by signal {-self.code}" if self.code < 0 else f"ended with {self.code}"
        first = next((text for text in self.said if text.strip()), "")
        why = line(_BARE.sub(r"\1 …", _PATH.sub('"…"', first)), 200)
        return f"rsync {how}{f': {why}' if why else ''}"


def lines(command: Sequence[str], *, gently: bool = False, given: bytes = b"") -> Iterator[str]:
    """What it prints, line by line, bytes that are no UTF-8 as surrogates. Raises Failed at the end, and SourceError.

    It has a session of its own, and is ended with all that it has started when the caller goes away: by TERM, so that
    rsync keeps what it has of a file, and then by force. `gently`: others come first, on the processor and the disk.
    `given`: what it gets to read.
    """
    with running(command, given, gently=gently) as (child, said):
        assert child.stdout
        for raw in child.stdout:
            yield os.fsdecode(raw.removesuffix(b"\n"))
        code = child.wait()
        said.seek(0)
        errors = os.fsdecode(said.read()).splitlines() if code else []
    if code:
        raise Failed(code, errors)


def output(command: Sequence[str], given: bytes = b"") -> str:
    return "\n".join(lines(command, given=given))


@contextmanager
def running(
    command: Sequence[str], given: bytes = b"", *, gently: bool = False
) -> Iterator[tuple["subprocess.Popen[bytes]", IO[bytes]]]:
    """(the child, the file of its errors); it is ended with the block. Else as `lines`."""
    if shutil.which(command[0]) is None:
        raise SourceError(f"there is no command {command[0]} here: install it")
    words = [*bound(gently=gently), *command]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as read:
        read.write(given)
        read.seek(0)
        child = None
        try:
            with undisturbed():  # a stop waits until there is something to end
                child = subprocess.Popen(  # noqa: S603 - no text for a shell
                    words,
                    stdin=read,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    start_new_session=True,
                    env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
                )
            yield child, said
        finally:
            if child is not None:
                end(child)


def bound(*, gently: bool = False) -> list[str]:
    """Words before a command: it gets TERM when we die without a word, and comes after others."""
    words = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    if gently:
        words += ["ionice", "-c", "2", "-n", "7"] if shutil.which("ionice") else []
        words += ["nice", "-n", "10"] if shutil.which("nice") else []
    return words


def end(child: "subprocess.Popen[bytes]", *, asked: bool = True) -> None:
    """Of one that leads a session of its own. `asked`: it may tidy up before, for which rsync takes its time."""
    if child.stdout:
        child.stdout.close()
    for how in (signal.SIGTERM, signal.SIGKILL) if asked else (signal.SIGKILL,):
        if child.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_PATIENCE)


def gives_away() -> bool:
    """Whether this process may give files to others though it is not root: then rsync has to be told that it may."""
    if os.geteuid() == 0:
        return False
    with contextlib.suppress(OSError, ValueError):
        for told in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
            if told.startswith("CapEff:"):
                return bool(int(told.split()[1], 16) & 1)  # CAP_CHOWN
    return False


def over(ssh: Sequence[str], path: str) -> list[str]:
    """How rsync reaches a path of another machine: no password is asked for, and the host's key is known.

    A path that the shell there would take for a pattern goes past it; else not, for `rrsync` does not allow that.
    """
    past = ["--secluded-args"] if any(char in path for char in "*?[]\\") else []
    return [*past, f"--rsh={shlex.join([*ssh, *SSH])}"]


def spoken(words: Sequence[str]) -> str:
    """For the shell of another machine."""
    return " ".join(word if word == "&&" else shlex.quote(word) for word in words)


def unescaped(text: str) -> str:
    r"""What rsync prints as `\#012` is that byte."""
    if "\\#" not in text:
        return text
    raw = os.fsencode(text)
    return os.fsdecode(re.sub(rb"\\#([0-7]{3})", lambda found: bytes([int(found[1], 8)]), raw))
