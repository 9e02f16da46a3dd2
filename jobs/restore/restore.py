"""Reading, planning and putting back. `ports.Job` of the kind restore."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from collima.core.copies import Copies, Files
from collima.core.errors import ConfigError, Refused, SourceError, blaming
from collima.core.mailstore import Found, Mailstore, Returning
from collima.core.model import Change, Finding, Key, Outcome, Plan, Reading, Subject
from collima.core.ports import Context
from collima.core.targets import Place
from jobs.restore import letter
from jobs.restore.find import folder, look
from jobs.restore.options import Options
from jobs.restore.request import Picked, Request

BATCH = 200  # messages that doveadm takes at once
COMPARED = frozenset("RSFD")
"""Flags that come back and that IMAP tells."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that one run has read; of a job that nobody asked for anything, nothing."""

    copies: Copies | None = None
    live: Mailstore | None = None
    there: Mapping[str, str] = field(default_factory=dict)  # as Mailstore.there
    received: Mapping[str, float] = field(default_factory=dict)  # by id, of those that are whole in the copy
    faults: Mapping[str, str] = field(default_factory=dict)  # by id, of the others


@dataclass(frozen=True, slots=True)
class Restoring:
    options: Options
    context: Context
    request: Request | None
    verbs: tuple[str, ...] = ("restore",)

    @property
    def target(self) -> str:
        return self.options.mailstore

    # ---- reading

    @contextmanager
    def read(self) -> Iterator[Seen]:
        """Raises ConfigError, too, for a letter that could not be written."""
        if self.request is None:
            yield Seen()
            return
        if self.options.via and self.context.stationery:
            self.context.stationery.check(letter.LETTER, self.options.templates)
        with self.context.connect(self.options.store) as copies, self.context.connect(self.target) as live:
            with blaming(self.target):
                there = live.there(self.request.mailbox)
            with blaming(self.options.store):
                received, faults = _looked_at(copies, self.request, there)
            self.request.listed.there |= {one.id: there[one.id] for one in self.request.picked if one.id in there}
            self.request.listed.faults |= faults
            yield Seen(copies, live, there, received, faults)

    def place(self, seen: Seen) -> Place | None:  # noqa: ARG002
        return None

    # ---- planning

    def plan(self, seen: Seen, now: datetime) -> Plan[Picked]:  # noqa: ARG002
        if (request := self.request) is None:
            return Plan((), (), ())
        mailbox, count = request.mailbox, len(request.picked)
        there = {one.id: seen.there[one.id] for one in request.picked if one.id in seen.there}
        findings = []
        if there:
            told = f"{len(there)} of {count} are in the mailbox already, and are not put there again"
            findings.append(Finding("info", mailbox, "already-there", told))
        if seen.faults:
            what = next(iter(seen.faults.values()))
            told = f"{len(seen.faults)} of {count} are damaged in the copy, and are not put back: one {what}"
            findings.append(Finding("warning", mailbox, "damaged-in-copy", told))
        changes = [
            Change(Key(mailbox, "restore", one.id), f"of {one.generation}", one)
            for one in request.picked
            if one.id in seen.received
        ]
        return Plan(
            readings=(Reading(self.options.store, scope="", entries=count),),
            subjects=(Subject(mailbox, size=len(there), wanted=len(there) + len(changes), watch=self.context.watch),),
            changes=tuple(changes),
            findings=tuple(findings),
            mends=frozenset({mailbox}) if there and self.options.via else frozenset(),
        )

    # ---- doing

    def apply(self, seen: Seen, go: Sequence[Change[Picked]]) -> Iterator[Outcome]:
        left = iter(go)
        while some := list(islice(left, BATCH)):
            yield from self._put(seen, some)

    def _put(self, seen: Seen, some: Sequence[Change[Picked]]) -> Iterator[Outcome]:
        assert seen.copies
        assert seen.live
        assert self.request
        back: dict[Key, Returning] = {}
        with ExitStack() as stack:
            opened = _Opened(seen.copies, self.request.mailbox, stack)
            for change in some:
                one = change.detail
                try:
                    file = opened.of(one.generation).open(one.message)
                except OSError as err:
                    yield Outcome(change.key, f"cannot be read in the copy: {err.strerror}")
                except SourceError as err:
                    yield Outcome(change.key, f"cannot be read in the copy: {err}", err.transient)
                else:
                    stack.callback(os.close, file)
                    message = one.message
                    back[change.key] = Returning(message.guid, file, folder(message), message.flags)
            try:
                errors = seen.live.put(self.request.mailbox, tuple(back.values()), self.request.into) if back else {}
            except Refused as err:
                yield from (Outcome(key, str(err), err.transient) for key in back)
                return
        yield from (Outcome(key, errors[one.guid]) for key, one in back.items())

    def verify(self, seen: Seen, done: Collection[Key]) -> Iterable[Finding]:
        """Reads by IMAP what was put back, and writes to the owner."""
        request = self.request
        assert request
        ids = {key.what for key in done}
        wanted = {one.id: one for one in request.picked if one.id in ids}
        if not wanted:
            return
        read = self._read(seen)
        back = [read[id_] for id_ in wanted if id_ in read]
        request.listed.back.extend(back)
        if missing := len(wanted) - len(back):
            told = f"{missing} of {len(wanted)} are not there when read again by IMAP"
            yield Finding("critical", request.mailbox, "not-as-left", told)
        if other := sum(_differs(one, wanted[one.guid], seen) for one in back):
            told = f"{other} of {len(wanted)} came back with other flags, or another date, than in the copy"
            yield Finding("warning", request.mailbox, "not-as-in-copy", told)
        yield from self._write(read)

    def mend(self, seen: Seen, subjects: Collection[str]) -> Iterable[Finding]:  # noqa: ARG002
        """Writes to the owner about what an earlier run has put there, if that was killed before it could."""
        yield from self._write(self._read(seen))

    def _read(self, seen: Seen) -> Mapping[str, Found]:
        """By id, what is in the folder that messages come back into."""
        assert self.request
        assert seen.live
        with blaming(self.target):
            return {one.guid: one for one in seen.live.read(self.request.mailbox, self.request.into)}

    def _write(self, read: Mapping[str, Found]) -> Iterable[Finding]:
        """About all of the request that is there, by whichever run: the same letter is not sent twice."""
        options, context, request = self.options, self.context, self.request
        assert request
        back = [read[one.id] for one in request.picked if one.id in read]
        if not (options.via and back and context.stationery and context.post):
            return
        try:
            to = letter.address(request.mailbox, options.domain)
            mail = letter.write(
                context.stationery,
                request,
                back,
                job=context.name,
                to=to,
                now=context.clock().astimezone(UTC),
                zone=context.timezone,
                folder=options.templates,
            )
        except (ConfigError, ValueError) as err:
            yield Finding("warning", request.mailbox, "owner-not-told", f"the owner gets no mail about it: {err}")
        else:
            context.post.post(mail, to, options.via)

    # ---- there is no way back: what is in a mailbox is its owner's

    @contextmanager
    def invert(self, done: Collection[Key]) -> Iterator[tuple[Seen, Plan[Picked]]]:
        told = "nothing is taken out of a mailbox again: its owner deletes what is not wanted"
        counts: dict[str, int] = {}
        for key in done:
            counts[key.subject] = counts.get(key.subject, 0) + 1
        yield (
            Seen(),
            Plan(
                (),
                tuple(Subject(mailbox, size=count, wanted=count) for mailbox, count in sorted(counts.items())),
                (),
                tuple(Finding("info", mailbox, "no-way-back", told) for mailbox in sorted(counts)),
            ),
        )


class _Opened:
    """The files of one mailbox in several generations, each opened when it is asked for."""

    def __init__(self, copies: Copies, mailbox: str, stack: ExitStack) -> None:
        self._copies, self._mailbox, self._stack = copies, mailbox, stack
        self._known: dict[str, Files] = {}

    def of(self, generation: str) -> Files:
        if generation not in self._known:
            files = self._copies.files(generation, self._mailbox)
            self._known[generation] = self._stack.enter_context(files)
        return self._known[generation]


def _looked_at(
    copies: Copies, request: Request, there: Mapping[str, str]
) -> tuple[Mapping[str, float], Mapping[str, str]]:
    """(when each whole message was received, what is wrong with the others), of those that are not there."""
    received: dict[str, float] = {}
    faults: dict[str, str] = {}
    with ExitStack() as stack:
        opened = _Opened(copies, request.mailbox, stack)
        for one in request.picked:
            if one.id in there:
                continue
            seen = look(opened.of(one.generation), one.message)
            if seen.fault:
                faults[one.id] = seen.fault
            else:
                received[one.id] = seen.received
    return received, faults


def _differs(found: Found, picked: Picked, seen: Seen) -> bool:
    flags = COMPARED.intersection(picked.message.flags)
    received = int(seen.received[picked.id])
    return COMPARED.intersection(found.flags) != flags or int(found.received.timestamp()) != received
