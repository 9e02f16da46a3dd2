"""What a stranger wrote, made fit for a digest: nothing in it drives a terminal, hides, or becomes a link.

Mail programs make links of what looks like one, in text and in HTML, and filters judge a mail by the names in it. What
has a space after each of its dots, slashes and @, after the name of a scheme, and between the number of a machine and
what follows, is no link to any of them, and is read all the same.
"""

import re
import unicodedata
from functools import lru_cache

from collima.core.text import line

_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))  # taken out: they hide what is written
_BREAK = re.compile(
    r"(?<=[.\u3002\uff0e\uff61@\uff20])(?=[^\W\d_])|(?<=//)(?=\S)|(?<=\\\\)(?=\S)|(?<=:)(?=//)"
    r"|(?<=[A-Za-z]:)(?=[\w+%(-])|(?<=[A-Za-z]\d\d\d:)(?=\w)"  # tel:+39, skype:somebody, h323:somebody
    r"|(?<=\.\d)(?=[/?#]|:\d)|(?<=\.\d\d)(?=[/?#]|:\d)|(?<=\.\d\d\d)(?=[/?#]|:\d)|(?<=\])(?=/|:\d)"
)
_MARKS = 2  # combining characters on one letter; more would run into other lines


def shown(text: str, longest: int) -> str:
    """One line of visible characters, in which no address and no URL is left whole."""
    return _shown(text[: longest * 8], longest)


@lru_cache(1_000)
def _shown(text: str, longest: int) -> str:
    """One spam goes to many."""
    text = line(text.translate(_INVISIBLE), longest)
    return _BREAK.sub(" ", text if text.isascii() else _calm(text))


def _calm(text: str) -> str:
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if marks <= _MARKS:
            kept.append(character)
    return "".join(kept)
