"""A Maildir of our own, from which `doveadm import` takes: the copy itself is never shown to Dovecot, which would write
its indexes and locks into it."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from collima.core import folders
from collima.core.errors import Refused
from collima.core.folders import Parts
from collima.core.mailstore import Returning

PREFIX = "collima-restore-"
KNOWN = frozenset("RSDF")
"""Flags that come back. `T` does not, or the next mail program would expunge what was just put back; nor do letters
that only the folder's own `dovecot-keywords` gives a meaning."""

_MAKING = 1.0  # seconds until a folder that is made has its lock


@contextmanager
def staged(messages: Sequence[Returning], into: Parts, owner: tuple[int, int], place: Path | None) -> Iterator[Path]:
    """A Maildir with copies of these messages below its folder `into`, which the owner may read and write.

    Copies, not links: a link would be one file with the copy, whose owner and times are not ours to change.
    Raises Refused.
    """
    place = place or Path(tempfile.gettempdir())
    try:
        root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        ours = _lock(root)
    except OSError as err:
        raise Refused(f"{place}: {err.strerror}: messages cannot wait for doveadm there") from err
    try:
        for message in messages:
            _copy(message, root, into)
        _give(root, owner)
        yield root
    except OSError as err:
        raise Refused(f"{place}: {err.strerror}", transient=True) from err
    finally:
        shutil.rmtree(root, ignore_errors=True)
        os.close(ours)


def _copy(message: Returning, root: Path, into: Parts) -> None:
    folder = root / folders.to_disk((*into, *message.folder))
    for part in ("tmp", "new", "cur"):
        for there in (root / part, folder / part):
            there.mkdir(parents=True, exist_ok=True)
    flags = "".join(sorted(KNOWN.intersection(message.flags)))
    received = os.fstat(message.file).st_mtime_ns
    os.lseek(message.file, 0, os.SEEK_SET)
    copy = folder / "cur" / f"{message.guid}:2,{flags}"
    with open(message.file, "rb", closefd=False) as file, copy.open("wb") as waiting:
        shutil.copyfileobj(file, waiting)
    os.utime(copy, ns=(received, received))


def _give(root: Path, owner: tuple[int, int]) -> None:
    """Nobody but the owner of the mail, and we, may read it.

    The root last, and given away after all else: until then the owner cannot come in, and put a link to another's file
    where we give the next one away.
    """
    uid, gid = owner
    alone = uid == os.geteuid()
    for path in (*sorted(root.rglob("*"), reverse=True), root):
        path.chmod((0o2770 if path.is_dir() else 0o660) & ~(0o70 if alone else 0))
        try:
            os.chown(path, uid if os.geteuid() == 0 else -1, -1 if alone else gid, follow_symlinks=False)
        except PermissionError as err:
            raise Refused(
                f"{root.parent}: what waits there for doveadm cannot be given to the group {gid}, whose the mail is: "
                "put the user of Collima into it"
            ) from err


def sweep(place: Path | None) -> None:
    """What a run that was killed has left goes: a doveadm that outlives it, as under sudo, finds nothing more there."""
    for left in (place or Path(tempfile.gettempdir())).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if left.lstat().st_mtime < time.time() - _MAKING:
                os.close(_lock(left))
                shutil.rmtree(left, ignore_errors=True)


def _lock(root: Path) -> int:
    """A descriptor whose lock lasts as long as our process. Raises OSError when another has it."""
    opened = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        raise
    return opened
