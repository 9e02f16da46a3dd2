"""YAML 1.2 with places: plain values, and for each of them the line and column where it was written.

Of YAML only the data is taken. Tags, directives and second documents are faults, so are equal keys, keys that are not
text, impossible dates, and aliases that would blow up. Scalars are resolved by the core schema of YAML 1.2 (`no` and
`12:30` are text); a plain `2027-06-30` is a date.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from collima.app.config.faults import Fault, Steps, written
from collima.app.config.scalars import resolve
from collima.app.config.traps import explain

Plain: TypeAlias = "dict[str, Plain] | list[Plain] | str | int | float | bool | date | None"

LARGEST = 4 * 1024 * 1024  # bytes
DEEPEST = 50  # levels
MOST = 200_000  # values, with every alias written out

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff]")  # from escapes
_COMMENT = re.compile(r"(?:^|\s)#.*")
_ANCHOR = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class Mark(NamedTuple):
    """Both count from 1; the column counts characters."""

    line: int
    column: int


TOP = Mark(1, 1)


@dataclass(slots=True)
class Node:
    """One value, where it was written, and what is below it."""

    value: Plain
    mark: Mark
    source: str = ""  # of a scalar: as it was written, without quotes
    plain: bool = False  # a scalar without quotes
    flow: bool = False  # inside { } or [ ]
    end: Mark = TOP
    below: "dict[str | int, Node]" = field(default_factory=dict)
    keys: dict[str, Mark] = field(default_factory=dict)
    size: int = 1  # values in it, with every alias written out

    def find(self, steps: Steps) -> tuple["Node", Steps, Mark]:
        """The node at the end of `steps`, or the last one on the way there; the steps to it; its mark.

        The mark of a scalar is its own; that of a mapping or a list is its key's.
        """
        node, mark = self, TOP
        for done, step in enumerate(steps):
            if (child := node.below.get(step)) is None:
                return node, steps[:done], mark
            collection = isinstance(child.value, dict | list)
            mark = node.keys.get(str(step), child.mark) if collection and isinstance(node.value, dict) else child.mark
            node = child
        return node, steps, mark


class Broken(Exception):
    """The text cannot be read on from here."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def decode(raw: bytes) -> str:
    """The text of a file. Raises Broken."""
    if len(raw) > LARGEST:
        raise Broken(Fault(1, 1, "", f"the file has more than {LARGEST} bytes: it is no schedule"))
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise Broken(Fault(1, 1, "", "the file begins with a byte order mark: save it as UTF-8 without BOM"))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as err:
        before = raw[: err.start].decode("utf-8")
        raise Broken(Fault(*_place(before), "", "not UTF-8 here: save the file as UTF-8")) from err
    if found := _UNPRINTABLE.search(text):
        fault = f"the control character U+{ord(found[0]):04X}: take it out"
        raise Broken(Fault(*_place(text[: found.start()]), "", fault))
    return text


def _place(before: str) -> Mark:
    return Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))


def read(text: str) -> tuple[Node, list[Fault]]:
    """The tree of one document and the faults that leave the rest readable. Raises Broken for the others."""
    lines = text.split("\n")
    try:
        composer = _Composer(YAML(typ="safe", pure=True).parse(text), lines)
        return composer.document(), composer.faults
    except YAMLError as err:
        raise Broken(explain(err, lines)) from err
    except (ValueError, OverflowError) as err:  # "\UFFFFFFFF": the scanner hands it to chr()
        raise Broken(Fault(1, 1, "", "an escape like \\U in double quotes names no character")) from err


class _Composer:
    """Builds the tree from the parser's events."""

    def __init__(self, events: Iterator[Any], lines: list[str]) -> None:
        self.events = events
        self.lines = lines
        self.faults: list[Fault] = []
        self.anchors: dict[str, Node | None] = {}  # None: still being built
        self.flow = 0  # how many { and [ are open
        self.depth = 0

    def fault(self, mark: Mark, steps: Steps, message: str) -> None:
        self.faults.append(Fault(*mark, written(steps), message))

    def document(self) -> Node:
        root: Node | None = None
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise Broken(Fault(*_start(event), "", "a second document begins here (---): one file holds one"))
                if event.version or event.tags:
                    self.fault(_start(event), (), "a directive (%…) stands before ---: leave it out")
                root = self.node(next(self.events), ())
        if root is None:
            raise Broken(Fault(1, 1, "", "the file is empty"))
        return root

    def node(self, event: Any, steps: Steps) -> Node:
        if self.depth > DEEPEST:
            raise Broken(Fault(*_start(event), "", f"nested deeper than {DEEPEST} levels"))
        if isinstance(event, AliasEvent):
            return self.alias(event, steps)
        if event.tag is not None:
            self.fault(_start(event), steps, "tags (!…) are not used here; a text that starts with ! goes in quotes")
        if event.anchor is not None:
            self.anchors[event.anchor] = None
            if not _ANCHOR.fullmatch(event.anchor):
                self.fault(_start(event), steps, "a text that starts with & goes in quotes")
        if isinstance(event, ScalarEvent):
            node = self.scalar(event, steps)
        else:
            self.flow += bool(event.flow_style)
            self.depth += 1
            node = self.mapping(event, steps) if isinstance(event, MappingStartEvent) else self.sequence(event, steps)
            self.depth -= 1
            self.flow -= bool(event.flow_style)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def alias(self, event: Any, steps: Steps) -> Node:
        if event.anchor not in self.anchors:
            message = f"*{event.anchor} repeats nothing above; a text that starts with * goes in quotes"
        elif (node := self.anchors[event.anchor]) is None:
            message = f"*{event.anchor} would contain itself"
        else:
            return node
        self.fault(_start(event), steps, message)
        return Node(None, _start(event))

    def scalar(self, event: Any, steps: Steps) -> Node:
        text, mark = str(event.value), _start(event)
        plain = event.style is None
        value: Plain = text
        if plain and not text and event.tag is None and event.anchor is None:
            mark = self.before(mark)
        elif not plain and (odd := _ODD.search(text)):
            self.fault(mark, steps, f"an escape for U+{ord(odd[0]):04X}: take it out")
        if plain and event.tag is None:
            try:
                value = resolve(text)
            except ValueError as err:
                self.fault(mark, steps, str(err))
                value = None
        return Node(value, mark, text, plain, self.flow > 0, Mark(event.end_mark.line + 1, event.end_mark.column + 1))

    def before(self, mark: Mark) -> Mark:
        """The sign after which a value is missing: the parser's own mark is where it saw that, lines below."""
        line = mark.line - 1
        column: int | None = mark.column - 1
        while line >= 0:
            text = _COMMENT.sub("", self.lines[line][:column] if line < len(self.lines) else "").rstrip()
            if text:
                return Mark(line + 1, len(text))
            line, column = line - 1, None
        return mark

    def sequence(self, event: SequenceStartEvent, steps: Steps) -> Node:
        values: list[Plain] = []
        node = Node(values, _start(event), flow=self.flow > 0)
        while not isinstance(event := next(self.events), SequenceEndEvent):
            item = self.node(event, (*steps, len(values)))
            node.below[len(values)] = item
            values.append(item.value)
            self.grow(node, item)
        return node

    def mapping(self, event: MappingStartEvent, steps: Steps) -> Node:
        values: dict[str, Plain] = {}
        node = Node(values, _start(event), flow=self.flow > 0)
        merged: list[Node] = []
        while not isinstance(event := next(self.events), MappingEndEvent):
            key, mark = self.key(event, steps)
            child = self.node(next(self.events), (*steps, key))
            self.grow(node, child)
            if key == "<<" and isinstance(event, ScalarEvent) and event.style is None:
                merged += self.sources(child, mark, steps)
            elif key in values:
                self.fault(mark, steps, f"the key {key!r} is here twice, first in line {node.keys[key].line}")
            else:
                values[key], node.below[key], node.keys[key] = child.value, child, mark
        for source in merged:
            for name, child in source.below.items():
                if isinstance(name, str) and name not in values:
                    values[name], node.below[name], node.keys[name] = child.value, child, source.keys[name]
        return node

    def key(self, event: Any, steps: Steps) -> tuple[str, Mark]:
        mark = _start(event)
        node = self.node(event, steps)
        if isinstance(node.value, str):
            return node.value, mark
        if isinstance(node.value, dict | list):
            self.fault(
                mark, steps, "a key is text, not a list or a mapping; a text that starts with { or [ goes in quotes"
            )
        elif node.source:
            self.fault(mark, steps, f'a key is text: write it in quotes: "{node.source}"')
        else:
            self.fault(mark, steps, "a key is missing before ':'")
        return node.source, mark

    def sources(self, child: Node, mark: Mark, steps: Steps) -> list[Node]:
        nodes = list(child.below.values()) if isinstance(child.value, list) else [child]
        if all(isinstance(node.value, dict) for node in nodes):
            return nodes
        self.fault(mark, steps, "<< takes an alias of a mapping, like: <<: *name")
        return []

    def grow(self, node: Node, child: Node) -> None:
        node.size += child.size
        if node.size > MOST:
            raise Broken(Fault(*node.mark, "", f"more than {MOST} values with every alias written out"))


def _start(event: Any) -> Mark:
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)
