"""A message of the copy, as the source has it now."""

from contextlib import closing, suppress
from pathlib import Path

from collima.core.copies import Message
from connectors.rsync import beneath, maildir


def opened(root: Path, home: str, message: Message) -> int | None:
    """A descriptor, for whoever asked to close, of the message of this guid, wherever it is in the mailbox at `home`
    below `root`. None: it is not there any more. Raises OSError."""
    try:
        with beneath.folder(root, home) as here, closing(beneath.Mounted(here)) as files:
            with suppress(OSError):
                return files.open(message)
            moved = next((one for one in maildir.messages(here) if one.guid == message.guid), None)
            return files.open(moved) if moved else None
    except beneath.NONE:
        return None
