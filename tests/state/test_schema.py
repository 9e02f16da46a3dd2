import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text, update

from collima.core.errors import StateError
from collima.state import mariadb, schema, sqlite, upgrade
from collima.state.tables import metadata, versions
from tests.state.conftest import State
from tests.state.runs import JOB, TARGET, add, do, hold, mark, remove, run

NEXT = '''"""For a test: one table is made anew, one grows, one is born."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    with op.batch_alter_table("holds", recreate="auto") as holds:
        holds.add_column(sa.Column("note", sa.Text()))
        holds.alter_column("reason", existing_type=sa.Text(), nullable=True)
    op.create_table("ledger", sa.Column("id", sa.Integer(), primary_key=True))
'''


def raw(state: State) -> Engine:
    """Without looking at the schema."""
    made = state.open().database
    return mariadb.engine(made.url) if made.file is None else sqlite.engine(made.file)


def definitions(connection: Connection) -> dict[str, object]:
    """What every table and index was made by."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        return {row.name: " ".join(row.sql.split()) for row in rows}
    return {
        name: sorted(connection.execute(text(f"SHOW CREATE TABLE `{name}`")).one()[1].replace(",", "").splitlines())
        for name in inspect(connection).get_table_names()
    }


def test_the_migrations_make_exactly_the_tables_of_today(state: State) -> None:
    engine = raw(state)
    with engine.connect().execution_options(write=True) as connection:
        with connection.begin():
            configuration = upgrade.config()
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")
        with connection.begin():
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
            migrated = definitions(connection)
            assert schema.version(connection) == schema.CURRENT
        with connection.begin():
            for table in (*reversed(metadata.sorted_tables), versions):
                table.drop(connection)
            schema.create(connection)
            assert definitions(connection) == migrated
    engine.dispose()
    assert ScriptDirectory.from_config(upgrade.config()).get_current_head() == schema.revision(schema.CURRENT)


def test_every_index_is_below_the_limit_of_innodb() -> None:
    for table in metadata.tables.values():
        keys = [table.primary_key.columns, *(index.columns for index in table.indexes)]
        for columns in keys:
            assert sum(4 * getattr(column.type, "length", 0) + 8 for column in columns) < 3072, table.name


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Collima as it will be with its newer schema."""
    folder = tmp_path / "100% migrations"
    shutil.copytree(upgrade.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "schema_0003.py").write_text(NEXT, "utf-8")
    monkeypatch.setattr(upgrade, "MIGRATIONS", folder)
    monkeypatch.setattr(schema, "CURRENT", 3)
    return folder


@pytest.fixture
def old(state: State) -> State:
    """A state of schema 1 in which something happened."""
    journal = state.open()
    with run(journal) as record:
        do(record, add("a@unimore.it"))
        hold(record, remove("b@unimore.it"))
        record.claim(TARGET, {"docenti": "docenti"})
    journal.close()
    return state


def test_sqlite_migrates_itself_after_a_copy_beside_it(
    old: State, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("newer")
    if old.password:
        with pytest.raises(StateError, match="has schema 2, not 3: collima migrate"):
            old.open().archive.open_holds()
        assert old.open().migrate() == (2, 3)
    journal = old.open()
    assert [(h.fingerprint, h.keys) for h in journal.archive.open_holds()] == [(mark(remove("b@unimore.it")), 1)]
    assert journal.look(JOB, TARGET).known(mark(remove("b@unimore.it"))) == remove("b@unimore.it")
    assert [change.key.what for r in journal.archive.history() for change in journal.archive.changes(r.id)] == [
        "a@unimore.it"
    ]
    with journal.database.read() as connection:
        assert {"ledger", "alembic_version"} <= set(inspect(connection).get_table_names())
        assert "note" in {column["name"] for column in inspect(connection).get_columns("holds")}
    assert journal.migrate() == (3, 3)
    copies = list(tmp_path.glob("collima.db.backup-*"))
    if old.password:
        assert copies == []
        return
    assert [copy.name for copy in copies] == ["collima.db.backup-2-20261124T053012"]
    assert stat.S_IMODE(copies[0].stat().st_mode) == 0o600
    with sqlite3.connect(copies[0]) as copy:
        assert copy.execute("SELECT version_num FROM alembic_version").fetchall() == [("0002",)]
        assert copy.execute("SELECT count(*) FROM hold_keys").fetchall() == [(1,)]
    copy.close()


def test_a_migration_that_fails_changes_nothing(lite: State, newer: Path) -> None:
    with run(lite.open()) as record:
        do(record, add("a@unimore.it"))
    lite.stack.close()
    with sqlite3.connect(Path(lite.url.removeprefix("sqlite:///"))) as file:
        file.execute("UPDATE alembic_version SET version_num = '0002'")
    file.close()
    broken = NEXT + '    op.execute("DELETE FROM runs")\n'
    (newer / "versions" / "schema_0003.py").write_text(broken, "utf-8")
    with pytest.raises(StateError, match="nothing was changed"):
        list(lite.open().archive.history())
    with sqlite3.connect(Path(lite.url.removeprefix("sqlite:///"))) as raw:
        assert raw.execute("SELECT count(*) FROM runs").fetchall() == [(1,)]
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [("0002",)]
    raw.close()


def test_the_slower_of_two_processes_finds_nothing_to_migrate(old: State, newer: Path) -> None:
    database = old.open().database
    for _ in range(2):
        upgrade.upgrade(database.url, database.file, 2, old.now)
        old.later(seconds=1)
    assert len(old.open().archive.open_holds()) == 1


def test_a_newer_schema_is_refused(state: State) -> None:
    journal = state.open()
    with run(journal):
        pass
    with journal.database.write() as connection:
        connection.execute(update(versions).values(version_num="0007"))
    for use in (state.open().archive.open_holds, state.open().migrate):
        with pytest.raises(StateError, match=r"made by a newer Collima \(schema 7, this one knows 2\)"):
            use()


def test_the_tables_of_something_else_are_left_alone(state: State) -> None:
    engine = raw(state)
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        connection.execute(text("CREATE TABLE wp_posts (id INTEGER)"))
    engine.dispose()
    with pytest.raises(StateError, match="holds something else"), run(state.open()):
        pytest.fail("it ran")


def test_an_empty_database_is_filled_by_migrate_or_by_the_first_run(state: State) -> None:
    assert state.open().migrate() == (0, 2)
    assert state.open().migrate() == (2, 2)
    with run(state.open()):
        pass


def test_neither_alembic_nor_a_driver_is_loaded_for_a_new_state(tmp_path: Path) -> None:
    program = f"""
import sys
from datetime import UTC, datetime
from collima.state import open_state
assert not {{"alembic", "pymysql"}} & set(sys.modules)
with open_state("sqlite:///{tmp_path}/new/collima.db", now=lambda: datetime.now(UTC), host="here") as journal:
    with journal.begin("job", "", slot=None, kind="run", config="") as record:
        record.end("in-sync", {{}}, transient=False, cause="")
assert not {{"alembic", "pymysql"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
