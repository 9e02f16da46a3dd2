"""Short mails: a job is well again, it did not run, something is still so, the service has trouble."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage

from collima.app.report.compose import Head, Letterhead, atom, fitting, seal
from collima.core.text import discreet, line


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """`word` is one of the contract's and stands in the subject; the rest is in the reader's language."""

    word: str  # RECOVERED, SELF-CORRECTED, MISSED, STILL FAILED, STILL MISSED, STILL HELD, TROUBLE
    job: str  # "": of the service itself
    about: str  # with `job` and the moment it makes the Message-ID
    cause: str  # for the subject line
    verdict: str
    lines: tuple[str, ...] = ()
    pastes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """What is laid out."""

    title: str
    word: str
    name: str
    verdict: str
    lines: tuple[str, ...]
    pastes: tuple[tuple[str, str], ...]
    when: str


def notify(notice: Notice, letterhead: Letterhead, now: datetime) -> EmailMessage:
    """`now` is aware, in the zone in which the reader's clock runs."""
    job = atom(notice.job)
    name = line(notice.job) or notice.about
    title = f"{notice.word} {name}"
    page = Page(
        title=title,
        word=notice.word,
        name=name,
        verdict=discreet(line(notice.verdict)),
        lines=tuple(discreet(line(text)) for text in notice.lines),
        pastes=notice.pastes,
        when=now.strftime("%Y-%m-%d %H:%M %Z").strip(),
    )
    text, html = fitting("notice", letterhead, lambda _: page)
    moment = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    head = Head(
        subject=": ".join(filter(None, [f"[collima] {title}", discreet(notice.cause)])),
        name=f"{job or 'service'}.{moment}.{atom(notice.word.lower())}-{atom(notice.about)}",
        thread=f"job.{job}" if job else "service",
        list=f"{job}.collima" if job else "collima",
    )
    return seal(text, html, head, letterhead, now)
