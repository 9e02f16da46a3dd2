"""How much a second, as a person writes it."""

import re
from dataclasses import dataclass
from typing import ClassVar, Self

_UNITS = {"kB": 10**3, "MB": 10**6, "GB": 10**9}
_RATE = re.compile(r"(\d{1,6}) ?(kB|MB|GB)/s", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rate:
    bytes: int  # a second

    noun: ClassVar[str] = "rate"

    @classmethod
    def parse(cls, text: str) -> Self:
        found = _RATE.fullmatch(text)
        if not found or not int(found[1]):
            raise ValueError(f"{text!r} is no rate; write it like 50 MB/s")
        return cls(int(found[1]) * _UNITS[found[2]])
