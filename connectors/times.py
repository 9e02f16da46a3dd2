"""Times as names and lists of snapshots write them: strptime's words, matched exactly."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

_WORD, _TWO = r"[A-Za-z]+", r"\d\d"
_DIRECTIVES = {
    "Y": r"\d{4}", "y": _TWO, "m": _TWO, "d": _TWO, "j": r"\d{3}", "H": _TWO, "I": _TWO, "M": _TWO, "S": _TWO,
    "f": r"\d{1,6}", "p": r"[AaPp][Mm]", "b": _WORD, "B": _WORD, "a": _WORD, "A": _WORD,
    "z": r"(?:[+-]\d\d:?\d\d|Z)", "s": r"(\d{1,12})", "%": "%",
}  # fmt: skip
_PART = re.compile(r"%(.?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TimeForm:
    """A text with strptime's directives, and `%s` for seconds since 1970. Raises ValueError when it is of no use."""

    form: str
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        used = _PART.findall(self.form)
        if unknown := [word for word in used if word not in _DIRECTIVES]:
            hint = "; the offset is %z, and without it the job's time zone is meant" if "Z" in unknown else ""
            raise ValueError(f"%{unknown[0]} cannot be read{hint}")
        said = set(used) - {"%"}
        day = {"d"} <= said and said & {"m", "b", "B"}
        if said != {"s"} and not (said & {"Y", "y"} and (day or "j" in said)):
            raise ValueError("a year, a month and a day are needed (%Y %m %d), or %s, the seconds since 1970, alone")
        if twice := [word for word in said if used.count(word) > 1]:
            raise ValueError(f"%{twice[0]} is there twice")
        texts = _PART.split(self.form)
        exact = "".join(_DIRECTIVES[text] if at % 2 else re.escape(text) for at, text in enumerate(texts))
        object.__setattr__(self, "_pattern", re.compile(exact, re.ASCII))

    def read(self, text: str) -> datetime | None:
        """The time, aware only if the form has an offset; None when the text is not of this form, or no date."""
        if not (match := self._pattern.fullmatch(text)):
            return None
        try:
            if seconds := match.groups():
                return datetime.fromtimestamp(int(seconds[0]), UTC)
            moment = datetime.strptime(text, self.form)  # noqa: DTZ007 - `instant` says which zone is meant
        except (ValueError, OverflowError, OSError):
            return None
        return moment if 1 < moment.year < 9999 else None  # at the ends of the calendar there is no other zone


def instant(moment: datetime, zone: tzinfo) -> datetime:
    """In UTC. A time without an offset is of `zone`: of one that comes twice in autumn the first, of one that spring
    leaves out what it would have been without the change."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
