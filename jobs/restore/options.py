"""What a person writes of a restore job."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from collima.core import folders
from collima.core.options import Uses


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the kind, checked."""

    store: Annotated[str, Uses("copies"), "the connector that has the copies"]
    mailstore: Annotated[str, Uses("mailstore"), "the connector of the live mail store"]
    into: Annotated[str, "the folder that messages come back into, each time into one of that day's date below it"] = (
        "Recuperati"
    )
    via: Annotated[str | None, Uses("mail"), "the connector that tells the owner of the mailbox; else nobody does"] = (
        None
    )
    domain: Annotated[str, "what makes the name of a mailbox an address, where it is none itself"] = ""
    templates: Annotated[Path | None, "a folder with the site's own `restored.it.txt.j2`, `restored.en.txt.j2`"] = None

    @property
    def target(self) -> str:
        return self.mailstore

    def faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """(where, what) is wrong between the options."""
        if not folders.typed(self.into):
            yield ("into",), "nothing is put back into INBOX itself: write a folder, like Recuperati"
        else:
            try:
                folders.to_disk(folders.typed(self.into))
            except ValueError as err:
                yield ("into",), str(err)
        if self.via and not self.domain:
            yield (
                ("domain",),
                "is missing: `via` needs to know what makes a mailbox an address, like unimore.it",
            )
        if "@" in self.domain:
            yield ("domain",), "what stands after the @ alone: unimore.it"
