"""The tables of the state. Times are whole microseconds since 1970 UTC, in `BigInteger`: MariaDB rounds the others.

On MariaDB every text compares byte by byte (`utf8mb4_nopad_bin`): `a` is not `A`, not `à`, and not `a `.
Names have 100 characters at most, subjects and members 255, so that every index stays below InnoDB's 3,072 bytes.
The tables' history is in `migrations`; a test proves that both say the same.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Serial = BigInteger().with_variant(Integer(), "sqlite")
"""A number that the database gives. Only `INTEGER` counts by itself on SQLite."""
Name = String(100)  # of a job, a connector, a machine
Member = String(255)  # a subject, or what is changed in it
RunId = String(32)
Long = Text().with_variant(LONGTEXT(), "mysql")


def _table(name: str, *items: SchemaItem, **more: Any) -> Table:
    return Table(
        name,
        metadata,
        *items,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_nopad_bin",
        mysql_row_format="DYNAMIC",
        **more,
    )


def _serial() -> Column[int]:
    return Column("id", Serial, primary_key=True, autoincrement=True)


def _key() -> list[Column[str]]:
    """What a change is called within its job and target."""
    return [
        Column("subject", Member, primary_key=True),
        Column("verb", String(32), primary_key=True),
        Column("what", Member, primary_key=True),
    ]


runs = _table(
    "runs",
    Column("id", RunId, primary_key=True),
    Column("job", Name, nullable=False),
    Column("target", Name, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("slot", BigInteger),  # whose schedule's moment this run is; moves to the run that tries it again
    Column("attempt", Integer, nullable=False),
    Column("retries", RunId),  # the run that tried the same slot before
    Column("host", Member, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("ended", BigInteger),
    Column("state", String(16)),  # null: under way, or dead and not found out yet
    Column("cause", Text, nullable=False),
    Column("transient", Boolean, nullable=False),
    Column("config", String(64), nullable=False),
    Column("undoes", RunId, nullable=False),
    Column("document", Long, nullable=False),
    Column("told", BigInteger),  # when it was decided whom to tell of it; null: not yet
    UniqueConstraint("job", "slot"),
    Index(None, "job", "started"),
    Index(None, "started"),
    Index(None, "told", "ended"),
)

readings = _table(
    "readings",
    _serial(),
    Column("run", RunId, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("connector", Name, nullable=False),
    Column("scope", String(128), nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("standing", BigInteger, nullable=False),  # what later runs compare with: `entries`, or an approved count
    Column("server", Member, nullable=False),
    Column("csn", Text, nullable=False),  # a JSON list
    Column("doubt", Text, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("counts", Boolean, nullable=False),
    Index(None, "scope", "counts", "id"),
)

changes = _table(
    "changes",
    Column("run", RunId, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    *_key(),
    Column("weight", BigInteger, nullable=False),
    Column("intended", BigInteger, nullable=False),
    Column("settled", BigInteger),
    Column("outcome", String(8)),  # null: intended, and nobody knows; done; failed
    Column("error", Text),
    Column("transient", Boolean),
    Column("undone_by", RunId),
    Index(None, "what", "subject"),
    sqlite_with_rowid=False,
)

holds = _table(
    "holds",
    _serial(),
    Column("job", Name, nullable=False),
    Column("target", Name, nullable=False),
    Column("subject", Member, nullable=False),
    Column("undoes", RunId, nullable=False),  # the undone run; "" of any other hold
    Column("fingerprint", String(64), nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("run", RunId, nullable=False, index=True),  # that stored it first
    Column("since", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),  # by the newest run that came to the same
    Column("ended", BigInteger),
    Column("ending", String(16)),  # superseded, approved, self-corrected, expired
    Index(None, "job", "target", "ended"),
)

hold_keys = _table(
    "hold_keys",
    Column("hold", Serial, ForeignKey("holds.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("verb", String(32), primary_key=True),  # the subject is the hold's
    Column("what", Member, primary_key=True),
    Index(None, "what"),
    sqlite_with_rowid=False,
)

fingerprints = _table(
    "fingerprints",
    Column("job", Name, primary_key=True),
    Column("target", Name, primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("hold", Serial, ForeignKey("holds.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),  # when a real run stored it last
    Index(None, "fingerprint"),
)

approvals = _table(
    "approvals",
    _serial(),
    Column("job", Name, nullable=False),
    Column("target", Name, nullable=False),
    Column("undoes", RunId, nullable=False),
    Column("fingerprint", String(64), nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("who", Member, nullable=False),
    Column("run", RunId, nullable=False, index=True),
    Column("at", BigInteger, nullable=False),
    Index(None, "job", "target", "at"),
)

approval_keys = _table(
    "approval_keys",
    Column("approval", Serial, ForeignKey("approvals.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    *_key(),
    Column("ended", BigInteger),
    Column("ending", String(16)),  # done, unwanted
    Index(None, "what"),
    sqlite_with_rowid=False,
)

undone = _table(
    "undone",
    Column("job", Name, primary_key=True),
    Column("target", Name, primary_key=True),
    *_key(),
    Column("by", RunId, nullable=False, index=True),
    Column("of", RunId, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index(None, "what"),
)

absences = _table(
    "absences",
    Column("job", Name, primary_key=True),
    Column("target", Name, primary_key=True),
    *_key(),
    Column("since", BigInteger, nullable=False),
    Column("runs", Integer, nullable=False),
    Index(None, "what"),
)

rosters = _table(
    "rosters",
    Column("target", Name, primary_key=True),
    Column("roster", Member, primary_key=True),
    Column("job", Name, nullable=False),
    Column("stanza", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("frozen", BigInteger),
)

locks = _table(
    "locks",
    Column("name", String(110), primary_key=True),  # job:NAME or target:NAME
    Column("run", RunId, nullable=False, index=True),
    Column("job", Name, nullable=False),
    Column("host", Member, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("born", String(64), nullable=False),  # the boot and the moment of that process: pids come again
    Column("since", BigInteger, nullable=False),
    Column("lease", BigInteger, nullable=False),  # until when another machine believes that it lives
)

meta = _table(
    "meta",
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("state", String(36), nullable=False),
    Column("salt", String(64), nullable=False),  # of the pseudonyms of people who were forgotten
)

marks = _table(
    "marks",
    Column("target", Name, primary_key=True),
    Column("token", String(32), primary_key=True),
    Column("at", BigInteger, nullable=False),
)

schedules = _table(
    "schedules",
    Column("job", Name, primary_key=True),
    Column("schedule", Text, nullable=False),  # the cron line and its zone
    Column("since", BigInteger, nullable=False),  # when it was first seen: there are no slots before
)

slots = _table(
    "slots",
    Column("job", Name, primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),  # the moment at which it was due
    Column("state", String(16), nullable=False),  # waiting, running, ended, missed, skipped, paused
    Column("service", RunId, nullable=False, index=True),  # which has it, as long as that one lives
    Column("not_before", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False),  # after transient failures
    Column("takeovers", Integer, nullable=False),  # after the death of the run
    Column("run", RunId, nullable=False),  # the newest of it; "" before the first
    Column("since", BigInteger, nullable=False),
    Column("ended", BigInteger),
    Column("cause", Text, nullable=False),
    Column("told", BigInteger),  # of one that was missed
    Index(None, "state"),
    Index(None, "slot"),
)

services = _table(
    "services",
    Column("id", RunId, primary_key=True),
    Column("host", Member, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("born", String(64), nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("tick", BigInteger, nullable=False),
    Column("lease", BigInteger, nullable=False),  # until when others believe that it lives
    Column("config", String(64), nullable=False),
    Column("version", String(32), nullable=False),
    Column("loaded", BigInteger, nullable=False),  # when it was last told to load a schedule, and took it or not
    Column("fault", Text, nullable=False),  # why the schedule that it was told to load was not taken
    Column("stopped", BigInteger),
)

pauses = _table(
    "pauses",
    Column("job", Name, primary_key=True),  # "": every job
    Column("until", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("who", Member, nullable=False),
    Column("at", BigInteger, nullable=False),
)

logs = _table(
    "logs",
    Column("run", RunId, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("text", Long, nullable=False),  # its beginning and its end, when it is long
    Column("size", BigInteger, nullable=False),  # bytes that were printed
    Column("at", BigInteger, nullable=False),
)

alerts = _table(
    "alerts",
    Column("job", Name, primary_key=True),  # "": the service itself
    Column("about", String(32), primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("told", BigInteger, nullable=False),  # the last mail about it
    Column("run", RunId, nullable=False),
    Column("cause", Text, nullable=False),
    Column("what", Long, nullable=False),  # JSON: what was told, to see what is new
)

outbox = _table(
    "outbox",
    _serial(),
    Column("message_id", Member, nullable=False),  # the same mail has the same, so that it is there once
    Column("job", Name, nullable=False),
    Column("via", Name, nullable=False),
    Column("recipients", Long, nullable=False),  # a JSON list of those who do not have it yet
    Column("message", Long, nullable=False),  # "" when its way has ended, or when its job writes it as it goes
    Column("state", String(16), nullable=False),  # planned, sending, sent, dropped, failed, unknown
    Column("urgent", Boolean, nullable=False),  # goes before other mail
    Column(
        "again", String(8), nullable=False
    ),  # in doubt it is sent again, with the same Message-ID: never, once, always
    Column("created", BigInteger, nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("ended", BigInteger),  # when it was sent, or given up
    UniqueConstraint("message_id"),
    Index(None, "via", "state", "urgent"),
    Index(None, "state", "ended"),
)

relays = _table(
    "relays",
    Column("via", Name, primary_key=True),  # the connector
    Column("host", Member, nullable=False),  # who sends through it now; "": nobody
    Column("pid", Integer, nullable=False),
    Column("born", String(64), nullable=False),
    Column("lease", BigInteger, nullable=False),
    Column("next", BigInteger, nullable=False),  # before which its rate allows no mail
    Column("refusals", Integer, nullable=False),  # in a row, of the relay itself
    Column("not_before", BigInteger, nullable=False),  # when it is tried again
    Column("since", BigInteger),  # it could not be used since then
    Column("error", Text, nullable=False),
)

notices = _table(
    "notices",
    Column("message_id", Member, primary_key=True),  # in the outbox, which knows what became of it
    Column("job", Name, nullable=False),
    Column("target", Name, nullable=False),
    Column("account", Member, nullable=False),  # the target's id
    Column("address", Member, nullable=False),  # of the account
    Column("person", String(64), nullable=False),  # a digest
    Column("ends", String(10), nullable=False),  # the last day, ISO 8601
    Column("stage", String(32), nullable=False),
    Column("at", BigInteger, nullable=False),
    Index(None, "job", "target"),
    Index(None, "address"),
)

closures = _table(
    "closures",
    Column("job", Name, primary_key=True),
    Column("target", Name, primary_key=True),
    Column("account", Member, primary_key=True),  # the target's id: what is deleted comes back by it alone
    Column("address", Member, nullable=False),
    Column("person", String(64), nullable=False),  # a digest
    Column("since", BigInteger, nullable=False),
    Column("turn", String(16), nullable=False),  # suspend, archive, delete, reactivate, undelete
    Column("at", BigInteger, nullable=False),
    Column("done", Boolean, nullable=False),
    Index(None, "address"),
)

ledgers = _table(
    "ledgers",
    _serial(),
    Column("job", Name, nullable=False),
    Column("target", Name, nullable=False),  # the quarantine
    Column("began", BigInteger),  # null: nothing was listed yet
    UniqueConstraint("job", "target"),
)

digests = _table(
    "digests",
    _serial(),
    Column("ledger", Serial, ForeignKey("ledgers.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("message_id", Member, nullable=False),  # in the outbox, which knows what became of it
    Column("owner", Member, nullable=False, index=True),
    Column("addresses", Long, nullable=False),  # a JSON list
    Column("language", Text, nullable=False),
    Column("older", Boolean, nullable=False),
    Column("at", BigInteger, nullable=False),
    UniqueConstraint("message_id"),
)

digest_items = _table(
    "digest_items",
    Column("ledger", Serial, primary_key=True, autoincrement=False),
    Column("item", Name, primary_key=True),  # the quarantine's id; one is listed once
    Column("digest", Serial, ForeignKey("digests.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("recipient", Member, nullable=False, index=True),
    Column("at", BigInteger, nullable=False),  # when it came in, whole seconds
    Index(None, "ledger", "at"),
    sqlite_with_rowid=False,
)

digest_runs = _table(
    "digest_runs",
    _serial(),
    Column("ledger", Serial, ForeignKey("ledgers.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("digests", Integer, nullable=False),  # that it planned
)

holders = _table(
    "holders",
    Column("ledger", Serial, ForeignKey("ledgers.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("owner", Member, primary_key=True),
    Column("addresses", Long, nullable=False),  # a JSON list
    Column("language", Text, nullable=False),
    Column("asked", Boolean, nullable=False),
    Column("off", BigInteger),  # since when they want no digest
    Column("seen", BigInteger, nullable=False),  # when a run found them last
)

actions = _table(
    "actions",
    _serial(),
    Column("ledger", Serial, ForeignKey("ledgers.id", ondelete="CASCADE"), nullable=False),
    Column("deed", String(16), nullable=False),  # release, request, allow, block, off, on
    Column("owner", Member, nullable=False),
    Column("recipient", Member, nullable=False, index=True),
    Column("item", Name, nullable=False),
    Column("sender", Member, nullable=False, index=True),
    Column("category", String(16), nullable=False),
    Column("state", String(16), nullable=False),  # doing, done, failed, waiting, refused, undone
    Column("at", BigInteger, nullable=False),
    Column("error", Text, nullable=False),
    Column("subject", Long, nullable=False),  # of a request, until it is decided
    Index(None, "ledger", "owner"),
    Index(None, "ledger", "item"),
    Index(None, "ledger", "state", "deed"),
)

purges = _table(
    "purges",
    Column("job", Name, primary_key=True),
    Column("target", Name, primary_key=True),
    Column("keep", BigInteger, nullable=False),  # seconds that the last run kept
    Column("at", BigInteger, nullable=False),
)

copies = _table(
    "copies",
    Column("run", RunId, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("mailboxes", BigInteger, nullable=False),
    Column("messages", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),  # bytes
)

versions = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own table: which of `migrations` this database has seen. Not in `metadata`, for Alembic makes it."""
