"""Messages of a copy beside those of the source, each byte."""

import filecmp
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from collima.core.errors import SourceError
from connectors.rsync import child
from connectors.rsync.contents import Contents, one
from connectors.rsync.here import Here
from connectors.rsync.maildir import guid
from connectors.rsync.pattern import Pattern


def mounted(source: Here, copy: Path, pattern: Pattern, path: str) -> bool:
    """Whether a message of the copy differs from that of the source, wherever in its mailbox that is now."""
    try:
        there = source.root / path
        if not there.exists():
            home = pattern.path(pattern.name(path))
            known = Contents.of(one(source, "", home) or (), home).messages.get(guid(path.rpartition("/")[2]))
            if known is None:
                return False
            there = source.root / home / known.path
        return not filecmp.cmp(there, copy / path, shallow=False)
    except FileNotFoundError:
        return not (copy / path).exists()  # it went from the source meanwhile
    except OSError:
        return True


def distant(source: str, copy: str, options: Sequence[str], paths: Collection[str]) -> set[str]:
    """Those that differ, by rsync's own checksum of each; what is not in the source by this name is not compared."""
    with tempfile.NamedTemporaryFile(prefix="collima-sample-") as file:
        file.write(b"\0".join(path.encode("utf-8", "surrogateescape") for path in paths))
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
