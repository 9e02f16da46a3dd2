"""What a scalar without quotes means: the core schema of YAML 1.2 (chapter 10.3), and dates."""

import re
from datetime import date

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_INT = re.compile(r"[-+]?[0-9]{1,100}|0o[0-7]{1,100}|0x[0-9a-fA-F]{1,100}", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def resolve(text: str) -> str | int | float | bool | date | None:
    """Raises ValueError for a date that is not in the calendar."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if not (text[0].isdigit() or text[0] in "+-."):
        return text
    if _INT.fullmatch(text):
        return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    if not _DATE.fullmatch(text):
        return text
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text} is not in the calendar") from None
