"""Pages drawn in their reader's language. Every value is escaped, and what strangers wrote is one plain line."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from collima.app.web import words
from collima.core.text import line

OURS = Path(__file__).parent / "templates"
STYLE = (OURS / "style.css.j2").read_text("utf-8")
"""In each page as it is here: the Content-Security-Policy names its hash."""


@dataclass(frozen=True, slots=True)
class Pages:
    """Of one site. `usual`: the language of whoever says none; `zone`: in which times are told."""

    usual: str
    zone: ZoneInfo

    def draw(self, name: str, wanted: str, values: Mapping[str, object]) -> tuple[str, str]:
        """(the page, its language). `wanted`: values of preferredLanguage, or an Accept-Language."""
        language = words.spoken(wanted, self.usual)
        return _drawn(name, language, self.zone, values), language

    def plain(self, what: str, wanted: str) -> tuple[str, str]:
        """A page of one sentence, drawn once: of a flood each answer is one."""
        language = words.spoken(wanted, self.usual)
        return _plain(what, language, self.zone), language


def _drawn(name: str, language: str, zone: ZoneInfo, values: Mapping[str, object]) -> str:
    return _environment(language, zone).get_template(f"{name}.html.j2").render(values)


@cache
def _plain(what: str, language: str, zone: ZoneInfo) -> str:
    return _drawn("plain", language, zone, {"what": what})


@cache
def _environment(language: str, zone: ZoneInfo) -> Environment:
    made = Environment(
        loader=FileSystemLoader(OURS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["shown"] = line
    made.filters["minute"] = lambda moment: words.minute(moment.astimezone(zone), language)
    made.filters["size"] = lambda count: words.size(count, language)
    made.globals |= {"t": words.WORDS[language], "language": language, "style": STYLE, "back": ""}
    return made
