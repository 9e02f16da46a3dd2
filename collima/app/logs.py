"""Where log lines go, and how they look: text or JSON on stderr, or JSON in syslog. Counts and ids, never addresses.

A line has time, level, job and run (`core.about`) and what it says. Syslog is in addition to text on stderr, so that
nothing is lost while nobody listens there; a log that cannot be written never stops a run.
"""

import json
import logging
import os
import socket
import sys
import threading
import time
import traceback
from argparse import ArgumentTypeError
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

from collima.core.about import current
from collima.core.text import discreet, line

OURS = ("collima", "connectors", "jobs")
"""The loggers whose lines are wanted below WARNING: what libraries tell of themselves is not."""

DAEMON = 3 << 3  # the facility, RFC 5424 table 1
SEVERITY = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}  # RFC 5424 table 2
LONGEST = 2_000  # characters of a message, and of a traceback: rsyslog cuts a datagram at 8 KB, and JSON cut is none
SILENCE = 30.0  # seconds until it is asked again
PATIENCE = 1.0  # seconds that a run waits for a syslog that takes nothing

log = logging.getLogger("collima")


@dataclass(frozen=True, slots=True)
class Form:
    """What `--log` says. `where`, for syslog: the path of a socket, or HOST:PORT (UDP)."""

    kind: Literal["text", "json", "syslog"] = "text"
    where: str = "/dev/log"

    def __str__(self) -> str:
        """As it is written: for the run-jobs of a service, which log as it does."""
        return f"syslog:{self.where}" if self.kind == "syslog" else self.kind


TEXT = Form()


def form(text: str) -> Form:
    """`text`, `json`, `syslog`, `syslog:/PATH` or `syslog:HOST:PORT`. Raises ArgumentTypeError with the cure."""
    kind, colon, where = text.partition(":")
    if kind in ("text", "json") and not colon:
        return Form("json" if kind == "json" else "text")
    if kind == "syslog" and not colon:
        return Form("syslog")
    if kind == "syslog" and (where.startswith("/") or _address(where)):
        return Form("syslog", where)
    raise ArgumentTypeError("write text, json, syslog, syslog:/PATH or syslog:HOST:PORT")


class Keyed:
    """A message of keys and values: `subject=docenti verb=add planned=2`; in JSON each is a key of the line."""

    def __init__(self, **values: str | int) -> None:
        self.values: Mapping[str, str | int] = values

    def __str__(self) -> str:
        return " ".join(f"{key}={_quoted(value)}" for key, value in self.values.items())


_configured: list[tuple[Form, str]] = [(TEXT, "collima")]  # one, as logging itself has one configuration


def configured() -> tuple[Form, str]:
    """What this program was told, for one that it starts: `configure(*configured())`."""
    return _configured[0]


def configure(how: Form = TEXT, program: str = "collima") -> None:
    """Once, at the start of a program. A terminal's reader sees the result, a log's reader a line for each step."""
    _configured[0] = how, program
    person = how.kind == "text" and sys.stderr.isatty()
    stderr = logging.StreamHandler(sys.stderr)
    stderr.setFormatter(Json() if how.kind == "json" else Text(person=person))
    handlers: list[logging.Handler] = [stderr]
    if how.kind == "syslog":
        handlers.append(Syslog(how.where, program))
    logging.basicConfig(handlers=handlers, level=logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.WARNING if person else logging.INFO)
    sys.excepthook = crashed
    threading.excepthook = _thread_crashed


def crashed(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
    """A fault of ours: the place, without the local part of any address."""
    log.critical("a fault of this program", exc_info=(kind, value, trace))


def _thread_crashed(how: threading.ExceptHookArgs) -> None:
    if how.exc_value is not None and not isinstance(how.exc_value, SystemExit):
        crashed(how.exc_type, how.exc_value, how.exc_traceback)


class Text(logging.Formatter):
    """`2026-11-24T05:30:02.041+01:00 INFO job=sympa-lists run=… subject=docenti verb=add planned=2`.

    A person at a terminal is told the message only.
    """

    def __init__(self, *, person: bool = False) -> None:
        super().__init__()
        self.person = person

    def format(self, record: logging.LogRecord) -> str:
        said = line(_message(record), LONGEST)
        if not self.person:
            when = _time(record).astimezone().isoformat(timespec="milliseconds")
            said = " ".join(part for part in (when, record.levelname, str(Keyed(**_about())), said) if part)
        return f"{said}\n{_trace(record).rstrip()}" if record.exc_info else said


class Json(logging.Formatter):
    """One object: time (UTC), level, logger, job and run where there are any, message or keys, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, str | int] = {
            "time": _time(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            **_about(),
        }
        if isinstance(record.msg, Keyed):
            said |= {k: discreet(v) if isinstance(v, str) else v for k, v in record.msg.values.items()}
        else:
            said["message"] = _message(record)[:LONGEST]
        if record.exc_info:
            said["traceback"] = _trace(record)[-LONGEST:]
        return json.dumps(said).replace("\\u0000", "\\ufffd")  # rsyslog's texts end at a NUL


class Syslog(logging.Handler):
    """One datagram a line, its message `@cee: {JSON}`, which rsyslog (mmjsonparse) and syslog-ng take apart.

    To the socket of this machine as libc writes it, which is what /dev/log understands (RFC 3164, without the host); to
    another machine as RFC 5424 over UDP (RFC 5426). A line that nobody takes is dropped, with those of the next half
    minute: a run waits once, and not at each line. The first one is told.
    """

    def __init__(self, where: str, program: str) -> None:
        super().__init__()
        self.where = where
        self.program = program
        self.again = 0.0  # from when on it is tried again, by the clock that nobody sets
        self._socket: socket.socket | None = None
        self.setFormatter(Json())

    def emit(self, record: logging.LogRecord) -> None:
        if time.monotonic() < self.again:
            return
        try:
            datagram = self._head(record) + f"@cee: {self.format(record)}".encode("ascii")
            try:
                self._connected().send(datagram)
            except OSError:  # the daemon was restarted: its socket is another one
                self._close()
                self._connected().send(datagram)
        except (OSError, ValueError) as err:
            self._close()
            first, self.again = not self.again, time.monotonic() + SILENCE
            if first:
                reason = getattr(err, "strerror", None) or "no answer"
                with suppress(OSError):
                    sys.stderr.write(f"{self.program}: syslog at {self.where} takes no lines: {reason}\n")

    def close(self) -> None:
        self._close()
        super().close()

    def _head(self, record: logging.LogRecord) -> bytes:
        priority = DAEMON + SEVERITY.get(record.levelname.lower(), 5)
        if self.where.startswith("/"):
            local = _time(record).astimezone()
            stamp = f"{_MONTHS[local.month - 1]} {local.day:2} {local:%H:%M:%S}"
            return f"<{priority}>{stamp} {self.program}[{os.getpid()}]: ".encode("ascii")
        stamp, host = _time(record).isoformat(timespec="microseconds"), socket.gethostname() or "-"
        return f"<{priority}>1 {stamp} {host} {self.program} {os.getpid()} - - ".encode("ascii")

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = _dial(self.where)
        return self._socket

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # whatever the locale


def _dial(where: str) -> socket.socket:
    if where.startswith("/"):
        return _reached(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), where)
    host, port = _address(where) or ("", 0)
    family, sort, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    return _reached(socket.socket(family, sort), address)


def _reached(made: socket.socket, address: Any) -> socket.socket:
    try:
        made.settimeout(PATIENCE)
        made.connect(address)
    except OSError:
        made.close()
        raise
    return made


def _address(text: str) -> tuple[str, int] | None:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or host.isspace() or not port.isdecimal() or not 0 < int(port) < 65536:
        return None
    return host, int(port)


def _about() -> dict[str, str | int]:
    job, run = current()
    return {key: value for key, value in (("job", job), ("run", run)) if value}


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _message(record: logging.LogRecord) -> str:
    """Without addresses. What is far beyond `LONGEST` is cut before it is looked at, and never within an address."""
    text = record.getMessage()
    return discreet(text if len(text) < 8 * LONGEST else text[: 8 * LONGEST].rsplit(None, 1)[0])


def _trace(record: logging.LogRecord) -> str:
    """The end of it, where the fault is told."""
    text = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
    return discreet(text if len(text) < 8 * LONGEST else text[-8 * LONGEST :].split(None, 1)[-1])


def _quoted(value: str | int) -> str:
    text = str(value)
    return text if text and text.isprintable() and not set(text) & set(" \"'=") else json.dumps(text)
