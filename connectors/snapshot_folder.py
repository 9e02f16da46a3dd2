"""Snapshots as a NAS shows them: a folder with one name for each, and its time in the name."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, ClassVar

from collima.core.errors import ConfigError, SourceError
from collima.core.targets import Snapshot
from connectors.times import TimeForm, instant


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFolder:
    """Snapshots that are folders or files in one folder, with their time in the name, like `.snapshot` on a NAS.

    Names of another form (hourly ones, say) do not count; a folder where no name is of this form cannot be read. The
    `volume` of a job names a folder below this one.
    """

    offers: ClassVar[frozenset[str]] = frozenset({"snapshots"})

    path: Annotated[Path, "the folder with the snapshots"]
    pattern: Annotated[str, "the form of a whole name, with strptime's words: `daily.%Y-%m-%d_%H%M`; `%s`: seconds"]

    def __post_init__(self) -> None:
        try:
            TimeForm(self.pattern)
        except ValueError as err:
            raise ConfigError(f"pattern: {err}") from err

    @contextmanager
    def open(self) -> Iterator["Folder"]:
        yield Folder(self.path, TimeForm(self.pattern))


@dataclass(frozen=True, slots=True)
class Folder:
    """Offers the Snapshots port."""

    path: Path
    form: TimeForm

    def check(self) -> str:
        """What is there; raises SourceError."""
        names = self._names(self.path)
        like = self._like(names)
        told = f"{self.path}: {len(names)} names, {like} like {self.form.form}"
        folders = [] if like else [self.path / name for name in names if self._is_folder(name)]
        if not folders:  # else they may be those of volumes
            return told
        fit = sum(self._fits(folder) for folder in folders)
        return f"{told}; such names are in {fit} of {len(folders)} folders below it"

    def read(self, volume: str, zone: tzinfo) -> Sequence[Snapshot]:
        folder = self.path / volume
        names = self._names(folder)
        if not names:
            raise SourceError(f"{folder}: the folder is empty (not mounted?)")
        times = [moment for name in names if (moment := self.form.read(name)) is not None]
        if not times:
            raise SourceError(f"{folder}: {len(names)} names, none like {self.form.form}")
        return [Snapshot(volume, instant(moment, zone)) for moment in times]

    def _is_folder(self, name: str) -> bool:
        return os.path.isdir(self.path / name)  # noqa: PTH112 - Path.is_dir raises where a look is refused

    def _fits(self, folder: Path) -> bool:
        """Whether a name in it is of the form; of a folder that is closed to us (`lost+found`) nothing is known."""
        try:
            return self._like(self._names(folder)) > 0
        except SourceError:
            return False

    def _like(self, names: Sequence[str]) -> int:
        return sum(self.form.read(name) is not None for name in names)

    def _names(self, folder: Path) -> list[str]:
        try:
            return os.listdir(folder)  # noqa: PTH208 - names are all that is needed
        except OSError as err:
            raise SourceError(f"{folder}: {err.strerror}") from err
