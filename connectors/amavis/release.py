"""Releasing over AM.PDP, amavisd's protocol (its README.protocol): attributes, one a line, up to an empty line.

Before anything is asked, amavisd answers to a question that changes nothing: who is not let in, or talks to something
else, finds out there, where it is certain that nothing was delivered. After that an answer that does not come leaves a
doubt, which no second try can clear.
"""

import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import quote, unquote

from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_exponential

from collima.core.errors import Refused
from collima.core.text import discreet, line
from connectors.amavis.changing import Claimed

_CONNECT = 10.0  # seconds, for each step on the way to the question
_ATTEMPTS, _DEADLINE = 3, 20.0  # somebody waits before a page
_PERMANENT = ("450 4.5.0 Failure", "450 4.5.0 ERROR")
"""amavisd's own: a wrong id, a body that is gone, a fault in it. `450 4.5.0 Unexpected` is the next hop's 452, which
passes."""
_LOST = re.compile(r"(?i)resp(\.|onse) to data-dot|during fwd-(data-end|rundown)|timed out(?! during fwd-)")
"""amavisd had sent the whole message, and the next hop has not said what became of it (its Amavis::Out::SMTP); or it
does not say where it ran out of time."""
_SAFE = "".join(map(chr, range(0x21, 0x7F))).replace("%", "")


class Doubt(Refused):
    """Nobody can tell whether it was delivered."""


class _Unreached(Refused):
    """Nothing was asked there."""

    transient = True


@dataclass(frozen=True, slots=True)
class Releases:
    places: Sequence[str]
    timeout: float
    sleep: Callable[[float], None]

    def release(self, claimed: Claimed) -> None:
        """Delivers to that recipient alone. Raises Doubt, or Refused: then it was not delivered."""
        if not self.places:
            raise Refused("nothing can be released: the connector has no `release`")
        attempts = Retrying(
            stop=stop_after_attempt(_ATTEMPTS) | stop_after_delay(_DEADLINE),
            wait=wait_exponential(multiplier=0.5, max=4),
            retry=retry_if_exception(lambda err: isinstance(err, Refused) and err.transient),
            sleep=self.sleep,
            reraise=True,
        )
        attempts(self._attempt, claimed)

    def answering(self) -> Iterator[tuple[str, str]]:
        """Each place, and what is wrong with it; "" for one that answers."""
        for place in self.places:
            try:
                with closing(self._greeted(place)):
                    yield place, ""
            except _Unreached as err:
                yield place, str(err)

    def _attempt(self, claimed: Claimed) -> None:
        """Any amavisd that has this database may do it: the first that takes the question."""
        for place, last in pairwise((*self.places, None)):
            try:
                return self._ask(place or "", claimed)
            except _Unreached:
                if last is None:
                    raise
        return None

    def _ask(self, place: str, claimed: Claimed) -> None:
        request = (
            ("request", "release"),
            ("mail_id", claimed.key.mail),
            ("secret_id", claimed.secret),
            ("quar_type", "Q"),
            ("partition_tag", str(claimed.key.partition)),
            ("recipient", f"<{claimed.recipient}>"),
        )
        with closing(self._greeted(place)) as link:
            try:
                _send(link, request)
            except OSError as err:
                raise _unreached(place, err) from err
            try:
                answers = [unquote(value) for name, value in _answer(link) if name == "setreply"]
            except OSError as err:
                raise _doubt(place, err.strerror or "no answer in time") from err
        if not answers:
            raise _doubt(place, "the answer was cut")
        for answer in answers:
            judge(place, answer.replace(claimed.secret, "…") if claimed.secret else answer)  # amavisd repeats it

    def _greeted(self, place: str) -> socket.socket:
        try:
            link = _connected(place)
        except OSError as err:
            raise _unreached(place, err) from err
        try:
            _send(link, (("request", "smtpd_access_policy"),))
            if not any(name in {"action", "setreply"} for name, _ in _answer(link)):
                raise _Unreached(f"{place}: it does not speak AM.PDP, or does not let this machine in")  # noqa: TRY301
            link.settimeout(self.timeout)
        except OSError as err:
            link.close()
            raise _unreached(place, err) from err
        except BaseException:
            link.close()
            raise
        return link


def _connected(place: str) -> socket.socket:
    """Raises OSError."""
    if not place.startswith("/"):
        host, _, port = place.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT)
    link = socket.socket(socket.AF_UNIX)
    try:
        link.settimeout(_CONNECT)
        link.connect(place)
    except OSError:
        link.close()
        raise
    return link


def _send(link: socket.socket, attributes: Sequence[tuple[str, str]]) -> None:
    text = "".join(f"{name}={quote(value, safe=_SAFE)}\r\n" for name, value in attributes)
    link.sendall(f"{text}\r\n".encode("ascii"))


def _answer(link: socket.socket) -> list[tuple[str, str]]:
    """The attributes, or none of them when they do not end: then half of a line may be missing. Raises OSError."""
    received = b""
    while not re.search(rb"(?:\A|\n)\r?\n\Z", received):
        if len(received) > 65536 or not (more := link.recv(4096)):
            return []
        received += more
    lines = received.decode("ascii", "replace").splitlines()
    return [(name, value) for name, equals, value in (text.partition("=") for text in lines) if equals]


def judge(place: str, answer: str) -> None:
    """Returns when it was delivered. Raises Doubt, and Refused, transient when it may be asked again."""
    said = f"{place}: {line(discreet(answer), 200)}"
    if _LOST.search(answer) and not answer.startswith("2"):
        raise Doubt(f"{said}; it may have been delivered")
    if answer.startswith("250 ") and "No recipients" not in answer:
        return
    raise Refused(said, transient=answer.startswith("4") and not answer.startswith(_PERMANENT))


def _unreached(place: str, err: OSError) -> _Unreached:
    return _Unreached(f"{place}: {err.strerror or 'no answer in time'}")


def _doubt(place: str, why: str) -> Doubt:
    return Doubt(f"{place}: {why}; it may have been delivered")
