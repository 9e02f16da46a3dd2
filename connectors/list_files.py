"""Lists as files that Sympa's `include_file` reads: one file for each roster, one address per line."""

import codecs
import json
import os
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

from collima.core.errors import Refused, SourceError
from collima.core.options import address
from collima.core.targets import Edit, Id, Mark, NameRule, Roster, Settled
from connectors import whole

MARK = ".collima"  # no roster's name begins with a dot
UNFINISHED = ".collima-new-"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFiles:
    """A folder with one file for each roster, one address per line, as Sympa's `include_file` reads it.

    Each file is replaced as a whole, so that no reader ever sees half of it; its owner and mode are kept. The folder
    is made when it is missing and nothing was ever written into it.
    """

    offers: ClassVar[frozenset[str]] = frozenset({"rosters"})

    directory: Annotated[Path, "the folder of the list files"]

    @contextmanager
    def open(self) -> Iterator["Folder"]:
        yield Folder(self.directory)


@dataclass(slots=True)
class Folder:
    """A session on the folder: `targets.Rosters`, where a member's Id is its address."""

    path: Path
    rule: NameRule = field(default_factory=NameRule)
    immediate: bool = True
    _ids: dict[str, Id | None] = field(default_factory=dict)  # each spelling is checked once
    _read: dict[str, frozenset[Id]] = field(default_factory=dict)

    def exists(self) -> bool:
        return self.path.is_dir()

    def check(self) -> str:
        """For `collima check --connect`: whether files can be replaced here. Raises SourceError."""
        try:
            if not self.path.exists():
                there = next(parent for parent in self.path.parents if parent.exists())
                if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
                    raise SourceError(f"{self.path} is not there and cannot be made: make it for the user of Collima")
                return f"{self.path}: is made by the first run"
            probe = self._write_new(b"")
            probe.unlink()
        except OSError as err:
            raise SourceError(f"{self.path}: {err.strerror}: the user that runs Collima must own this folder") from err
        return f"{self.path}: files can be replaced"

    def identify(self, address_: str) -> Id | None:
        try:
            return self._ids[address_]
        except KeyError:
            try:
                known: Id | None = Id(address(address_))
            except ValueError:
                known = None
            return self._ids.setdefault(address_, known)

    def address(self, member: Id) -> str:
        return member

    def read(self, names: Collection[str]) -> Mapping[str, Roster]:
        return {name: self._roster(name) for name in names}

    def _roster(self, name: str) -> Roster:
        try:
            raw = (self.path / name).read_bytes()
        except FileNotFoundError:
            raw = b""
        except OSError as err:
            return Roster(fault=f"its file cannot be read: {err.strerror}")
        members, strange = set(), 0
        for text in raw.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape").split("\n"):
            if not text or text.isspace() or text.startswith("#"):
                continue
            if known := self.identify(text) or self.identify(text.split(maxsplit=1)[0]):  # "address name", too
                members.add(known)
            else:
                strange += 1
        if strange:  # rewriting the file would lose them
            return Roster(fault=f"{strange} lines of its file are no addresses: correct the file, or remove it")
        self._read[name] = frozenset(members)
        return Roster(self._read[name])

    def apply(self, edits: Sequence[Edit]) -> Iterator[Settled]:
        for edit in edits:
            error = self._apply(edit)
            yield from (Settled(edit.roster, member, error) for member in edit.add | edit.remove)

    def _apply(self, edit: Edit) -> str:
        before = self._read.get(edit.roster, frozenset())
        now = self._roster(edit.roster)
        if now.fault:
            return now.fault
        # who was there when the plan was made stays, even if somebody emptied the file meanwhile
        wanted = (before | now.members | edit.add) - edit.remove
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._replace(self.path / edit.roster, "".join(f"{member}\n" for member in sorted(wanted)).encode())
        except OSError as err:
            return f"its file cannot be written: {err.strerror}"
        self._read[edit.roster] = wanted
        return ""

    def mark(self) -> Mark | None:
        try:
            known = json.loads((self.path / MARK).read_text("utf-8"))
            return Mark(str(known["state"]), str(known["token"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise SourceError(
                f"{self.path / MARK} cannot be read: look whether another program writes into this folder, "
                "then remove it and run `collima check --accept-state`"
            ) from err

    def leave_mark(self, mark: Mark) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for left in self.path.glob(f"{UNFINISHED}*"):  # of a run that was killed; only one run has this target
                left.unlink()
            self._replace(self.path / MARK, json.dumps({"state": mark.state, "token": mark.token}).encode())
        except OSError as err:
            raise Refused(f"{self.path} cannot be written: {err.strerror}") from err

    def _replace(self, file: Path, content: bytes) -> None:
        whole.replace(file, self._write_new(content))

    def _write_new(self, content: bytes) -> Path:
        new = self.path / f"{UNFINISHED}{secrets.token_hex(8)}"
        whole.write(new, content, 0o640)
        return new
