"""Databases of other programs, on MariaDB or MySQL, over SQLAlchemy and PyMySQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine, ExceptionContext, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from collima.core.text import discreet, line

_ANSWER = 300  # seconds to wait for one answer
_SOON_OVER = frozenset({1040, 1053, 1203, 1205, 1213, 1290, 1927, 2002, 2003, 2006, 2013})
"""Too many connections, a shutdown, a lock, a server that takes no changes now or is not there."""
_LOCKED = frozenset({1205, 1213})


def engine(url: str, password: str, isolation: str, session: Sequence[str] = ()) -> Engine:
    """Connects when something is first asked. `session`: what is said first in every new connection. `url` was checked
    when the configuration was read."""
    known = make_url(url)
    made = create_engine(
        (known.set(password=password) if password else known).update_query_dict({"charset": "utf8mb4"}),
        isolation_level=isolation,
        pool_pre_ping=True,  # what is done meanwhile may take longer than the server's patience
        connect_args={"connect_timeout": 10, "read_timeout": _ANSWER, "write_timeout": _ANSWER},
    )

    def prepare(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            for words in session:
                cursor.execute(words)
        connection.commit()

    event.listen(made, "connect", prepare)
    event.listen(made, "handle_error", _let_go)
    return made


def _let_go(context: ExceptionContext) -> None:
    """A stream that was cut: PyMySQL would read on to its end from a connection that is closed, and complain."""
    unread = getattr(getattr(context.execution_context, "cursor", None), "_result", None)
    if unread is not None:
        unread.unbuffered_active, unread.connection = False, None


def told(err: SQLAlchemyError) -> tuple[str, bool]:
    """What the server or its client said, fit for a log, and whether trying again may help."""
    code, words = 0, type(err).__name__
    if isinstance(err, DBAPIError) and err.orig is not None:
        arguments = err.orig.args
        code = arguments[0] if arguments and isinstance(arguments[0], int) else 0
        words = str(arguments[-1]) if arguments else words
    return line(discreet(words), 200), code in _SOON_OVER


def locked(err: BaseException) -> bool:
    """Whether another one's lock was in the way: the transaction was taken back, and may be tried again at once."""
    arguments = err.orig.args if isinstance(err, DBAPIError) and err.orig is not None else ()
    return bool(arguments) and arguments[0] in _LOCKED
