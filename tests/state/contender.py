"""One of several processes that want the same: `URL PASSWORD HOW…`; prints what it got.

`slots N`: each of N slots of one job. `die`: begins a run, intends a change, says its id, and waits to be killed.
"""

import sys
import time
from datetime import UTC, datetime

from collima.core.errors import Busy
from collima.core.model import Key
from collima.state import SqlJournal, open_state


def slots(journal: SqlJournal, count: int) -> None:
    for slot in range(count):
        while True:
            try:
                with journal.begin("job", "lists", slot=slot, kind="run", config="") as record:
                    record.intend([Key("docenti", "add", "a@unimore.it")], {})
                    record.end("changed", {}, transient=False, cause="")
                sys.stdout.write(f"{slot} {record.run}\n")
            except Busy as err:
                if "has had this slot" not in str(err):
                    time.sleep(0.001)
                    continue
            break


def die(journal: SqlJournal) -> None:
    with journal.begin("sympa-lists", "lists", slot=1, kind="run", config="") as record:
        record.intend([Key("docenti", "add", "a@unimore.it")], {})
        sys.stdout.write(f"{record.run}\n")
        sys.stdout.flush()
        time.sleep(60)


if __name__ == "__main__":
    url, password, how, *rest = sys.argv[1:]
    with open_state(url, now=lambda: datetime.now(UTC), host="here", password=password) as opened:
        if how == "slots":
            slots(opened, int(rest[0]))
        else:
            die(opened)
