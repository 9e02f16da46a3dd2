"""The kind `ldap`: people and places from a directory server, complete or not at all."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from collima.core.errors import ConfigError
from collima.core.options import Secret
from collima.core.quantities import Duration
from connectors.ldap import urls

if TYPE_CHECKING:
    from connectors.ldap.session import Session


TIMEOUT = Duration(30, "second")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ldap:
    """A directory server: OpenLDAP, 389 Directory Server, Active Directory. Every reading is complete, or it fails: a
    size limit, a referral, a dropped connection or a lost page never passes for a shorter answer. Over `ldapi://`
    without `bind` it binds by SASL EXTERNAL, as the user that Collima runs as; elsewhere it then asks anonymously."""

    offers: ClassVar[frozenset[str]] = frozenset({"directory"})

    url: Annotated[
        tuple[str, ...],
        "`ldaps://HOST`, `ldap://HOST` or `ldapi://PATH` (slashes as %2F), with `:PORT` if need be; of several, the "
        "first that answers, in the order written",
    ]
    base: Annotated[str, "the DN below which everything is read"]
    bind: Annotated[str, "the DN of the account to bind as"] = ""
    password: Annotated[Secret | None, "its password, by reference"] = None
    start_tls: Annotated[bool, "secure `ldap://` by StartTLS before anything else is sent"] = False
    ca_file: Annotated[Path | None, "certificates of the authorities to trust (PEM), instead of the system's"] = None
    insecure: Annotated[bool, "take any certificate, and send a password over plain `ldap://`"] = False
    timeout: Annotated[Duration, "the longest wait for a connection, and for a sign of life while reading"] = TIMEOUT
    page_size: Annotated[int, "entries asked for at once"] = 1000
    verify: Annotated[int, "how many filters, chosen at random in each run, are asked of the server again"] = 3

    def __post_init__(self) -> None:
        if not self.url:
            raise ConfigError("url: name at least one server, like ldaps://ldap.example.org")
        try:
            servers = [urls.parse(text) for text in self.url]
        except ValueError as err:
            raise ConfigError(f"url: {err}") from err
        schemes = {server.scheme for server in servers}
        if bool(self.bind) != bool(self.password):
            raise ConfigError("password: `bind` and `password` go together; give both, or neither")
        if self.start_tls and "ldap" not in schemes:
            raise ConfigError("start-tls: it secures ldap:// only, and `url` has none; take it out")
        if self.password and "ldap" in schemes and not self.start_tls and not self.insecure:
            raise ConfigError(
                "password: it would be sent unencrypted over ldap://; write ldaps://, or `start-tls: true`, or, "
                "if that is meant, `insecure: true`"
            )
        if self.timeout.seconds < 1:
            raise ConfigError("timeout: write 1 second or more")
        if not 1 <= self.page_size <= 100_000:
            raise ConfigError("page-size: write a number from 1 to 100000")
        if self.verify < 0:
            raise ConfigError("verify: write 0 or more")

    @contextmanager
    def open(
        self, *, sleep: Callable[[float], None] = time.sleep, rng: random.Random | None = None
    ) -> Iterator["Session"]:
        """Binds, and unbinds at the end. Raises SourceError, or ConfigError for what the file can mend."""
        from connectors.ldap.session import Session  # noqa: PLC0415  # ldap3 is heavy

        session = Session(self, sleep, rng or random.SystemRandom())
        try:
            session.connect()
            yield session
        finally:
            session.close()
