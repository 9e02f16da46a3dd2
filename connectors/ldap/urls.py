"""Where a directory server is, as `url` says it: scheme, host and port of RFC 4516, and nothing else of it."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

_PORTS = {"ldap": 389, "ldaps": 636}
_SOCKET = "/run/slapd/ldapi"


@dataclass(frozen=True, slots=True)
class Url:
    scheme: str  # ldap, ldaps, ldapi
    host: str  # for ldapi the path of the socket
    port: int  # 0 for ldapi

    @property
    def server(self) -> str:
        """How the server is named to people and in the history."""
        if self.scheme == "ldapi":
            return f"ldapi:{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse(text: str) -> Url:
    """Raises ValueError with the cure."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as err:
        raise ValueError(f"{text!r}: {err}; write it like ldaps://ldap.example.org") from err
    if parts.scheme not in {*_PORTS, "ldapi"}:
        raise ValueError(f"{text!r} begins with none of ldaps://, ldap:// and ldapi://")
    if "@" in parts.netloc:
        raise ValueError("the account belongs into `bind` and `password`, not into the address of the server")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{text!r}: nothing may follow the host and the port; the base belongs into `base`")
    if parts.scheme == "ldapi":
        return Url("ldapi", unquote(parts.netloc) or _SOCKET, 0)
    if not parts.hostname:
        raise ValueError(f"{text!r} names no host; write it like ldaps://ldap.example.org")
    return Url(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])
