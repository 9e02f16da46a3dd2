"""Files that are replaced as a whole: a reader sees the old one or the new one; after a crash, too.

`connectors/sympa/machine.py` does the same by itself: it is installed alone on Sympa's machine.
"""

import os
from contextlib import suppress
from pathlib import Path


def write(draft: Path, content: bytes, mode: int) -> None:
    """A new file, on disk when this returns; or none. Raises OSError, also when there is one of that name."""
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        _discard(draft)
        raise


def replace(file: Path, draft: Path) -> None:
    """The draft, in the same folder, gets the file's owner, mode and name; or is gone. Raises OSError."""
    try:
        with suppress(FileNotFoundError):
            before = file.stat()
            draft.chmod(before.st_mode & 0o777)
            if (before.st_uid, before.st_gid) != (draft.stat().st_uid, draft.stat().st_gid):
                os.chown(draft, before.st_uid, before.st_gid)
        draft.replace(file)
    except BaseException:
        _discard(draft)
        raise
    sync(file.parent)


def sync(folder: Path) -> None:
    """What was named in the folder is so after a crash, too. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _discard(draft: Path) -> None:
    with suppress(OSError):  # what went wrong before is what is told
        draft.unlink(missing_ok=True)
