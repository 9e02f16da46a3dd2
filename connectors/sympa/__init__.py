"""The kind `sympa`: mailing lists of a Sympa, here or on another machine."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from collima.core.errors import ConfigError
from collima.core.options import Secret
from collima.core.quantities import Duration
from connectors import database_url

if TYPE_CHECKING:
    from connectors.sympa.session import Session

TIMEOUT = Duration(10, "minute")
LOCKED_OUT = Duration(2, "minute")
_PATIENCE = 60.0  # seconds for one exchange over ssh, beside those that its files and includes take
_DOMAIN = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.ASCII)
_HOST = re.compile(r"(?:[\w.-]+@)?[\w][\w.:-]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sympa:
    """Mailing lists of Sympa 6.2. Members, opt-outs and subscribers by hand are read from its database. Each list has
    one include file, which is replaced as a whole; `sympa include` is run for the lists that change, and the database
    is read again to see what came of it. Who subscribed by hand, or opted out, is not touched. With `host`, files and
    command are on another machine, over ssh."""

    offers: ClassVar[frozenset[str]] = frozenset({"rosters"})

    robot: Annotated[str, "the domain of the lists"]
    include_dir: Annotated[Path, "the folder of the include files, one for each list, named as the list"]
    database: Annotated[str, "Sympa's own: `mysql+pymysql://USER@HOST/DATABASE`, for a user who may read it"]
    database_password: Annotated[Secret | None, "the password of that user"] = None
    host: Annotated[
        str, "`USER@MACHINE` where Sympa is, if it is not here; its key has a forced command, with options of its own"
    ] = ""
    ssh: Annotated[tuple[str, ...], "the command that reaches `host`, with more options if need be"] = ("ssh",)
    lists: Annotated[Path | None, "where each list has its folder; default: `/var/lib/sympa/list_data/ROBOT`"] = None
    sympa: Annotated[
        tuple[str, ...], "the command, with words before it if need be: `[sudo, -n, -u, sympa, /usr/bin/sympa]`"
    ] = ("sympa",)
    parallel: Annotated[int, "how many lists are included at a time"] = 2
    timeout: Annotated[Duration, "the longest that one include may take"] = TIMEOUT
    locked_out: Annotated[Duration, "for how long a list is tried again that another include has locked"] = LOCKED_OUT

    def __post_init__(self) -> None:
        if not _DOMAIN.fullmatch(self.robot):
            raise ConfigError("robot: write the domain of the lists in lower case, like liste.unimore.it")
        if fault := database_url.fault(self.database):
            raise ConfigError(f"database: {fault}")
        if self.host and not _HOST.fullmatch(self.host):
            raise ConfigError("host: write USER@MACHINE; what else ssh needs goes into `ssh` or ~/.ssh/config")
        if not self.sympa or not self.ssh:
            raise ConfigError(f"{'ssh' if self.sympa else 'sympa'}: name the command")
        if not 1 <= self.parallel <= 32:
            raise ConfigError("parallel: write a number from 1 to 32")

    @property
    def folder(self) -> Path:
        return self.lists or Path("/var/lib/sympa/list_data") / self.robot

    @contextmanager
    def open(self, *, sleep: Callable[[float], None] = time.sleep) -> Iterator["Session"]:
        """Connects when something is first asked. Raises ConfigError for a password that is not there."""
        from connectors.sympa.database import Database, engine  # noqa: PLC0415  # SQLAlchemy is heavy
        from connectors.sympa.distant import Distant  # noqa: PLC0415
        from connectors.sympa.machine import Machine  # noqa: PLC0415
        from connectors.sympa.session import Session  # noqa: PLC0415

        seconds = float(self.timeout.seconds)
        deeds = (
            Distant(self.host, self.ssh, _PATIENCE, seconds, self.parallel, sleep)
            if self.host
            else Machine(self.robot, self.include_dir, self.folder, self.sympa, self.parallel, seconds)
        )
        made = engine(self.database, self.database_password.reveal() if self.database_password else "")
        try:
            yield Session(
                robot=self.robot,
                include_dir=str(self.include_dir),
                lists=str(self.folder),
                deeds=deeds,
                database=Database(made, self.robot),
                parallel=self.parallel,
                locked_out=float(self.locked_out.seconds),
                sleep=sleep,
            )
        finally:
            made.dispose()
