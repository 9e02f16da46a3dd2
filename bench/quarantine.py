"""A quarantine of 250,000 messages for 11,000 people in MariaDB, of five nights, of which four were told: the plan of
the fifth against the bare streaming query of all that it looks through, and its digests, with all their links, handed
to a mail server against plain mails of the same size."""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.clock import Child, Figure, Unmeasured, child, medians
from tests.servers.amavis import COLLIMA, COLLIMA_PASSWORD, DATABASE, _make_database
from tests.servers.mariadb import MariaDB, mariadb
from tests.servers.smtpd import Relay, relay

BIN = Path(sys.executable).parent
MB = 10**6
NIGHTS = 5
PEOPLE, MESSAGES = 11_000, 250_000
WINDOW, NIGHT = 5 * 86400, 81_000  # seconds: what is asked for, and in which a fifth of all came in
SIZE = 12_800  # bytes of a digest of seven messages with their links
TO_TWO = 5  # of so many messages two are for a second person as well
VARIABLE = "COLLIMA_BENCH_QUARANTINE"

_MAIL = "CONCAT('m', LPAD(n, 11, '0'))"
_NUMBERS = (
    "WITH RECURSIVE s (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < 999), "
    "t (n) AS (SELECT a.n * 1000 + b.n FROM s a, s b WHERE a.n * 1000 + b.n <= "
)
FILL = (
    "SET max_recursive_iterations = 2000",
    "INSERT INTO maddr (partition_tag, id, email, domain) VALUES (0, 1, 'spammer@example.org', 'org.example')",
    "INSERT INTO maddr (partition_tag, id, email, domain) "  # noqa: S608 - numbers of ours
    f"{_NUMBERS} %(people)s) SELECT 0, n + 2, CONCAT('p', n, '@unimore.it'), 'it.unimore' FROM t",
    "INSERT INTO msgs (partition_tag, mail_id, secret_id, am_id, time_num, time_iso, sid, size, content, quar_type, "  # noqa: S608 - numbers of ours
    f"quar_loc, spam_level, from_addr, subject, host) {_NUMBERS} %(messages)s) SELECT 0, {_MAIL}, CONCAT('s', n), "
    f"'a-1', %(now)s - FLOOR(n * %(step)s), '20261124T000000Z', 1, 2000, 'S', 'Q', {_MAIL}, 9.5, "
    "'Offerte <spammer@example.org>', CONCAT('Offerta numero ', n), 'mx1.unimore.it' FROM t",
    "INSERT INTO msgrcpt (partition_tag, mail_id, rseqnum, rid, is_local, content, ds, rs, bspam_level) "  # noqa: S608 - numbers of ours
    f"{_NUMBERS} %(messages)s) SELECT 0, {_MAIL}, 1, 2 + n * 7919 MOD %(all)s, 'Y', 'S', 'D', ' ', 9.5 FROM t",
    "INSERT INTO msgrcpt (partition_tag, mail_id, rseqnum, rid, is_local, content, ds, rs, bspam_level) "  # noqa: S608 - numbers of ours
    f"{_NUMBERS} %(messages)s) SELECT 0, {_MAIL}, 2, 2 + (n * 7919 + 1) MOD %(all)s, 'Y', 'S', 'D', ' ', 9.5 FROM t "
    "WHERE n MOD %(two)s < 2",
    "INSERT INTO quarantine (partition_tag, mail_id, chunk_ind, mail_text) "  # noqa: S608 - numbers of ours
    f"{_NUMBERS} %(messages)s) SELECT 0, {_MAIL}, 1, REPEAT('x', 2000) FROM t",
    "ANALYZE TABLE msgs, msgrcpt, maddr",
)

SCHEDULE = """
version: 1
timezone: Europe/Rome
site: unimore.it
state: sqlite:///collima.db
reports: {{from: collima@unimore.it, to: [posta@unimore.it], via: mail}}
connectors:
  people: {{kind: ldif, file: people.ldif}}
  quarantine: {{kind: amavis, database: "{url}", database-password: {{env: {secret}}}}}
  mail: {{kind: smtp, host: 127.0.0.1, port: {port}, tls: none}}
jobs:
  quarantine-digest:
    kind: quarantine-digest
    when: manual
    source: people
    quarantine: quarantine
    via: mail
    who: (description=digest)
    addresses: [mail]
    from: quarantena@unimore.it
    keep: 5 days
    actions: {{url: "https://posta.unimore.it/quarantena", secret: {{file: quarantine.secret}}}}
"""


@dataclass
class Arrivals:
    """When the mail server took what. It keeps no mail but the newest."""

    server: Relay
    times: list[float] = field(default_factory=list)
    bytes: int = 0

    def __post_init__(self) -> None:
        self.server.taking = self._take

    def _take(self) -> None:
        self.times.append(time.perf_counter())
        self.bytes += sum(len(mail.content) for mail in self.server.mails)
        self.server.mails.clear()
        self.server.commands.clear()

    def rate(self) -> float:
        """Mails a second from the first to the last; and forgets them."""
        if len(self.times) < 2:
            raise Unmeasured("no mail arrived")
        rate = (len(self.times) - 1) / (self.times[-1] - self.times[0])
        self.times.clear()
        return rate


def figures(messages: int, rounds: int) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as name, mariadb(durable=True) as server:
        folder, people = Path(name), PEOPLE * messages // MESSAGES
        with relay(folder, tls="none") as sink:
            _make_database(server)
            _write(folder, server, sink, people)
            small = _run(folder, "--plan").peak
            now = int(time.time()) - 900
            _fill(server, messages, people, now)
            told = (sys.executable, "-m", "bench.told", server.socket, "root", DATABASE, str(now - NIGHT))
            child(told, folder, {"PYTHONPATH": str(Path.cwd()), VARIABLE: COLLIMA_PASSWORD})
            yield from _planned(folder, server, messages, small, rounds)
            yield from _sent(folder, Arrivals(sink), people)


def _planned(folder: Path, server: MariaDB, messages: int, small: int, rounds: int) -> Iterator[Figure]:
    peaks = []

    def bare() -> float:
        query = (sys.executable, "-m", "bench.bare_query", server.socket, "root", DATABASE)
        window = (str(int(time.time()) - WINDOW), str(int(time.time()) - 900))
        done = child((*query, *window), folder, {"PYTHONPATH": str(Path.cwd())})
        if int(done.output) < messages:
            raise Unmeasured(f"only {done.output.strip()} rows of {NIGHTS} nights")
        return done.seconds

    def ours() -> float:
        done = _run(folder, "--plan")
        peaks.append(done.peak)
        return done.seconds

    plan, query = medians(rounds, ours, bare)
    yield Figure("plan of a night / query", plan / query, 3.0, "×", f"{plan:.2f} s; the query {query:.2f} s")
    more = (max(peaks) - small) / MB
    yield Figure("memory of a night", more, 60.0, "MB", f"more than without a message; {max(peaks) / MB:.0f} MB in all")


def _sent(folder: Path, arrivals: Arrivals, people: int) -> Iterator[Figure]:
    """Plain mails go before the digests and after them, so that a busy moment of the machine hits both."""
    plain = [_plain(folder, arrivals, people // 4, SIZE)]
    arrivals.bytes = 0
    done = _run(folder)
    while len(arrivals.times) < people:  # a turn ends after a minute
        before = len(arrivals.times)
        done = _run(folder)
        if len(arrivals.times) == before:
            raise Unmeasured(f"{before} of {people} digests were sent: {done.output[:1500]}")
    size = arrivals.bytes // max(1, len(arrivals.times) - 1)
    digests = arrivals.rate()
    plain.append(_plain(folder, arrivals, people // 4, size))
    usual = statistics.mean(plain)
    how = f"{digests:.0f} a second; plain mails of {size / 1000:.0f} kB {usual:.0f}"
    yield Figure("digests / plain mails", digests / usual, 0.7, "×", how, at_least=True)


def _plain(folder: Path, arrivals: Arrivals, count: int, size: int) -> float:
    command = (sys.executable, "-m", "bench.plain_mails", str(arrivals.server.port), str(count), str(size))
    child(command, folder, {"PYTHONPATH": str(Path.cwd())})
    return arrivals.rate()


def _run(folder: Path, *options: str) -> Child:
    command = (BIN / "run-job", "quarantine-digest", "--json", *options, "--config", folder / "schedules.yaml")
    done = child(command, folder, {VARIABLE: COLLIMA_PASSWORD})
    if json.loads(done.output)["state"] not in ("planned", "changed", "in-sync"):
        raise Unmeasured(f"the digests: {done.output[:200]}")
    return done


def _write(folder: Path, server: MariaDB, sink: Relay, people: int) -> None:
    url = f"mysql+pymysql://{COLLIMA}@/{DATABASE}?unix_socket={server.socket}"
    (folder / "quarantine.secret").write_text("k" * 64)
    (folder / "quarantine.secret").chmod(0o600)
    (folder / "schedules.yaml").write_text(SCHEDULE.format(url=url, secret=VARIABLE, port=sink.port))
    with (folder / "people.ldif").open("w", encoding="ascii") as file:
        for n in range(people):
            file.write(
                f"dn: uid=p{n},dc=unimore,dc=it\nobjectClass: inetOrgPerson\nuid: p{n}\ncn: p{n}\nsn: x\n"
                f"mail: p{n}@unimore.it\ndescription: digest\n\n"
            )


def _fill(server: MariaDB, messages: int, people: int, now: int) -> None:
    """As amavisd writes them: evenly over five nights, the newest a quarter of an hour ago."""
    connection = server.as_root(DATABASE)
    given = {"messages": messages - 1, "people": people - 1, "all": people, "step": NIGHTS * NIGHT / messages}
    try:
        with connection.cursor() as cursor:
            for statement in FILL:
                cursor.execute(statement, {**given, "now": now, "two": TO_TWO})
    finally:
        connection.close()
