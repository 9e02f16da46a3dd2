"""One list as it is now, put together from its configuration, its include file and its rows in the database. Pure."""

import codecs
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import cast

from collima.core.model import Level
from collima.core.targets import OPTED_OUT, Id, Roster
from connectors.sympa.configuration import Configuration, lines, parse, shown
from connectors.sympa.database import Exclusions, Rows
from connectors.sympa.machine import Look

LABEL = 15  # characters of an include file's name that Sympa keeps with its members
_FIT = re.compile(r"[^\s#\x00-\x1f]\S*")


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of one list. Sets are of addresses in lower case."""

    name: str
    file: str  # the path of its include file, on Sympa's machine
    config: Configuration | None = None  # None: Sympa has no such list
    rows: Rows = field(default_factory=Rows)
    excluded: frozenset[str] = frozenset()  # opted out
    written: frozenset[str] | None = None  # what its include file names; None: there is no such file
    junk: int = 0  # lines of that file that are no addresses
    fault: str = ""
    ours: frozenset[str] = frozenset()
    """Who is in by our source. As long as the list does not name it, those whom its other sources put in: that is what
    our source is to take over."""

    @property
    def named(self) -> bool:
        """Whether its include file is a source of the list."""
        return self.config is not None and self.config.names(self.file)

    @property
    def others(self) -> tuple[str, ...]:
        """Its other sources, as they are written."""
        return self.config.others(self.file) if self.config else ()

    @property
    def pending(self) -> frozenset[str]:
        """Who is in the include file, and not in the list: Sympa's next include would put them in."""
        if not self.written or self.written == self.ours:
            return frozenset()
        return self.written - self.rows.included.keys() - self.excluded

    @property
    def lost(self) -> frozenset[str]:
        """Who is in by our source, and not in the include file: Sympa's next include would put them out."""
        return frozenset() if self.written == self.ours else self.ours - (self.written or frozenset())


def known(
    name: str, file: str, look: Look, rows: Rows, exclusions: Exclusions, identify: Callable[[str], Id | None]
) -> Known:
    if look.fault:
        return Known(name, file, fault=look.fault)
    config = parse(look.config) if look.config is not None else None
    excluded = exclusions.of(name, config.family if config else "")
    written: frozenset[str] | None
    ours = frozenset(filter(_FIT.fullmatch, rows.included))
    if look.file == content(ours):  # the usual day
        written, junk = ours, 0
    else:
        written, junk = addresses(look.file, identify) if look.file is not None else (None, 0)
    if config and config.names(file) and config.others(file):
        label = name[:LABEL]
        ours = frozenset(a for a in ours if rows.included[a] == label or a in (written or ()))
    return Known(name, file, config, rows, excluded, written, junk, ours=ours)


def addresses(content: bytes, identify: Callable[[str], Id | None]) -> tuple[frozenset[str], int]:
    """(what an include file names, how many of its lines are no addresses)."""
    found, junk = set(), 0
    for text in content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace").split("\n"):
        if not text or text.isspace() or text.lstrip().startswith("#"):
            continue
        if address := identify(text.split(maxsplit=1)[0]):  # "address name", too
            found.add(str(address))
        else:
            junk += 1
    return frozenset(found), junk


def content(members: Collection[str]) -> bytes:
    """Of an include file."""
    return "".join(f"{member}\n" for member in sorted(members)).encode()


def roster(known: Known, robot: str) -> Roster:
    if known.fault:
        return Roster(fault=known.fault)
    if known.config is None:
        made = f"make it (`sympa create --input_file={known.name}.xml {robot}`), or take it out here"
        return Roster(missing=True, remedy=made)
    return Roster(
        members=_ids(known.ours),
        refused=dict.fromkeys(_ids(known.excluded), OPTED_OUT),
        findings=tuple(_findings(known, known.config)),
        manual=_ids(known.rows.manual),
        pending=_ids(known.pending),
        lost=_ids(known.lost) if known.named else frozenset(),
        torn=bool(known.lost or known.junk),
    )


def _findings(known: Known, config: Configuration) -> list[tuple[Level, str, str]]:
    found: list[tuple[Level, str, str]] = []
    others = ", ".join(map(shown, known.others))
    if not known.named:
        instead = f", in place of {others}" if others else ""
        told = f"its configuration does not name its include file: write `{lines(known.file)}` into it{instead}"
        found.append(("warning", "source-missing", told))
    else:
        if known.junk:
            told = f"{known.junk} lines of its include file are no addresses: who changes it?"
            found.append(("warning", "source-changed", told))
        if others:
            told = f"it has other sources: take {others} out, and leave `{lines(known.file)}` alone"
            found.append(("warning", "other-sources", told))
    if config.closed:
        found.append(
            ("warning", "list-closed", f"it is not open (status {config.status}): open it, or take it out here")
        )
    return found


def _ids(addresses: Collection[str]) -> frozenset[Id]:
    return cast(frozenset[Id], frozenset(addresses))  # an Id is its address
