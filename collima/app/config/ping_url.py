"""The URL that a dead man's switch, like healthchecks, listens at. Who knows it can feign a run: it is a secret."""

from dataclasses import dataclass, field
from typing import ClassVar, Self
from urllib.parse import urlsplit, urlunsplit


@dataclass(frozen=True, slots=True)
class PingUrl:
    """An http or https URL. Its repr shows nothing of it."""

    text: str = field(repr=False)

    noun: ClassVar[str] = "URL"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError with the cure, and without the URL."""
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("no URL: it has white space, or letters that are not ASCII")
        try:
            parts = urlsplit(text)
            host, user, _ = parts.hostname, parts.username, parts.port
        except ValueError:
            raise ValueError("no URL; write it like https://hc-ping.com/UUID") from None
        if parts.scheme not in ("http", "https") or not host:
            raise ValueError("expected a URL that begins with https:// or http:// and a host")
        if user is not None:
            raise ValueError("user and password cannot stand in this URL")
        return cls(text)

    @property
    def host(self) -> str:
        """All of it that may be told."""
        return urlsplit(self.text).hostname or ""

    def below(self, step: str) -> str:
        """The URL with one more step at the end of its path; "" adds none. A query stays; a fragment is not sent."""
        parts = urlsplit(self.text)
        path = f"{parts.path.rstrip('/')}/{step}" if step else parts.path
        return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))

    def reveal(self) -> str:
        """As `Secret.reveal`: a ping is written plainly, or by reference."""
        return self.text
