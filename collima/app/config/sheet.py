"""A schedules.yaml as it was written: what stands where, and the faults found in it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from collima.app.config.faults import Fault, Invalid, Steps, written
from collima.app.config.yaml import Broken, Node, Plain, decode, read

_SECRET = re.compile(r"passw|passphrase|secret|token|credential|private|key$", re.IGNORECASE)
_ENDS_TEXT = re.compile(r"\s*[,{}\[\]]")


class Sheet:
    """Raises Invalid when the file cannot be read as one mapping; all other faults are gathered."""

    def __init__(self, path: Path, raw: bytes) -> None:
        try:
            text = decode(raw)
            root, faults = read(text)
        except Broken as err:
            raise Invalid(path, [err.fault]) from None
        if not isinstance(root.value, dict):
            raise Invalid(path, [Fault(*root.mark, "", "the file is no mapping: it begins with version: 1")])
        self.path = path
        self.root = root
        self._lines = text.split("\n")
        self._faults = dict.fromkeys(faults)
        self._told = frozenset((fault.line, fault.column) for fault in faults)  # unreadable values: once is enough

    @property
    def faults(self) -> list[Fault]:
        """In the order of the file."""
        return sorted(self._faults)

    def value(self, steps: Steps) -> Plain:
        """What stands at `steps`; None where nothing does."""
        node, reached, _ = self.root.find(steps)
        return node.value if reached == steps else None

    def mapping(self, steps: Steps) -> Mapping[str, Any]:
        """The mapping at `steps`; empty where something else is, which is a fault of its own."""
        value = self.value(steps)
        return value if isinstance(value, dict) else {}

    def place(self, steps: Steps, message: str) -> Fault:
        """A fault at the value at `steps`, or at what is nearest to it."""
        node, reached, mark = self.root.find(steps)
        where = steps if isinstance(node.value, dict) else reached
        return Fault(*mark, written(where), message)

    def fault(self, steps: Steps, message: str) -> None:
        self._add(self.place(steps, message))

    def key_fault(self, steps: Steps, key: str, message: str) -> None:
        """A fault at a key of the mapping at `steps`."""
        node, _, mark = self.root.find(steps)
        self._add(Fault(*node.keys.get(key, mark), written(steps), message))

    def _add(self, fault: Fault) -> None:
        if (fault.line, fault.column) not in self._told:
            self._faults[fault] = None

    def invalid(self, steps: Steps, err: ValidationError) -> None:
        """Everything that pydantic found below `steps`."""
        for line in err.errors(include_url=False):
            way = (*steps, *(step for step in line["loc"] if not str(step).startswith("<")))
            message = line.get("ctx", {}).get("text", line["msg"])
            if line["type"] == "key":
                self.key_fault(way[:-1], str(way[-1]), message)
            elif line["type"] == "missing":
                self.fault(way[:-1], message)
            else:
                node, reached, _ = self.root.find(way)
                self.fault(way, message + self._hint(node, reached, line["type"]))

    def _hint(self, node: Node, way: Steps, sort: str) -> str:
        """How to write what was probably meant. Shows nothing of what may be a secret."""
        if sort == "quote":
            if node.source and node.plain and not any(_SECRET.search(str(step)) for step in way):
                return f': write it in quotes: "{node.source}"'
            if isinstance(node.value, dict) and node.flow and None in node.value.values():
                return "; a text that starts with { goes in quotes"
            return ""
        if not (node.plain and node.source.startswith("(")):
            return ""
        rest = self._lines[node.end.line - 1][node.end.column - 1 :] if node.end.line <= len(self._lines) else ""
        if rest.startswith(" ") and rest.lstrip().startswith("#"):
            return "; ' #' begins a comment: put the filter in quotes"
        if node.flow and _ENDS_TEXT.match(rest) and node.source.count("(") != node.source.count(")"):
            return "; inside { } a filter with commas or braces goes in quotes"
        return ""
