"""Which schema a database has, and how a new one is made. What changes an old one is in `migrations`."""

import secrets
import uuid

from sqlalchemy import Connection, insert, inspect, select

from collima.core.errors import StateError
from collima.state.tables import meta, metadata, versions

CURRENT = 2
"""The newest revision in `migrations/versions`."""


def version(connection: Connection) -> int:
    """0: there is nothing yet. Raises StateError for the tables of something else."""
    present = set(inspect(connection).get_table_names())
    found = connection.scalar(select(versions.c.version_num)) if versions.name in present else None
    if found is None:
        if strange := sorted(present - set(metadata.tables) - {versions.name}):
            raise StateError(f"this database holds something else (table {strange[0]}): give Collima one of its own")
        return 0
    if not found.isdecimal():
        raise StateError(f"this database is not a state of Collima (its revision is {found})")
    return int(found)


def create(connection: Connection) -> None:
    """The newest schema and the state's own id. What an attempt cut short has left is completed."""
    metadata.create_all(connection)
    versions.create(connection, checkfirst=True)
    if connection.scalar(select(meta.c.id)) is None:
        connection.execute(
            insert(meta).values(id=1, state=str(uuid.uuid4()), salt=secrets.token_hex(16)),
        )
    connection.execute(insert(versions).values(version_num=revision(CURRENT)))


def revision(number: int) -> str:
    return f"{number:04}"
