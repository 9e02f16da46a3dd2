"""Messages of a copy beside those of the source, each byte."""

import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import BinaryIO

from collima.core.copies import Message
from collima.core.errors import SourceError
from connectors.rsync import beneath, child, maildir, originals
from connectors.rsync.here import Here
from connectors.rsync.pattern import Pattern

CHUNK = 2**16  # bytes: most messages are small


def mounted(source: Here, copy: Path, pattern: Pattern, path: str) -> bool:
    """Whether a message of the copy differs from that of the source, wherever in its mailbox that is now.

    No link is followed: a message that cannot be opened without differs.
    """
    home = pattern.path(pattern.name(path))
    folder, part, name = maildir.place(path[len(home) + 1 :])
    message = Message(folder, name, maildir.guid(name), maildir.flags(name), part)
    try:
        theirs = originals.opened(source.root, home, message)
        if theirs is None:
            return False
        with (
            open(theirs, "rb") as one,  # noqa: PTH123 - a descriptor
            beneath.folder(copy, f"{home}/{folder}/{part}") as above,
            open(beneath.file(above, name), "rb") as other,  # noqa: PTH123 - a descriptor
        ):
            return not _same(one, other)
    except OSError:
        return True


def _same(one: BinaryIO, other: BinaryIO) -> bool:
    while (chunk := one.read(CHUNK)) == other.read(CHUNK):
        if not chunk:
            return True
    return False


def distant(source: str, copy: str, options: Sequence[str], paths: Collection[str]) -> set[str]:
    """Those that differ, by rsync's own checksum of each; what is not in the source by this name is not compared."""
    with tempfile.NamedTemporaryFile(prefix="collima-sample-") as file:
        file.write(b"".join(b"./%b\0" % path.encode("utf-8", "surrogateescape") for path in paths))
        file.flush()
        command = ["rsync", "--dry-run", "--checksum", "--times", "--from0", f"--files-from={file.name}"]
        differ = set()
        try:
            for line in child.lines([*command, "--out-format=%i|%n", *options, source, copy]):
                kind, _, name = line.partition("|")
                if kind[:2] in ("<f", ">f") and kind[2] in ("c", "+"):
                    differ.add(child.unescaped(name))
        except child.Failed as err:
            if err.code not in (child.PARTIAL, child.VANISHED) or not err.missing:
                raise SourceError(f"the sample cannot be compared: {err}", transient=err.transient) from err
    return differ
