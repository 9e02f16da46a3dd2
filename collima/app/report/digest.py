"""The daily digest: how every job is, and what waits for a person. Pure: the same arguments give the same bytes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage

from collima.app.paste import Commands
from collima.app.report.compose import Head, Letterhead, fitting, seal, stamp
from collima.app.report.page import Section, cut
from collima.app.words import Words
from collima.core.model import Cell
from collima.core.text import discreet, line

BADLY = ("failed", "partial", "missed")
_RANK = (*BADLY, "held", "running", "paused", "changed", "in-sync", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job as it is now. Moments are in the reader's zone."""

    name: str
    state: str  # of its last run; running, missed, paused; "": it never ran
    since: datetime | None = None  # it is in trouble since then
    ran: datetime | None = None
    seconds: float | None = None
    told: str = ""  # what its last run did, or why it failed
    next: datetime | None = None  # None: by hand
    cells: tuple[Cell, ...] = ()
    findings: tuple[tuple[str, str, int, str], ...] = ()  # (level, code, how many, the first of them)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What of one subject waits for a person."""

    job: str
    subject: str
    changes: int
    reason: str
    since: datetime
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """All that a digest tells. Texts of the guard and of jobs are as they were written."""

    jobs: Sequence[Job]
    waiting: Sequence[Waiting] = ()
    mails: Mapping[str, int]  # waiting, failed, unknown
    errors: Sequence[tuple[str, int]] = ()  # why mails did not go
    pauses: Sequence[tuple[str, datetime, str, str]] = ()  # (job or "", until, why, who)
    services: Sequence[tuple[str, datetime, str]] = ()  # (machine, since, version)


@dataclass(frozen=True, slots=True)
class Line:
    """A job as it is laid out."""

    word: str  # its badge
    name: str
    told: str
    facts: tuple[str, ...]  # when it ran, how long, since when it is in trouble, when it runs next
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    name: str
    told: str
    reason: str
    approve: str


@dataclass(frozen=True, slots=True)
class Page:
    title: str
    day: str
    verdict: str
    jobs: Section[Line]
    holds: Section[Hold]
    findings: Section[tuple[str, str, str]]  # (level, code, where and what)
    mails: tuple[str, ...]
    pauses: tuple[str, ...]
    services: tuple[str, ...]
    pastes: tuple[tuple[str, str], ...]
    when: str


def digest(day: Day, slot: datetime, letterhead: Letterhead, now: datetime) -> EmailMessage:
    """`slot`: when it was due; it makes the Message-ID, so that there is one. `now` is in the reader's zone."""
    words = Words(letterhead.language)
    text, html = fitting("digest", letterhead, lambda cap: _page(day, words, letterhead.commands, now, cap))
    head = Head(
        subject=f"[collima] DIGEST {now:%Y-%m-%d}: {_counts(day, words)}",
        name=name(slot),
        thread="digest",
        list="digest.collima",
    )
    return seal(text, html, head, letterhead, now)


def name(slot: datetime) -> str:
    """What the Message-ID of the digest of this slot has before the site."""
    return f"digest.{stamp(slot)}"


def _page(day: Day, words: Words, commands: Commands, now: datetime, cap: int) -> Page:
    gettext, ngettext = words.catalog.gettext, words.catalog.ngettext
    jobs = sorted(day.jobs, key=lambda job: (_RANK.index(job.state) if job.state in _RANK else 0, job.name))
    count = ngettext("%d job", "%d jobs", len(jobs)) % len(jobs)
    findings = [
        (level, code, f"{job.name}{f' × {times}' if times > 1 else ''}: {_tell(text, words)}")
        for job in jobs
        for level, code, times, text in job.findings
    ]
    return Page(
        title=f"DIGEST {now:%Y-%m-%d}",
        day=f"{now:%Y-%m-%d}",
        verdict=f"{count}: {_counts(day, words)}.",
        jobs=cut([_line(job, words, now) for job in jobs], cap * 5),
        holds=cut([_hold(one, words, commands) for one in day.waiting], cap),
        findings=cut(findings, cap),
        mails=tuple(_mails(day, words)),
        pauses=tuple(
            gettext("%(job)s until %(until)s: %(reason)s (%(who)s)")
            % {
                "job": line(job) or gettext("every job"),
                "until": _at(until, now, words),
                "reason": _tell(why, words),
                "who": who,
            }
            for job, until, why, who in day.pauses
        ),
        services=tuple(
            gettext("%(machine)s since %(since)s, version %(version)s")
            % {"machine": machine, "since": _at(since, now, words), "version": version}
            for machine, since, version in day.services
        ),
        pastes=(("status", commands.status()), *((("holds", commands.holds()),) if day.waiting else ())),
        when=now.strftime("%Y-%m-%d %H:%M %Z").strip(),
    )


def _counts(day: Day, words: Words) -> str:
    """`7 well, 1 failed, 1 held`."""
    states = Counter(job.state for job in day.jobs)
    well = sum(states[state] for state in ("changed", "in-sync"))
    ngettext, gettext = words.catalog.ngettext, words.catalog.gettext
    told = [ngettext("%d well", "%d well", well) % well if well or not states else ""]
    told += [f"{states[state]} {state}" for state in _RANK if state not in ("changed", "in-sync", "") and states[state]]
    told += [gettext("%d never run") % states[""] if states[""] else ""]
    return ", ".join(filter(None, told))


def _line(job: Job, words: Words, now: datetime) -> Line:
    gettext = words.catalog.gettext
    lasted = f"{job.seconds:.0f} s" if job.seconds is not None else ""
    facts = (
        _at(job.ran, now, words) if job.ran else gettext("it never ran"),
        lasted,
        gettext("since %s") % _at(job.since, now, words) if job.since else "",
        gettext("next %s") % _at(job.next, now, words) if job.next else gettext("run by hand"),
    )
    return Line(
        word=job.state.upper() or "–",
        name=line(job.name),
        told=_tell(job.told, words),
        facts=tuple(filter(None, facts)),
        cells=job.cells,
    )


def _hold(one: Waiting, words: Words, commands: Commands) -> Hold:
    ngettext = words.catalog.ngettext
    told = ngettext("%(count)d change, since %(since)s", "%(count)d changes, since %(since)s", one.changes) % {
        "count": one.changes,
        "since": f"{one.since:%Y-%m-%d %H:%M}",
    }
    return Hold(
        f"{line(one.job)} · {line(one.subject, 100)}",
        told,
        _tell(one.reason, words),
        commands.approve(one.job, one.fingerprint),
    )


def _mails(day: Day, words: Words) -> list[str]:
    ngettext = words.catalog.ngettext
    waiting, failed, unknown = (day.mails.get(state, 0) for state in ("waiting", "failed", "unknown"))
    told = [
        ngettext("%d mail waits to be sent", "%d mails wait to be sent", waiting) % waiting if waiting else "",
        ngettext("%d mail could not be sent", "%d mails could not be sent", failed) % failed if failed else "",
        ngettext("of %d mail nobody knows whether it arrived", "of %d mails nobody knows whether they arrived", unknown)
        % unknown
        if unknown
        else "",
        *(f"{count} × {_tell(error, words)}" for error, count in day.errors[:3]),
    ]
    return [text for text in told if text]


def _at(moment: datetime, now: datetime, words: Words) -> str:
    """Of today only the time; of tomorrow in words."""
    if moment.date() == now.date():
        return f"{moment:%H:%M}"
    if moment.date() == now.date() + timedelta(days=1):
        return words.catalog.gettext("tomorrow %s") % f"{moment:%H:%M}"
    return f"{moment:%Y-%m-%d %H:%M}"


def _tell(text: str, words: Words) -> str:
    return discreet(line(words.phrase(text), 300))
