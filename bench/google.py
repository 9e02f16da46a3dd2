"""Google's groups: what a full plan costs, that a run in sync writes nothing, and the pace of many changes.

Google is the emulator, a process of its own. The whole process `run-job --plan` is measured, and the connector alone,
in a process that reads all accounts and groups and asks whom the members' addresses mean (`bench.google_read`).
"""

import json
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.clock import Figure, Unmeasured, child
from bench.google_read import FAST, kind
from collima.core.targets import Edit
from tests.servers.google import Process, emulator_process
from tests.servers.google.campus import GROUPS, campus
from tests.servers.google.store import Domain

USERS, MEMBERSHIPS, CHANGES = 40_000, 66_400, 1_500
ROUNDS = 3
QUOTA = 2400  # calls a minute
BIN = Path(sys.executable).parent
_SCHEDULE = """\
version: 1
timezone: Europe/Rome
state: sqlite:///{folder}/collima.db
connectors:
  people: {{kind: ldif, file: {folder}/people.ldif}}
  google: {{kind: google, domain: {domain}, key-file: {key}, act-as: {act_as}, api-url: "{url}", rate: {rate}}}
jobs:
  groups:
    kind: roster-sync
    when: manual
    source: people
    target: google
    among: (objectClass=inetOrgPerson)
    address: mail
    rosters:
      - {{name: "{{group}}", for-each: {{group: [{groups}]}}, members: "(employeeType={{group}})", posting: [domain]}}
"""


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with emulator_process(folder, "--users", str(USERS), "--memberships", str(MEMBERSHIPS)) as google:
            yield from _plan(google, folder)
            yield from _changes(google)


def _plan(google: Process, folder: Path) -> Iterator[Figure]:
    _write(google, folder)
    job = (BIN / "run-job", "groups", "--config", folder / "schedules.yaml", "--json")
    google.configure(clear=True)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = child((*job, "--plan"), folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    whole = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
    told = json.loads(done.output)
    members = sum(one["size"] for one in told["subjects"])
    if told["state"] != "in-sync" or members != MEMBERSHIPS:
        raise Unmeasured(f"{told['state']}, {members} memberships")
    journal = google.journal()
    yield Figure(
        "Google: calls of a full plan", journal["calls"], 430, "", f"{USERS:,} users, {MEMBERSHIPS:,} in groups"
    )
    command = (
        sys.executable,
        "-m",
        "bench.google_read",
        google.url,
        str(google.key_file),
        google.act_as,
        google.domain,
        *GROUPS,
    )
    rounds = [json.loads(child(command, folder, {"PYTHONPATH": str(Path.cwd())}).output) for _ in range(ROUNDS)]
    alone = min(rounds, key=lambda one: one["cpu"])  # others on this machine can only add to it
    told_whole = f"the connector alone, with its imports; the whole run-job {whole:.2f} s"
    yield Figure("Google: client CPU", alone["cpu"], 1.5, "s", told_whole)
    yield Figure("Google: memory", done.peak / 2**20, 250, "MB", f"peak of run-job; {alone['peak']:.0f} MB alone")
    google.configure(clear=True)
    child(job, folder)
    yield Figure("Google: writes of an in-sync run", google.journal()["writes"], 0, "", "")


def _changes(google: Process) -> Iterator[Figure]:
    with kind(google.url, str(google.key_file), google.act_as, google.domain, "38 per second").open() as session:
        group = GROUPS[-1]
        there = session.read([group])[group].members
        new = [i for i in map(session.identify, _addresses(google.domain)) if i is not None and i not in there][
            :CHANGES
        ]
        google.configure(clear=True, quota=QUOTA)
        begun = time.perf_counter()
        errors = [one.error for one in session.apply([Edit(group, frozenset(new), frozenset())]) if one.error]
        seconds = time.perf_counter() - begun
        google.configure(quota=None)
    if errors or len(new) != CHANGES:
        raise Unmeasured(f"{len(errors)} of {len(new)} changes failed")
    journal = google.journal()
    own = CHANGES / QUOTA * 60
    quick = f"{seconds:.1f} s; the bucket's own time {own:.1f} s"
    yield Figure(f"Google: {CHANGES:,} changes / bucket", seconds / own, 1.05, "×", quick)
    yield Figure(
        "Google: calls refused", 100 * journal["refused"] / journal["calls"], 1, "%", f"{journal['calls']} calls"
    )


def _campus(domain: str) -> Domain:
    """The emulator's own, made once more: it is the same for the same numbers."""
    return campus(Domain(domain), users=USERS, memberships=MEMBERSHIPS)


def _addresses(domain: str) -> Sequence[str]:
    return sorted(user.address for user in _campus(domain).users.now.values())


def _write(google: Process, folder: Path) -> None:
    known = _campus(google.domain)
    groups: dict[str, list[str]] = defaultdict(list)
    for name in GROUPS:
        for address in known.members_of(f"{name}@{google.domain}"):
            groups[address].append(name)
    with (folder / "people.ldif").open("w", encoding="ascii") as file:
        for number, user in enumerate(known.users.now.values()):
            file.write(
                f"dn: uid=u{number},dc=example\nobjectClass: inetOrgPerson\nuid: u{number}\nmail: {user.address}\n"
            )
            file.writelines(f"employeeType: {name}\n" for name in groups[user.address])
            file.write("\n")
    (folder / "schedules.yaml").write_text(
        _SCHEDULE.format(
            folder=folder,
            domain=google.domain,
            key=google.key_file,
            act_as=google.act_as,
            url=google.url,
            rate=FAST,
            groups=", ".join(GROUPS),
        )
    )
