"""Content records of RFC 2849, streamed: every entry of a file, or SourceError with the place in it.

Every line of every entry is checked, wanted or not: a damaged file never reads like a shorter one. What cannot be told
is a file that was cut between two lines of its last entry.
"""

import binascii
import os
import re
from collections.abc import Callable, Iterator, Mapping
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
        self._keys: dict[bytes, bytes] = {}  # each description and its colon, as written: lower-cased if wanted, or b""
        self._record = b""  # at hand
        self._begin = 1  # the line that it begins on
        self._lines: list[bytes] = []  # of the record, unfolded
        self.ended = False  # whether the last line had an end; known when all is read

    def entries(self) -> Iterator[tuple[bytes, Mapping[bytes, bytes]]]:
        """The DN, and the wanted attributes by their lower-cased descriptions.

        Each attribute is its lines, joined by line feeds: a raw one, for `attribute` to decode. Raises SourceError,
        also when the file was changed while it was read.
        """
        before = os.fstat(self._file.fileno())
        seen: set[bytes] = set()
        for lines in self._unfolded():
            dn = self._dn(lines[0])
            folded = dn.lower()
            folded = dn if folded == dn else folded  # one copy of it in memory
            if folded in seen:
                self._fail(lines[0], "an entry of this DN came before")
            seen.add(folded)
            yield dn, self._attributes(lines)
        after = os.fstat(self._file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise SourceError(
                f"{self._name}: the file changed while it was read; write it under another name, and rename it when it "
                "is complete",
                transient=True,
            )

    def _unfolded(self) -> Iterator[list[bytes]]:
        """The lines of each entry, without comments and the file's version."""
        first = True
        for record in self._records():
            lines = self._lines = (record.replace(b"\n ", b"") if b"\n " in record else record).split(b"\n")
            if record.startswith(b"#") or b"\n#" in record:
                lines = [line for line in lines if not line.startswith(b"#")]
            if first and lines and lines[0].lower().startswith(b"version:"):
                if lines[0][8:].strip() != b"1":
                    self._fail(lines[0], "a version of LDIF other than 1")
                lines = lines[1:]
            if lines:
                first = False
                if b"::" in record or b":<" in record:
                    self._check(lines)
                yield lines

    def _records(self) -> Iterator[bytes]:
        """The text between empty lines."""
        for text in self._texts():
            record = self._record = text.lstrip(b"\n")
            self._begin += len(text) - len(record)
            if record:
                if b"\0" in record or b"\r" in record:
                    self._fail(b"", "an entry with a NUL or a lone carriage return, which LDIF writes in base64")
                yield record
            self._begin += record.count(b"\n") + 2

    def _texts(self) -> Iterator[bytes]:
        """What was between two line feeds in a row; CR LF counts as LF."""
        rest = b""
        while block := self._file.read(BLOCK):
            if block.endswith(b"\r"):
                block += self._file.read(1)
            if b"\r" in block:
                block = block.replace(b"\r\n", b"\n")
            *texts, rest = (rest + block).split(b"\n\n")
            yield from texts
            if len(rest) > LONGEST:
                self._fail(b"", f"no empty line within {LONGEST} octets")
        self.ended = not rest or rest.endswith(b"\n")
        yield rest.removesuffix(b"\n")

    def _check(self, lines: list[bytes]) -> None:
        """Every value that is not plain text."""
        for line in [line for line in lines if b"::" in line or b":<" in line]:
            _, _, value = line.partition(b":")
            if value.startswith(b":"):
                try:
                    binascii.a2b_base64(value[1:].lstrip(b" "), strict_mode=True)
                except binascii.Error:
                    self._fail(line, "bad base64: the file is cut or damaged")
            elif value.startswith(b"<"):
                self._fail(line, "a value that is elsewhere (`:<`): not followed; write it into the file")

    def _dn(self, line: bytes) -> bytes:
        name, colon, _ = line.partition(b":")
        if name.lower() != b"dn" or not colon:
            self._fail(line, "an entry begins with `dn:`; write the file with slapcat or ldapsearch -LLL")
        return _value(line)

    def _attributes(self, lines: list[bytes]) -> Mapping[bytes, bytes]:
        """The one loop that sees every line: nothing more is done in it than must be."""
        found: dict[bytes, bytes | list[bytes]] = {}
        keys = self._keys
        rest = iter(lines)
        dn = next(rest)
        for line in rest:
            if (key := keys.get(line[: line.find(b":") + 1])) is None:
                key = self._meet(line)
            if key:
                before = found.get(key)
                if before is None:
                    found[key] = line
                elif isinstance(before, list):
                    before.append(line)
                else:
                    found[key] = [before, line]
        if len(lines) == 1:
            self._fail(dn, "an entry without attributes: the file is cut")
        return {key: raw if isinstance(raw, bytes) else b"\n".join(raw) for key, raw in found.items()}

    def _meet(self, line: bytes) -> bytes:
        """The key of a description that is met for the first time; b"" when it is not wanted."""
        name, colon, _ = line.partition(b":")
        key = name.lower()
        if key in _CHANGES:
            self._fail(line, "a change record; a file of entries is needed, as slapcat or ldapsearch -LLL writes it")
        if not colon or not _DESCRIPTION.fullmatch(name):
            self._fail(line, "no `attribute: value`: the file is cut or damaged")
        if key == b"dn":
            self._fail(line, "a second `dn:` in one entry: an empty line is missing before it")
        self._keys[name + colon] = key if self._wanted(key.decode()) else b""
        return self._keys[name + colon]

    def _fail(self, line: bytes, what: str) -> NoReturn:
        """`line` is one of the unfolded lines of the record at hand, the very object; another is the first one."""
        begins = [at for at, text in enumerate(self._record.split(b"\n")) if not text.startswith(b" ")]
        at = next((at for at, known in enumerate(self._lines) if known is line), 0)
        raise SourceError(f"{self._name}:{self._begin + begins[at]}: {what}")


def attribute(raw: bytes) -> tuple[str, tuple[bytes, ...]]:
    """The description, as it was written, and the values of a raw attribute."""
    lines = raw.split(b"\n")
    return lines[0].partition(b":")[0].decode(), tuple(map(_value, lines))


def description(raw: bytes) -> bytes:
    """The description alone, lower-cased."""
    return raw[: raw.index(b":")].lower()


def _value(line: bytes) -> bytes:
    """Of a line that was checked."""
    _, _, value = line.partition(b":")
    return binascii.a2b_base64(value[1:]) if value.startswith(b":") else value.lstrip(b" ")
