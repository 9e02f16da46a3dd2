"""Whatever happens to a schedules.yaml, loading ends with a Config or with faults that have a line."""

import random
from pathlib import Path

import pytest

from collima.app.config import Config, Invalid, load
from tests.app.config_samples import SAMPLES
from tests.app.test_config import GOOD
from tests.soak import size

PIECES = (
    *"{}[]:,#&*!|>'\"%@`?()~\t\n\r\\ -",
    *(": ", "- ", " #", "  ", "? ", "&a ", "*a", "!x ", "!!python/name:os.system ", "|\n", ">-\n", "<<: *a\n"),
    *("---\n", "...\n", "%YAML 1.1\n---\n", "null", "true", "1e999", "0x", ".nan", "9" * 400, "2027-02-30", "&a [*a]"),
    *('"\\x', '"\\UFFFFFFFF"', '"\\ud800"', "{" * 60, "[" * 60, "\0", "\x1b", "\ufeff", "\u2028", "\x85", "è", "💩"),
)


def broken_bytes(dice: random.Random, raw: bytes) -> bytes:
    at = dice.randrange(len(raw) or 1)
    piece: bytes = dice.choice(PIECES).encode("utf-8", "surrogatepass")
    match dice.randrange(4):
        case 0:
            return raw[:at] + raw[at + dice.choice((1, 1, 2, 5, 30)) :]
        case 1:
            return raw[:at] + piece + raw[at:]
        case 2:
            return raw[:at] + piece + raw[at + 1 :]
    return raw[:at] + bytes([dice.randrange(256)]) + raw[at + 1 :]


def broken_lines(dice: random.Random, raw: bytes) -> bytes:
    lines = raw.split(b"\n")
    one, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    match dice.randrange(5):
        case 0:
            lines[one], lines[other] = lines[other], lines[one]
        case 1:
            lines[one] = b" " * dice.randrange(10) + lines[one].lstrip()
        case 2:
            lines.insert(one, lines[other])
        case 3:
            del lines[one]
        case _:
            key, _, _ = lines[one].partition(b": ")
            _, _, value = lines[other].partition(b": ")
            lines[one] = key + b": " + value
    return b"\n".join(lines)


def survives(seed: int, path: Path) -> bool:
    """Whether the mutated file is still a good one."""
    dice = random.Random(seed)
    raw = GOOD.encode()
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        raw = dice.choice((broken_bytes, broken_lines))(dice, raw)
    path.write_bytes(raw)
    try:
        return isinstance(load(path, SAMPLES), Config)
    except Invalid as err:
        faults = err.faults
    assert faults
    for fault in faults:
        assert 1 <= fault.line <= len(raw.splitlines()) + len(raw) // 50 + 1, f"seed {seed}: {fault}"
        assert fault.column >= 1
        assert fault.told(path).isprintable(), f"seed {seed}: {fault}"
    return False


def test_four_hundred_mutated_files_end_in_a_config_or_in_faults_with_lines(tmp_path: Path) -> None:
    good = sum(survives(seed, tmp_path / "schedules.yaml") for seed in range(400))

    assert 0 < good < 200


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_ten_thousand_mutated_files_end_in_a_config_or_in_faults_with_lines(tmp_path: Path) -> None:
    for seed in range(1000, 1000 + size("COLLIMA_SOAK_FILES", 10_000, 2_000)):
        survives(seed, tmp_path / "schedules.yaml")
