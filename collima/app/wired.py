"""A letter as it goes over the wire, made of its parts: what `email` would write, in a tenth of its time.

What is the same in many letters is written by `email` once; what differs is either so plain that nothing is to be
encoded in it, or is left to `email` after all.
"""

import re
from binascii import b2a_qp
from collections.abc import Iterable
from email.headerregistry import Address as Mailbox
from email.message import EmailMessage
from functools import lru_cache
from hashlib import sha256

from collima.state.outbox import wire

_DOTTED = r"[A-Za-z0-9_+=-]+(?:\.[A-Za-z0-9_+=-]+)*"
_ADDRESS = re.compile(rf"{_DOTTED}@{_DOTTED}")
_LINE = 78  # characters: RFC 5322 2.1.1
_ENCODED = b"Content-Transfer-Encoding: quoted-printable\r\n"
_VERSION = b"MIME-Version: 1.0\r\n"


def mailbox(name: str, address: str) -> bytes:
    """A field with one address."""
    plain = len(name) + len(address) < _LINE - 2 and _ADDRESS.fullmatch(address)
    return f"{name}: {address}\r\n".encode("ascii") if plain else _mailbox(name, address)


def message_id(name: str) -> bytes:
    """Without its < and >."""
    plain = _ADDRESS.fullmatch(name)
    return f"Message-ID: <{name}>\r\n".encode("ascii") if plain else field("Message-ID", f"<{name}>")


@lru_cache(1_000)
def field(name: str, value: str) -> bytes:
    """Whatever there is in it: folded, and encoded."""
    return _alone(name, value)


@lru_cache(1_000)
def _mailbox(name: str, address: str) -> bytes:
    return _alone(name, [Mailbox(addr_spec=address)])


def _alone(name: str, value: object) -> bytes:
    message = EmailMessage()
    message[name] = value
    return wire(message).removesuffix(b"\r\n")


def letter(fields: Iterable[bytes], text: str, page: str | None) -> bytes:
    """`page`: its HTML. Raises UnicodeEncodeError for half a character."""
    plain = b'Content-Type: text/plain; charset="utf-8"\r\n' + _ENCODED
    if page is None:
        return b"".join((plain, _VERSION, *fields, b"\r\n", _encoded(text)))
    between = boundary(text, page).encode("ascii")
    cut = b"\r\n--" + between
    html = b'Content-Type: text/html; charset="utf-8"\r\n' + _ENCODED
    return b"".join(
        (
            _VERSION,
            b'Content-Type: multipart/alternative;\r\n boundary="%b"\r\n' % between,
            *fields,
            *(cut, b"\r\n", plain, b"\r\n", _encoded(text)),
            *(cut, b"\r\n", html, _VERSION, b"\r\n", _encoded(page)),
            *(cut, b"--\r\n"),
        )
    )


def boundary(text: str, page: str) -> str:
    """Always the same between the same two. What is quoted-printable has no `=_`."""
    return f"=_{sha256((text + page).encode()).hexdigest()[:32]}"


def _encoded(text: str) -> bytes:
    raw = text.encode()
    if b"\r" in raw or not raw.endswith(b"\n"):
        raw = b"".join(line + b"\n" for line in raw.splitlines())
    return b2a_qp(raw.replace(b"\n", b"\r\n"))
