"""The kind `ldap` as the tests of it write it."""

from typing import Any

from collima.core.options import Secret
from collima.core.quantities import Duration
from connectors.ldap import Ldap
from tests.servers.slapd import READER, SUFFIX, Slapd


def ldap(url: str | tuple[str, ...], **options: Any) -> Ldap:
    """Anonymous, unless options say otherwise; a short time limit."""
    urls = (url,) if isinstance(url, str) else url
    return Ldap(**{"url": urls, "base": SUFFIX, "timeout": Duration(2, "second"), **options})


def reader(server: Slapd, **options: Any) -> Ldap:
    """As the reader, over ldaps; the password is in the environment."""
    return ldap(
        **{
            "url": server.ldaps,
            "ca_file": server.ca,
            "bind": READER,
            "password": Secret(env="READER_PASSWORD"),
            **options,
        }
    )


def at_once(seconds: float) -> None:
    """For `open(sleep=…)`: waits for nothing between two attempts."""
