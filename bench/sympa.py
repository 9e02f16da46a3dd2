"""Sympa's own include against ours: the same lists, the same LDAP, one MariaDB as durable as it is by default.

Each list is there twice: Sympa fills the one by its own `include_ldap_query`, all of them in one process of Perl, as
its task manager does; Collima fills the other, by its include file, in one process `run-job`. Both are measured from
the start of the process to its end.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.clock import Figure, Unmeasured, child, medians
from tests.servers.mariadb import mariadb
from tests.servers.slapd import READER, READER_PASSWORD, SUFFIX, Slapd, person, slapd
from tests.servers.sympa import READER_PASSWORD as DATABASE_PASSWORD
from tests.servers.sympa import Sympa, sympa

MEMBERS = 311  # of each list
LARGE = 20_000
CHANGING = 10
BIN = Path(sys.executable).parent

_SOURCE = """\
include_ldap_query
host 127.0.0.1:{port}
suffix {suffix}
user {reader}
passwd {password}
filter (&(objectClass=unimorePerson)({filter}))
attrs unimoreMail
scope sub
select first
timeout 60
name people

"""

_SCHEDULE = """\
version: 1
timezone: Europe/Rome
state: sqlite:///{folder}/collima.db
connectors:
  people: {{kind: ldap, url: "{url}", base: "{suffix}", bind: "{reader}", password: {{env: LDAP}}, insecure: true}}
  lists:
    kind: sympa
    robot: {robot}
    include-dir: {include_dir}
    lists: {lists}
    sympa: [{command}]
    database: {database}
    database-password: {{env: DATABASE}}
jobs:
  lists:
    kind: roster-sync
    when: manual
    source: people
    target: lists
    among: (objectClass=unimorePerson)
    address: unimoreMail
    rosters:
      - {{name: "d{{n}}", for-each: {{n: {half}}}, members: "(departmentNumber={{n}})"}}
      - {{name: "t{{n}}", for-each: {{n: {half}}}, members: "(l={{n}})"}}
  large:
    kind: roster-sync
    when: manual
    source: people
    target: lists
    among: (objectClass=unimorePerson)
    address: unimoreMail
    rosters:
      - {{name: large, members: (unimoreRole=large), guard: {{max-first-fill: 100%}}}}
"""


@dataclass
class Site:
    folder: Path
    directory: Slapd
    lists: Sympa
    codes: Sequence[str]  # of departments, and of towns: a list for each
    ours: dict[str, str] = field(default_factory=dict)  # list -> its filter

    def peers(self) -> list[str]:
        return [f"p{name}" for name in self.ours]

    def own(self, names: Sequence[str]) -> float:
        """Seconds of Sympa's own include of these, in one process."""
        environment = {"SYMPA_CONFIG": str(self.lists.folder / "etc/sympa.conf")}
        script = Path(__file__).with_name("include.pl")
        done = child(["perl", script, *(f"{name}@{self.lists.robot}" for name in names)], self.folder, environment)
        if done.output.split()[-1:] != [str(len(names))]:
            raise Unmeasured(f"Sympa included not all of {len(names)} lists: {done.output[-200:]}")
        return done.seconds

    def run(self, job: str, state: str) -> float:
        """Seconds of our run, which must come to this state."""
        environment = {"LDAP": READER_PASSWORD, "DATABASE": DATABASE_PASSWORD}
        command = (BIN / "run-job", job, "--config", self.folder / "schedules.yaml", "--json")
        done = child(command, self.folder, environment)
        if (found := json.loads(done.output))["state"] != state:
            raise Unmeasured(f"{job} is {found['state']}, not {state}: {found['findings'][:3]}")
        return done.seconds

    def empty(self, name: str) -> None:
        self.lists.query("DELETE FROM subscriber_table WHERE list_subscriber = %s", name)
        (self.lists.include_dir / name).unlink(missing_ok=True)

    def move(self) -> Callable[[], None]:
        """What has some people change their department, there and back: one comes or goes in ten lists."""
        moves = [(f"u{2 * n:05d}", self.codes[2 * n : 2 * n + 2]) for n in range(CHANGING // 2)]
        forth = True

        def change() -> None:
            nonlocal forth
            self.directory.modify(
                "".join(
                    f"dn: uid={uid},ou=people,{SUFFIX}\nchangetype: modify\nreplace: departmentNumber\n"
                    f"departmentNumber: {codes[forth]}\n\n"
                    for uid, codes in moves
                )
            )
            forth = not forth

        return change


def figures(lists: int, rounds: int) -> Iterator[Figure]:
    with site(lists) as here:
        own, ours = medians(rounds, lambda: here.own(here.peers()), lambda: here.run("lists", "in-sync"))
        yield Figure(f"{lists} lists, unchanged", own / ours, 20, "×", _how(own, ours), at_least=True)
        move = here.move()

        def changed() -> float:
            move()
            return here.run("lists", "changed")

        ours, own = medians(rounds, changed, lambda: here.own(here.peers()))
        yield Figure(f"{lists} lists, {CHANGING} change", own / ours, 5, "×", _how(own, ours), at_least=True)

        def emptied(name: str, fill: Callable[[], float]) -> Callable[[], float]:
            def measure() -> float:
                here.empty(name)
                return fill()

            return measure

        ours, own = medians(
            rounds,
            emptied("large", lambda: here.run("large", "changed")),
            emptied("plarge", lambda: here.own(["plarge"])),
        )
        if len(here.lists.members("large")) != LARGE:
            raise Unmeasured("the large list is not full")
        yield Figure(f"first fill of {LARGE:,}", ours / own, 1.1, "×", _how(own, ours))


def _how(own: float, ours: float) -> str:
    load = os.getloadavg()[0]
    return f"Sympa {own:.2f} s; run-job {ours:.2f} s; load {load:.1f}"


@contextmanager
def site(lists: int) -> Iterator[Site]:
    """Everybody is where they belong: in a department and in a town, 311 in each."""
    half = lists // 2
    codes = [f"c{n:03d}" for n in range(half)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        people = {f"u{n:05d}": (codes[n % half], codes[n // MEMBERS]) for n in range(half * MEMBERS)}
        ldif = folder / "people.ldif"
        with ldif.open("w", encoding="ascii") as file:
            for n, (uid, (department, town)) in enumerate(people.items()):
                role = "large" if n < LARGE else "other"
                file.write(person(uid, departmentNumber=department, l=town, unimoreRole=role))
        disk = Path(tempfile.gettempdir())
        with (
            slapd(folder / "slapd", ldif, database=["index departmentNumber,l eq"]) as directory,
            mariadb(disk, durable=True) as server,
            sympa(server, below=disk) as installed,
        ):
            here = Site(folder, directory, installed, codes)
            here.ours.update({f"d{code}": f"departmentNumber={code}" for code in codes})
            here.ours.update({f"t{code}": f"l={code}" for code in codes})
            _make(here, people)
            (folder / "schedules.yaml").write_text(_schedule(here), "ascii")
            for _ in range(3):  # from the third on, removals are judged by their number
                here.run("lists", "in-sync")
            yield here


def _make(here: Site, people: dict[str, tuple[str, str]]) -> None:
    members: dict[str, list[str]] = {name: [] for name in here.ours}
    for uid, (department, town) in people.items():
        members[f"d{department}"].append(f"{uid}@unimore.it")
        members[f"t{town}"].append(f"{uid}@unimore.it")
    for name, filter_ in here.ours.items():
        here.lists.plant(name, members[name])
        here.lists.make(f"p{name}", sources=_source(here, filter_))
        here.lists.plant(f"p{name}", members[name], file=False)
    here.lists.make("large")
    here.lists.make("plarge", sources=_source(here, "unimoreRole=large"))


def _source(here: Site, filter_: str) -> str:
    return _SOURCE.format(
        port=here.directory.port, suffix=SUFFIX, reader=READER, password=READER_PASSWORD, filter=filter_
    )


def _schedule(here: Site) -> str:
    return _SCHEDULE.format(
        folder=here.folder,
        url=here.directory.url,
        suffix=SUFFIX,
        reader=READER,
        robot=here.lists.robot,
        include_dir=here.lists.include_dir,
        lists=here.lists.lists,
        command=here.lists.command,
        database=here.lists.url,
        half=f"[{', '.join(here.codes)}]",
    )
