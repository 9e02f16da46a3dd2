"""The schedule that a service runs: read when it is told to, kept as it was, and handed to each run as it is."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from collima.app import config as configuration
from collima.app.config import Config
from collima.app.kinds import KINDS, Kinds

SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


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
    descriptor = os.memfd_create("schedules.yaml", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(raw)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)  # a run inherits it, and could change the next one's
    return Loaded(config, descriptor)
