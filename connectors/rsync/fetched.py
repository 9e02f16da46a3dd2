"""Files of copies on another machine, brought here one by one."""

import os
from dataclasses import dataclass

from collima.core.copies import Message
from connectors.rsync.beneath import FILE
from connectors.rsync.there import There


@dataclass(frozen=True, slots=True)
class Fetched:
    """`core.copies.Files` of a Maildir. `home`: where it is. rsync skips what is no file."""

    side: There
    home: str

    def open(self, message: Message) -> int:
        path = "/".join(filter(None, (self.home, message.folder, message.part, message.name)))
        with self.side.file(path) as fetched:
            return os.open(fetched, FILE)

    def received(self, message: Message) -> float | None:  # noqa: ARG002
        return None
