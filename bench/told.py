"""`python -m bench.told SOCKET USER DATABASE BEFORE`, in the folder of the schedule: what came in before then is in the
ledger, in a digest for each person, and that was sent."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pymysql

from collima.app import wiring
from collima.app.config import load
from collima.core.quarantine import Digest, ItemId, Ref

QUERY = (
    "SELECT r.rseqnum, m.mail_id, a.email, m.time_num FROM msgs m JOIN msgrcpt r USING (partition_tag, mail_id) "
    "JOIN maddr a ON a.id = r.rid WHERE m.time_num < %s"
)
JOB, SOURCE, VIA = "quarantine-digest", "quarantine", "mail"


def main(socket: str, user: str, database: str, before: str) -> None:
    refs: dict[str, list[Ref]] = {}
    connection = pymysql.connect(unix_socket=socket, user=user, database=database)
    with connection, connection.cursor() as cursor:
        cursor.execute(QUERY, (int(before),))
        for number, mail, email, second in cursor.fetchall():
            recipient = email.decode()
            refs.setdefault(recipient, []).append(Ref(ItemId(f"0:{mail.decode()}:{number}"), recipient, second))
    with wiring.open_journal(load(Path("schedules.yaml"))) as journal:
        ledger = journal.digests(JOB, SOURCE)
        ledger.begin(datetime.fromtimestamp(0, UTC))
        told = (Digest(f"<{owner}>", owner, (owner,), "it", tuple(some)) for owner, some in refs.items())
        for _ in ledger.list(told, VIA):
            pass
        while rows := journal.outbox.due(VIA, 1000):
            with journal.outbox.ending() as sent:
                for row in rows:
                    sent(row)


if __name__ == "__main__":
    main(*sys.argv[1:])
