"""Names of rosters: from a template and what the directory has, to what a target accepts."""

import re
import unicodedata
from collections.abc import Callable, Sequence

from collima.core.targets import NameRule
from collima.directory.filters import PLACEHOLDER, NoValue

_LETTERS = str.maketrans(
    dict(pair.split("=") for pair in ("ß=ss", "æ=ae", "œ=oe", "ø=o", "ł=l", "đ=d", "ð=d", "þ=th", "ħ=h", "ı=i", "ŋ=n"))
    | dict.fromkeys("/\\\0", "-")  # whatever a rule allows
)
"""Letters with no accent to take off, as they are usually written without them."""


class NameTemplate:
    """`{place.ou}-{role.key}`. Raises ValueError for braces that are no placeholder."""

    def __init__(self, source: str) -> None:
        self.source = source
        found = list(PLACEHOLDER.finditer(source))
        for brace in found:
            if not brace[1]:
                raise ValueError(
                    f"{source!r}: the brace at character {brace.start() + 1} begins or ends no placeholder"
                )
        self.placeholders = frozenset((brace[1], brace[2] or "") for brace in found)

    def render(self, lookup: Callable[[str, str], Sequence[str]]) -> str:
        """Every placeholder must have exactly one value: raises NoValue where there is none, ValueError for more."""

        def value(brace: re.Match[str]) -> str:
            variable, attribute = brace[1], brace[2] or ""
            match list(dict.fromkeys(lookup(variable, attribute))):
                case []:
                    raise NoValue(variable, attribute)
                case [only]:
                    return only
                case several:
                    raise ValueError(f"{brace[0]} has {len(several)} values; a name needs exactly one")

        return PLACEHOLDER.sub(value, self.source)


def fold(text: str, rule: NameRule) -> str:
    """The name that the target gets: lower case without accents, `-` for what it does not allow, the ends trimmed.

    Raises ValueError, with the reason, when that is no name there.
    """
    letters = unicodedata.normalize("NFKD", text.lower().translate(_LETTERS)).lower()
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter)).translate(_LETTERS)
    name = re.sub("-{2,}", "-", re.sub(f"[^{rule.allowed}]", "-", plain)).strip("-")
    name = re.sub(f"^[^{rule.first}]+", "", name)
    if not name:
        raise ValueError(f"nothing is left of {text!r} in letters that the target allows")
    if len(name) > rule.longest:
        raise ValueError(f"{name!r} has {len(name)} characters; the target allows {rule.longest}")
    for suffix in rule.reserved:
        if name.endswith(suffix):
            raise ValueError(f"{name!r} ends with {suffix!r}, which the target keeps for itself")
    return name
