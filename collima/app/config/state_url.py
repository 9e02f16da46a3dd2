"""Where the state is kept: `sqlite:///PATH` or `mysql+pymysql://USER@HOST/DATABASE`."""

import re
from pathlib import Path
from typing import NewType
from urllib.parse import urlsplit

StateUrl = NewType("StateUrl", str)
"""As SQLAlchemy reads it, without a password; the path of an SQLite file is absolute."""

_SQLITE = re.compile(r"sqlite:///([^?#]+)")
_MYSQL = "mysql+pymysql"


def state_url(text: str, base: Path) -> StateUrl:
    """Raises ValueError, without showing the URL: it may hold a password."""
    if match := _SQLITE.fullmatch(text):
        if match[1] == ":memory:":
            raise ValueError("a state in memory would be forgotten: write sqlite:///PATH")
        return StateUrl(f"sqlite:///{base / match[1]}")
    if text.startswith("sqlite:"):
        raise ValueError("write sqlite:///PATH, or sqlite:////PATH with four slashes for a path from the root")
    try:
        parts = urlsplit(text)
        password, host = parts.password, parts.hostname
        _ = parts.port
    except ValueError:
        raise ValueError("this is no URL; write mysql+pymysql://USER@HOST/DATABASE") from None
    if password is not None:
        raise ValueError("a password is never written here: take it out and write state-password: {file: PATH}")
    if parts.scheme != _MYSQL:
        raise ValueError("the state is kept in sqlite:///PATH or mysql+pymysql://USER@HOST/DATABASE")
    if not host or len(parts.path) < 2:
        raise ValueError("host or database is missing; write mysql+pymysql://USER@HOST/DATABASE")
    return StateUrl(text)
