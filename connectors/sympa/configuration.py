"""A list's own configuration, as far as it says where its members come from. Pure.

Its file is paragraphs with an empty line between them; a parameter's name is the first word of its paragraph, and lines
that begin with # do not count (`Sympa::List::_load_list_config_file`).
"""

import os.path
import re
from dataclasses import dataclass

SOURCES = frozenset(
    {
        "include_file",
        "include_remote_file",
        "include_list",
        "include_sympa_list",
        "include_remote_sympa_list",
        "include_ldap_query",
        "include_ldap_2level_query",
        "include_sql_query",
        "member_include",
    }
)
_OPEN = frozenset({"open", "pending"})


@dataclass(frozen=True, slots=True)
class Configuration:
    sources: tuple[str, ...] = ()  # the paragraphs of its sources, as they are written
    status: str = "open"
    family: str = ""  # opt-outs of a family hold for each of its lists

    @property
    def closed(self) -> bool:
        return self.status not in _OPEN

    def names(self, file: str) -> bool:
        """Whether this include file is one of its sources."""
        return any(is_file(source, file) for source in self.sources)

    def others(self, file: str) -> tuple[str, ...]:
        """The sources beside this include file."""
        return tuple(source for source in self.sources if not is_file(source, file))


def parse(config: bytes) -> Configuration:
    sources, values = [], {"status": "open", "family_name": ""}
    for paragraph in re.split(r"\n(?:[ \t\r]*\n)+", config.decode("utf-8", "replace")):
        lines = [text.rstrip() for text in paragraph.splitlines() if text.strip() and not text.lstrip().startswith("#")]
        if not lines:
            continue
        name, _, value = lines[0].strip().partition(" ")
        if name in SOURCES:
            sources.append("\n".join(lines))
        elif name in values:
            values[name] = value.strip()
    return Configuration(tuple(sources), values["status"], values["family_name"])


def is_file(source: str, file: str) -> bool:
    name, _, value = source.strip().partition(" ")
    return name == "include_file" and os.path.normpath(value.strip()) == os.path.normpath(file)


def shown(source: str) -> str:
    """A source in a few words, without what may be secret in it: `include_ldap_query (name old-directory)`."""
    first, *rest = source.splitlines()
    named = [" ".join(text.split()) for text in rest if text.split()[0] in ("name", "source", "listname")]
    return f"{' '.join(first.split())} ({named[0]})" if named else " ".join(first.split())


def lines(file: str) -> str:
    """What the configuration must say, and nothing else of its kind."""
    return f"include_file {file}"
