"""Sympa's machine: the include files, the lists' own configurations, and the command `sympa include`. Nothing else.

This one file, standard library only, is also the whole of Collima on a Sympa that is another machine: there it is the
forced command of a key in `authorized_keys` (docs/rights.md), and what `host:` speaks to over ssh.

What it is told comes on standard input, requests one after the other until the end: a line of JSON
`{"do": VERB, "size": N, …}`, then N octets. It answers each with lines of JSON, those that say `sizes` followed by so
many octets, the last with `"done": true`; or with `{"failed": TEXT}`, and ends. Verbs:

    look      names          each list's include file, and its configuration without the passwords in it
    put       name, size     replaces one include file as a whole
    include   names          runs `sympa include` for each, several at a time, and tells what it said
    place                    whether the folder of the include files is there, and the mark in it
    keep      size           replaces the mark
    try                      whether all of this would work; leaves nothing behind

Nothing is written before all of its octets have come. A name is a list's name, never a path.
"""

import argparse
import contextlib
import errno
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

VERSION = 1  # of what is spoken
MARK = ".collima"  # no list's name begins with a dot
UNFINISHED = ".collima-new-"
LONGEST_LINE = 1 << 20
LARGEST_FILE = 1 << 26
LONGEST_SAID = 20_000

_NAME = re.compile(r"[a-z0-9][a-z0-9.+_-]{0,49}", re.ASCII)
_PASSWORD = re.compile(rb"(?mi)^([ \t]*\w*passw\w*[ \t]+).*|(?<=://)[^\s/@]*:[^\s/]*(?=@)")  # LDAP, SQL; in an URL


@dataclass(frozen=True)
class Look:
    """What is on disk of one list. None: no such file."""

    file: bytes | None = None
    config: bytes | None = None  # passwords are cut out
    fault: str = ""  # one of them is there and cannot be read


@dataclass(frozen=True)
class Said:
    """What one `sympa include` wrote on both outputs. Its exit code means nothing, and is not told."""

    text: str
    ran: bool = True  # False: it could not be started, or took too long
    missing: bool = False  # there is no such program


@dataclass(frozen=True)
class Place:
    """The folder of the include files."""

    there: bool
    mark: bytes | None = None
    fault: str = ""  # the mark is there and cannot be read
    robot: str = ""  # whose lists these are, as this machine was told
    folder: str = ""


@dataclass(frozen=True)
class Machine:
    robot: str
    include_dir: Path
    lists: Path
    sympa: tuple[str, ...] = ("sympa",)
    parallel: int = 2
    timeout: float = 600.0  # seconds, for one include
    env: Mapping[str, str] = field(default_factory=lambda: {**os.environ, "LC_ALL": "C.UTF-8"})

    def look(self, names: Collection[str]) -> dict[str, Look]:
        """Raises OSError when there are no lists at all."""
        if not self.lists.is_dir():
            raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(self.lists))
        return {name: self._look(name) for name in map(checked, names)}

    def _look(self, name: str) -> Look:
        try:
            config = _content(self.lists / name / "config")
            return Look(_content(self.include_dir / name), None if config is None else without_passwords(config))
        except OSError as err:
            return Look(fault=f"{err.filename}: {err.strerror}")

    def put(self, files: Mapping[str, bytes]) -> dict[str, str]:
        """Replaces include files; what could not be written, by name: why."""
        failed = {}
        for name, content in files.items():
            try:
                self._replace(self.include_dir / checked(name), content)
            except OSError as err:
                failed[name] = f"{err.strerror}"
        return failed

    def include(self, names: Collection[str]) -> dict[str, Said]:
        """Runs Sympa's include for each of these lists, `parallel` at a time."""
        pool = ThreadPoolExecutor(self.parallel)
        try:
            return dict(zip(names, pool.map(self._include, map(checked, names)), strict=True))
        finally:
            pool.shutdown(cancel_futures=True)  # those that run are waited for, also when we are told to stop

    def _include(self, name: str) -> Said:
        command = [*self.sympa, "include", "--lang=en-US", f"{name}@{self.robot}"]
        try:
            process = subprocess.Popen(  # noqa: S603  # the configuration's own command, without a shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(self.env),
                start_new_session=True,  # a Ctrl-C at Collima does not end it halfway
            )
        except OSError as err:
            return Said(f"{command[0]}: {err.strerror}", ran=False, missing=True)
        assert process.stdout
        with process.stdout:
            try:
                said, _ = process.communicate(timeout=self.timeout)
            except subprocess.TimeoutExpired:
                _kill(process)
                return Said(f"it did not end within {self.timeout:g} seconds", ran=False)
            except OSError as err:
                _kill(process)
                return Said(f"{command[0]}: {err.strerror}", ran=False)
        return Said(said.decode("utf-8", "replace")[-LONGEST_SAID:])

    def place(self) -> Place:
        robot, folder = self.robot, str(self.include_dir)
        try:
            return Place(self.include_dir.is_dir(), _content(self.include_dir / MARK), robot=robot, folder=folder)
        except OSError as err:
            return Place(self.include_dir.is_dir(), fault=f"{err.strerror}", robot=robot, folder=folder)

    def attempt(self) -> str:
        """What would not work here; "" when all would."""
        try:
            self._write_new(b"").unlink()
        except OSError as err:
            return f"{self.include_dir}: {err.strerror}: the user that runs Collima must own this folder"
        if not self.lists.is_dir():
            return f"{self.lists}: there is no such folder, with a folder for each list (see `lists`)"
        if shutil.which(self.sympa[0]) is None:
            return f"there is no command {self.sympa[0]} (see `sympa`)"
        return ""

    def keep(self, mark: bytes) -> None:
        """Replaces the mark, and sweeps what a killed run left. Raises OSError."""
        for left in self.include_dir.glob(f"{UNFINISHED}*"):
            left.unlink()
        self._replace(self.include_dir / MARK, mark)

    def _replace(self, file: Path, content: bytes) -> None:
        """A reader sees the old file or the new one; after a crash, too. Owner and mode are kept; a new file is its
        folder's owner's and group's, as far as we may give it away."""
        new = self._write_new(content)
        try:
            folder = self.include_dir.stat()
            mode, owner, group = 0o640, folder.st_uid, folder.st_gid
            with contextlib.suppress(FileNotFoundError):
                before = file.stat()
                mode, owner, group = before.st_mode & 0o777, before.st_uid, before.st_gid
            made = new.stat()
            if owner != made.st_uid and os.geteuid() == 0:
                os.chown(new, owner, -1)
            if group != made.st_gid:
                with contextlib.suppress(PermissionError):  # not a group of ours: the include itself will tell
                    os.chown(new, -1, group)
            new.chmod(mode)
            new.replace(file)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        self._sync_folder()

    def _sync_folder(self) -> None:
        folder = os.open(self.include_dir, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _write_new(self, content: bytes) -> Path:
        new = self.include_dir / f"{UNFINISHED}{secrets.token_hex(8)}"
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        return new


def checked(name: object) -> str:
    """Raises ValueError for what is no list's name."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError("that is no name of a list")
    return name


def without_passwords(config: bytes) -> bytes:
    """A list's configuration, to leave this machine."""
    return _PASSWORD.sub(lambda found: (found[1] or b"") + b"-", config)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """What sudo started is not ours to kill, and what waits for a dead disk does not die: neither is waited for."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


# ---- spoken over ssh


def request(verb: str, content: bytes = b"", **more: object) -> bytes:
    return json.dumps({"do": verb, "version": VERSION, "size": len(content), **more}).encode() + b"\n" + content


def serve(machine: Machine, asked: IO[bytes], answers: IO[bytes]) -> int:
    """Answers until the end of what is asked. Returns the exit code."""

    def tell(head: Mapping[str, object], *parts: bytes | None) -> None:
        answers.write(json.dumps({**head, "sizes": [-1 if p is None else len(p) for p in parts]}).encode() + b"\n")
        for part in parts:
            answers.write(part or b"")

    try:
        while line := asked.readline(LONGEST_LINE):
            order, content = _order(line, asked)
            for head, parts in _answer(machine, order, content):
                tell(head, *parts)
            tell({"done": True})
            answers.flush()
    except (ValueError, OSError) as err:
        tell({"failed": f"{err.filename}: {err.strerror}" if isinstance(err, OSError) else str(err)})
        answers.flush()
        return 1
    return 0


def _order(line: bytes, asked: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Raises ValueError for anything but a whole request."""
    try:
        order = json.loads(line)
        size = order["size"]
        same = order["version"] == VERSION
    except (ValueError, KeyError, TypeError):
        raise ValueError("that is no request") from None
    if not same:
        raise ValueError(f"this machine speaks version {VERSION}: install the same release of Collima on both")
    if not isinstance(size, int) or not 0 <= size <= LARGEST_FILE:
        raise ValueError("that is too large for an include file")
    content = asked.read(size)
    if len(content) != size:
        raise ValueError("the request was cut")
    return order, content


_Answers = Iterator[tuple[Mapping[str, object], Sequence[bytes | None]]]


def _answer(machine: Machine, order: Mapping[str, Any], content: bytes) -> _Answers:
    match order.get("do"):
        case "look":
            for name, look in machine.look(_names(order)).items():
                yield {"name": name, "fault": look.fault}, (look.file, look.config)
        case "put":
            name = checked(order.get("name"))
            yield {"name": name, "error": machine.put({name: content}).get(name, "")}, ()
        case "include":
            for name, said in machine.include(_names(order)).items():
                yield {"name": name, "ran": said.ran, "missing": said.missing}, (said.text.encode(),)
        case "place":
            place = machine.place()
            head = {"there": place.there, "fault": place.fault, "robot": place.robot, "folder": place.folder}
            yield head, (place.mark,)
        case "keep":
            machine.keep(content)
        case "try":
            yield {"fault": machine.attempt()}, ()
        case _:
            raise ValueError("that is not possible here")


def _names(order: Mapping[str, Any]) -> list[str]:
    names = order.get("names")
    return [checked(name) for name in (names if isinstance(names, list) else [names])]


def main(arguments: Sequence[str] | None = None) -> int:
    """The forced command."""
    parser = argparse.ArgumentParser(description="What Collima may do on Sympa's machine, told on standard input.")
    parser.add_argument("--robot", required=True, help="the domain of the lists")
    parser.add_argument("--include-dir", required=True, type=Path, help="the folder of the include files")
    parser.add_argument("--lists", required=True, type=Path, help="the folder with one folder for each list")
    parser.add_argument("--sympa", default="sympa", help="the command, with `sudo -n -u sympa` before it if need be")
    parser.add_argument("--parallel", default=2, type=int, help="so many includes at a time")
    parser.add_argument("--timeout", default=600.0, type=float, help="seconds for one include")
    given = parser.parse_args(arguments)
    machine = Machine(
        robot=given.robot,
        include_dir=given.include_dir,
        lists=given.lists,
        sympa=tuple(shlex.split(given.sympa)),
        parallel=max(1, given.parallel),
        timeout=given.timeout,
    )
    return serve(machine, sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    sys.exit(main())
