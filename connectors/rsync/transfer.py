"""One rsync over the whole tree: what it is told, and what it says."""

import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from collima.core.errors import Refused
from connectors.rsync import child
from connectors.rsync.names import shown
from connectors.rsync.pattern import Pattern

_ALIKE = ("rsync", "--archive", "--hard-links", "--numeric-ids")
ALWAYS = (
    *_ALIKE,
    "--backup",
    "--no-human-readable",
    "--stats",
    "--out-format=%o|%n",
)
_MAGIC = re.compile(r"([\\*?\[])")
_NAMED = re.compile(r'"(.+?)"(?=[:, ]|$)', re.DOTALL)
_WAY = re.compile(r"could not make way for new [a-z ]+: (.+)$", re.DOTALL)
_WHY = re.compile(r'"[^"]*"(?: -> "[^"]*")?(?: failed)?: (.*)$')
_FIGURE = {
    "Total transferred file size: ": "sent",
    "Number of regular files transferred: ": "files",
}


@dataclass(slots=True)
class Transfer:
    """`source` and `copy` as rsync is told them, each with a slash at its end."""

    source: str
    copy: str
    pattern: Pattern
    options: Sequence[str] = ()
    figures: dict[str, int] = field(default_factory=dict)

    @property
    def rehearsal(self) -> Sequence[str]:
        """The command that only tells what `run` would do: a line for each file or folder that is not as it should."""
        return [*_ALIKE, "--dry-run", "--out-format=%i|%n", *self.options, self.source, self.copy]

    def run(self, rules: Sequence[str], told: Callable[[str, str], None]) -> Mapping[str, str] | None:
        """Returns why files of mailboxes were not copied, by mailbox, or None when files only vanished meanwhile.

        `told` (mailbox, path) of each name that comes. Raises Refused when it ended before its end.
        """
        with _listed(rules) as name:
            which = ["--from0", f"--filter=merge {name}"] if rules else []
            try:
                for line in child.lines([*ALWAYS, *self.options, *which, self.source, self.copy], gently=True):
                    self._hear(line, told)
            except child.Failed as err:
                return self._judged(err)
        return {}

    def date(self) -> None:
        """Gives the root of the copy, not what is in it, the times of the source's; else the next run does."""
        with suppress(child.Failed):
            command = [*ALWAYS, *self.options, "--dirs", "--exclude=/*", self.source, self.copy]
            for _ in child.lines(command, gently=True):
                pass

    def dates(self, folders: Collection[str]) -> None:
        """Gives these folders below the root of the copy, not what is in them, the times of the source's.

        Raises Refused.
        """
        with _listed([f"./{path}" for path in folders]) as name:  # a # at its beginning would be a comment
            which = ["--dirs", "--from0", f"--files-from={name}"]
            try:
                for _ in child.lines([*ALWAYS, *self.options, *which, self.source, self.copy], gently=True):
                    pass
            except child.Failed as err:
                if err.code not in (child.PARTIAL, child.VANISHED):
                    raise Refused(str(err), transient=err.transient) from err

    def _hear(self, line: str, told: Callable[[str, str], None]) -> None:
        if line.startswith(("send|", "recv|")):
            path = child.unescaped(line[5:])
            if not path.endswith("/") and (name := self.pattern.name(path)):
                told(shown(name), path)
            return
        for word, figure in _FIGURE.items():
            if line.startswith(word):
                self.figures[figure] = int("".join(filter(str.isdigit, line[len(word) :])))

    def _judged(self, err: child.Failed) -> Mapping[str, str] | None:
        if err.code == child.VANISHED:
            return None
        if err.full:
            raise Refused("no room is left where the copies are: what came so far is kept for the next run") from err
        if err.code == child.PARTIAL and (faults := self._faults(err.said)):
            return faults
        raise Refused(str(err), transient=err.transient) from err

    def _faults(self, said: Collection[str]) -> dict[str, str]:
        """What each error is about. A line names a file with its whole path, or with one that begins at the store."""
        faults: dict[str, str] = {}
        for text in said:
            if not (named := _NAMED.search(text) or _WAY.search(text)) or "vanished" in text:
                continue
            path = child.unescaped(named[1])
            for root in (self.source, self.copy):
                path = path.removeprefix(root.partition(":")[2] or root)
            why = _WHY.search(text)
            faults.setdefault(shown(self.pattern.name(path)), why[1] if why else "it could not be copied")
        return faults


@contextmanager
def _listed(texts: Collection[str]) -> Iterator[str]:
    """The name of a file that has them, each with a NUL behind it."""
    with tempfile.NamedTemporaryFile(prefix="collima-rsync-") as file:
        file.write(b"".join(text.encode("utf-8", "surrogateescape") + b"\0" for text in texts))
        file.flush()
        yield file.name


def quoted(path: str, *, star: bool = False) -> str:
    """For a rule: all characters mean themselves. rsync takes a backslash literally unless the rule has a star."""
    return _MAGIC.sub(r"\\\1", path) if star or any(char in path for char in "*?[") else path


def just(paths: Collection[str]) -> list[str]:
    """Rules: only these trees are looked at, on both sides."""
    above = {"/".join(path.split("/")[:depth]) for path in paths for depth in range(1, path.count("/") + 1)}
    return [f"+ /{quoted(path)}/" for path in sorted(above)] + [
        *(f"+ /{quoted(path, star=True)}/***" for path in sorted(paths)),
        "- *",
    ]


def outside(pattern: Pattern, paths: Collection[str]) -> list[str]:
    """Rules: what is in no mailbox is looked at, and these trees."""
    parts = ("*".join(quoted(literal, star=True) for literal in part.split("*")) for part in pattern.parts)
    mailboxes = "/".join(f"[!.]{part}" if part.startswith("*") else part for part in parts)
    return [*(f"+ /{quoted(path, star=True)}/***" for path in sorted(paths)), f"- /{mailboxes}/"]
