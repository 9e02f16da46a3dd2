"""What one restore was asked for: exactly these messages of the copy, and where they go."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from collima.core.copies import Copies, Generation, Message
from collima.core.errors import ConfigError
from collima.core.folders import Parts, shown
from collima.core.mailstore import Found
from collima.core.text import spelled
from jobs.restore.find import folder


@dataclass(frozen=True, slots=True)
class Picked:
    """One message, in the copy that it is taken from."""

    generation: str
    message: Message

    @property
    def id(self) -> str:
        return spelled(self.message.guid)


@dataclass(slots=True)
class Listed:
    """What a run came upon, for whoever asked: it is nowhere kept."""

    there: dict[str, str] = field(default_factory=dict)  # by id, the folder in which a message is already
    faults: dict[str, str] = field(default_factory=dict)  # by id, what is wrong with it in the copy
    back: list[Found] = field(default_factory=list)  # what was put back, as IMAP reads it


@dataclass(frozen=True, slots=True)
class Request:
    mailbox: str
    picked: tuple[Picked, ...]
    into: Parts
    listed: Listed = field(default_factory=Listed, compare=False)


def pick_messages(copies: Copies, some: Sequence[Generation], mailbox: str, ids: Collection[str]) -> tuple[Picked, ...]:
    """Each from the newest of these generations that has it. Raises ConfigError when none has."""
    left = dict.fromkeys(ids)
    picked: dict[str, Picked] = {}
    for generation in some:
        for message in copies.messages(generation.name, mailbox):
            if (id_ := spelled(message.guid)) in left and id_ not in picked:
                picked[id_] = Picked(generation.name, message)
        if len(picked) == len(left):
            break
    if missing := [id_ for id_ in left if id_ not in picked]:
        where = some[0].name if len(some) == 1 else f"any of {len(some)} generations"
        raise ConfigError(
            f"this mailbox has no message {', '.join(missing[:3])}{' …' if len(missing) > 3 else ''} in {where}: "
            "`collima restore find … --generation all` lists what is there"
        )
    return tuple(picked[id_] for id_ in left)


def pick_folder(copies: Copies, generation: Generation, mailbox: str, wanted: Parts) -> tuple[Picked, ...]:
    """Everything in a folder, and below it; of () INBOX alone. Raises ConfigError when there is nothing."""
    picked: dict[str, Picked] = {}
    for message in copies.messages(generation.name, mailbox):
        at = folder(message)
        if at == wanted or (wanted and at[: len(wanted)] == wanted):
            picked.setdefault(spelled(message.guid), Picked(generation.name, message))
    if not picked:
        raise ConfigError(f"this mailbox has nothing in a folder {shown(wanted)} in {generation.name}")
    return tuple(picked.values())
