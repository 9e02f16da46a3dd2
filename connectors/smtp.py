"""Mail through a relay (RFC 5321), with nothing sent twice.

What is retried is what certainly was not accepted: a connection that failed, a 4xx answer. When the message's final dot
may have reached the relay and its answer was lost, nobody can tell: that is refused, with a text of its own, and not
retried. (SMTPException and SSLError are OSErrors.) Whoever gives `handing_over` keeps account of the mail, and retries.
"""

import re
import smtplib
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from collima.core.errors import ConfigError, Undelivered
from collima.core.options import Secret, address
from collima.core.quantities import Duration
from collima.core.text import discreet, line

_RATE = re.compile(r"([1-9]\d{0,8}) per (second|minute|hour|day)", re.ASCII)
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_PATIENCE = Duration(30, "second")
_CLOSING = 421  # RFC 5321 3.8: the relay closes, whatever was asked
_LAST_ANSWER = 600  # seconds: RFC 5321 4.5.3.2.6, relays scan what they were handed
_NOBODY = re.compile(rb"5\.[12]\.")  # RFC 3463: of an address, or of somebody's mailbox
_ATTEMPTS = 3  # with pauses of 2 and 4 seconds between them
_WIRE = policy.SMTP.clone(cte_type="7bit")  # no relay is asked whether it takes 8 bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """Mail handed over to a relay, over TLS unless the file says otherwise, at the rate that the relay allows."""

    offers: ClassVar[frozenset[str]] = frozenset({"mail"})

    host: Annotated[str, "the relay's name, as its certificate has it"]
    port: Annotated[int, "25 for relaying, 587 for submission, 465 for `tls: tls`"] = 25
    tls: Annotated[
        Literal["starttls", "tls", "none"], "`starttls` on a plain connection, `tls` from the first byte, or `none`"
    ] = "starttls"
    ca_file: Annotated[Path | None, "authorities to trust in place of the system's (PEM)"] = None
    user: Annotated[str, "logs in when given"] = ""
    password: Annotated[Secret | None, "goes with `user`"] = None
    helo: Annotated[str, "the name to greet with; default: this machine's"] = ""
    rate: Annotated[str, "evenly spaced, like `2000 per hour`"] = ""
    timeout: Annotated[Duration, "for each answer of the relay; the last one of a message may take ten minutes"] = (
        _PATIENCE
    )

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ConfigError("port: a number from 1 to 65535")
        if bool(self.user) != bool(self.password):
            raise ConfigError("user: goes with password; give both, or neither for a relay that knows this machine")
        if self.password and self.tls == "none":
            raise ConfigError(
                "tls: a password is never sent in clear; write starttls or tls, or leave out the password"
            )
        if self.rate and not _RATE.fullmatch(self.rate):
            raise ConfigError(f"rate: {self.rate!r} is no rate; write it like '2000 per hour'")

    @property
    def spacing(self) -> float:
        """Seconds from one message to the next."""
        match = _RATE.fullmatch(self.rate)
        return _SECONDS[match[2]] / int(match[1]) if match else 0.0

    @contextmanager
    def open(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> "Iterator[Session]":
        """A session that connects with its first message, and again when the relay has hung up."""
        session = Session(self, clock, sleep)
        try:
            yield session
        finally:
            session.close()


class Session:
    """Offers the Mail port."""

    def __init__(self, options: Smtp, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._options, self._clock, self._sleep = options, clock, sleep
        self._connection: _Connection | None = None
        self._next = clock()

    @property
    def spacing(self) -> float:
        return self._options.spacing

    def send(self, message: EmailMessage, to: Sequence[str], handing_over: Callable[[], None] | None = None) -> None:
        """One message, to each recipient at most once. Raises Undelivered; its text tells when some of them have it."""
        left = list(dict.fromkeys(to))
        if not all(_is_address(recipient) for recipient in left):
            raise Undelivered("a recipient is no plain mail address: nothing was sent", left=left)
        everyone, content = len(left), message.as_bytes(policy=_WIRE)
        try:
            if handing_over:
                self._once(content, left, handing_over)
            else:
                self._retrying(content, left)
        except Undelivered as err:
            if len(left) == everyone:
                raise
            raise Undelivered(
                f"{err} ({everyone - len(left)} of {everyone} recipients have it)",
                transient=err.transient and handing_over is not None,
                left=err.left,
                doubt=err.doubt,
                addressee=err.addressee,
            ) from err

    def _retrying(self, content: bytes, left: list[str]) -> None:
        attempts = Retrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential(multiplier=2),
            retry=retry_if_exception(lambda err: isinstance(err, Undelivered) and err.transient),
            sleep=self._sleep,
            reraise=True,
        )
        attempts(self._paced, content, left)

    def _paced(self, content: bytes, left: list[str]) -> None:
        self._keep_pace()
        self._attempt(content, left, lambda: None)

    def _once(self, content: bytes, left: list[str], handing_over: Callable[[], None]) -> None:
        """On a new connection when the relay has closed the old one meanwhile."""
        kept = self._connection is not None
        try:
            self._attempt(content, left, handing_over)
        except Undelivered as err:
            if not kept or not err.unreachable:
                raise
            self._attempt(content, left, handing_over)

    def check(self) -> str:
        """Connects, secures, logs in and quits; sends nothing. What was found; raises Undelivered or ConfigError."""
        self.close()
        _Connection(self._options).quit()
        secured = {"starttls": "STARTTLS", "tls": "TLS", "none": "no TLS"}[self._options.tls]
        login = "logged in" if self._options.user else "no login"
        return f"{self._options.host}:{self._options.port}: {secured}, {login}"

    def close(self) -> None:
        if self._connection:
            self._connection.quit()
            self._connection = None

    def _attempt(self, content: bytes, left: list[str], handing_over: Callable[[], None]) -> None:
        """Takes out of `left` who has it. A connection that saw trouble is not used again."""
        try:
            self._connection = self._connection or _Connection(self._options)
            self._connection.deliver(content, left, handing_over)
        except BaseException:
            if self._connection:
                self._connection.drop()
            self._connection = None
            raise

    def _keep_pace(self) -> None:
        if (wait := self._next - self._clock()) > 0:
            self._sleep(wait)
        self._next = max(self._next, self._clock()) + self._options.spacing


class _Connection:
    """One connection, secured and logged in. Everything it raises is Undelivered or ConfigError."""

    def __init__(self, options: Smtp) -> None:
        self._where = f"{options.host}:{options.port}"
        self._seconds = options.timeout.seconds
        try:
            context = _context(options)
            self._smtp = _connect(options, context)
        except ssl.SSLCertVerificationError as err:
            raise self._unreachable(f"its certificate is not accepted: {err.verify_message}; see ca-file") from err
        except ssl.SSLEOFError as err:
            raise self._translated(err) from err
        except ssl.SSLError as err:
            raise self._unreachable(f"no TLS here ({err.reason}); see port and tls") from err
        except smtplib.SMTPNotSupportedError as err:
            raise self._unreachable("it does not offer STARTTLS; see port and tls") from err
        except OSError as err:
            raise self._translated(err) from err
        try:
            self._log_in(options)
        except BaseException:
            self.drop()
            raise

    def _log_in(self, options: Smtp) -> None:
        if not options.password:
            return
        password = options.password.reveal()
        if not (options.user + password).isascii():
            raise ConfigError("password: a relay takes ASCII only, in user and password")
        try:
            self._smtp.login(options.user, password)
        except smtplib.SMTPAuthenticationError as err:  # its answer may repeat the password
            transient = err.smtp_code < 500
            raise self._unreachable(
                f"login refused ({err.smtp_code}); see user and password", transient=transient
            ) from None
        except smtplib.SMTPServerDisconnected:
            raise self._unreachable("it hung up during the login", transient=True) from None
        except smtplib.SMTPException:
            raise self._unreachable("it offers no login that is known here; see port, tls and user") from None

    def deliver(self, content: bytes, left: list[str], handing_over: Callable[[], None]) -> None:
        """Envelope, then content. Takes out of `left` who has it; raises for the others."""
        try:
            code, text = self._smtp.docmd("MAIL", "FROM:<>")
            if code // 100 != 2:  # of whatever mail: it wants a login, it knows us not, its disk is full
                raise self._unreachable(_said(code, text), transient=code // 100 == 4)
            answers = {to: self._smtp.docmd("RCPT", f"TO:<{to}>") for to in left}
            accepted = [to for to, (code, _) in answers.items() if code // 100 == 2]
            if accepted:
                self._expect_data(left, *self._smtp.docmd("DATA"))
        except OSError as err:
            raise self._translated(err) from err
        if accepted:
            handing_over()
            self._hand_over(content, left)
            left[:] = [to for to in left if to not in accepted]
        if left:
            code, text = next(answers[to] for to in left)
            later = [to for to in left if answers[to][0] // 100 == 4]
            raise self._refused(
                f"{len(left)} of {len(answers)} recipients refused: {_said(code, text)}",
                transient=bool(later),
                left=later or left,
                addressee=all(_NOBODY.match(answers[to][1]) for to in left),
            )

    def _hand_over(self, content: bytes, left: Sequence[str]) -> None:
        """From here on a lost answer may mean a delivered mail."""
        stuffed = content.replace(b"\n.", b"\n..")
        if content.startswith(b"."):
            stuffed = b"." + stuffed
        end = b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n"
        try:
            self._smtp.send(stuffed + end)
            self._be_patient(max(self._seconds, _LAST_ANSWER))
            code, text = self._smtp.getreply()
            self._be_patient(self._seconds)
        except OSError as err:
            raise self._refused(
                "the answer to the message was lost: it may have been delivered", left=left, doubt=True
            ) from err
        if code // 100 != 2:  # 421, too: the relay does not have this mail, which may be what it closes for
            raise self._refused(_said(code, text), transient=code // 100 == 4, left=left)

    def _be_patient(self, seconds: int) -> None:
        if self._smtp.sock:
            self._smtp.sock.settimeout(seconds)

    def quit(self) -> None:
        try:
            self._smtp.quit()
        except OSError:
            self.drop()

    def drop(self) -> None:
        self._smtp.close()

    def _expect_data(self, left: Sequence[str], code: int, text: bytes) -> None:
        if code == _CLOSING:
            raise self._unreachable(_said(code, text), transient=True)
        if code // 100 != 3:
            raise self._refused(_said(code, text), transient=code // 100 == 4, left=left)

    def _translated(self, err: Exception) -> Undelivered:
        if isinstance(err, smtplib.SMTPResponseException):
            answer = err.smtp_error if isinstance(err.smtp_error, bytes) else str(err.smtp_error).encode()
            return self._unreachable(_said(err.smtp_code, answer), transient=err.smtp_code // 100 == 4)
        text = getattr(err, "strerror", None) or str(err) or type(err).__name__
        return self._unreachable(f"no connection: {line(text, 200)}", transient=True)

    def _unreachable(self, text: str, *, transient: bool = False) -> Undelivered:
        return Undelivered(f"mail relay {self._where}: {text}", transient=transient, unreachable=True)

    def _refused(
        self, text: str, *, transient: bool = False, left: Sequence[str], doubt: bool = False, addressee: bool = False
    ) -> Undelivered:
        return Undelivered(
            f"mail relay {self._where}: {text}", transient=transient, left=left, doubt=doubt, addressee=addressee
        )


def _context(options: Smtp) -> ssl.SSLContext | None:
    if options.tls == "none":
        return None
    try:
        return ssl.create_default_context(cafile=options.ca_file)
    except (OSError, ssl.SSLError) as err:
        raise ConfigError(f"ca-file: {options.ca_file} cannot be read as PEM certificates") from err


def _connect(options: Smtp, context: ssl.SSLContext | None) -> smtplib.SMTP:
    """Connected, greeted, and secured if the options say so."""
    seconds, name = options.timeout.seconds, options.helo or None
    if options.tls == "tls":
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(
            options.host, options.port, local_hostname=name, timeout=seconds, context=context
        )
    else:
        smtp = smtplib.SMTP(options.host, options.port, local_hostname=name, timeout=seconds)
    try:
        smtp.ehlo_or_helo_if_needed()
        if options.tls == "starttls":
            smtp.starttls(context=context)
            smtp.ehlo_or_helo_if_needed()
    except BaseException:
        smtp.close()
        raise
    return smtp


def _is_address(text: str) -> bool:
    try:
        address(text)
    except ValueError:
        return False
    return True


def _said(code: int, text: bytes) -> str:
    """A relay's answer as one line, without addresses."""
    return f"{code} {discreet(line(text.decode('utf-8', 'replace').replace(chr(10), ' '), 200))}"
