"""Kind `snapshot-command`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collima.core.errors import ConfigError, SourceError
from collima.core.quantities import Duration
from connectors.snapshot_command import Listing, SnapshotCommand
from tests.contracts.snapshots import ROME, SnapshotsContract
from tests.servers.processes import ends

LINE = r"^(?P<volume>\S+)\s+(?P<time>\S+)$"
ISO = "%Y-%m-%dT%H:%M:%S%z"


@dataclass
class San:
    file: Path
    next: datetime = field(default=datetime(2026, 11, 20, 1, 30, tzinfo=UTC))

    @contextmanager
    def open(self) -> Iterator[Listing]:
        with SnapshotCommand(command=("cat", str(self.file)), pattern=LINE, time=ISO).open() as session:
            yield session

    def take(self, volume: str) -> datetime:
        self.next += timedelta(days=1)
        with self.file.open("a") as file:
            file.write(f"{volume}  {self.next.astimezone(ROME):{ISO}}\n")
        return self.next


class TestCommand(SnapshotsContract):
    @pytest.fixture
    def system(self, tmp_path: Path) -> San:
        return San(tmp_path / "listed")


def listed(script: str, *, volume: str = "", timeout: int = 20, **options: str) -> list[str]:
    """What a shell script prints, read as snapshots."""
    given = {"pattern": LINE, "time": ISO} | options
    options_ = SnapshotCommand(command=("sh", "-c", script), timeout=Duration(timeout, "second"), **given)  # type: ignore[arg-type]
    with options_.open() as session:
        return [f"{s.volume}@{s.taken:%m-%dT%H:%MZ}" for s in session.read(volume, ROME)]


def test_without_a_volume_all_are_told_so_that_two_are_noticed() -> None:
    script = (
        "echo a 2026-11-24T02:30:00+0100; echo b 2026-11-24T01:30:00Z; echo; printf 'a 2026-11-23T02:30:00+01:00\\r\\n'"
    )
    assert listed(script) == ["a@11-24T01:30Z", "b@11-24T01:30Z", "a@11-23T01:30Z"]
    assert listed(script, volume="b") == ["b@11-24T01:30Z"]


def test_seconds_since_1970() -> None:
    assert listed("echo tank/mail 1795400000", time="epoch") == ["tank/mail@11-23T02:13Z"]


def test_a_time_without_an_offset_is_of_the_zone_of_the_schedule() -> None:
    assert listed("echo 2026-07-01 02:30", pattern="^(?P<time>.+)$", time="%Y-%m-%d %H:%M") == ["@07-01T00:30Z"]


def test_lines_that_tell_of_no_snapshot_are_named_by_ignore() -> None:
    script = "echo NAME TAKEN; echo a 2026-11-24T02:30:00Z; echo 'last login: never'"
    assert listed(script, ignore="^NAME|^last ") == ["a@11-24T02:30Z"]
    with pytest.raises(SourceError, match=r"sh: line 1: no time of the form of `time`: TAKEN"):
        listed(script)
    with pytest.raises(SourceError, match=r"sh: line 3 is not like `pattern`: last login: never"):
        listed(script, ignore="^NAME")


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("exit 0", "sh printed nothing, and ended with 0"),
        ("echo; echo '   '", "sh printed nothing, and ended with 0"),
        ("echo NAME; echo ----", "sh printed 2 lines, and `ignore` leaves none"),
        ("echo a 2026-11-24T02:30:00Z; exit 3", "sh ended with 3$"),
        ("echo a 2026-11-24T02:30:00Z; echo x >&2; echo no route to san >&2; exit 255", "sh ended with 255: no route"),
        ("kill -9 $$", "sh was ended by signal 9"),
        ("echo a 2026-11-24T02:30:00Z; echo '<html>'", "sh: line 2 is not like `pattern`: <html>"),
        ("printf '\\377\\000 x\\n'", "sh: line 1: no time"),
        ("echo a 2026-13-24T02:30:00Z", "sh: line 1: no time of the form"),
        ("echo a 2026-11-24T02:30:00", "sh: line 1: no time of the form"),
    ],
)  # fmt: skip
def test_nothing_but_lines_that_can_all_be_read_is_an_answer(script: str, fault: str) -> None:
    with pytest.raises(SourceError, match=fault):
        listed(script, ignore="^NAME|^-")


def test_a_command_that_is_not_there() -> None:
    with (
        pytest.raises(SourceError, match="snapshots cannot be run: No such file or directory"),
        SnapshotCommand(command=("/nowhere/snapshots",), pattern=LINE, time=ISO).open(),
    ):
        pass


@pytest.mark.parametrize("end", ["wait", "exit 0", "exec >&- 2>&-; wait"])
def test_what_hangs_is_killed_with_all_that_it_has_started(tmp_path: Path, end: str) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/pid; echo a 2026-11-24T02:30:00Z; {end}"
    with pytest.raises(SourceError, match="sh did not end within 1 second") as err:
        listed(script, timeout=1)
    assert err.value.transient
    assert ends(int((tmp_path / "pid").read_text()))


def test_an_answer_without_end_is_cut_off(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="sh printed more than 16 MB"):
        listed(f"echo $$ > {tmp_path}/pid; exec yes", timeout=60)
    assert ends(int((tmp_path / "pid").read_text()))


def test_a_command_is_no_text_for_a_shell_and_has_nothing_to_read() -> None:
    words = ("printf", "%s %s\\n", "$(id)", "2026-11-24T02:30:00Z")
    with SnapshotCommand(command=words, pattern=LINE, time=ISO).open() as session:
        assert [s.volume for s in session.read("", ROME)] == ["$(id)"]
    assert listed('cat; echo "$LC_ALL" 2026-11-24T02:30:00Z') == ["C.UTF-8@11-24T02:30Z"]


def test_a_volume_needs_a_group_that_tells_it() -> None:
    with pytest.raises(SourceError, match=r"no group \(\?P<volume>"):
        listed("echo 2026-11-24T02:30:00Z", pattern=r"^(?P<time>\S+)$", volume="mail")


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"command": ()}, "command: write the program"),
        ({"command": ("ssh san snapshot list",)}, r"command: is no text for a shell: write \[ssh, san, sn"),
        ({"pattern": "^(?P<volume>.+)$"}, "pattern: has no group for the time"),
        ({"pattern": "^(?P<time>.+$"}, "pattern: is no regular expression"),
        ({"ignore": "["}, "ignore: is no regular expression"),
        ({"time": "%H:%M"}, "time: a year, a month and a day are needed .*; or write epoch"),
        ({"time": "seconds"}, "time: a year"),
        ({"timeout": Duration(0, "second")}, "timeout: nothing ends in no time"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_meant(options: dict[str, object], fault: str) -> None:
    with pytest.raises(ConfigError, match=f"^{fault}"):
        SnapshotCommand(**{"command": ("cat",), "pattern": LINE, "time": ISO} | options)  # type: ignore[arg-type]
