"""The kind `amavis`: what amavisd-new holds in its SQL database."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from collima.core.errors import ConfigError
from collima.core.options import Secret
from collima.core.quantities import Duration
from connectors import database_url

if TYPE_CHECKING:
    from connectors.amavis.session import Session

TIMEOUT = Duration(60, "second")
_HOST = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]):([1-9]\d{0,4})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amavis:
    """What amavisd-new 2.7 or later holds in its SQL database (MariaDB or MySQL, the schema of its README.sql-mysql),
    however many of them write into it. Messages are released by amavisd itself, over its protocol AM.PDP, each to the
    recipient who asked for it and to nobody else; what people say of senders goes into its tables of white and black
    lists, which it obeys from the next mail on."""

    offers: ClassVar[frozenset[str]] = frozenset({"quarantine"})

    database: Annotated[str, "amavisd's own: `mysql+pymysql://USER@HOST/DATABASE`"]
    database_password: Annotated[Secret | None, "the password of that user"] = None
    release: Annotated[
        tuple[str, ...],
        "where amavisd takes requests for release (AM.PDP): `HOST:PORT`, or the path of a socket; of several, the "
        "first that answers; without it nothing can be released",
    ] = ()
    timeout: Annotated[Duration, "the longest wait for amavisd's answer to a request"] = TIMEOUT

    def __post_init__(self) -> None:
        if fault := database_url.fault(self.database):
            raise ConfigError(f"database: {fault}")
        for place in self.release:
            match = _HOST.fullmatch(place)
            if not place.startswith("/") and not (match and int(match[1]) < 65536):
                raise ConfigError("release: write HOST:PORT, like mx1:9998, or the whole path of a socket")

    @contextmanager
    def open(self, *, sleep: Callable[[float], None] = time.sleep) -> Iterator["Session"]:
        """Connects when something is first asked. Raises ConfigError for a password that is not there."""
        from connectors.amavis.database import Database  # noqa: PLC0415  # SQLAlchemy is heavy
        from connectors.amavis.release import Releases  # noqa: PLC0415
        from connectors.amavis.session import Session  # noqa: PLC0415

        password = self.database_password.reveal() if self.database_password else ""
        database = Database(self.database, password, sleep)
        try:
            yield Session(database, Releases(self.release, float(self.timeout.seconds), sleep))
        finally:
            database.close()
