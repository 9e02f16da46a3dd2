import fcntl
import os
from pathlib import Path

import pytest

from collima.app.service import loaded
from tests.app.service.stage import KINDS


def test_what_is_loaded_is_read_by_runs_and_changed_by_none(tmp_path: Path) -> None:
    file = tmp_path / "schedules.yaml"
    file.write_text(
        f"version: 1\ntimezone: Europe/Rome\nstate: sqlite:///{tmp_path}/x.db\nconnectors: {{}}\njobs: {{}}\n"
    )
    made = loaded.load(file, KINDS)
    place = Path(made.options[-1])
    try:
        assert place.read_bytes() == file.read_bytes()
        with pytest.raises(PermissionError):
            os.pwrite(made.descriptor, b"x", 0)
        for size in (0, 10_000):
            with pytest.raises(PermissionError):
                os.ftruncate(made.descriptor, size)
        with pytest.raises(PermissionError):
            fcntl.fcntl(made.descriptor, fcntl.F_ADD_SEALS, 0)
    finally:
        made.close()
