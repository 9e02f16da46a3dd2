"""The short mails, from what there is to tell: their sentences, in the reader's language."""

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo

from collima.app.paste import Commands
from collima.app.report import Notice
from collima.app.telling.policy import FAILED, HELD, MISSED, Corrected, Missed, Recovered, Reminder, Waits
from collima.app.words import Words
from collima.core.text import few, line
from collima.state.slot_rows import SlotRow

FINGERPRINTS = 5  # that are pasted in one line
_NAMES = 3


def recovered(news: Recovered, job: str, now: datetime, words: Words, commands: Commands, zone: tzinfo) -> Notice:
    gettext, ngettext = words.catalog.gettext, words.catalog.ngettext
    down = words.span(now - news.since)
    counts = [
        ngettext("%d run failed", "%d runs failed", news.failures) % news.failures if news.failures else "",
        ngettext("%d run was missed", "%d runs were missed", news.misses) % news.misses if news.misses else "",
    ]
    return Notice(
        word="RECOVERED",
        job=job,
        about=news.run,
        cause=", ".join(filter(None, [gettext("after %s") % down, *counts])),
        verdict=gettext("It runs well again, after %s.") % down,
        lines=(
            gettext("Since %(since)s: %(counts)s.")
            % {"since": _at(news.since, zone), "counts": ", ".join(filter(None, counts))},
        ),
        pastes=(("history", commands.history(job)),),
    )


def corrected(news: Corrected, job: str, words: Words, commands: Commands) -> Notice:
    gettext, ngettext = words.catalog.gettext, words.catalog.ngettext
    names, more = few(news.subjects, _NAMES)
    told = gettext("%(names)s and %(count)d more") % {"names": names, "count": more} if more else names
    left = ngettext("%d other still waits.", "%d others still wait.", news.left) % news.left if news.left else ""
    return Notice(
        word="SELF-CORRECTED",
        job=job,
        about=news.run,
        cause=told,
        verdict=gettext("What was held of %s is no longer wanted: there is nothing to approve any more.") % told,
        lines=(gettext("None of it was applied."), *([left] if left else [])),
        pastes=(("holds", commands.holds()), ("history", commands.history(job))),
    )


def missed(news: Missed, job: str, words: Words, commands: Commands, zone: tzinfo) -> Notice:
    gettext, ngettext = words.catalog.gettext, words.catalog.ngettext
    due = _at(news.due, zone)
    lines = [gettext("It is not run later: the next run is the next one of its schedule, or one by hand.")]
    if news.misses > 1:
        told = ngettext(
            "%(count)d run was missed since %(since)s.", "%(count)d runs were missed since %(since)s.", news.misses
        )
        lines.insert(0, told % {"count": news.misses, "since": _at(news.since, zone)})
    return Notice(
        word="MISSED",
        job=job,
        about=f"{news.due:%Y%m%dT%H%M}",
        cause=due,
        verdict=gettext("It was due on %(due)s and did not run: %(cause)s.")
        % {"due": due, "cause": words.phrase(line(news.cause)).rstrip(".")},
        lines=tuple(lines),
        pastes=_after_a_miss(job, commands),
    )


def many_missed(slots: Mapping[str, SlotRow], words: Words, commands: Commands, zone: tzinfo) -> Notice:
    """By job."""
    gettext, ngettext = words.catalog.gettext, words.catalog.ngettext
    told = [f"{job}: {_at(one.due, zone)}: {words.phrase(line(one.cause))}" for job, one in sorted(slots.items())]
    names, more = few(sorted(slots), _NAMES)
    count = ngettext("%d job", "%d jobs", len(slots)) % len(slots)
    return Notice(
        word="MISSED",
        job="",
        about=count,
        cause=gettext("%(names)s and %(count)d more") % {"names": names, "count": more} if more else names,
        verdict=gettext("%s did not run when they were due.") % count,
        lines=(*told, gettext("It is not run later: the next run is the next one of its schedule, or one by hand.")),
        pastes=(("status", commands.status()),),
    )


def bare(word: str, job: str, about: str, words: Words, pastes: tuple[tuple[str, str], ...]) -> Notice:
    """In place of a mail that a fault of this program keeps from being written."""
    gettext = words.catalog.gettext
    return Notice(
        word=word,
        job=job,
        about=f"{about}-bare",
        cause=gettext("its report cannot be drawn"),
        verdict=gettext("Its report cannot be drawn, by a fault of Collima: the log of the service has the rest."),
        pastes=pastes,
    )


def reminder(
    news: Reminder,
    job: str,
    now: datetime,
    words: Words,
    commands: Commands,
    zone: tzinfo,
    waiting: Mapping[str, Waits],
) -> Notice:
    gettext, ngettext = words.catalog.gettext, words.catalog.ngettext
    since, span = _at(news.since, zone), words.span(now - news.since)
    if news.about == FAILED:
        runs = ngettext("%d run", "%d runs", news.count) % news.count
        return Notice(
            word=f"STILL {news.worst.upper()}",
            job=job,
            about=FAILED,
            cause=gettext("since %(since)s, %(count)s") % {"since": since, "count": runs},
            verdict=gettext("It has not run well for %(span)s: %(count)s since %(since)s.")
            % {"span": span, "count": runs, "since": since},
            lines=(gettext("The last time: %s") % words.phrase(line(news.cause)),) if news.cause else (),
            pastes=(
                ("show", commands.show(news.run)),
                ("plan", commands.plan(job)),
                ("pause", commands.pause(job)),
            ),
        )
    if news.about == MISSED:
        told = ngettext(
            "%(count)d run was missed since %(since)s.", "%(count)d runs were missed since %(since)s.", news.count
        )
        return Notice(
            word="STILL MISSED",
            job=job,
            about=MISSED,
            cause=gettext("since %(since)s, %(count)s")
            % {"since": since, "count": ngettext("%d run", "%d runs", news.count) % news.count},
            verdict=told % {"count": news.count, "since": since},
            lines=(gettext("The last time: %s") % words.phrase(line(news.cause)),) if news.cause else (),
            pastes=_after_a_miss(job, commands),
        )
    changes = ngettext("%d change", "%d changes", news.count) % news.count
    names, more = few(news.subjects, _NAMES)
    told = gettext("%(names)s and %(count)d more") % {"names": names, "count": more} if more else names
    marks = [waiting[name][0] for name in news.subjects]
    approve = ("approve", commands.approve(job, *marks)) if len(marks) <= FINGERPRINTS else ("holds", commands.holds())
    return Notice(
        word="STILL HELD",
        job=job,
        about=HELD,
        cause=gettext("since %(since)s, %(count)s") % {"since": since, "count": changes},
        verdict=gettext("%(count)s of %(names)s have waited for a person for %(span)s.")
        % {"count": changes, "names": told, "span": span},
        lines=(gettext("Approve them if they are right; if not, correct the directory, and the hold ends by itself."),),
        pastes=(
            ("show", commands.show(marks[0] if len(marks) == 1 else news.run)),
            approve,
            ("pause", commands.pause(job)),
        ),
    )


def trouble(
    about: str, cause: str, since: datetime, now: datetime, words: Words, commands: Commands, zone: tzinfo
) -> Notice:
    """Of the service; a reminder when it began before now."""
    gettext = words.catalog.gettext
    told = words.phrase(line(cause))
    again = (gettext("It has been so since %s.") % _at(since, zone),) if now - since >= timedelta(minutes=1) else ()
    return Notice(
        word="TROUBLE",
        job="",
        about=about,
        cause=told,
        verdict=told,
        lines=again,
        pastes=(("check", commands.check()), ("status", commands.status())),
    )


def well(about: str, cause: str, since: datetime, now: datetime, words: Words, commands: Commands) -> Notice:
    gettext = words.catalog.gettext
    return Notice(
        word="RECOVERED",
        job="",
        about=about,
        cause=gettext("after %s") % words.span(now - since),
        verdict=gettext("This is over, after %s.") % words.span(now - since),
        lines=(words.phrase(line(cause)),),
        pastes=(("status", commands.status()),),
    )


def _after_a_miss(job: str, commands: Commands) -> tuple[tuple[str, str], ...]:
    return ("run", commands.run(job)), ("history", commands.history(job)), ("pause", commands.pause(job))


def _at(moment: datetime, zone: tzinfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")
