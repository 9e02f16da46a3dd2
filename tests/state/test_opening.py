import os
import pwd
import sqlite3
import stat
from email.message import EmailMessage
from pathlib import Path

import pytest

from collima.core.errors import ConfigError, StateError
from collima.state.outbox import Letter
from tests.servers import free_port
from tests.servers.mariadb import MariaDB
from tests.state.conftest import State
from tests.state.runs import JOB, TARGET, run

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_plan_makes_no_state(tmp_path: Path) -> None:
    state = State(f"sqlite:///{tmp_path}/var/collima.db")
    with state.stack:
        state.open().look(JOB, TARGET).identity()
    assert list(tmp_path.iterdir()) == []


def test_the_first_run_makes_a_state_that_nobody_else_can_read(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        state = State(f"sqlite:///{tmp_path}/var/collima.db")
        with state.stack, run(state.open()):
            folder = tmp_path / "var"
            assert mode(folder) == 0o700
            assert {path.name: mode(path) for path in folder.iterdir()} == dict.fromkeys(
                ("collima.db", "collima.db-wal", "collima.db-shm"), 0o600
            )
        assert [path.name for path in folder.iterdir()] == ["collima.db"]
    finally:
        os.umask(before)


def test_an_empty_file_becomes_a_state(lite: State, tmp_path: Path) -> None:
    (tmp_path / "collima.db").touch()
    assert lite.open().archive.open_holds() == ()
    with run(lite.open()):
        pass
    assert len(list(lite.open().archive.history())) == 1


def test_a_power_cut_loses_nothing_that_was_stored(lite: State) -> None:
    with run(lite.open()):
        pass
    with lite.open().database.read() as connection:
        pragma = {p: connection.exec_driver_sql(f"PRAGMA {p}").scalar() for p in ("journal_mode", "synchronous")}
    assert pragma == {"journal_mode": "wal", "synchronous": 2}


def test_a_file_that_is_no_database_is_told(lite: State, tmp_path: Path) -> None:
    (tmp_path / "collima.db").write_text("a letter to Mario" * 100, "utf-8")
    with pytest.raises(StateError, match="file is not a database") as told:
        lite.open().archive.open_holds()
    assert "Mario" not in str(told.value)


def test_a_folder_in_the_place_of_the_file_is_told(lite: State, tmp_path: Path) -> None:
    (tmp_path / "collima.db").mkdir()
    with pytest.raises(StateError, match="are the file and its folder there, ours"):
        lite.open().archive.open_holds()


def test_a_full_disk_is_told_and_may_pass(lite: State) -> None:
    journal = lite.open()
    with run(journal) as record:
        with journal.database.write() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        with journal.database.read() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StateError, match="full") as told:
            record.claim(TARGET, {f"roster{number}": "x" * 1000 for number in range(1000)})
        assert told.value.transient


def test_a_state_of_another_user_is_refused_with_the_line_to_type(tmp_path: Path) -> None:
    path = tmp_path / "collima.db"
    if os.geteuid() == 0:
        sqlite3.connect(path).close()
        path.write_bytes(b"x")
        os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
        owner = "nobody"
    else:
        path, owner = Path("/etc/passwd"), "root"
    state = State(f"sqlite:///{path}")
    with state.stack:
        for use in (lambda j: j.archive.open_holds(), lambda j: j.look(JOB, TARGET).approved(), lambda j: j.migrate()):
            with pytest.raises(StateError) as told:
                use(state.open(command="run-job sympa-lists --plan"))
            assert str(told.value) == f"{path} belongs to {owner}; type: sudo -u {owner} run-job sympa-lists --plan"


@root_only
def test_root_makes_no_state_in_the_folder_of_another_user(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    os.chown(tmp_path / "var", pwd.getpwnam("nobody").pw_uid, -1)
    state = State(f"sqlite:///{tmp_path}/var/collima.db")
    with state.stack, pytest.raises(StateError, match="type: sudo -u nobody collima"), run(state.open()):
        pytest.fail("it ran")
    assert list((tmp_path / "var").iterdir()) == []


def as_nobody(url: str) -> str:
    """What a run says that another user starts."""
    state = State(url)
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        with state.stack, pytest.raises(StateError) as told, run(state.open()):
            pytest.fail("it ran")
    finally:
        os.seteuid(0)
    return str(told.value)


@root_only
def test_another_user_who_cannot_even_see_the_file_gets_the_line_to_type() -> None:
    state = State("sqlite:////var/tmp/collima-test-closed/collima.db")
    folder = Path("/var/tmp/collima-test-closed")
    folder.mkdir(mode=0o700)
    try:
        with state.stack, run(state.open()):
            pass
        assert as_nobody(state.url) == f"{folder} belongs to root; type: sudo -u root collima …"
    finally:
        (folder / "collima.db").unlink()
        folder.rmdir()


@root_only
def test_a_user_without_a_folder_gets_the_line_that_makes_one() -> None:
    told = as_nobody("sqlite:////var/lib/collima-test-none/collima.db")
    assert told.endswith("type: sudo install -d -m 700 -o nobody /var/lib/collima-test-none")


# ---- MariaDB


def test_a_wrong_password_is_told_without_it(mariadb_server: MariaDB) -> None:
    state = State(mariadb_server.url(mariadb_server.database()), "hunter2")
    with state.stack, pytest.raises(StateError, match="refused user or password") as told:
        state.open().archive.open_holds()
    assert not told.value.transient
    assert "hunter2" not in str(told.value)
    assert "hunter2" not in repr(state.open().database.url)


def test_a_server_that_does_not_answer_may_do_so_later() -> None:
    state = State(f"mysql+pymysql://collima:hunter2@127.0.0.1:{free_port()}/collima")
    with state.stack, pytest.raises(StateError, match=r"the state \(127.0.0.1/collima\) cannot be reached") as told:
        state.open().look(JOB, TARGET).past("people")
    assert told.value.transient
    assert "hunter2" not in str(told.value)


def test_a_database_that_does_not_exist_is_told(mariadb_server: MariaDB) -> None:
    state = State(mariadb_server.url("nowhere"), "pa:ss/w@rd")
    with state.stack, pytest.raises(StateError, match="does not have this database"):
        state.open().archive.open_holds()


def test_a_connection_that_the_server_closed_is_made_again(maria: State, mariadb_server: MariaDB) -> None:
    journal = maria.open()
    with run(journal) as record:
        for number, user in mariadb_server.query("SELECT id, user FROM information_schema.processlist"):
            if user == "collima":
                mariadb_server.query(f"KILL {number}")
        record.issue()
    assert [row.state for row in journal.archive.history()] == ["changed"]


def test_what_is_stored_over_one_connection_goes_on_when_the_server_closes_that(
    maria: State, mariadb_server: MariaDB
) -> None:
    outbox = maria.open().outbox
    outbox.add([letter(str(number)) for number in range(3)])
    rows = outbox.due("mail", 3)
    with outbox.ending() as sent:
        sent(rows[0])
        for number, user in mariadb_server.query("SELECT id, user FROM information_schema.processlist"):
            if user == "collima":
                mariadb_server.query(f"KILL {number}")
        with pytest.raises(StateError) as told:
            sent(rows[1])
        assert told.value.transient
        sent(rows[1])
    assert [row.id for row in outbox.due("mail", 3)] == [rows[2].id]


def test_what_is_stored_in_a_hurry_leaves_a_connection_that_waits_for_the_disk(lite: State) -> None:
    outbox = lite.open().outbox
    outbox.add([letter("1")])
    with outbox.ending() as sent:
        sent(*outbox.due("mail", 1))
    with outbox.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
    assert outbox.due("mail", 1) == ()


def letter(name: str) -> Letter:
    message = EmailMessage()
    message["Message-ID"] = f"<{name}@unimore.it>"
    message.set_content("Text.")
    return Letter(message, ("anna@unimore.it",), "mail", "job")


def test_mariadb_writes_its_name_as_a_url_too(maria: State) -> None:
    maria.url = maria.url.replace("mysql+pymysql://", "mariadb+pymysql://")
    with run(maria.open()):
        pass


@pytest.mark.parametrize(
    "url", ["postgresql://h/d", "sqlite://", "sqlite:///:memory:", "collima.db", "mysql+pymysql://u@h"]
)
def test_other_databases_are_a_fault_of_the_configuration(url: str) -> None:
    with pytest.raises(ConfigError, match=r"write sqlite:////PATH or mysql\+pymysql://USER@HOST/NAME"):
        State(url).open()
