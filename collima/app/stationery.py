"""`core.ledger.Stationery`: letters to people, from Jinja2 templates in their language.

A template `expiry.it.txt.j2` is a mail's text; its first line is `Subject: …`, then an empty one. `digest.it.html.j2`,
where there is one, is the same mail's HTML, in which every value is escaped. A site's own folder comes before ours,
file by file.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from datetime import date, datetime
from email import policy
from email.headerregistry import Address as Mailbox
from email.message import EmailMessage
from email.policy import Policy
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, meta, select_autoescape
from jinja2.sandbox import SandboxedEnvironment

from collima.app import wired
from collima.core.errors import ConfigError
from collima.core.options import Address
from collima.core.text import line

OURS = Path(__file__).parent / "letters"

_SUBJECT = re.compile(r"Subject: (\S[^\n]*)\n\n(?=\S)")
_MONTHS = {
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "en": "January February March April May June July August September October November December",
}


class OneLine(str):
    """A List-Unsubscribe field as it is: `email` would hide a URL that is longer than a line in encoded words."""

    __slots__ = ()
    name = "List-Unsubscribe"

    def fold(self, *, policy: "Policy[EmailMessage]") -> str:
        return f"{self.name}: {self}{policy.linesep}"


@dataclass(frozen=True, slots=True)
class Templates:
    """Letters of one sender. `language`: for whom no other is known."""

    sender: str
    site: str
    language: str

    def check(self, name: str, folder: Path | None) -> None:
        if folder and not folder.is_dir():
            raise ConfigError(f"templates: {folder} is no folder")
        for language in _languages(name, folder):
            for file in _files(name, language, folder):
                _compiles(file, folder)

    def write(
        self,
        name: str,
        values: Mapping[str, object],
        *,
        to: Address,
        language: str,
        message_id: str,
        now: datetime,
        folder: Path | None,
        sender: str = "",
        unsubscribe: str = "",
    ) -> EmailMessage:
        spoken = chosen(language, self.language, _languages(name, folder))
        drawn = _letter(_files(name, spoken, folder), folder, {"site": self.site, **values})
        message = EmailMessage(policy=policy.SMTP)
        message.set_content(drawn.text, cte="quoted-printable")
        if drawn.page is not None:
            message.add_alternative(drawn.page, subtype="html", cte="quoted-printable")
            message.set_boundary(wired.boundary(drawn.text, drawn.page))
        # After the content: making alternatives moves the Content-* headers of the whole into its first part.
        message["From"] = Mailbox(addr_spec=sender or self.sender)
        message["To"] = [Mailbox(addr_spec=to)]
        message["Subject"] = drawn.subject
        message["Date"] = now
        message["Message-ID"] = f"<{message_id}@{self.site}>"
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        message["Content-Language"] = spoken
        if unsubscribe:  # RFC 2369; RFC 8058
            message["List-Unsubscribe"] = OneLine(f"<{unsubscribe}>")
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        return message

    def pad(self, name: str, folder: Path | None, sender: str = "") -> "Sheets":
        languages = _languages(name, folder)
        files = {language: _files(name, language, folder) for language in languages}
        return Sheets(sender or self.sender, self.site, self.language, folder, files)


@dataclass(frozen=True, slots=True)
class Sheets:
    """`core.ledger.Pad`."""

    sender: str
    site: str
    language: str
    folder: Path | None
    files: Mapping[str, Sequence[str]]  # of each language

    def write(
        self,
        values: Mapping[str, object],
        *,
        to: Address,
        language: str,
        message_id: str,
        now: datetime,
        unsubscribe: str = "",
    ) -> bytes:
        spoken = chosen(language, self.language, tuple(self.files))
        drawn = _letter(self.files[spoken], self.folder, {"site": self.site, **values})
        fields = [
            wired.mailbox("From", self.sender),
            wired.mailbox("To", to),
            wired.field("Subject", drawn.subject),
            f"Date: {format_datetime(now)}\r\n".encode("ascii"),
            wired.message_id(f"{message_id}@{self.site}"),
            wired.field("Auto-Submitted", "auto-generated"),
            wired.field("X-Auto-Response-Suppress", "All"),
            wired.field("Content-Language", spoken),
        ]
        if unsubscribe:
            fields.append(f"List-Unsubscribe: <{unsubscribe}>\r\n".encode("ascii"))
            fields.append(wired.field("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
        return wired.letter(fields, drawn.text, drawn.page)


class _Drawn(NamedTuple):
    subject: str
    text: str
    page: str | None  # HTML


def chosen(wanted: str, usual: str, known: Sequence[str]) -> str:
    """The first of `it-IT, en;q=0.5` that there is; a list with weights is taken in its order, as people write it."""
    for one in wanted.lower().split(","):
        if (primary := re.split(r"[-;]", one.strip())[0]) in known:
            return primary
    return usual if usual in known else known[0]


def _languages(name: str, folder: Path | None) -> Sequence[str]:
    found = (path.name for place in (folder, OURS) if place for path in place.glob(f"{name}.*.txt.j2"))
    return sorted({file.removeprefix(f"{name}.").removesuffix(".txt.j2") for file in found})


def _files(name: str, language: str, folder: Path | None) -> Sequence[str]:
    """The text's template, and the HTML's if there is one."""
    text, html = (f"{name}.{language}.{kind}.j2" for kind in ("txt", "html"))
    return [text, html] if any(place and (place / html).exists() for place in (folder, OURS)) else [text]


def _compiles(file: str, folder: Path | None) -> None:
    """It, and those that it is made of. Raises ConfigError."""
    environment = _environment(folder)
    try:
        environment.get_template(file)
        assert environment.loader is not None
        source, _, _ = environment.loader.get_source(environment, file)
        others = [name for name in meta.find_referenced_templates(environment.parse(source)) if name]
    except (TemplateError, OSError, UnicodeDecodeError) as err:
        raise _broken(file, folder, err) from err
    for other in others:
        _compiles(other, folder)


def _letter(files: Sequence[str], folder: Path | None, values: Mapping[str, object]) -> _Drawn:
    """Raises ConfigError."""
    file, *html = files
    text = _drawn(file, folder, values)
    if not (head := _SUBJECT.match(text)):
        raise _broken(file, folder, ValueError("its first line is `Subject: …`, then an empty one, then the text"))
    page = _drawn(html[0], folder, values) if html else None
    return _Drawn(line(head[1], 160), text[head.end() :], page)


def _drawn(file: str, folder: Path | None, values: Mapping[str, object]) -> str:
    """Raises ConfigError."""
    try:
        return _environment(folder).get_template(file).render(values)
    except Exception as err:  # whatever a site's template does
        raise _broken(file, folder, err) from err


class _Sandbox(SandboxedEnvironment):
    """What is safe to look at does not change from one line of a list to the next, and is asked once for each type."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._safe: set[tuple[type, str]] = set()

    def getattr(self, obj: Any, attribute: str) -> Any:
        known = type(obj), attribute
        if known in self._safe:
            return getattr(obj, attribute)
        value = super().getattr(obj, attribute)
        if is_dataclass(obj) and attribute in known[0].__dataclass_fields__ and value is getattr(obj, attribute):
            self._safe.add(known)
        return value


@cache
def _environment(folder: Path | None) -> SandboxedEnvironment:
    environment = _Sandbox(
        loader=FileSystemLoader([folder, OURS] if folder else OURS),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(day=_day, moment=_moment, bytes=_bytes)
    return environment


def _day(day: date, language: str) -> str:
    """`24 novembre 2026`; ISO 8601 in languages whose months are not known."""
    if not (months := _months(language)):
        return day.isoformat()
    number = "1°" if language == "it" and day.day == 1 else day.day
    return f"{number} {months[day.month - 1]} {day.year}"


def _moment(moment: datetime, language: str) -> str:
    """`24 nov 07:32`; `11-24 07:32` in languages whose months are not known."""
    if not (months := _months(language)):
        return f"{moment:%m-%d %H:%M}"
    return f"{moment.day} {months[moment.month - 1][:3]} {moment.hour:02}:{moment.minute:02}"


@cache
def _months(language: str) -> Sequence[str]:
    return _MONTHS.get(language, "").split()


def _bytes(size: int, language: str) -> str:
    """`12 KB`, `3,4 MB`."""
    if size < 1_000_000:
        return f"{max(1, round(size / 1000))} KB"
    told = f"{size / 1_000_000:.1f}"
    return f"{told.replace('.', ',') if language == 'it' else told} MB"


def _broken(file: str, folder: Path | None, err: Exception) -> ConfigError:
    where = f"{folder}: " if folder and (folder / file).exists() else ""
    return ConfigError(f"templates: {where}{file}: {line(str(err) or type(err).__name__, 200)}")
