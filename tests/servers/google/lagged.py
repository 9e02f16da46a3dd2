"""A table whose readers may lag behind its writers: what Google calls eventually consistent."""

from collections.abc import Mapping
from typing import Generic, TypeVar

V = TypeVar("V")


class Lagged(Generic[V]):
    """Values are never changed in place, only put anew; so the past of a key is a list of values."""

    __slots__ = ("_past", "now")

    def __init__(self) -> None:
        self.now: dict[str, V] = {}  # the truth: what writers meet
        self._past: dict[str, list[tuple[float, V | None]]] = {}  # what each write replaced, oldest first

    def put(self, key: str, value: V | None, at: float | None) -> None:
        """Puts a value, or takes the key away (None). `at`: seconds; None when nobody may ever see the past."""
        if at is not None:
            self._past.setdefault(key, []).append((at, self.now.get(key)))
        if value is None:
            self.now.pop(key, None)
        else:
            self.now[key] = value

    def seen(self, horizon: float) -> Mapping[str, V]:
        """The table as it was at `horizon`: writes after that are not seen yet."""
        if not self._past:
            return self.now
        view = dict(self.now)
        for key in list(self._past):
            later = [(at, before) for at, before in self._past[key] if at > horizon]
            if not later:
                del self._past[key]
                continue
            self._past[key] = later
            before = later[0][1]
            if before is None:
                view.pop(key, None)
            else:
                view[key] = before
        return view
