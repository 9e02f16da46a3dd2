"""The first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG = sa.Text().with_variant(mysql.LONGTEXT(), "mysql")
MARIADB: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_nopad_bin",
    "mysql_row_format": "DYNAMIC",
}


def upgrade() -> None:
    op.create_table(
        "absences",
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("target", sa.String(100), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("verb", sa.String(32), nullable=False),
        sa.Column("what", sa.String(255), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("job", "target", "subject", "verb", "what", name=op.f("pk_absences")),
        **MARIADB,
    )
    op.create_index(op.f("ix_absences_what"), "absences", ["what"])
    op.create_table(
        "approvals",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("target", sa.String(100), nullable=False),
        sa.Column("undoes", sa.String(32), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
        **MARIADB,
    )
    op.create_index(op.f("ix_approvals_fingerprint"), "approvals", ["fingerprint"])
    op.create_index(op.f("ix_approvals_job_target_at"), "approvals", ["job", "target", "at"])
    op.create_index(op.f("ix_approvals_run"), "approvals", ["run"])
    op.create_table(
        "holds",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("target", sa.String(100), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("undoes", sa.String(32), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger()),
        sa.Column("ending", sa.String(16)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
        **MARIADB,
    )
    op.create_index(op.f("ix_holds_fingerprint"), "holds", ["fingerprint"])
    op.create_index(op.f("ix_holds_job_target_ended"), "holds", ["job", "target", "ended"])
    op.create_index(op.f("ix_holds_run"), "holds", ["run"])
    op.create_table(
        "locks",
        sa.Column("name", sa.String(110), nullable=False),
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("born", sa.String(64), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("lease", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_locks")),
        **MARIADB,
    )
    op.create_index(op.f("ix_locks_run"), "locks", ["run"])
    op.create_table(
        "meta",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(36), nullable=False),
        sa.Column("salt", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meta")),
        **MARIADB,
    )
    op.create_table(
        "marks",
        sa.Column("target", sa.String(100), nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("target", "token", name=op.f("pk_marks")),
        **MARIADB,
    )
    op.create_table(
        "rosters",
        sa.Column("target", sa.String(100), nullable=False),
        sa.Column("roster", sa.String(255), nullable=False),
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("stanza", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("frozen", sa.BigInteger()),
        sa.PrimaryKeyConstraint("target", "roster", name=op.f("pk_rosters")),
        **MARIADB,
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("target", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("slot", sa.BigInteger()),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("retries", sa.String(32)),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger()),
        sa.Column("state", sa.String(16)),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("transient", sa.Boolean(), nullable=False),
        sa.Column("config", sa.String(64), nullable=False),
        sa.Column("undoes", sa.String(32), nullable=False),
        sa.Column("document", LONG, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("job", "slot", name=op.f("uq_runs_job_slot")),
        **MARIADB,
    )
    op.create_index(op.f("ix_runs_job_started"), "runs", ["job", "started"])
    op.create_index(op.f("ix_runs_started"), "runs", ["started"])
    op.create_table(
        "undone",
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("target", sa.String(100), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("verb", sa.String(32), nullable=False),
        sa.Column("what", sa.String(255), nullable=False),
        sa.Column("by", sa.String(32), nullable=False),
        sa.Column("of", sa.String(32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job", "target", "subject", "verb", "what", name=op.f("pk_undone")),
        **MARIADB,
    )
    op.create_index(op.f("ix_undone_by"), "undone", ["by"])
    op.create_index(op.f("ix_undone_what"), "undone", ["what"])
    op.create_table(
        "approval_keys",
        sa.Column("approval", SERIAL, autoincrement=False, nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("verb", sa.String(32), nullable=False),
        sa.Column("what", sa.String(255), nullable=False),
        sa.Column("ended", sa.BigInteger()),
        sa.Column("ending", sa.String(16)),
        sa.ForeignKeyConstraint(
            ["approval"], ["approvals.id"], name=op.f("fk_approval_keys_approval"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("approval", "subject", "verb", "what", name=op.f("pk_approval_keys")),
        **MARIADB,
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_approval_keys_what"), "approval_keys", ["what"])
    op.create_table(
        "changes",
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("verb", sa.String(32), nullable=False),
        sa.Column("what", sa.String(255), nullable=False),
        sa.Column("weight", sa.BigInteger(), nullable=False),
        sa.Column("intended", sa.BigInteger(), nullable=False),
        sa.Column("settled", sa.BigInteger()),
        sa.Column("outcome", sa.String(8)),
        sa.Column("error", sa.Text()),
        sa.Column("transient", sa.Boolean()),
        sa.Column("undone_by", sa.String(32)),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_changes_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "subject", "verb", "what", name=op.f("pk_changes")),
        **MARIADB,
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_changes_what_subject"), "changes", ["what", "subject"])
    op.create_table(
        "fingerprints",
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("target", sa.String(100), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("hold", SERIAL, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["hold"], ["holds.id"], name=op.f("fk_fingerprints_hold"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", "target", "fingerprint", "hold", name=op.f("pk_fingerprints")),
        **MARIADB,
    )
    op.create_index(op.f("ix_fingerprints_fingerprint"), "fingerprints", ["fingerprint"])
    op.create_table(
        "hold_keys",
        sa.Column("hold", SERIAL, autoincrement=False, nullable=False),
        sa.Column("verb", sa.String(32), nullable=False),
        sa.Column("what", sa.String(255), nullable=False),
        sa.ForeignKeyConstraint(["hold"], ["holds.id"], name=op.f("fk_hold_keys_hold"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("hold", "verb", "what", name=op.f("pk_hold_keys")),
        **MARIADB,
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_hold_keys_what"), "hold_keys", ["what"])
    op.create_table(
        "readings",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("connector", sa.String(100), nullable=False),
        sa.Column("scope", sa.String(128), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("standing", sa.BigInteger(), nullable=False),
        sa.Column("server", sa.String(255), nullable=False),
        sa.Column("csn", sa.Text(), nullable=False),
        sa.Column("doubt", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_readings_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_readings")),
        **MARIADB,
    )
    op.create_index(op.f("ix_readings_run"), "readings", ["run"])
    op.create_index(op.f("ix_readings_scope_counts_id"), "readings", ["scope", "counts", "id"])
