"""What `sympa include` says, which is all that it tells: its exit code is 0 whatever happened. Pure."""

import re
from dataclasses import dataclass
from typing import Literal

from collima.core.text import discreet, line
from connectors.sympa.machine import Said

Kind = Literal["done", "failed", "locked", "ended", "absent", "strange"]

_END = re.compile(r"Inclusion (succeeded|partially failed|entirely failed) \(\d+ added, \d+ \w+, \d+ updated\)")
_LOCKED = re.compile(r"Including subscribers into list \S+ was skipped")
_NOISE = re.compile(r"setlogsock\(\)|^\s*$")


@dataclass(frozen=True, slots=True)
class Words:
    """`locked`: another include of this list is under way. `strange`: another version's words, or cut in the middle."""

    kind: Kind
    told: str  # a line for a person

    @property
    def worth_another(self) -> bool:
        """Whether a second try may come out otherwise."""
        return self.kind in ("locked", "ended", "strange")


def understood(said: Said) -> Words:
    lines = [text for text in said.text.splitlines() if not _NOISE.search(text)]
    told = line(discreet(lines[-1]), 200) if lines else "nothing"
    if said.missing:
        return Words("absent", told)
    if not said.ran:
        return Words("ended", told)
    if ends := _END.findall(said.text):
        return Words("done" if ends[-1] == "succeeded" else "failed", told)
    return Words("locked" if _LOCKED.search(said.text) else "strange", told)
