"""Servers that several acceptance tests share."""

from tests.servers.mariadb import mariadb_server

__all__ = ["mariadb_server"]
