"""The marks that this state has issued: random, so that a state restored from a backup cannot know the later ones."""

import secrets

from sqlalchemy import Connection, delete, insert, select

from collima.core.targets import Mark
from collima.state.tables import marks, meta

KEPT = 20
"""Of each target: the one that is there, and the ones that a killed run had no time to leave."""


def identity(connection: Connection) -> str:
    """The id of this state; "" before there is one."""
    return connection.scalar(select(meta.c.state)) or ""


def issue(connection: Connection, target: str, now: int) -> Mark:
    token = secrets.token_hex(16)
    connection.execute(insert(marks).values(target=target, token=token, at=now))
    of_target = select(marks.c.token).where(marks.c.target == target).order_by(marks.c.at.desc())
    if old := connection.scalars(of_target.offset(KEPT).limit(1000)).all():
        connection.execute(delete(marks).where(marks.c.target == target, marks.c.token.in_(old)))
    return Mark(identity(connection), token)


def issued(connection: Connection, target: str, mark: Mark) -> bool:
    found = select(marks.c.token).where(marks.c.target == target, marks.c.token == mark.token)
    return mark.state == identity(connection) and connection.scalar(found) is not None
