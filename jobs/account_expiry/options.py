"""What a person writes of an account-expiry job."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Literal

from collima.core.options import Guard, Person, Uses
from collima.core.quantities import Amount, Duration
from collima.directory.filters import Filter

Closing = Literal["suspend", "archive", "delete"]

_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*(?:;[A-Za-z0-9-]+)*", re.ASCII)
_ORDER: tuple[Closing, ...] = ("suspend", "archive", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryGuard(Guard):
    """Words of this kind, beside the [common ones](schedules.md#guard). A percentage is of `who`."""

    max_suspensions: Annotated[
        Amount | None, "more accounts than that to be suspended or archived in one run wait; else `max-removals`"
    ] = None
    max_deletions: Annotated[Amount | None, "always 0: deletions wait for a person"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of `then`: the first is counted from the end, those after it from the day on which it was done."""

    suspend: Annotated[Duration | None, "nobody can log in any more; nothing is lost"] = None
    archive: Annotated[Duration | None, "kept without use, where the target knows such a state"] = None
    delete: Annotated[Duration | None, "the account and its mail are gone"] = None

    @property
    def said(self) -> tuple[tuple[Closing, Duration], ...]:
        """What it says: one verb, if it is right."""
        pairs = ((verb, getattr(self, verb)) for verb in _ORDER)
        return tuple((verb, wait) for verb, wait in pairs if wait is not None)


SUSPEND = Step(suspend=Duration(0, "day"))
A_MONTH, A_CENTURY = Duration(30, "day"), Duration(100, "year")
NOTIFY = (Duration(90, "day"), Duration(30, "day"), Duration(7, "day"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the kind, checked."""

    source: Annotated[str, Uses("directory"), "the connector that people are read from"]
    target: Annotated[str, Uses("accounts"), "the connector that holds the accounts"]
    via: Annotated[str, Uses("mail"), "the connector that sends notices"]
    who: Annotated[Filter, "whose accounts end; its count is what `source-drop` compares, and percentages are of it"]
    account: Annotated[str, "the attribute that names the account: an address of it"]
    person: Annotated[
        str, "the attribute that makes two entries one person; never a student number, which is per career"
    ]
    since: Annotated[str, "the attribute with the date, generalizedTime; of several the latest counts"]
    expires_after: Annotated[Duration, "how long after `since` an account lives, through its last day"]
    unless: Annotated[
        Filter | None, "who came back: true of any entry of a person, and none of their accounts is touched"
    ] = None
    except_: Annotated[tuple[Person, ...], "people whose accounts are left alone, by any address of theirs"] = ()
    notify: Annotated[
        tuple[Duration, ...],
        "how long before the last day notices are sent, each once; by default [90 days, 30 days, 7 days]",
    ] = NOTIFY
    min_notice: Annotated[Duration, "no suspension without a notice that is so old"] = A_MONTH
    notify_also: Annotated[str | None, "the attribute with other addresses of the person"] = None
    language: Annotated[str, "the attribute with the reader's language"] = "preferredLanguage"
    templates: Annotated[Path | None, "a folder with the site's own `expiry.it.txt.j2`, `expiry.en.txt.j2` …"] = None
    then: Annotated[
        tuple[Step, ...],
        "what happens at the end, in this order; by default {suspend: 0 days}. Nothing is deleted unless it says so",
    ] = (SUSPEND,)
    per_run: Annotated[int, "at most so many notices, and so many suspensions, in one run"] = 200
    mode: Annotated[Literal["apply", "watch"], "`watch`: planned and reported, never applied"] = "watch"
    guard: Annotated[ExpiryGuard, "limits of this job, over `defaults`"] = field(default_factory=ExpiryGuard)

    @property
    def steps(self) -> tuple[tuple[Closing, Duration], ...]:
        return tuple(one for step in self.then for one in step.said)

    def faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """(where, what) is wrong between the options."""
        for key in ("account", "person", "since", "notify_also", "language"):
            name = getattr(self, key)
            if name is not None and not _ATTRIBUTE.fullmatch(name):
                yield (key.replace("_", "-"),), f"{name!r} is no attribute name"
        yield from self._step_faults()
        for key, spans in self._spans():
            if any(span.seconds > A_CENTURY.seconds for span in spans):
                yield (key,), "is longer than a hundred years"
        if not self.expires_after.count:
            yield ("expires-after",), "an account would end on the day of `since`"
        if self.steps and not self.notify:
            yield ("notify",), "nobody is suspended without a notice: say when they are sent, like [90 days, 30 days]"
        if len({stage.seconds for stage in self.notify}) < len(self.notify):
            yield ("notify",), "two notices on one day"
        if not self.per_run:
            yield ("per-run",), "0 is no run at all: write `mode: watch`"
        if (most := self.guard.max_deletions) is not None and most.value:
            yield ("guard", "max-deletions"), "deletions always wait for a person: write 0, or leave it out"

    def _spans(self) -> Iterator[tuple[str, tuple[Duration, ...]]]:
        yield "expires-after", (self.expires_after,)
        yield "notify", self.notify
        yield "min-notice", (self.min_notice,)
        yield "then", tuple(wait for _, wait in self.steps)

    def _step_faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        before: list[str] = []
        for at, step in enumerate(self.then):
            if len(step.said) != 1:
                yield ("then", at), "one of suspend, archive and delete, with how long to wait"
                continue
            ((verb, _),) = step.said
            if verb in before:
                yield ("then", at, verb), f"{verb} is there already"
            elif any(_ORDER.index(verb) < _ORDER.index(earlier) for earlier in before):
                yield ("then", at, verb), "the order is suspend, archive, delete"
            elif verb == "delete" and "suspend" not in before:
                yield ("then", at, verb), "only what was suspended is deleted: say {suspend: 0 days} before"
            before.append(verb)


def later(day: date, wait: Duration) -> date:
    """The date so long after another, by the calendar. Raises OverflowError or ValueError beyond the year 9999."""
    return wait.after(datetime.combine(day, time())).date()


def earlier(day: date, wait: Duration) -> date:
    return wait.before(datetime.combine(day, time())).date()
