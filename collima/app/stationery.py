"""`core.ledger.Stationery`: letters to people, from Jinja2 templates in their language.

A template `expiry.it.txt.j2` is a mail's text; its first line is `Subject: …`, then an empty one. A site's own folder
comes before ours, file by file.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from email import policy
from email.headerregistry import Address as Mailbox
from email.message import EmailMessage
from functools import cache
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from collima.core.errors import ConfigError
from collima.core.options import Address
from collima.core.text import line

OURS = Path(__file__).parent / "letters"

_SUBJECT = re.compile(r"Subject: (\S[^\n]*)\n\n(?=\S)")
_MONTHS = {
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "en": "January February March April May June July August September October November December",
}


@dataclass(frozen=True, slots=True)
class Templates:
    """Letters of one sender. `language`: for whom no other is known."""

    sender: str
    site: str
    language: str

    def check(self, name: str, folder: Path | None) -> None:
        if folder and not folder.is_dir():
            raise ConfigError(f"templates: {folder} is no folder")
        environment = _environment(folder)
        for language in _languages(name, folder):
            try:
                environment.get_template(_file(name, language))
            except (TemplateError, OSError, UnicodeDecodeError) as err:
                raise _broken(name, language, folder, err) from err

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
    ) -> EmailMessage:
        spoken = _chosen(language, self.language, _languages(name, folder))
        try:
            drawn = _environment(folder).get_template(_file(name, spoken)).render({"site": self.site, **values})
        except Exception as err:  # whatever a site's template does
            raise _broken(name, spoken, folder, err) from err
        if not (head := _SUBJECT.match(drawn)):
            told = ValueError("its first line is `Subject: …`, then an empty one, then the text")
            raise _broken(name, spoken, folder, told)
        message = EmailMessage(policy=policy.SMTP)
        message["From"] = Mailbox(addr_spec=self.sender)
        message["To"] = [Mailbox(addr_spec=to)]
        message["Subject"] = line(head[1], 160)
        message["Date"] = now
        message["Message-ID"] = f"<{message_id}@{self.site}>"
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        message.set_content(drawn[head.end() :], cte="quoted-printable")
        message["Content-Language"] = spoken
        return message


def _chosen(wanted: str, usual: str, known: Sequence[str]) -> str:
    """The first of `it-IT, en;q=0.5` that there is; a list with weights is taken in its order, as people write it."""
    for one in wanted.lower().split(","):
        if (primary := re.split(r"[-;]", one.strip())[0]) in known:
            return primary
    return usual if usual in known else known[0]


def _languages(name: str, folder: Path | None) -> Sequence[str]:
    found = (path.name for place in (folder, OURS) if place for path in place.glob(f"{name}.*.txt.j2"))
    return sorted({file.removeprefix(f"{name}.").removesuffix(".txt.j2") for file in found})


def _file(name: str, language: str) -> str:
    return f"{name}.{language}.txt.j2"


@cache
def _environment(folder: Path | None) -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        loader=FileSystemLoader([folder, OURS] if folder else OURS),
        autoescape=False,  # text, not HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["day"] = _day
    return environment


def _day(day: date, language: str) -> str:
    """`24 novembre 2026`; ISO 8601 in languages whose months are not known."""
    if not (months := _MONTHS.get(language, "").split()):
        return day.isoformat()
    number = "1°" if language == "it" and day.day == 1 else day.day
    return f"{number} {months[day.month - 1]} {day.year}"


def _broken(name: str, language: str, folder: Path | None, err: Exception) -> ConfigError:
    where = f"{folder}: " if folder and (folder / _file(name, language)).exists() else ""
    return ConfigError(f"templates: {where}{_file(name, language)}: {line(str(err) or type(err).__name__, 200)}")
