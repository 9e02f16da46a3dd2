"""Sympa, the real one: what is read of a list, and what an edit leaves in its file and in its database."""

import os
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from collima.core.errors import ConfigError, SourceError
from collima.core.options import Secret
from collima.core.targets import Edit, Id, Mark, Roster, Settled
from connectors.sympa import Sympa, machine
from connectors.sympa.machine import MARK
from connectors.sympa.session import Session
from tests.contracts.rosters import ANNA, BRUNO, CARLA, RostersContract
from tests.servers.mariadb import PASSWORD
from tests.servers.sshd import Sshd, ssh_server
from tests.servers.sympa import READER_PASSWORD, sympa_here, sympa_server
from tests.servers.sympa import Sympa as Server

__all__ = ["ssh_server", "sympa_here", "sympa_server"]


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMPA_READER", READER_PASSWORD)


@dataclass
class Place:
    server: Server
    options: dict[str, Any] = field(default_factory=dict)
    slept: list[float] = field(default_factory=list)

    def open(self, **options: Any) -> AbstractContextManager[Session]:
        given = {
            "robot": self.server.robot,
            "include_dir": self.server.include_dir,
            "lists": self.server.lists,
            "database": self.server.url,
            "database_password": Secret(env="SYMPA_READER"),
            "sympa": (str(self.server.command),),
        }
        return Sympa(**(given | self.options | options)).open(sleep=self.slept.append)

    def fill(self, roster: str, addresses: Iterable[str]) -> None:
        self.server.plant(roster, addresses)

    def read(self, name: str = "docenti") -> Roster:
        with self.open() as session:
            return session.read([name])[name]

    def edit(self, *add: str, remove: Iterable[str] = (), name: str = "docenti", **options: Any) -> dict[str, Settled]:
        with self.open(**options) as session:
            session.read([name])
            edit = Edit(name, frozenset(map(Id, add)), frozenset(map(Id, remove)))
            return {settled.member: settled for settled in session.apply([edit])}


def distant(server: Server, sshd: Sshd, **options: str) -> Place:
    """Sympa on a machine that is reached by ssh."""
    told = {"robot": server.robot, "include-dir": server.include_dir, "lists": server.lists, "sympa": server.command}
    arguments = [f"--{name}={value}" for name, value in (told | options).items()]
    sshd.allow([sys.executable, machine.__file__, *arguments])
    return Place(server, {"host": sshd.host, "ssh": sshd.command, "lists": None, "sympa": ("false",)})


@pytest.fixture
def place(sympa_here: Server) -> Place:
    return Place(sympa_here)


class TestHere(RostersContract):
    @pytest.fixture
    def target(self, place: Place) -> Place:
        place.server.make("nuova")
        return place


@pytest.mark.soak
class TestOnAnotherMachine(RostersContract):
    @pytest.fixture
    def target(self, sympa_here: Server, ssh_server: Sshd) -> Place:
        sympa_here.make("nuova")
        return distant(sympa_here, ssh_server)


# ---- what is read


def test_planted_rows_are_those_that_an_include_leaves(sympa_here: Server) -> None:
    times = ("inclusion_subscriber", "inclusion_ext_subscriber", "date_epoch_subscriber", "update_epoch_subscriber")
    rows = []
    for fill in (sympa_here.fill, sympa_here.plant):
        fill("docenti", [ANNA])
        columns = [str(row[0]) for row in sympa_here.query("SHOW COLUMNS FROM subscriber_table")]
        (row,) = sympa_here.query("SELECT * FROM subscriber_table")
        rows.append({name: bool(value) if name in times else value for name, value in zip(columns, row, strict=True)})
    assert rows[0] == rows[1]


def test_members_are_told_apart_by_the_way_they_came(place: Place) -> None:
    place.server.plant("docenti", [ANNA, BRUNO])
    place.server.add("docenti", f"{CARLA} Carla", ANNA)
    place.server.delete("docenti", BRUNO)
    roster = place.read()
    assert roster.members == {ANNA}
    assert roster.manual == {CARLA}
    assert roster.refused == {BRUNO: "opted out"}
    assert not roster.pending
    assert not roster.torn
    assert not roster.findings


def test_who_conceals_himself_is_a_member(place: Place) -> None:
    place.server.plant("docenti", [ANNA, BRUNO])
    place.server.query("UPDATE subscriber_table SET visibility_subscriber = 'conceal' WHERE user_subscriber = %s", ANNA)
    assert ANNA not in place.server.run("review", f"docenti@{place.server.robot}")
    assert place.read().members == {ANNA, BRUNO}


def test_names_with_emoji_or_accents_do_not_matter(place: Place) -> None:
    place.server.make("docenti")
    (place.server.include_dir / "docenti").write_text(f"{ANNA} Anna 🎓 Rossì\n{BRUNO} 👩‍🔬\n", encoding="utf-8")
    place.server.include("docenti")
    place.server.add("docenti", f"{CARLA} Carla ☕😀")
    roster = place.read()
    assert (roster.members, roster.manual) == ({ANNA, BRUNO}, {CARLA})
    assert not any(s.error for s in place.edit("dario@unimore.it", remove=[ANNA]).values())
    assert place.server.members("docenti") == {BRUNO, CARLA, "dario@unimore.it"}


def test_a_list_that_sympa_lacks_is_missing_and_the_command_that_makes_it_is_told(place: Place) -> None:
    roster = place.read("nuova")
    assert roster.missing
    assert f"sympa create --input_file=nuova.xml {place.server.robot}" in roster.remedy


def test_a_list_that_is_closed_is_told(place: Place) -> None:
    place.server.plant("docenti", [ANNA])
    config = place.server.lists / "docenti" / "config"
    config.write_text(config.read_text().replace("status open", "status closed"))
    assert [code for _, code, _ in place.read().findings] == ["list-closed"]


def test_two_hundred_and_fifty_lists_are_read_with_two_questions(place: Place) -> None:
    names = [f"l{n:03}" for n in range(250)]
    place.server.make(*names)
    for name in names[:3]:
        place.server.plant(name, [ANNA])
    with place.open() as session:
        session.check()
        asked = int(str(place.server.query("SHOW GLOBAL STATUS LIKE 'Questions'")[0][1]))
        assert len(session.read(names)) == 250
        now = int(str(place.server.query("SHOW GLOBAL STATUS LIKE 'Questions'")[0][1]))
        assert now - asked < 12  # what looks counts, too


def test_a_row_that_the_server_cuts_is_read_one_by_one(place: Place) -> None:
    many = [f"p{n:04}@unimore.it" for n in range(3000)]
    place.server.plant("docenti", many)
    with place.open() as session:
        with session.database.engine.connect() as connection:
            connection.exec_driver_sql("SET SESSION group_concat_max_len = 4096")
            connection.commit()
        assert session.read(["docenti"])["docenti"].members == set(many)


def test_nothing_is_written_to_the_database_even_by_one_who_may(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMPA_READER", PASSWORD)
    with (
        place.open(database=place.server.database.url("sympa")) as session,
        session.database.engine.connect() as connection,
        pytest.raises(DBAPIError, match="READ ONLY"),
    ):
        connection.exec_driver_sql("DELETE FROM subscriber_table")


# ---- where its members come from


def test_a_list_whose_configuration_names_another_source_is_read_as_it_is_and_the_line_to_write_is_told(
    place: Place,
) -> None:
    old = "include_file /srv/old/docenti\n\ninclude_sql_query\nname old people\nhost db\npasswd s3cret\n\n"
    place.server.make("docenti", sources=old)
    place.server.plant("docenti", [ANNA, BRUNO], file=False)
    roster = place.read()
    assert roster.members == {ANNA, BRUNO}
    assert roster.torn  # its include file is not there yet
    ((level, code, told),) = roster.findings
    assert (level, code) == ("warning", "source-missing")
    assert f"`include_file {place.server.include_dir}/docenti`" in told
    assert "include_sql_query (name old people)" in told
    assert "s3cret" not in told


def test_before_a_list_names_its_file_it_is_written_and_every_change_says_that_it_had_no_effect(place: Place) -> None:
    place.server.make("docenti", sources="include_file /srv/old/docenti\n\n")
    place.server.plant("docenti", [ANNA, BRUNO], file=False)
    settled = place.edit(CARLA, remove=[ANNA])
    assert {s.error for s in settled.values()} == {"written to its include file, which its configuration does not name"}
    assert place.server.file("docenti") == [BRUNO, CARLA]
    assert place.server.members("docenti") == {ANNA, BRUNO}
    place.server.make("docenti")  # it is handed over
    assert not any(s.error for s in place.edit(CARLA, remove=[ANNA]).values())
    assert place.server.members("docenti") == {BRUNO, CARLA}


def test_a_second_source_is_told_and_its_members_are_not_ours(place: Place) -> None:
    other = place.server.include_dir / "external"
    other.write_text(f"{CARLA}\n")
    sources = f"include_file {place.server.include_dir}/docenti\n\ninclude_file {other}\n\n"
    place.server.make("docenti", sources=sources)
    place.server.fill("docenti", [ANNA, BRUNO])
    roster = place.read()
    assert roster.members == {ANNA, BRUNO}
    assert [code for _, code, _ in roster.findings] == ["other-sources"]
    assert not any(s.error for s in place.edit("dario@unimore.it", remove=[ANNA]).values())
    assert place.server.members("docenti") == {BRUNO, CARLA, "dario@unimore.it"}


def test_opt_outs_of_a_family_hold_for_its_lists(place: Place) -> None:
    place.server.make("docenti", more="family_name dipartimenti\n\n")
    place.server.plant("docenti", [ANNA])
    place.server.query("INSERT INTO exclusion_table VALUES (1, 'dipartimenti', '', %s, %s)", place.server.robot, BRUNO)
    assert place.read().refused == {BRUNO: "opted out"}


# ---- edits


def test_who_came_by_hand_and_is_wanted_becomes_included_and_stays_when_he_is_not_wanted_any_more(place: Place) -> None:
    place.server.plant("docenti", [ANNA])
    place.server.add("docenti", BRUNO)
    assert not place.edit(BRUNO)[BRUNO].error
    roster = place.read()
    assert (roster.members, roster.manual) == ({ANNA, BRUNO}, {BRUNO})
    assert not place.edit(remove=[BRUNO])[BRUNO].error
    roster = place.read()
    assert (roster.members, roster.manual) == ({ANNA}, {BRUNO})
    assert place.server.members("docenti") == {ANNA, BRUNO}


def test_an_address_that_sympa_refuses_fails_alone(place: Place) -> None:
    place.server.plant("docenti", [ANNA])
    itself = f"docenti@{place.server.robot}"
    settled = place.edit(BRUNO, itself)
    assert not settled[BRUNO].error
    assert settled[itself].error == "Sympa does not take this address"
    assert not settled[itself].transient
    assert place.server.members("docenti") == {ANNA, BRUNO}


def test_a_list_that_is_full_tells_who_did_not_get_in(place: Place) -> None:
    place.server.make("docenti", more="max_list_members 2\n\n")
    place.server.plant("docenti", [ANNA])
    settled = place.edit(BRUNO, CARLA)
    assert sorted(bool(s.error) for s in settled.values()) == [False, True]


def test_two_edits_within_one_second_both_take_effect(place: Place) -> None:
    place.server.plant("docenti", [ANNA, BRUNO])
    assert not any(s.error for s in place.edit(CARLA).values())
    settled = place.edit(remove=[ANNA, BRUNO, CARLA])
    assert not any(s.error for s in settled.values())
    assert place.server.file("docenti") == []


def test_a_file_that_sympa_may_not_read_is_told_and_nobody_goes(place: Place) -> None:
    place.server.plant("docenti", [ANNA, BRUNO])
    file = place.server.include_dir / "docenti"
    os.chown(file, 0, 0)
    file.chmod(0o600)
    settled = place.edit(CARLA, remove=[ANNA])
    assert all("Inclusion entirely failed" in s.error for s in settled.values())
    assert place.server.members("docenti") == {ANNA, BRUNO}


def test_a_new_file_belongs_to_whom_its_folder_belongs(place: Place) -> None:
    place.server.make("docenti")
    place.edit(ANNA)
    made, folder = (place.server.include_dir / "docenti").stat(), place.server.include_dir.stat()
    assert (made.st_uid, made.st_gid, made.st_mode & 0o777) == (folder.st_uid, folder.st_gid, 0o640)


def test_who_is_in_the_file_and_not_in_the_list_is_about_to_come(place: Place) -> None:
    place.server.plant("docenti", [ANNA])
    (place.server.include_dir / "docenti").write_text(f"{ANNA}\n{BRUNO}\n")
    roster = place.read()
    assert (roster.members, roster.pending, roster.torn, roster.lost) == ({ANNA}, {BRUNO}, False, set())
    assert not place.edit(remove=[BRUNO])[BRUNO].error
    assert place.server.file("docenti") == [ANNA]


@pytest.mark.parametrize(
    "content", [b"", f"{ANNA}\n".encode(), b"<html><body>502 Bad Gateway</body></html>\n" * 60, None]
)
def test_a_file_that_somebody_emptied_cut_or_replaced_is_torn_and_an_edit_of_nobody_mends_it(
    place: Place, content: bytes | None
) -> None:
    place.server.plant("docenti", [ANNA, BRUNO, CARLA])
    file = place.server.include_dir / "docenti"
    file.unlink() if content is None else file.write_bytes(content)
    roster = place.read()
    assert (roster.members, roster.torn) == ({ANNA, BRUNO, CARLA}, True)
    assert roster.lost >= {BRUNO, CARLA}
    assert place.edit() == {}
    assert place.server.file("docenti") == sorted([ANNA, BRUNO, CARLA])
    assert not place.read().torn
    assert place.server.members("docenti") == {ANNA, BRUNO, CARLA}


def test_a_language_of_the_site_changes_no_word(place: Place, sympa_here: Server) -> None:
    config = sympa_here.folder / "etc" / "sympa.conf"
    before = config.read_text()
    config.write_text(before.replace("lang en-US", "lang it"))
    try:
        place.server.plant("docenti", [ANNA])
        with place.open() as session:
            (said,) = session.deeds.include(["docenti"]).values()
        assert "Inclusion succeeded (0 added, 0 deleted, 1 updated)" in said.text
    finally:
        config.write_text(before)


# ---- the mark, and check


def test_a_mark_that_cannot_be_read_stops_the_run(place: Place) -> None:
    (place.server.include_dir / MARK).write_text("{")
    with place.open() as session, pytest.raises(SourceError, match="cannot be read"):
        session.mark()


def test_what_a_killed_run_left_is_swept_by_the_next(place: Place) -> None:
    (place.server.include_dir / f"{machine.UNFINISHED}0123").write_text("half")
    with place.open() as session:
        session.leave_mark(Mark("s", "t"))
    assert [p.name for p in place.server.include_dir.iterdir()] == [MARK]


def test_check_tells_what_would_not_work(place: Place) -> None:
    place.server.plant("docenti", [ANNA])
    with place.open() as session:
        assert session.check() == f"1 members of {place.server.robot}; include files can be replaced"
    for options, told in (
        ({"sympa": ("no-such-sympa",)}, "no command no-such-sympa"),
        ({"lists": place.server.folder / "nowhere"}, "no such folder"),
        ({"include_dir": place.server.folder / "nowhere"}, "must own this folder"),
        ({"database": place.server.url + "2"}, "Sympa's database on 127.0.0.1: Access denied"),
    ):
        with place.open(**options) as session, pytest.raises(SourceError, match=told):
            session.check()


def test_a_wrong_password_is_told_without_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMPA_READER", "wr0ng")
    with place.open() as session, pytest.raises(SourceError, match="Access denied") as raised:
        session.read(["docenti"])
    assert "wr0ng" not in str(raised.value)
    assert not raised.value.transient


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"robot": "Liste"}, "robot:"),
        ({"database": "mysql+pymysql://reader:secret@db/sympa"}, "never written here"),
        ({"database": "sqlite:///x"}, "database:"),
        ({"database": "mysql+pymysql:///sympa"}, "host is missing"),
        ({"host": "-oProxyCommand=x"}, "host:"),
        ({"sympa": ()}, "sympa:"),
        ({"parallel": 0}, "parallel:"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_option(place: Place, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as raised, place.open(**options):
        pass
    assert "secret" not in str(raised.value)
