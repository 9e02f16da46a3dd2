"""From a result to a mail. Pure: the same arguments give the same bytes.

A mail is read on a phone, in the morning, by someone who did not write the configuration: subject and first sentence
say what happened, the last lines can be pasted. It carries counts, and no address but those of its own headers.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from collima.app.paste import Commands
from collima.app.report.page import page
from collima.app.words import Words
from collima.core.result import Result
from collima.core.text import line

LARGEST = 100_000
"""Bytes of one part, before its transfer encoding."""

_CAPS = (100, 50, 20, 5, 1)
"""How many items of each section are told: the first cap whose parts are small enough."""

_SUBJECT = 160  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """What reports have in common: the words of `reports`, the site, and how commands are to be typed."""

    sender: str
    to: Sequence[str]
    site: str
    language: str = "en"
    commands: Commands = field(default_factory=Commands)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What is a mail's own in its headers. `name` before the site is its Message-ID; mails of one `thread` belong
    together; `list` is what filters sort by."""

    subject: str
    name: str
    thread: str
    list: str


def compose(result: Result, letterhead: Letterhead, now: datetime) -> EmailMessage:
    """`now` is aware, in the zone in which the reader's clock runs."""
    words = Words(letterhead.language)
    text, html = fitting("run", letterhead, lambda cap: page(result, words, letterhead.commands, now, cap))
    job, what = atom(result.job), f"[collima] {result.state.upper()} {line(result.job)}"
    head = Head(
        subject=": ".join(filter(None, [what, words.cause(result)])),
        name=f"{job}.{stamp(now)}.{atom(result.run) or 'plan'}",
        thread=f"job.{job}",
        list=f"{job}.collima",
    )
    return seal(text, html, head, letterhead, now)


def seal(text: str, html: str, head: Head, letterhead: Letterhead, now: datetime) -> EmailMessage:
    """RFC 5322, 3834 (Auto-Submitted), 2919 (List-Id), [MS-OXCMAIL] (X-Auto-Response-Suppress)."""
    message = EmailMessage(policy=policy.SMTP)
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    message.set_boundary(f"=_{hashlib.sha256((text + html).encode()).hexdigest()[:32]}")
    # After the content: making alternatives moves the Content-* headers of the whole into its first part.
    site, thread = letterhead.site, f"<{head.thread}@{letterhead.site}>"
    message["From"] = Address("Collima", addr_spec=letterhead.sender)
    message["To"] = [Address(addr_spec=to) for to in letterhead.to]
    message["Subject"] = line(head.subject, _SUBJECT)
    message["Date"] = now
    message["Message-ID"] = f"<{head.name}@{site}>"
    message["In-Reply-To"] = thread
    message["References"] = thread
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["List-Id"] = f"<{head.list}.{site}>"
    message["Content-Language"] = letterhead.language
    return message


def stamp(moment: datetime) -> str:
    """As it stands in a Message-ID, which a ":" would end."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%MZ")


def atom(text: str) -> str:
    """As it stands in a Message-ID."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:60]


def fitting(name: str, letterhead: Letterhead, draw: Callable[[int], object]) -> tuple[str, str]:
    """A mail's text and HTML, by the templates `name`; `draw` gives what is laid out, with so many items of each."""
    environment = _environment(letterhead.language)
    text, html = (environment.get_template(f"{name}.{kind}.j2") for kind in ("txt", "html"))
    parts = ("", "")
    for cap in _CAPS:
        drawn = {"page": draw(cap), "language": letterhead.language}
        parts = text.render(drawn), html.render(drawn)
        if all(len(part.encode()) <= LARGEST for part in parts):
            break
    return parts


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(disabled_extensions=("txt.j2",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.i18n"],
    )
    # The extension adds this method when it is loaded, which no type checker sees.
    environment.install_gettext_translations(Words(language).catalog, newstyle=True)  # type: ignore[attr-defined]
    return environment
