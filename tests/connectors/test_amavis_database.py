"""amavisd's database on bad days: slow readers, cut streams, a server that is gone or takes no changes, a purge."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pymysql
import pytest
from sqlalchemy.dialects import mysql

from collima.core.errors import ConfigError, Refused, SourceError
from collima.core.quarantine import ItemId
from connectors.amavis import Amavis, reading
from connectors.amavis.database import MSGRCPT, QUARANTINE
from tests.connectors.amavis_place import ANNA, BRUNO, Place, fill, place, setting
from tests.servers.amavis import COLLIMA, COLLIMA_PASSWORD, DATABASE, amavis_here, amavis_server
from tests.servers.mariadb import PASSWORD

__all__ = ["amavis_here", "amavis_server", "place"]

NOW = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)
DAY = timedelta(days=1)
MANY = 20_000  # messages: more rows than fit into all the buffers on the way
KEPT = 10_000  # of them, by a purge
BEFORE = NOW - timedelta(seconds=4 * KEPT)


@pytest.fixture
def many(place: Place) -> Place:
    """One each four seconds up to NOW, for two people each."""
    fill(place.server, MANY, NOW - timedelta(seconds=4 * MANY + 1), 4)
    return place


# ---- streams


def test_a_reader_who_pauses_longer_than_the_server_waits_has_all(many: Place) -> None:
    with setting(many.server, "net_write_timeout", 1):
        other = many.server.database.as_root(DATABASE)
        impatient = other.cursor(pymysql.cursors.SSCursor)
        impatient.execute("SELECT partition_tag, mail_id, rseqnum, rid, ds FROM msgrcpt")
        with many.open() as session:
            portions = session.held(NOW - DAY, NOW)
            seen = len(next(portions))
            time.sleep(3)  # as one who sends mails meanwhile
            with pytest.raises(pymysql.err.OperationalError):  # so it goes without our session's setting
                impatient.fetchall()
            seen += sum(map(len, portions))
        assert seen == 2 * MANY
        impatient._result.unbuffered_active = False  # type: ignore[union-attr]
        other._force_close()


def test_a_stream_that_is_cut_is_an_error_and_never_a_shorter_night(many: Place) -> None:
    with many.open() as session:
        portions = session.held(NOW - DAY, NOW)
        next(portions)
        for number, user in many.server.query("SELECT id, user FROM information_schema.processlist"):
            if user == COLLIMA:
                many.server.query(f"KILL {number}")
        with pytest.raises(SourceError) as cut:
            for _ in portions:
                pass
        assert cut.value.transient
        assert next(session.held(NOW - DAY, NOW)), "the next question has a new connection"


def test_a_server_that_dies_in_the_middle_is_an_error(many: Place) -> None:
    with many.open() as session, many.open_by_port() as other:
        portions = session.held(NOW - DAY, NOW)
        next(portions)
        many.server.database.kill()
        try:
            with pytest.raises(SourceError):
                for _ in portions:
                    pass
            with pytest.raises(SourceError) as gone:
                other.items([ItemId("0:mmmmmmm00001:1")])
            assert gone.value.transient
            assert PASSWORD not in str(gone.value)
            with pytest.raises(Refused):
                other.release(ItemId("0:mmmmmmm00001:1"), ANNA)
        finally:
            many.server.database.start()


def test_a_stream_that_nobody_reads_on_is_let_go(many: Place) -> None:
    with many.open() as session:
        next(session.held(NOW - DAY, NOW))
        assert session.stale(NOW).messages == MANY


# ---- changes


def test_a_database_that_takes_no_changes_can_be_read_and_nothing_is_delivered(place: Place) -> None:
    (one,) = place.hold(ANNA, at=NOW)
    with setting(place.server, "read_only", 1), place.open() as session:
        assert [item.id for item in session.held_for([ANNA], NOW - DAY)] == [one]
        for deed in (
            lambda: session.release(one, ANNA),
            lambda: session.rule(ANNA, "news@example.org", "allow"),
            lambda: list(session.purge(NOW + DAY)),
        ):
            with pytest.raises(Refused, match="read-only") as refusal:
                deed()
            assert refusal.value.transient
        assert "this user may not release, forget a rule, purge" in session.check()
    assert place.delivered() == []
    assert place.marks() == [""]


def test_one_who_may_only_read_sends_digests_and_check_says_the_rest(place: Place) -> None:
    (one,) = place.hold(ANNA, at=NOW)
    place.server.query("CREATE OR REPLACE USER reader@localhost IDENTIFIED BY 'readerpw'")
    place.server.query(f"GRANT SELECT ON {DATABASE}.* TO reader@localhost")
    url = place.server.url.replace(f"{COLLIMA}@", "reader:readerpw@")
    with Amavis(database=url.replace(":readerpw", "")).open() as nobody, pytest.raises(SourceError, match="denied"):
        nobody.check()
    place.server.query("ALTER USER reader@localhost IDENTIFIED BY ''")
    with place.open(database=url.replace(":readerpw", ""), database_password=None) as session:
        assert list(session.items([one])) == [one]
        with pytest.raises(Refused, match="denied"):
            session.release(one, ANNA)
        assert "this user may not release, forget a rule, purge" in session.check()


def test_the_least_rights_leave_bodies_alone(place: Place) -> None:
    place.hold(ANNA, at=NOW)
    connection = pymysql.connect(
        unix_socket=str(place.server.database.socket),
        user=COLLIMA,
        password=COLLIMA_PASSWORD,
        database=DATABASE,
        ssl_disabled=True,
    )
    with connection, connection.cursor() as cursor:
        for secret in (
            "SELECT mail_text FROM quarantine",
            "SELECT client_addr FROM msgs",
            "UPDATE msgrcpt SET ds = 'P'",
            "UPDATE msgs SET subject = ''",
            "INSERT INTO policy (id) VALUES (1)",
        ):
            with pytest.raises(pymysql.err.MySQLError, match="denied"):
                cursor.execute(secret)


def test_a_row_that_another_one_has_locked_is_tried_again(place: Place) -> None:
    (one,) = place.hold(ANNA, at=NOW)
    other = place.server.database.as_root(DATABASE)
    cursor = other.cursor()
    cursor.execute("BEGIN")
    cursor.execute("SELECT * FROM msgrcpt FOR UPDATE")
    paused: list[float] = []

    def let_go(seconds: float) -> None:
        cursor.execute("ROLLBACK")
        paused.append(seconds)

    with place.open() as session:
        session._database._sleep = let_go
        session.release(one, ANNA)
    other.close()
    assert len(paused) == 1
    assert place.delivered() == [ANNA]


@pytest.mark.parametrize("said", ["3.5", "-2", " ", "N"])
def test_what_an_administrator_wrote_by_hand_is_put_back_as_it_was(place: Place, said: str) -> None:
    with place.open() as session:
        session.rule(ANNA, "news@example.org", "allow")
        place.server.query(f"UPDATE wblist SET wb = '{said}'")
        before = session.said(ANNA, "news@example.org")
        session.rule(ANNA, "news@example.org", "allow")
        session.put_back(ANNA, "news@example.org", before)
    assert place.server.query("SELECT wb FROM wblist") == ((said,),)


# ---- purging


def counted(place: Place, name: str) -> int:
    """Since the server was started, for everybody."""
    return int(str(place.server.query(f"SHOW GLOBAL STATUS LIKE '{name}'")[0][1]))


def rows(place: Place) -> dict[str, int]:
    count = place.server.query
    tables = ("msgs", "msgrcpt", "quarantine", "maddr")
    return {table: int(str(count(f"SELECT count(*) FROM {table}")[0][0])) for table in tables}


def test_a_purge_takes_all_that_belongs_to_a_message_and_the_log_stays(place: Place) -> None:
    place.hold(ANNA, BRUNO, at=NOW - 6 * DAY, sender="once@example.org")
    place.hold(ANNA, at=NOW - DAY, sender="often@example.org")
    place.hold(ANNA, at=NOW - 6 * DAY, sender="often@example.org", partition=0)
    place.hold(BRUNO, at=NOW - 6 * DAY, sender="friend@example.org", ds="P")
    place.server.query("UPDATE msgs SET quar_type = ' ', content = 'C' WHERE mail_id IN "
                       "(SELECT mail_id FROM msgrcpt WHERE ds = 'P')")  # fmt: skip
    with place.open() as session:
        assert session.stale(NOW - 5 * DAY).messages == 2
        assert list(session.purge(NOW - 5 * DAY)) == [2]
    addresses = {bytes(str(email), "ascii") if isinstance(email, str) else email for (email,) in place.server.query("SELECT email FROM maddr")}  # fmt: skip # noqa: E501
    assert addresses == {ANNA.encode(), BRUNO.encode(), b"often@example.org", b"friend@example.org"}
    assert [rows(place)[table] for table in ("msgs", "msgrcpt")] == [2, 2]


def test_placeholders_that_nobody_finished_are_purged(place: Place) -> None:
    place.hold(ANNA, at=NOW - 6 * DAY)
    place.server.query("UPDATE msgs SET content = NULL, quar_type = NULL")
    with place.open() as session:
        assert sum(session.purge(NOW - 5 * DAY)) == 1
    assert set(rows(place).values()) == {0}


def test_rows_without_a_message_are_orphans_and_go(place: Place) -> None:
    place.hold(ANNA, at=NOW)
    place.hold(ANNA, at=NOW, partition=48)
    place.server.query("DELETE FROM msgs")
    kept = place.hold(BRUNO, at=NOW)
    with place.open() as session:
        assert session.orphans() == 4
        session.sweep()
        assert session.orphans() == 0
    assert [item.id for item in place.seen()] == kept


def test_a_purge_goes_on_in_transactions_of_a_thousand_and_can_be_cut_anywhere(many: Place) -> None:
    with many.open_by_port() as session:
        purge = session.purge(BEFORE)
        assert [next(purge), next(purge)] == [1000, 1000]
        many.server.database.kill()
        try:
            with pytest.raises(Refused) as gone:
                list(purge)
            assert gone.value.transient
        finally:
            many.server.database.start()
        assert session.orphans() == 0, "of no message half is left"
        before = session.stale(BEFORE)
        assert sum(session.purge(BEFORE)) == before.messages
        assert session.stale(BEFORE).messages == 0
    left = rows(many)
    assert (left["msgrcpt"], left["quarantine"]) == (2 * left["msgs"], left["msgs"])
    assert left["msgs"] == KEPT


def test_a_transaction_of_a_purge_reads_its_own_rows_however_many_there_are(many: Place) -> None:
    """Rows that the server walked through: with a table of all that is in use it were every row, each time."""

    with many.open() as session:
        before = counted(many, "Handler_read_next")
        assert next(session.purge(BEFORE)) == 1000
        next(purge := session.purge(BEFORE))
        next(purge)  # and what follows on a portion
        assert counted(many, "Handler_read_next") - before < MANY


def test_a_persons_page_reads_their_own_rows_however_many_there_are(many: Place) -> None:
    with many.open() as session:
        session.held_for(["p7@unimore.it"], NOW - DAY)  # it is connected
        before = [counted(many, f"Handler_read_{name}") for name in ("key", "next", "rnd_next")]
        theirs = session.extended(["p7@unimore.it", ANNA])
        ranks = session.held_for(["p7@unimore.it", *theirs], NOW - DAY)
        assert len(session.items([rank.id for rank in ranks[-10:]])) == 10
        walked = sum(counted(many, f"Handler_read_{name}") for name in ("key", "next", "rnd_next")) - sum(before)
    assert len(ranks) == 2 * MANY / 1000
    assert walked < MANY / 4, "the counters themselves are some two thousand"


def test_looking_for_orphans_goes_along_the_order_of_messages(many: Place) -> None:
    for table in (QUARANTINE, MSGRCPT):
        asked = reading.orphaned(table).compile(dialect=mysql.dialect(), compile_kwargs={"literal_binds": True})
        walked = {row[2]: row[5] for row in many.server.query(f"EXPLAIN {asked}")}
        assert walked == {table.name: "PRIMARY", "msgs": "PRIMARY"}


def test_two_purges_at_once_do_no_harm(many: Place) -> None:
    errors: list[Exception] = []

    def purge() -> None:
        try:
            with many.open() as session:
                for _ in session.purge(BEFORE):
                    pass
        except Refused as err:
            errors.append(err)

    both = [threading.Thread(target=purge) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert errors == []
    left = rows(many)
    assert (left["msgrcpt"], left["quarantine"]) == (2 * left["msgs"], left["msgs"])


# ---- the file


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"database": "mysql+pymysql://collima:secret@mxdb/amavis"}, "a password is never written here"),
        ({"database": "postgresql://collima@mxdb/amavis"}, r"write mysql\+pymysql://"),
        ({"database": "mysql+pymysql:///amavis"}, "host is missing"),
        ({"release": ("mx1",)}, "release: write HOST:PORT"),
        ({"release": ("mx1:99980",)}, "release: write HOST:PORT"),
        ({"release": ("var/amavisd.sock",)}, "release: write HOST:PORT"),
    ],
)
def test_what_cannot_be_meant_is_told_without_secrets(options: dict[str, Any], told: str) -> None:
    given: dict[str, Any] = {"database": "mysql+pymysql://collima@mxdb/amavis", **options}
    with pytest.raises(ConfigError, match=told) as fault:
        Amavis(**given)
    assert "secret@" not in str(fault.value)


def test_ports_of_machines_and_of_ipv6_and_paths_are_places() -> None:
    Amavis(database="mysql+pymysql://c@mxdb/amavis", release=("mx1:9998", "[2001:db8::1]:9998", "/run/amavisd.sock"))
