"""The scheduler: schedules, slots, services, pauses and logs; telling: alerts and the outbox; accounts that end;
quarantines: ledgers of digests, their holders, actions and purges; copies of mailboxes."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG = sa.Text().with_variant(mysql.LONGTEXT(), "mysql")
MARIADB: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_nopad_bin",
    "mysql_row_format": "DYNAMIC",
}


def upgrade() -> None:
    op.add_column("runs", sa.Column("told", sa.BigInteger(), nullable=True))
    op.execute("UPDATE runs SET told = ended")  # what was before has been told by other means
    op.create_index(op.f("ix_runs_told_ended"), "runs", ["told", "ended"])
    op.create_table(
        "schedules",
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_schedules")),
        **MARIADB,
    )
    op.create_table(
        "slots",
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("service", sa.String(32), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("takeovers", sa.Integer(), nullable=False),
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("told", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("job", "slot", name=op.f("pk_slots")),
        **MARIADB,
    )
    op.create_index(op.f("ix_slots_service"), "slots", ["service"])
    op.create_index(op.f("ix_slots_slot"), "slots", ["slot"])
    op.create_index(op.f("ix_slots_state"), "slots", ["state"])
    op.create_table(
        "services",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("born", sa.String(64), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("tick", sa.BigInteger(), nullable=False),
        sa.Column("lease", sa.BigInteger(), nullable=False),
        sa.Column("config", sa.String(64), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("loaded", sa.BigInteger(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("stopped", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_services")),
        **MARIADB,
    )
    op.create_table(
        "pauses",
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_pauses")),
        **MARIADB,
    )
    op.create_table(
        "logs",
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("text", LONG, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run", name=op.f("pk_logs")),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_logs_run"), ondelete="CASCADE"),
        **MARIADB,
    )
    op.create_table(
        "alerts",
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("about", sa.String(32), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("told", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("what", LONG, nullable=False),
        sa.PrimaryKeyConstraint("job", "about", name=op.f("pk_alerts")),
        **MARIADB,
    )
    op.create_table(
        "outbox",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("message_id", sa.String(255), nullable=False),
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("via", sa.String(100), nullable=False),
        sa.Column("recipients", LONG, nullable=False),
        sa.Column("message", LONG, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.Column("again", sa.String(8), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("message_id", name=op.f("uq_outbox_message_id")),
        **MARIADB,
    )
    op.create_index(op.f("ix_outbox_state_ended"), "outbox", ["state", "ended"])
    op.create_index(op.f("ix_outbox_via_state_urgent"), "outbox", ["via", "state", "urgent"])
    op.create_table(
        "relays",
        sa.Column("via", sa.String(100), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("born", sa.String(64), nullable=False),
        sa.Column("lease", sa.BigInteger(), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.Column("refusals", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("via", name=op.f("pk_relays")),
        **MARIADB,
    )
    op.create_table(
        "notices",
        sa.Column("message_id", sa.String(255), nullable=False),
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("target", sa.String(100), nullable=False),
        sa.Column("account", sa.String(255), nullable=False),
        sa.Column("address", sa.String(255), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("ends", sa.String(10), nullable=False),
        sa.Column("stage", sa.String(32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_notices")),
        **MARIADB,
    )
    op.create_index(op.f("ix_notices_address"), "notices", ["address"])
    op.create_index(op.f("ix_notices_job_target"), "notices", ["job", "target"])
    op.create_table(
        "closures",
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("target", sa.String(100), nullable=False),
        sa.Column("account", sa.String(255), nullable=False),
        sa.Column("address", sa.String(255), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("turn", sa.String(16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("job", "target", "account", name=op.f("pk_closures")),
        **MARIADB,
    )
    op.create_index(op.f("ix_closures_address"), "closures", ["address"])
    _quarantines()
    op.create_table(
        "copies",
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("mailboxes", sa.BigInteger(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run", name=op.f("pk_copies")),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_copies_run"), ondelete="CASCADE"),
        **MARIADB,
    )


def _quarantines() -> None:
    op.create_table(
        "ledgers",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("target", sa.String(100), nullable=False),
        sa.Column("began", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledgers")),
        sa.UniqueConstraint("job", "target", name=op.f("uq_ledgers_job_target")),
        **MARIADB,
    )
    op.create_table(
        "digests",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("ledger", SERIAL, nullable=False),
        sa.Column("message_id", sa.String(255), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("addresses", LONG, nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("older", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_digests")),
        sa.UniqueConstraint("message_id", name=op.f("uq_digests_message_id")),
        sa.ForeignKeyConstraint(["ledger"], ["ledgers.id"], name=op.f("fk_digests_ledger"), ondelete="CASCADE"),
        **MARIADB,
    )
    op.create_index(op.f("ix_digests_ledger"), "digests", ["ledger"])
    op.create_index(op.f("ix_digests_owner"), "digests", ["owner"])
    op.create_table(
        "digest_items",
        sa.Column("ledger", SERIAL, autoincrement=False, nullable=False),
        sa.Column("item", sa.String(100), nullable=False),
        sa.Column("digest", SERIAL, nullable=False),
        sa.Column("recipient", sa.String(255), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ledger", "item", name=op.f("pk_digest_items")),
        sa.ForeignKeyConstraint(["digest"], ["digests.id"], name=op.f("fk_digest_items_digest"), ondelete="CASCADE"),
        sqlite_with_rowid=False,
        **MARIADB,
    )
    op.create_index(op.f("ix_digest_items_digest"), "digest_items", ["digest"])
    op.create_index(op.f("ix_digest_items_recipient"), "digest_items", ["recipient"])
    op.create_index(op.f("ix_digest_items_ledger_at"), "digest_items", ["ledger", "at"])
    op.create_table(
        "digest_runs",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("ledger", SERIAL, nullable=False),
        sa.Column("digests", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_digest_runs")),
        sa.ForeignKeyConstraint(["ledger"], ["ledgers.id"], name=op.f("fk_digest_runs_ledger"), ondelete="CASCADE"),
        **MARIADB,
    )
    op.create_index(op.f("ix_digest_runs_ledger"), "digest_runs", ["ledger"])
    op.create_table(
        "holders",
        sa.Column("ledger", SERIAL, autoincrement=False, nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("addresses", LONG, nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("asked", sa.Boolean(), nullable=False),
        sa.Column("off", sa.BigInteger(), nullable=True),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ledger", "owner", name=op.f("pk_holders")),
        sa.ForeignKeyConstraint(["ledger"], ["ledgers.id"], name=op.f("fk_holders_ledger"), ondelete="CASCADE"),
        **MARIADB,
    )
    op.create_table(
        "actions",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("ledger", SERIAL, nullable=False),
        sa.Column("deed", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("recipient", sa.String(255), nullable=False),
        sa.Column("item", sa.String(100), nullable=False),
        sa.Column("sender", sa.String(255), nullable=False),
        sa.Column("category", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("subject", LONG, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_actions")),
        sa.ForeignKeyConstraint(["ledger"], ["ledgers.id"], name=op.f("fk_actions_ledger"), ondelete="CASCADE"),
        **MARIADB,
    )
    op.create_index(op.f("ix_actions_ledger_item"), "actions", ["ledger", "item"])
    op.create_index(op.f("ix_actions_ledger_owner"), "actions", ["ledger", "owner"])
    op.create_index(op.f("ix_actions_ledger_state_deed"), "actions", ["ledger", "state", "deed"])
    op.create_index(op.f("ix_actions_recipient"), "actions", ["recipient"])
    op.create_index(op.f("ix_actions_sender"), "actions", ["sender"])
    op.create_table(
        "purges",
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("target", sa.String(100), nullable=False),
        sa.Column("keep", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job", "target", name=op.f("pk_purges")),
        **MARIADB,
    )
