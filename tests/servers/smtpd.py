"""A real mail relay (aiosmtpd) in a thread, with bad days on demand."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.servers import free_port
from tests.servers.certificates import authority

USER, PASSWORD = "collima", "s3cret-of-the-relay"

DROP = "drop"
"""As an answer: the connection is cut in its place; after the final dot the mail is taken all the same."""

LOSE = "lose"
"""As an answer to DATA: the connection is cut in its place, and the mail is not taken."""


@dataclass(frozen=True)
class Mail:
    sender: str
    to: tuple[str, ...]
    content: bytes  # as it was on the wire, dots unstuffed
    secured: bool


@dataclass
class Relay:
    """`answers` by command (MAIL, RCPT, DATA: after the final dot) are given once each; then all is accepted."""

    port: int
    ca: Path
    implicit: bool = False  # TLS from the first byte
    answers: dict[str, list[str]] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)
    connections: int = 0
    commands: list[str] = field(default_factory=list)
    slow: float = 0.0  # seconds that it takes over each message
    taking: Callable[[], None] = lambda: None  # called before it answers to each message

    def _answer(self, server: SMTP, command: str, usual: str = "250 OK") -> str:
        self.commands.append(command)
        planned = self.answers.get(command)
        answer = planned.pop(0) if planned else usual
        if answer in (DROP, LOSE):
            server.transport.abort()
        return usual if answer == DROP else answer

    # ---- hooks of aiosmtpd

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str | None, options: list[str]
    ) -> str:
        answer = self._answer(server, "MAIL")
        if answer.startswith("2"):
            envelope.mail_from = address
        return answer

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self._answer(server, "RCPT")
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(self.slow)
        self.taking()
        answer = self._answer(server, "DATA")
        if answer.startswith("2"):
            self.mails.append(
                Mail(
                    envelope.mail_from or "",
                    tuple(envelope.rcpt_tos),
                    envelope.original_content or b"",
                    session.ssl is not None or self.implicit,
                )
            )
        return answer


def _authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    if right:
        return AuthResult(success=True)
    said = data.password.decode() if isinstance(data, LoginPassword) else ""
    return AuthResult(success=False, handled=False, message=f"535 5.7.8 {said} is wrong")


@contextmanager
def relay(
    folder: Path,
    *,
    tls: str = "starttls",
    login: bool = False,
    names: tuple[str, ...] = ("localhost",),
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN"),
) -> Iterator[Relay]:
    """Runs until the block ends. `tls` is as in the options of kind `smtp`; `names` are in the certificate."""
    authority().issue(folder, names)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    handler = Relay(free_port(), folder / "ca.pem", implicit=tls == "tls")
    options: dict[str, Any] = {"ready_timeout": 30.0, "auth_exclude_mechanism": {"PLAIN", "LOGIN"} - set(mechanisms)}
    if login:
        options |= {"authenticator": _authenticate, "auth_required": True, "auth_require_tls": tls == "starttls"}
    if tls == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    elif tls == "tls":
        options |= {"ssl_context": context}
    controller = Controller(handler, hostname="127.0.0.1", port=handler.port, **options)
    controller.start()
    handler.connections = 0
    try:
        yield handler
    finally:
        controller.stop()
