"""Reading some messages of a copy whole. Findings only: nothing is planned, held or applied."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from random import Random

from collima.core.copies import Generation, Originals
from collima.core.looking import Looking
from collima.core.model import Finding, Plan, Reading, Subject
from collima.core.ports import Context
from collima.core.text import few
from jobs.copy_verify.compare import Compared, Comparison, Fault
from jobs.copy_verify.options import Options
from jobs.copy_verify.sample import sample

SUBJECT = "copies"
_NAMED = 10  # mailboxes


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found of each message that was looked at. `generation`: None where there is none."""

    generation: Generation | None = None
    compared: tuple[Compared, ...] = ()


@dataclass(frozen=True, slots=True)
class Verify(Looking):
    """`ports.Job` of the kind copy-verify."""

    options: Options
    context: Context
    chance: Random
    verbs: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        return self.options.target

    @contextmanager
    def read(self) -> Iterator[Seen]:
        with self.context.connect(self.options.store) as session:
            seen = self._look(session)
        yield seen

    def _look(self, copies: Originals) -> Seen:
        generations = copies.generations()
        if not generations:
            return Seen()
        chosen = self.chance.choice(generations)
        others = tuple(one.name for one in generations if one != chosen)
        comparison = Comparison(copies, chosen.name, others)
        messages = sample(copies, chosen.name, self.options.messages, self.chance)
        return Seen(chosen, tuple(comparison.compare(mailbox, message) for mailbox, message in messages))

    def plan(self, seen: Seen, now: datetime) -> Plan[None]:  # noqa: ARG002
        count = len(seen.compared)
        subject = Subject(SUBJECT, size=count, wanted=count, watch=self.context.watch)
        reading = Reading(self.options.store, scope="", entries=count)
        return Plan((reading,), (subject,), (), tuple(_findings(seen, self.context)))


_FAULTS: Mapping[Fault, str] = {
    "unreadable": "cannot be read",
    "size": "of another size than their name says",
    "live": "unlike the live message",
    "generation": "unlike another generation",
}


def _findings(seen: Seen, context: Context) -> Iterator[Finding]:
    if seen.generation is None:
        yield Finding("critical", SUBJECT, "no-copy", "there is no copy: no run of the copy has ended well yet")
        return
    count, of = len(seen.compared), f"the copy of {seen.generation.at.astimezone(context.timezone):%Y-%m-%d %H:%M}"
    if not count:
        yield Finding("critical", SUBJECT, "no-copy", f"{of} has no message at all")
        return
    damaged = [one for one in seen.compared if one.fault]
    if damaged:
        faults = Counter(one.fault for one in damaged)
        told = "; ".join(f"{faults[fault]} {words}" for fault, words in _FAULTS.items() if faults[fault])
        named, more = few(sorted({one.mailbox for one in damaged}), _NAMED)
        text = (
            f"{len(damaged)} of {count} messages in {of} are damaged; {told}; in the mailboxes {named}"
            f"{', …' if more else ''}"
        )
        yield Finding("critical", SUBJECT, "copy-damaged", text)
    like = Counter(what for one in seen.compared if not one.fault for what in one.like)
    alone = sum(not one.like for one in seen.compared if not one.fault)
    boxes = len({one.mailbox for one in seen.compared})
    yield Finding(
        "info",
        SUBJECT,
        "copy-compared",
        f"{count} messages of {boxes} mailboxes in {of} were read whole: {like['live']} like the live message, "
        f"{like['generation']} like another generation, {like['size']} of the size in their name, {alone} had nothing "
        "to be compared with",
    )
