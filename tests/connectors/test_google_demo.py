"""`make demo-google` ends as it should, on every machine."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(300)
@pytest.mark.soak
def test_the_demo_plays_its_acts_against_the_emulator(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.demo_google", "--folder", str(tmp_path / "demo")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    scopes = next(line for line in done.stdout.splitlines() if line.startswith("scopes of its tokens: "))
    assert scopes.partition(": ")[2].split(", ") == [
        "admin.directory.group.member.readonly",
        "admin.directory.group.readonly",
        "admin.directory.user.readonly",
        "apps.groups.settings",
    ]
    counted = [line for line in done.stdout.splitlines() if line.startswith("Google counted ")]
    assert counted[-3].endswith(" 0 of them changes, in 0 batches; 0 refused for their number")
    assert " 4 of them changes" in counted[-1]
