"""What makes a mailbox: `*/Maildir`, and its name, which is what stands where the stars are."""

import re
from dataclasses import dataclass
from functools import cached_property

from collima.core.errors import ConfigError


@dataclass(frozen=True)
class Pattern:
    """A star stands for one part of a folder's name, and not for a dot at its beginning."""

    text: str

    def __post_init__(self) -> None:
        if "*" not in self.text or "**" in self.text or any(p in ("", ".", "..") for p in self.text.split("/")):
            raise ConfigError(
                "mailboxes: write a path below the store with a star for each part that differs: */Maildir"
            )

    @cached_property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.text.split("/"))

    @cached_property
    def _forms(self) -> tuple[re.Pattern[str], ...]:
        return tuple(
            re.compile(
                ("(?!\\.)" if part.startswith("*") else "") + "(.+)".join(map(re.escape, part.split("*"))), re.DOTALL
            )
            for part in self.parts
        )

    def fits(self, depth: int, name: str) -> bool:
        """Whether a folder of this name can lead to a mailbox, or be one, so many folders below the store."""
        return depth < len(self._forms) and self._forms[depth].fullmatch(name) is not None

    def name(self, path: str) -> str:
        """The mailbox that a path, relative to the store, belongs to; "" for none."""
        parts = path.split("/")
        if len(parts) < len(self._forms):
            return ""
        found: list[str] = []
        for form, part in zip(self._forms, parts, strict=False):
            if not (match := form.fullmatch(part)):
                return ""
            found.extend(match.groups())
        return "/".join(found)

    def path(self, name: str) -> str:
        """Where the mailbox of this name is, relative to the store. Raises ValueError for what is no such name."""
        stars, filled = name.split("/"), []
        if len(stars) != self.text.count("*"):
            raise ValueError(name)
        left = iter(stars)
        for part in self.parts:
            literal = part.split("*")
            filled.append(literal[0] + "".join(next(left) + rest for rest in literal[1:]))
        path = "/".join(filled)
        if self.name(path) != name or "\0" in path:
            raise ValueError(name)
        return path
