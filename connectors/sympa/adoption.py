"""From the lists that a site has to lists that Collima keeps, and out of its hands again: steps that a person takes.

They are printed, never run. Every line is for root on Sympa's machine, and does no harm when it is typed twice. What
Sympa does with them was tried on 6.2.70 (`tests/connectors/test_sympa_adoption.py` runs these very lines).

A member's row has two marks of its own: `subscribed` (came by hand) and `inclusion` (a source named it). A list that
loses a source loses at its next include whom only that source named. `sympa del` of somebody whom a source names is an
opt-out: never used here for those.
"""

import shlex
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from collima.core.errors import SourceError
from collima.core.targets import Id, Standing, Step
from connectors.sympa.configuration import lines, shown
from connectors.sympa.database import Database
from connectors.sympa.lists import LABEL, Known

_HERE = ("", "localhost", "127.0.0.1", "::1")
_SOURCE = r"/\A(?:\s*#.*\n)*\s*(?:include_(?!\w+_ca\b)|member_include\b)/"
"""In Perl: whether a paragraph of a list's configuration names a source of members."""


class _Session(Protocol):
    """What adopting needs of `session.Session`."""

    robot: str
    include_dir: str
    lists: str
    database: Database

    def known(self, names: Collection[str]) -> Mapping[str, Known]: ...


class Adoption:
    """`targets.Adoptable`, for a session."""

    __slots__ = ()

    def standing(self: _Session, names: Collection[str]) -> Mapping[str, Standing]:
        return {name: _standing(known) for name, known in self.known(names).items()}

    def backup(self: _Session, names: Collection[str]) -> Step:
        now = '"$(date +%F-%H%M%S)"'  # a second backup does not replace the first
        return Step(
            f"Save members, opt-outs and configurations as they are: of all lists, these {len(names)} among them.",
            (
                f"{_client(self, 'mariadb-dump --single-transaction')} subscriber_table exclusion_table "
                f"| gzip > sympa-members-{now}.sql.gz",
                f"(cd {shlex.quote(self.lists)} && tar -cz */config) > sympa-configurations-{now}.tar.gz",
            ),
        )

    def handover(
        self: _Session, name: str, standing: Standing, wanted: frozenset[Id], guests: frozenset[Id]
    ) -> Sequence[Step]:
        file = f"{self.include_dir}/{name}"
        if standing.missing:
            return (
                Step(f"Make the list: Sympa has no {name}.", (f"sympa create --input_file={name}.xml {self.robot}",)),
            )
        steps = []
        if standing.sources != (lines(file),):
            steps += _source(self, name, standing, len(wanted - standing.opted_out))
        included = standing.ours.union(*(standing.others or {}).values())
        if both := standing.manual & (standing.ours if not steps else wanted - standing.opted_out):
            steps.append(_ours_alone(self, name, len(both)))
        strangers = frozenset(filter(str.isprintable, standing.manual - wanted - included))
        if people := sorted(strangers - guests):
            steps.append(_by_hand(self, name, people, len(strangers & guests)))
        return tuple(steps)

    def ending(self: _Session, name: str, *, close: bool) -> Sequence[Step]:
        list_, file = f"{name}@{self.robot}", f"{self.include_dir}/{name}"
        if close:
            told = f"Close it. `sympa open {list_}` brings it back with its members; its archive stays."
            return (Step(told, (f"sympa close {list_} &&", f"rm -f {shlex.quote(file)}")),)
        told = (
            "Keep it without our source: its members become subscribers by hand, then the source goes. In this order: "
            "a list that only loses its source loses its members."
        )
        return (
            Step(
                told,
                (
                    f"{_update(self, name, 'subscribed_subscriber = 1', 'COALESCE(subscribed_subscriber, 0) <> 1')} &&",
                    f"{_saved(self, name)} &&",
                    f"{_without(self, name, file)} &&",
                    f"sympa include {list_} &&",
                    f"rm -f {shlex.quote(file)}",
                ),
            ),
        )

    def renaming(self: _Session, old: str, new: str) -> Sequence[Step]:
        before, after = f"{self.include_dir}/{old}", f"{self.include_dir}/{new}"
        edit = r"s/^(\s*include_file\s+)\Q$ENV{OLD}\E\s*$/$1$ENV{NEW}\n/"
        return (
            Step(
                f"Rename it at Sympa: members, opt-outs and archive go along, and its include file is {after} then.",
                (
                    f"cp -p {shlex.quote(before)} {shlex.quote(after)} &&",
                    f"sympa move {old}@{self.robot} {new}@{self.robot} &&",
                    f"{_saved(self, new)} &&",
                    f"OLD={shlex.quote(before)} NEW={shlex.quote(after)} perl -i -pe '{edit}' {_config(self, new)} &&",
                    f"sympa include {new}@{self.robot} &&",
                    f"rm -f {shlex.quote(before)}",
                ),
            ),
        )


def _standing(known: Known) -> Standing:
    """Raises SourceError."""
    if known.fault:
        raise SourceError(f"{known.name}: {known.fault}")
    if known.config is None:
        return Standing(missing=True)
    ours = known.ours if known.named else frozenset()
    others: dict[str, set[Id]] = defaultdict(set)
    for address, label in known.rows.included.items():
        if address not in ours:
            others[label or "another source"].add(Id(address))
    return Standing(
        ours=frozenset(map(Id, ours)),
        manual=frozenset(map(Id, known.rows.manual)),
        others={label: frozenset(members) for label, members in sorted(others.items())},
        opted_out=frozenset(map(Id, known.excluded)),
        sources=tuple(map(shown, known.config.sources)),
    )


# ---- steps


def _source(session: _Session, name: str, standing: Standing, least: int) -> list[Step]:
    file = f"{session.include_dir}/{name}"
    quoted = shlex.quote(file)
    others = [source for source in standing.sources if source != lines(file)]
    takes = f"takes {', '.join(others)} out and " if others else ""
    edit = f'$_ = "" if {_SOURCE}; $_ .= "include_file $ENV{{F}}\\n\\n" if $. == 1'
    return [
        Step(
            f"The file: the run writes it, whether Sympa reads it yet or not. It must have {least} addresses or more; "
            "if it has fewer, look at `collima holds`.",
            (f"grep -c @ {quoted}",),
        ),
        Step(
            f"The source: this {takes}puts our file in, if the file is whole; the list's configuration is kept beside "
            "it. Whom neither the file names nor a hand added leaves the list now.",
            (
                f'[ "$(grep -c @ {quoted})" -ge {least} ] &&',
                f"{_saved(session, name)} &&",
                f"F={quoted} perl -00 -i -pe '{edit}' {_config(session, name)} &&",
                f"sympa include {name}@{session.robot}",
            ),
        ),
    ]


def _ours_alone(session: _Session, name: str, count: int) -> Step:
    return Step(
        f"The manual rows: {count} came by hand and are in our file as well. From now on the file alone keeps them in, "
        "and they go when they leave. Their settings stay, and nobody is opted out.",
        (
            f"{_update(session, name, 'subscribed_subscriber = 0', 'subscribed_subscriber = 1')} &&",
            f"sympa include {name}@{session.robot}",
        ),
    )


def _by_hand(session: _Session, name: str, people: Sequence[Id], guests: int) -> Step:
    told = (
        f"{len(people)} with an address of ours came by hand, and no stanza wants them. They would stay for ever: this "
        "lets them go, with no mail and no opt-out, for no source names them. Leave out who is to stay."
        + (f" {guests} more are guests, with other addresses: they stay as they are." if guests else "")
    )
    quoted = " ".join(map(shlex.quote, people))
    return Step(told, (f"printf '%s\\n' {quoted} | sympa del --quiet {name}@{session.robot}",))


def _update(session: _Session, name: str, values: str, when: str) -> str:
    """Of the members whom our file names: other sources' are left as they are."""
    mine = f"list_subscriber = '{name}' AND robot_subscriber = '{session.robot}'"
    ours = f"inclusion_subscriber IS NOT NULL AND inclusion_label_subscriber = '{name[:LABEL]}'"
    told = f"UPDATE subscriber_table SET {values} WHERE {mine} AND {ours} AND {when}"  # noqa: S608  # checked names
    return f'{_client(session, "mariadb")} -e "{told}"'


def _without(session: _Session, name: str, file: str) -> str:
    edit = r'$_ = "" if /\A(?:\s*#.*\n)*\s*include_file\s+\Q$ENV{F}\E\s*\Z/'
    return f"F={shlex.quote(file)} perl -00 -i -pe '{edit}' {_config(session, name)}"


def _saved(session: _Session, name: str) -> str:
    """The configuration as it was before the first of our edits, and not as a second one found it. `cp -n` fails in
    some releases when the copy is there."""
    saved = shlex.quote(f"{session.lists}/{name}/config.before-collima")
    return f"{{ [ -e {saved} ] || cp -p {_config(session, name)} {saved}; }}"


def _config(session: _Session, name: str) -> str:
    return shlex.quote(f"{session.lists}/{name}/config")


def _client(session: _Session, program: str) -> str:
    """A client of Sympa's database, as one who may write: root where it is here, Sympa's own account elsewhere."""
    url = session.database.engine.url
    there = "" if (url.host or "") in _HERE else f" -h {url.host} -u sympa -p"
    return f"{program}{there} {url.database}"
