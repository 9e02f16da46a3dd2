"""The steps that a person takes at Sympa, typed as they are printed, into a real one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collima.core.options import Secret
from collima.core.targets import Adoptable, Edit, Id
from connectors.sympa import Sympa as Kind
from connectors.sympa.session import Session
from tests.connectors.sympa_by_hand import excluded, put, rows, typed
from tests.servers.sympa import READER_PASSWORD, Sympa, sympa_here, sympa_server

__all__ = ["sympa_here", "sympa_server"]

ADA, BICE, CARLA, DALIA, ELSA, FLORA, GILDA = (
    Id(f"{name}@unimore.it") for name in ("ada", "bice", "carla", "dalia", "elsa", "flora", "gilda")
)
GUEST = Id("o'brien@example.org")
GUESTS = frozenset({GUEST})


@contextmanager
def session(server: Sympa) -> Iterator[Session]:
    secret = server.folder / "reader-password"
    secret.write_text(READER_PASSWORD)
    secret.chmod(0o600)
    kind = Kind(
        robot=server.robot,
        include_dir=server.include_dir,
        database=server.url,
        database_password=Secret(file=secret),
        lists=server.lists,
        sympa=(str(server.command),),
    )
    with kind.open() as opened:
        yield opened


OLD = """\
# as the old script made it
include_file {file}

include_ldap_query
host 127.0.0.1:1
suffix dc=unimore,dc=it
filter (cn=none)
attrs mail
passwd very-secret
name old-directory

include_ldap_ca
name kept
host 127.0.0.1:1
suffix dc=unimore,dc=it
attrs mail
email_entry mail

ttl 3600

"""


@pytest.fixture
def before(sympa_here: Sympa) -> Sympa:
    """docenti as a site has it: by an old source ada, bice, carla and dalia; by hand ada, elsa, flora and a guest."""
    server = sympa_here
    old = server.include_dir / "old-docenti"
    old.write_text("".join(f"{one}\n" for one in (ADA, BICE, CARLA, DALIA, GILDA)))
    server.make("docenti", sources=OLD.format(file=old))
    for address in (ADA, BICE, CARLA, DALIA):
        settings = "digest" if address == ADA else "mail"
        put(server, "docenti", address, by_hand=address == ADA, label="old-docenti", reception=settings)
    for address in (ELSA, FLORA, GUEST):
        put(server, "docenti", address, by_hand=True, label=None, reception="digest" if address == ELSA else "mail")
    server.query(
        "INSERT INTO exclusion_table (list_exclusion, family_exclusion, robot_exclusion, user_exclusion) "
        "VALUES ('docenti', '', %s, %s)",
        server.robot,
        GILDA,
    )
    return server


def write(server: Session, wanted: frozenset[Id]) -> None:
    """As the run does before the list is handed over."""
    roster = server.read(["docenti"])["docenti"]
    edit = Edit("docenti", wanted - roster.members, roster.members - wanted)
    assert {settled.error for settled in server.apply([edit])} == {
        "written to its include file, which its configuration does not name"
    }


WANTED = frozenset({ADA, BICE, CARLA, ELSA})


def test_it_tells_how_each_member_came_to_be_in(before: Sympa) -> None:
    with session(before) as opened:
        adoptable: Adoptable = opened
        standing = adoptable.standing(["docenti", "nowhere"])
    found = standing["docenti"]
    assert found.ours == frozenset()
    assert found.manual == {ADA, ELSA, FLORA, GUEST}
    assert found.others == {"old-docenti": {ADA, BICE, CARLA, DALIA}}
    assert found.opted_out == {GILDA}
    assert found.sources == (
        f"include_file {before.folder}/include/old-docenti",
        "include_ldap_query (name old-directory)",
    )
    assert standing["nowhere"].missing


def test_a_list_is_handed_over_file_first_then_source_then_the_manual_rows_and_nobody_is_lost_on_the_way(
    before: Sympa, tmp_path: Path
) -> None:
    with session(before) as opened:
        standing = opened.standing(["docenti"])["docenti"]
        steps = opened.handover("docenti", standing, WANTED, GUESTS)
        file, source, *_ = steps
        write(opened, WANTED)
        assert before.members("docenti") == {ADA, BICE, CARLA, DALIA, ELSA, FLORA, GUEST}

        typed(before, file.lines, source.lines, folder=tmp_path)
        assert before.members("docenti") == {
            ADA,
            BICE,
            CARLA,
            ELSA,
            FLORA,
            GUEST,
        }  # dalia was in by the old source alone
        config = (before.lists / "docenti" / "config").read_text()
        assert config.count("include_file") == 1
        assert "include_ldap_query" not in config
        assert "name kept" in config
        assert "ttl 3600" in config
        assert "very-secret" in (before.lists / "docenti" / "config.before-collima").read_text()
        owner = (before.lists / "docenti" / "config").stat().st_uid
        assert owner == (before.lists / "docenti").stat().st_uid

        manual, strangers = opened.handover("docenti", opened.standing(["docenti"])["docenti"], WANTED, GUESTS)
        assert [manual, strangers] == list(steps[2:])  # half way, only what is left is told
        assert "1 with an address of ours came by hand" in strangers.told
        assert "1 more are guests" in strangers.told
        typed(before, manual.lines, folder=tmp_path)
        assert rows(before, "docenti") == {
            **dict.fromkeys(WANTED, (False, True)),
            **dict.fromkeys((FLORA, GUEST), (True, False)),
        }
        typed(before, strangers.lines, folder=tmp_path)
        assert before.members("docenti") == WANTED | GUESTS
        assert excluded(before, "docenti") == {GILDA}
        digests = before.query("SELECT user_subscriber FROM subscriber_table WHERE reception_subscriber = 'digest'")
        assert {row[0] for row in digests} == {ADA, ELSA}
        assert opened.handover("docenti", opened.standing(["docenti"])["docenti"], WANTED, GUESTS) == ()
        roster = opened.read(["docenti"])["docenti"]
        assert (roster.members, roster.manual, roster.findings) == (WANTED, GUESTS, ())

        typed(before, *(step.lines for step in steps), folder=tmp_path, check=False)  # twice does no harm
        assert rows(before, "docenti") == {**dict.fromkeys(WANTED, (False, True)), GUEST: (True, False)}
        assert "very-secret" in (before.lists / "docenti" / "config.before-collima").read_text()
        leaves = list(opened.apply([Edit("docenti", frozenset(), frozenset({ELSA}))]))
    assert [settled.error for settled in leaves] == [""]
    assert before.members("docenti") == (WANTED - {ELSA}) | GUESTS  # who came by hand once, goes
    assert not list((before.folder / "mail").iterdir())


def test_the_source_is_not_changed_before_the_file_is_whole(before: Sympa, tmp_path: Path) -> None:
    with session(before) as opened:
        _, source, *_ = opened.handover("docenti", opened.standing(["docenti"])["docenti"], WANTED, GUESTS)
    members, config = before.members("docenti"), (before.lists / "docenti" / "config").read_text()
    (before.include_dir / "docenti").write_text(f"{ADA}\n{BICE}\n")
    typed(before, source.lines, folder=tmp_path, check=False)
    (before.include_dir / "docenti").unlink()
    typed(before, source.lines, folder=tmp_path, check=False)
    assert (before.members("docenti"), (before.lists / "docenti" / "config").read_text()) == (members, config)


@pytest.mark.soak
def test_the_rows_are_as_sympa_makes_them_and_why_it_is_not_sympa_del(sympa_here: Sympa) -> None:
    server = sympa_here
    server.fill("docenti", [ADA, BICE])
    server.add("docenti", ELSA)
    (server.include_dir / "docenti").write_text(f"{ADA}\n{BICE}\n{ELSA}\n")
    server.include("docenti")
    assert rows(server, "docenti") == {ADA: (False, True), BICE: (False, True), ELSA: (True, True)}
    server.delete("docenti", ELSA)  # whom a source names is opted out
    assert excluded(server, "docenti") == {ELSA}
    server.include("docenti")
    assert server.members("docenti") == {ADA, BICE}


def test_somebody_unwanted_who_came_by_hand_is_not_deleted_while_a_source_names_them(before: Sympa) -> None:
    with session(before) as opened:
        steps = opened.handover("docenti", opened.standing(["docenti"])["docenti"], WANTED - {ADA}, GUESTS)
    assert not any(str(ADA) in line for step in steps for line in step.lines)


def test_the_backup_brings_members_opt_outs_and_configurations_back(before: Sympa, tmp_path: Path) -> None:
    with session(before) as opened:
        typed(before, opened.backup(["docenti"]).lines, folder=tmp_path)
    before_, gone = rows(before, "docenti"), excluded(before, "docenti")
    config = before.lists / "docenti" / "config"
    text = config.read_text()
    before.query("DELETE FROM subscriber_table")
    before.query("DELETE FROM exclusion_table")
    config.unlink()
    (members,), (configurations,) = tmp_path.glob("sympa-members-*"), tmp_path.glob("sympa-configurations-*")
    restore = (f"zcat {members} | mariadb sympa", f"tar -xzf {configurations} -C {before.lists}")
    typed(before, restore, folder=tmp_path)
    assert (rows(before, "docenti"), excluded(before, "docenti"), config.read_text()) == (before_, gone, text)


def test_a_second_backup_leaves_the_first_alone(before: Sympa, tmp_path: Path) -> None:
    with session(before) as opened:
        lines = opened.backup(["docenti"]).lines
    typed(before, lines, folder=tmp_path)
    first = {file: file.read_bytes() for file in tmp_path.glob("sympa-*")}
    typed(before, ("sleep 1", *lines), folder=tmp_path)
    assert len(list(tmp_path.glob("sympa-*"))) == 2 * len(first) == 4
    assert {file: file.read_bytes() for file in first} == first


@pytest.mark.soak
def test_a_closed_list_comes_back_with_its_members(sympa_here: Sympa, tmp_path: Path) -> None:
    server = sympa_here
    server.fill("docenti", [ADA, BICE])
    server.add("docenti", GUEST)
    with session(server) as opened:
        typed(server, *(step.lines for step in opened.ending("docenti", close=True)), folder=tmp_path)
        assert server.members("docenti") == set()
        assert server.file("docenti") == []
        assert "status closed" in (server.lists / "docenti" / "config").read_text()
    server.run("open", f"docenti@{server.robot}")
    assert server.members("docenti") == {ADA, BICE, GUEST}


@pytest.mark.soak
def test_a_list_that_is_kept_without_our_source_keeps_its_members(sympa_here: Sympa, tmp_path: Path) -> None:
    server = sympa_here
    server.fill("docenti", [ADA, BICE])
    server.add("docenti", GUEST)
    with session(server) as opened:
        typed(server, *(step.lines for step in opened.ending("docenti", close=False)), folder=tmp_path)
    server.include("docenti")
    assert rows(server, "docenti") == dict.fromkeys((ADA, BICE, GUEST), (True, False))
    assert "include_file" not in (server.lists / "docenti" / "config").read_text()
    assert server.file("docenti") == []


@pytest.mark.soak
def test_a_list_that_only_loses_its_source_loses_its_members(sympa_here: Sympa) -> None:
    """Why the order of the steps matters."""
    sympa_here.fill("docenti", [ADA, BICE])
    sympa_here.make("docenti", sources="")
    sympa_here.include("docenti")
    assert sympa_here.members("docenti") == set()


@pytest.mark.soak
def test_what_other_sources_put_in_is_left_to_them_when_ours_ends(sympa_here: Sympa, tmp_path: Path) -> None:
    server = sympa_here
    (server.include_dir / "docenti").write_text(f"{ADA}\n")
    (server.include_dir / "others").write_text(f"{BICE}\n")
    ours, others = server.include_dir / "docenti", server.include_dir / "others"
    server.make("docenti", sources=f"include_file {ours}\n\ninclude_file {others}\n\n")
    server.include("docenti")
    with session(server) as opened:
        typed(server, *(step.lines for step in opened.ending("docenti", close=False)), folder=tmp_path)
    assert rows(server, "docenti") == {ADA: (True, False), BICE: (False, True)}


@pytest.mark.soak
def test_a_renamed_list_takes_members_opt_outs_and_our_file_along(sympa_here: Sympa, tmp_path: Path) -> None:
    server = sympa_here
    server.fill("docenti", [ADA, BICE, CARLA])
    server.add("docenti", GUEST)
    server.delete("docenti", CARLA)
    with session(server) as opened:
        typed(server, *(step.lines for step in opened.renaming("docenti", "professori")), folder=tmp_path)
        roster = opened.read(["professori"])["professori"]
    assert roster.members == {ADA, BICE}
    assert (roster.manual, roster.findings) == ({GUEST}, ())
    assert roster.refused == {CARLA: "opted out"}
    assert not server.members("docenti")
    assert not server.file("docenti")
    assert server.include("professori").count("succeeded") == 1
    assert server.members("professori") == {ADA, BICE, GUEST}
