"""Opening, securing and binding with ldap3; everything after that is ours.

ldap3 2.9.1 misleads in ways that matter here: it checks no certificate by default, its check of the host name needs a
function that newer Pythons lack, it leaves sockets open, and a server that sends garbage makes it raise anything.
"""

import logging
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import ldap3
from ldap3.core.exceptions import LDAPCommunicationError, LDAPExceptionError, LDAPStartTLSError

from collima.core.errors import ConfigError, SourceError
from connectors.ldap.results import BUSY, SUCCESS, UNAVAILABLE, Unanswered, meaning
from connectors.ldap.urls import Url
from connectors.ldap.wire import Wire

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """Whose rights we have, and how the server is known."""

    bind: str
    password: str
    start_tls: bool
    ca_file: Path | None
    insecure: bool
    timeout: int  # seconds


class _Unusable(Exception):
    """This server cannot be reached or trusted: the next one may do. Its text has no server in it."""

    def __init__(self, text: str, *, transient: bool = False) -> None:
        super().__init__(text)
        self.transient = transient


class _Tls(ldap3.Tls):  # type: ignore[misc]  # ldap3 has no types
    """TLS as the standard library does it: name and chain are checked, and the server is told which name is meant."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        super().__init__(validate=context.verify_mode)
        self.context = context
        self.host = host
        self.failure: Exception | None = None  # ldap3 keeps nothing but its text

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        try:
            connection.socket = self.context.wrap_socket(
                connection.socket, server_hostname=self.host, do_handshake_on_connect=do_handshake
            )
        except Exception as err:
            self.failure = err
            raise


@contextmanager
def dialled(servers: Sequence[Url], access: Access) -> Iterator[tuple[Wire, str]]:
    """A bound connection to the first server that answers, each tried once, and that server's name. Unbinds at the end.

    Raises Unanswered when no server answers, SourceError when the account is refused or none can be trusted.
    """
    connection, server = _first(servers, access)
    try:
        yield Wire(connection.socket, connection.server.next_message_id, access.timeout), server.server
    finally:
        with suppress(LDAPExceptionError, OSError):
            connection.unbind()
        _close(connection)


def _first(servers: Sequence[Url], access: Access) -> tuple[Any, Url]:
    tls = access.start_tls or any(server.scheme == "ldaps" for server in servers)
    context = _context(access) if tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    failures: list[str] = []
    transient = False
    for server in servers:
        try:
            for address in _addresses(server):
                try:
                    return _connect(server, address, access, context), server
                except _Unusable as err:
                    failure = err
            raise failure
        except _Unusable as err:
            failures.append(f"{server.server}: {err}")
            transient = transient or err.transient
            if server is not servers[-1]:
                log.warning("%s: %s; the next server is asked", server.server, err)
    text = "; ".join(failures)
    raise Unanswered(text) if transient else SourceError(text)


def _context(access: Access) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=access.ca_file)
    except OSError as err:
        fault = "no certificates in PEM form" if isinstance(err, ssl.SSLError) else err.strerror
        raise ConfigError(f"ca-file: {access.ca_file}: {fault}") from err
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _addresses(server: Url) -> Sequence[str]:
    if server.scheme == "ldapi":
        return [server.host]
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except OSError as err:
        raise _Unusable("its name cannot be resolved: check `url` and DNS", transient=True) from err
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _connect(server: Url, address: str, access: Access, context: ssl.SSLContext) -> Any:
    """A bound ldap3 connection. Raises _Unusable, or SourceError when the account is refused."""
    tls = _Tls(context, server.host)
    if server.scheme == "ldapi":
        target = ldap3.Server(f"ldapi://{quote(address, safe='')}", get_info=ldap3.NONE, connect_timeout=access.timeout)
    else:
        target = ldap3.Server(
            address,
            server.port,
            use_ssl=server.scheme == "ldaps",
            tls=tls,
            get_info=ldap3.NONE,
            connect_timeout=access.timeout,
        )
    connection = ldap3.Connection(
        target, **_credentials(server, access), receive_timeout=access.timeout, read_only=True, auto_referrals=False
    )
    bound = False
    try:
        connection.open(read_server_info=False)
        if server.scheme == "ldap" and access.start_tls:
            _secure(connection)
        _bind(server, connection)
        bound = True
    except (_Unusable, SourceError):
        raise
    except Exception as err:  # ldap3 raises whatever it meets when a server sends garbage
        raise _explained(tls.failure or err, connection) from err
    finally:
        if not bound:
            _close(connection)
    return connection


def _credentials(server: Url, access: Access) -> dict[str, Any]:
    if access.bind:
        # as bytes, which ldap3 sends as they are: it would normalise text
        return {"authentication": ldap3.SIMPLE, "user": access.bind, "password": access.password.encode()}
    if server.scheme == "ldapi":
        return {"authentication": ldap3.SASL, "sasl_mechanism": ldap3.EXTERNAL, "sasl_credentials": ""}
    return {"authentication": ldap3.ANONYMOUS}


def _secure(connection: Any) -> None:
    try:
        secured = connection.start_tls(read_server_info=False)
    except LDAPStartTLSError as err:
        if connection.server.tls.failure:
            raise
        raise _Unusable("StartTLS was refused: write ldaps://, or enable TLS on the server") from err
    if not secured:  # ldap3 tells some failures by its answer only
        raise _Unusable("StartTLS did not secure the connection: write ldaps://")


def _bind(server: Url, connection: Any) -> None:
    connection.bind(read_server_info=False)
    result = connection.result
    code = result["result"]
    if code in {BUSY, UNAVAILABLE}:
        raise _Unusable(f"it is too busy to bind: {meaning(code)}", transient=True)
    if code != SUCCESS:
        who = connection.user or ("SASL EXTERNAL" if server.scheme == "ldapi" else "anonymous")
        raise SourceError(f"{server.server}: the server refused to bind {who}: {meaning(code, result['message'])}")


def _explained(err: Exception, connection: Any) -> _Unusable:
    match err:
        case ssl.SSLCertVerificationError(verify_code=62 | 64):
            return _Unusable("its certificate is for another name: write in `url` the name that is in the certificate")
        case ssl.SSLCertVerificationError():
            return _Unusable(
                f"its certificate is not trusted ({err.verify_message}): name the authority's certificate in "
                "`ca-file`, or renew the server's"
            )
        case ssl.SSLError():
            ended = isinstance(err, ssl.SSLEOFError)
            return _Unusable(f"TLS failed ({err.reason}): check scheme and port in `url`", transient=ended)
        case TimeoutError():
            return _Unusable("no answer within `timeout`: check `url`, the network and its load", transient=True)
        case ConnectionRefusedError():
            return _Unusable("connection refused: is the server running, and the port in `url` right?", transient=True)
        case FileNotFoundError() | PermissionError():
            return _Unusable("its socket is not there, or may not be used by this user: check `url`", transient=True)
        case OSError() | LDAPCommunicationError():
            return _Unusable(f"no connection ({connection.last_error or type(err).__name__})", transient=True)
    return _Unusable(f"what it sends is not LDAP ({type(err).__name__}): check host and port in `url`")


def _close(connection: Any) -> None:
    """ldap3 leaves a socket open that could not be connected or secured."""
    if connection.socket is not None:
        connection.socket.close()
        connection.socket = None
