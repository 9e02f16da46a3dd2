"""A btrfs of our own on a loop device, unmounted and detached at the end."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from tests.servers import cannot, program, require


@contextmanager
def btrfs(folder: Path) -> Iterator[Path]:
    """The mount point. Skips the test where mounting is forbidden; fails it when COLLIMA_REQUIRE=all."""
    require("mkfs.btrfs", "btrfs", "losetup", "mount", "umount")
    folder.mkdir(parents=True)
    image, there = folder / "image", folder / "there"
    there.mkdir()
    with image.open("wb") as file:
        file.truncate(128 * 1024 * 1024)
    run("mkfs.btrfs", "--quiet", str(image))
    try:
        device = run("losetup", "--find", "--show", str(image)).strip()
    except subprocess.CalledProcessError as err:
        forbidden(err)
    try:
        try:
            run("mount", "-t", "btrfs", device, str(there))
        except subprocess.CalledProcessError as err:
            forbidden(err)
        try:
            yield there
        finally:
            run("umount", str(there))
    finally:
        run("losetup", "--detach", device)


def forbidden(err: subprocess.CalledProcessError) -> NoReturn:
    cannot(f"a loop device cannot be mounted here: {err.stderr.strip()}")


def run(name: str, *words: str) -> str:
    done = subprocess.run([program(name), *words], capture_output=True, encoding="utf-8", check=True)
    return done.stdout
