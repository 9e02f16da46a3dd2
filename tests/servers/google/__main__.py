"""`python -m tests.servers.google`: an invented domain at a Google of your own, until Ctrl-C."""

import argparse
import csv
import json
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.servers.google.campus import GROUPS, campus
from tests.servers.google.faults import Faults
from tests.servers.google.server import configure, emulator
from tests.servers.google.store import Domain


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.servers.google", description=__doc__)
    parser.add_argument("--domain", default="studenti.acquamorta.example")
    parser.add_argument("--users", type=int, default=600, help="invented accounts (default: 600)")
    parser.add_argument("--memberships", type=int, default=1000, help="in all groups together (default: 1000)")
    parser.add_argument("--groups", nargs="*", default=GROUPS, metavar="NAME", help="local parts (default: 17 of them)")
    parser.add_argument("--accounts", type=Path, help="accounts instead of invented ones: address,given,family a line")
    parser.add_argument("--faults", type=json.loads, default={}, help='JSON: {"backend_error": 0.03, "lag": 20}')
    parser.add_argument("--folder", type=Path, help="where the key file goes (default: a temporary folder)")
    parser.add_argument("--json", action="store_true", help="say so in one line of JSON")
    asked = parser.parse_args()

    domain = Domain(asked.domain)
    if asked.accounts:
        with asked.accounts.open(newline="", encoding="utf-8") as lines:
            for address, given, family in csv.reader(lines):
                domain.add_user(address, given=given, family=family)
        asked.users = asked.memberships = 0
    if asked.groups:
        campus(domain, users=asked.users, memberships=asked.memberships, groups=asked.groups)

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with (
        tempfile.TemporaryDirectory(prefix="google-") as temporary,
        emulator(asked.folder or Path(temporary), domain, clock=time.time, faults=Faults()) as running,
    ):
        try:
            configure(running.google, asked.faults)
        except ValueError as error:
            parser.error(str(error))
        told = {
            "url": running.url,
            "key-file": str(running.key_file),
            "act-as": running.act_as,
            "domain": domain.name,
            "groups": [group.address for group in domain.groups.now.values()],
        }
        lines = [json.dumps(told)] if asked.json else [f"{name}: {value}" for name, value in told.items()]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        ended.wait()


if __name__ == "__main__":
    main()
