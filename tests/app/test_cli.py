"""What the programs say of an error that no command has caught."""

import errno
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest

from collima.app import cli, logs

PROGRAM = """
import sys
from argparse import Namespace
from collima.app import cli, logs
def command(arguments): {}; return 0
sys.exit(cli._called(Namespace(call="__main__:command"), logs.TEXT, "collima"))
"""


def called(does: Callable[[], object]) -> int:
    return cli._called(Namespace(call=f"{__name__}:_command", does=does), logs.TEXT, "collima")


def _command(arguments: Namespace) -> int:
    arguments.does()
    return 0


def test_a_file_that_a_command_cannot_use_is_told_by_its_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert called((tmp_path / "none").read_bytes) == 1
    sys.stdout.write("the output still works\n")
    assert capfd.readouterr() == ("the output still works\n", f"collima: {tmp_path}/none: No such file or directory\n")


def test_an_error_that_names_nothing_is_a_fault_of_the_program() -> None:
    def refuse() -> None:
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))

    with pytest.raises(ConnectionRefusedError):
        called(refuse)


@pytest.mark.parametrize(
    "words",
    [["pause", "s", "--until", "1 day", "--reason"], ["undo", "01J", "--reason"], ["show"]],
    ids=lambda words: words[0],
)
def test_an_argument_that_is_not_utf_8_is_a_usage_error(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([*words, os.fsdecode(b"a\377b")])
    assert caught.value.code == 2
    assert capfd.readouterr().err.endswith(r"collima: error: the argument 'a\udcffb' is not UTF-8" + "\n")


@pytest.mark.parametrize("size", [10, 10_000_000])
def test_an_output_that_cannot_be_written_is_told_as_that_and_a_reader_who_left_is_not(size: int) -> None:
    program = [sys.executable, "-c", PROGRAM.format(f"print('x' * {size})")]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "the output cannot be written: No space left on device\n")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(program, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")
