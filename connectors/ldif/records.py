"""Content records of RFC 2849, streamed: every entry of a file, or SourceError with the place in it.

Every line of every entry is checked, wanted or not: a damaged file never reads like a shorter one. What cannot be told
is a file that was cut between two lines of its last entry.
"""

import binascii
import os
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, NoReturn

from collima.core.errors import SourceError

BLOCK = 1 << 20
LONGEST = 64 << 20
"""More octets than this without an empty line are no entry."""

_DESCRIPTION = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)(?:;[A-Za-z0-9-]+)*")
_CHANGES = frozenset({b"changetype", b"control", b"-"})


class Reader:
    """Reads one open file once, from its beginning to its end."""

    def __init__(self, name: str, file: BinaryIO, wanted: Callable[[str], bool]) -> None:
        """`wanted` is asked once for each attribute description in the file, lower-cased."""
        self._name = name
        self._file = file
        self._wanted = wanted
        self._keys: dict[bytes, bytes] = {}  # each description as written: lower-cased if wanted, else b""
        self._line = 1  # on which the record at hand begins
        self._record = b""

    def entries(self) -> Iterator[tuple[bytes, list[bytes]]]:
        """The DN, and for each wanted attribute its lines, joined by line feeds: a raw attribute for `attribute`.

        Raises SourceError, also when the file was changed while it was read.
        """
        before = os.fstat(self._file.fileno())
        seen: set[bytes] = set()
        for record in self._records():
            lines = (record.replace(b"\n ", b"") if b"\n " in record else record).split(b"\n")
            if (start := self._start(lines)) == len(lines):
                continue  # nothing but comments
            dn = self._dn(lines, start)
            folded = dn.lower()
            folded = dn if folded == dn else folded  # one copy of it in memory
            if folded in seen:
                self._fail(start, "an entry of this DN came before")
            seen.add(folded)
            yield dn, self._attributes(lines, start + 1)
        after = os.fstat(self._file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise SourceError(
                f"{self._name}: the file changed while it was read; write it under another name, and rename it when it "
                "is complete",
                transient=True,
            )

    def _records(self) -> Iterator[bytes]:
        """The text between empty lines, with LF alone at the ends of lines."""
        rest = b""
        while block := self._file.read(BLOCK):
            if block.endswith(b"\r"):
                block += self._file.read(1)
            if b"\r" in block:
                block = block.replace(b"\r\n", b"\n")
            *records, rest = (rest + block).split(b"\n\n")
            for record in records:
                yield from self._placed(record)
            if len(rest) > LONGEST:
                self._fail(0, f"no empty line within {LONGEST} octets")
        yield from self._placed(rest.removesuffix(b"\n"))

    def _placed(self, record: bytes) -> Iterator[bytes]:
        """Keeps count of lines."""
        text = record.lstrip(b"\n")
        self._line += len(record) - len(text)
        if text:
            self._record = text
            if b"\0" in text or b"\r" in text:
                self._fail(0, "an entry with a NUL or a lone carriage return, which LDIF writes in base64")
            yield text
        self._line += text.count(b"\n") + 2

    def _start(self, lines: list[bytes]) -> int:
        """The index of the first line that is neither a comment nor, at the top of the file, the version."""
        start = 0
        for start, line in enumerate(lines):
            if line.startswith(b"#"):
                continue
            if line.lower().startswith(b"version:") and not self._keys:
                if line[8:].strip() != b"1":
                    self._fail(start, "a version of LDIF other than 1")
                continue
            return start
        return len(lines)

    def _dn(self, lines: list[bytes], start: int) -> bytes:
        name, colon, value = lines[start].partition(b":")
        if name.lower() != b"dn" or not colon:
            self._fail(start, "an entry begins with `dn:`; write the file with slapcat or ldapsearch -LLL")
        if value.startswith(b":"):
            return self._base64(value, start)
        return value.lstrip(b" ")

    def _attributes(self, lines: list[bytes], start: int) -> list[bytes]:
        found: dict[bytes, bytes | list[bytes]] = {}
        keys = self._keys
        attributes = 0
        for at in range(start, len(lines)):
            line = lines[at]
            name, _, value = line.partition(b":")
            if (key := keys.get(name)) is None:
                if line.startswith(b"#"):
                    continue
                key = keys[name] = self._meet(line, at)
            attributes += 1
            if value[:1] == b":":
                self._base64(value, at)
            elif value[:1] == b"<":
                self._fail(at, "a value that is elsewhere (`:<`): not followed; write it into the file")
            if key:
                before = found.get(key)
                if before is None:
                    found[key] = line
                elif isinstance(before, list):
                    before.append(line)
                else:
                    found[key] = [before, line]
        if not attributes:
            self._fail(len(lines) - 1, "an entry without attributes: the file is cut")
        return [b"\n".join(raw) if isinstance(raw, list) else raw for raw in found.values()]

    def _meet(self, line: bytes, at: int) -> bytes:
        """The key of a description that is met for the first time."""
        name, colon, _ = line.partition(b":")
        key = name.lower()
        if key in _CHANGES:
            self._fail(at, "a change record; a file of entries is needed, as slapcat or ldapsearch -LLL writes it")
        if not colon or not _DESCRIPTION.fullmatch(name):
            self._fail(at, "no `attribute: value`: the file is cut or damaged")
        if key == b"dn":
            self._fail(at, "a second `dn:` in one entry: an empty line is missing before it")
        return key if self._wanted(key.decode()) else b""

    def _base64(self, value: bytes, at: int) -> bytes:
        try:
            return binascii.a2b_base64(value[1:].lstrip(b" "), strict_mode=True)
        except binascii.Error:
            self._fail(at, "bad base64: the file is cut or damaged")

    def _fail(self, at: int, what: str) -> NoReturn:
        """`at` counts the lines of the record after unfolding."""
        begins = [number for number, line in enumerate(self._record.split(b"\n")) if not line.startswith(b" ")]
        raise SourceError(f"{self._name}:{self._line + (begins[at] if begins else 0)}: {what}")


def attribute(raw: bytes) -> tuple[str, tuple[bytes, ...]]:
    """The description, as it was written, and the values of a raw attribute."""
    pairs = [line.partition(b":")[::2] for line in raw.split(b"\n")]
    return pairs[0][0].decode(), tuple(
        binascii.a2b_base64(value[1:]) if value.startswith(b":") else value.lstrip(b" ") for _, value in pairs
    )


def description(raw: bytes) -> bytes:
    """The description alone, lower-cased."""
    return raw[: raw.index(b":")].lower()
