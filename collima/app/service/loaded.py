"""The schedule that a service runs: read when it is told to, kept as it was, and handed to each run as it is."""

import os
from dataclasses import dataclass
from pathlib import Path

from collima.app import config as configuration
from collima.app.config import Config
from collima.app.kinds import KINDS, Kinds


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, and its bytes in memory: a run reads these, whatever became of the file meanwhile."""

    config: Config
    descriptor: int  # of a sealed file in memory, memfd_create(2)

    @property
    def options(self) -> tuple[str, ...]:
        """What a run-job needs to run by this schedule. It inherits `descriptor`."""
        return "--config", str(self.config.path), "--loaded", f"/proc/self/fd/{self.descriptor}"

    def close(self) -> None:
        os.close(self.descriptor)


def load(path: Path, kinds: Kinds = KINDS) -> Loaded:
    """Reads the file, once. Raises Invalid with every fault."""
    raw = configuration.read(path)
    config = configuration.load(path, kinds, raw)
    descriptor = os.memfd_create("schedules.yaml", os.MFD_CLOEXEC)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(raw)
    return Loaded(config, descriptor)
