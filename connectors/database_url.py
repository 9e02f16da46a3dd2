"""What an option may say of a database that belongs to another program."""

from urllib.parse import urlsplit


def fault(text: str) -> str:
    """What is wrong with a URL of a MariaDB or MySQL; "" for one that can be used. The text is never shown: it may hold
    a password."""
    try:
        parts = urlsplit(text)
        password, host = parts.password, parts.hostname
        _ = parts.port
    except ValueError:
        return "this is no URL; write mysql+pymysql://USER@HOST/DATABASE"
    if password is not None:
        return "a password is never written here: take it out and write database-password: {file: PATH}"
    if parts.scheme != "mysql+pymysql" or len(parts.path) < 2:
        return "write mysql+pymysql://USER@HOST/DATABASE"
    if not host and "unix_socket=" not in parts.query:
        return "host is missing; write mysql+pymysql://USER@HOST/DATABASE, or …/DATABASE?unix_socket=PATH"
    return ""
