"""`make bench`: the figures, each against its limit. Ends with 0 when all could be measured, met or not.

1. Reading 43,200 people × 12 attributes over LDAP into a snapshot, against `ldapsearch` for the same query.
2. The whole process `run-job --plan` for those people and 267 lists that are in-sync, against that `ldapsearch`.
3. The whole process `run-job --plan` for 1,000,000 people from LDIF and 267 lists that are in-sync, against 100,000;
   and the peak of its memory.
4. Sympa's own include of 250 lists, of which none or ten change, against the whole process `run-job`; and the first
   fill of a list of 20,000 (`bench.sympa`).
5. The service: 500 jobs due at once, its memory after 100,000 fires, a run that changes nothing (`bench.service`).
6. Google: the calls, CPU and memory of a full plan of 40,000 accounts, and the pace of 1,500 changes (`bench.google`).
7. `restore find` in a mailbox of 50,000 messages (`bench.restore`).
8. A mail store of 150,000 messages: `mailbox-copy` against `rsync -aH --delete` alone (`bench.copies`).
9. A quarantine of 250,000 messages: the plan of a night against the bare query of all that it looks through, and
   digests against plain mails (`bench.quarantine`).
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench import copies, google, quarantine, restore, service, sympa
from bench.clock import Child, Figure, Unmeasured, child, medians
from bench.read import ATTRIBUTES, PEOPLE, VARIABLE
from examples.campus import campus, schedule
from tests.servers.slapd import READER, READER_PASSWORD, SUFFIX, Slapd, slapd

JOB = "sympa-lists"
ROSTERS = 267
GIB = 2**30
BIN = Path(sys.executable).parent


def over_ldap(people: int, rounds: int) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written = _write(people, folder)
        with slapd(folder / "slapd", written, frame=False) as server:
            yield from _against_ldapsearch(server, folder, people, rounds)


def _against_ldapsearch(server: Slapd, folder: Path, people: int, rounds: int) -> Iterator[Figure]:
    secret = {VARIABLE: READER_PASSWORD}
    ldapsearch = ("ldapsearch", "-x", "-LLL", "-H", server.url, "-D", READER, "-w", READER_PASSWORD, "-b", SUFFIX)
    plan = _in_sync(
        folder,
        f"{{kind: ldap, url: '{server.url}', base: '{SUFFIX}', bind: '{READER}', password: {{env: {VARIABLE}}}, "
        "insecure: true}",
        secret,
    )

    def search(*options: str) -> float:
        return child([*ldapsearch, *options, PEOPLE, *ATTRIBUTES], folder, keep=False).seconds

    def read() -> float:
        command = (sys.executable, "-m", "bench.read", server.url, SUFFIX, READER, str(people))
        return float(child(command, folder, {**secret, "PYTHONPATH": str(Path.cwd())}).output)

    reading, planning, paged, whole = medians(
        rounds, read, lambda: plan().seconds, lambda: search("-E", "pr=1000/noprompt"), search
    )
    about = f"s; ldapsearch {paged:.2f} s in pages of 1,000 ({whole:.2f} s without pages)"
    yield Figure(f"read {people:,} / ldapsearch", reading / paged, 1.5, "×", f"{reading:.2f} {about}")
    yield Figure(f"plan {people:,} / ldapsearch", planning / paged, 4.0, "×", f"{planning:.2f} {about}")


def from_ldif(small: int, big: int, rounds: int) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as name:
        plans, peaks = [], []
        for people in (small, big):
            folder = Path(name, str(people))
            folder.mkdir()
            plans.append(_in_sync(folder, f"{{kind: ldif, file: {_write(people, folder)}}}"))

        def at_scale() -> float:
            done = plans[1]()
            peaks.append(done.peak)
            return done.seconds

        less, more = medians(rounds, lambda: plans[0]().seconds, at_scale)
        yield Figure(f"plan {big:,} / {small:,}", more / less, 12.0, "×", f"{more:.1f} s; {less:.1f} s")
        yield Figure(f"memory of {big:,}", max(peaks) / GIB, 1.5, "GiB", "peak of the process")


def _write(people: int, folder: Path) -> Path:
    path = folder / "campus.ldif"
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.writelines(campus(people, all_places=True))
    return path


def _in_sync(folder: Path, source: str, environment: dict[str, str] | None = None) -> Callable[[], Child]:
    """Fills the lists once. Returns what plans them again. Raises Unmeasured unless they are in-sync then."""
    config = folder / "schedules.yaml"
    config.write_text(schedule(source, folder / "var"), "utf-8")
    (folder / "var/lists").mkdir(parents=True)
    command = (BIN / "run-job", JOB, "--config", config)
    child(command, folder, environment)
    result = json.loads(child((*command, "--plan", "--json"), folder, environment).output)
    if result["state"] != "in-sync" or len(result["subjects"]) != ROSTERS:
        raise Unmeasured(f"not {ROSTERS} lists in-sync: {len(result['subjects'])} lists, {result['state']}")
    return lambda: child((*command, "--plan"), folder, environment, keep=False)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures the figures.")
    parser.add_argument("--people", type=int, default=43_200, help="behind LDAP (default: %(default)s)")
    parser.add_argument("--scale", type=int, default=100_000, help="in the smaller LDIF; the bigger has ten times more")
    parser.add_argument("--lists", type=int, default=250, help="of Sympa (default: %(default)s)")
    parser.add_argument("--fires", type=int, default=100_000, help="of the service (default: %(default)s)")
    parser.add_argument("--mailbox", type=int, default=50_000, help="messages that restore looks through")
    parser.add_argument("--messages", type=int, default=150_000, help="that are copied (default: %(default)s)")
    parser.add_argument("--held", type=int, default=250_000, help="messages in a quarantine (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="alternating runs of each (default: %(default)s)")
    parser.add_argument(
        "--only", choices=("ldap", "ldif", "sympa", "service", "google", "restore", "copies", "quarantine")
    )
    given = parser.parse_args(arguments)
    try:
        if given.only in (None, "ldap"):
            _print(over_ldap(given.people, given.rounds))
        if given.only in (None, "ldif"):
            _print(from_ldif(given.scale, 10 * given.scale, max(1, given.rounds // 2)))
        if given.only in (None, "sympa"):
            _print(sympa.figures(given.lists, max(1, given.rounds // 2)))
        if given.only in (None, "service"):
            _print(service.figures(given.fires, given.rounds))
        if given.only in (None, "google"):
            _print(google.figures())
        if given.only in (None, "restore"):
            _print(restore.figures(given.mailbox, given.rounds))
        if given.only in (None, "copies"):
            _print(copies.figures(given.messages, given.rounds))
        if given.only in (None, "quarantine"):
            _print(quarantine.figures(given.held, given.rounds))
    except Unmeasured as err:
        sys.exit(f"could not measure: {err}")


def _print(figures: Iterator[Figure]) -> None:
    for figure in figures:
        print(figure, flush=True)


if __name__ == "__main__":
    main()
