"""A session on Sympa: `targets.Rosters`, where a member's Id is its address."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from collima.core.errors import CollimaError, Refused, SourceError
from collima.core.options import address
from collima.core.targets import Edit, Id, Mark, NameRule, Roster, Settled
from connectors.sympa.adoption import Adoption
from connectors.sympa.database import Database, Rows
from connectors.sympa.lists import Known, content, known, roster
from connectors.sympa.machine import MARK, Look, Place, Said
from connectors.sympa.words import Words, understood

_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # seconds; the last as often as it takes
_STRANGE = 2  # so many more tries where words are not understood
_CHUNK = 8  # lists for each that is included at a time: settled together


class Deeds(Protocol):
    """What is done on Sympa's machine: `machine.Machine` here, `distant.Distant` elsewhere."""

    def look(self, names: Collection[str]) -> Mapping[str, Look]: ...
    def put(self, files: Mapping[str, bytes]) -> Mapping[str, str]: ...
    def include(self, names: Collection[str]) -> Mapping[str, Said]: ...
    def place(self) -> Place: ...
    def keep(self, mark: bytes) -> None: ...
    def attempt(self) -> str: ...


@dataclass(slots=True)
class Session(Adoption):
    robot: str
    include_dir: str  # as Sympa's machine names it
    lists: str  # the folder with a folder for each list, there
    deeds: Deeds
    database: Database
    parallel: int
    locked_out: float  # seconds for which a list that another include has locked is tried again
    sleep: Callable[[float], None]
    rule: NameRule = field(default_factory=NameRule)
    immediate: bool = True
    _ids: dict[str, Id | None] = field(default_factory=dict)  # each spelling is checked once
    _read: dict[str, Known] = field(default_factory=dict)  # as they were read last
    _place: Place | None = None

    # ---- reading

    def exists(self) -> bool:
        return self._found().there

    def check(self) -> str:
        """For `collima check --connect`: reads, and tries what would be written. Raises SourceError."""
        members = self.database.check()
        try:
            if fault := self.deeds.attempt():
                raise SourceError(fault)
        except OSError as err:
            raise SourceError(f"{err.filename}: {err.strerror}") from err
        self._found()
        return f"{members} members of {self.robot}; include files can be replaced"

    def identify(self, address_: str) -> Id | None:
        try:
            return self._ids[address_]
        except KeyError:
            try:
                found: Id | None = Id(address(address_))
            except ValueError:
                found = None
            return self._ids.setdefault(address_, found)

    def address(self, member: Id) -> str:
        return member

    def read(self, names: Collection[str]) -> Mapping[str, Roster]:
        return {name: roster(found, self.robot) for name, found in self.known(names).items()}

    def known(self, names: Collection[str]) -> Mapping[str, Known]:
        """All that Sympa, its machine and its database know of these lists. Complete, or SourceError."""
        if not names:
            return {}
        try:
            looks = self.deeds.look(names)
        except OSError as err:
            raise SourceError(f"{err.filename}: {err.strerror} (see `lists`)") from err
        rows, exclusions = self.database.all(names)
        found = {
            name: known(name, f"{self.include_dir}/{name}", looks[name], rows[name], exclusions, self.identify)
            for name in names
        }
        self._read.update(found)
        return found

    # ---- writing

    def apply(self, edits: Sequence[Edit]) -> Iterator[Settled]:
        """Writes every include file first: what was let through is then what any include does, whoever runs it."""
        if unread := [edit.roster for edit in edits if edit.roster not in self._read]:
            self.known(unread)
        failed = self._write(edits)
        ready = []
        for edit in edits:
            list_ = self._read[edit.roster]
            if err := failed.get(edit.roster):
                yield from _settled(edit, str(err), transient=err.transient)
            elif not list_.named:
                yield from _settled(edit, "written to its include file, which its configuration does not name")
            elif edit.add or edit.remove:
                ready.append(edit)
        each = iter(ready)
        while chunk := list(islice(each, _CHUNK * self.parallel)):
            yield from self._include({edit.roster: edit for edit in chunk})

    def _write(self, edits: Sequence[Edit]) -> dict[str, CollimaError]:
        """What could not be written, by list: why."""
        failed: dict[str, CollimaError] = {}
        files = {}
        for edit in edits:
            list_ = self._read[edit.roster]
            if list_.fault or list_.config is None:
                failed[edit.roster] = Refused(list_.fault or "Sympa has no such list")
            else:
                files[edit.roster] = content((list_.ours | list_.pending | edit.add) - edit.remove)
        try:
            refused = self.deeds.put(files) if files else {}
        except SourceError as err:
            return {**failed, **dict.fromkeys(files, err)}
        return {
            **failed,
            **{name: Refused(f"its include file cannot be written: {why}") for name, why in refused.items()},
        }

    def _include(self, left: dict[str, Edit]) -> Iterator[Settled]:
        """Has Sympa include these lists, looks what came of it, and tries again what may come out otherwise."""
        waited, tries = 0.0, 0
        while left:
            try:
                words = {name: understood(said) for name, said in self.deeds.include(list(left)).items()}
                rows = self.database.rows(list(left))
            except SourceError as err:
                for edit in left.values():
                    yield from _settled(edit, f"not known to be done: {err}", transient=err.transient)
                return
            pause = _PAUSES[min(tries, len(_PAUSES) - 1)]
            tries += 1
            for name, edit in list(left.items()):
                undone = self._undone(edit, rows[name])
                more = waited + pause <= self.locked_out if words[name].kind == "locked" else tries <= _STRANGE
                if not (undone and more and _worth_another(words[name], edit, undone)):
                    del left[name]
                    yield from self._settle(edit, undone, words[name])
            if left:
                self.sleep(pause)
                waited += pause

    def _undone(self, edit: Edit, rows: Rows) -> frozenset[Id]:
        """What of an edit the database does not show."""
        still = rows.included.keys()
        if self._read[edit.roster].others:  # another source may keep in whom ours lets go
            return frozenset(edit.add - still)
        return frozenset((edit.add - still) | (edit.remove & still))

    def _settle(self, edit: Edit, undone: frozenset[Id], words: Words) -> Iterator[Settled]:
        for member in edit.add | edit.remove:
            if member not in undone:
                yield Settled(edit.roster, member)
            elif words.kind == "done" and member in edit.add:
                yield Settled(edit.roster, member, "Sympa does not take this address")
            else:
                yield Settled(edit.roster, member, _why(words), transient=words.kind not in ("done", "absent"))

    # ---- the mark

    def _found(self) -> Place:
        if self._place is None:
            found = self.deeds.place()
            if (found.robot, found.folder) != (self.robot, self.include_dir):
                raise SourceError(
                    f"the other machine was told of {found.robot} in {found.folder}, and the configuration says "
                    f"{self.robot} in {self.include_dir}: correct one of them"
                )
            self._place = found
        return self._place

    def mark(self) -> Mark | None:
        place = self._found()
        if place.mark is None and not place.fault:
            return None
        try:
            found = json.loads(place.mark or b"")
            return Mark(str(found["state"]), str(found["token"]))
        except (ValueError, KeyError, TypeError) as err:
            raise SourceError(
                f"{self.include_dir}/{MARK} cannot be read: look whether another program writes into this folder, "
                "then remove it and run `collima check --accept-state`"
            ) from err

    def leave_mark(self, mark: Mark) -> None:
        self._place = None
        try:
            self.deeds.keep(json.dumps({"state": mark.state, "token": mark.token}).encode())
        except OSError as err:
            raise Refused(f"{self.include_dir} cannot be written: {err.strerror}") from err
        except SourceError as err:
            raise Refused(str(err), transient=err.transient) from err


def _settled(edit: Edit, error: str, *, transient: bool = False) -> Iterator[Settled]:
    yield from (Settled(edit.roster, member, error, transient) for member in edit.add | edit.remove)


def _worth_another(words: Words, edit: Edit, undone: frozenset[Id]) -> bool:
    """An include within the second of the one before it lets nobody go: it tells by seconds whom it has met."""
    return words.worth_another or (words.kind == "done" and bool(undone & edit.remove))


def _why(words: Words) -> str:
    match words.kind:
        case "locked":
            return "another include of this list is under way: it is tried again in the next run"
        case "absent":
            return f"sympa cannot be run: {words.told}"
        case "done":
            return "Sympa still has it after its include: does another source name it?"
        case _:
            return f"its include did not do it; Sympa said: {words.told}"
