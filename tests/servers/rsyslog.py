"""A private, real rsyslogd: a socket, a UDP port, and a file of what it took apart."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers import free_port, program, require

INPUTS = """\
global(workDirectory="{folder}" localHostname="here")
module(load="imuxsock" SysSock.Use="off")
module(load="imudp")
input(type="imuxsock" Socket="{folder}/log" CreatePath="off")
input(type="imudp" address="127.0.0.1" port="{port}")
"""
RULES = """\
module(load="mmjsonparse")
template(name="seen" type="list") {
  constant(value="{\\"tag\\": \\"") property(name="syslogtag" format="json")
  constant(value="\\", \\"app\\": \\"") property(name="app-name" format="json")
  constant(value="\\", \\"pid\\": \\"") property(name="procid" format="json")
  constant(value="\\", \\"host\\": \\"") property(name="hostname" format="json")
  constant(value="\\", \\"severity\\": \\"") property(name="syslogseverity-text")
  constant(value="\\", \\"facility\\": \\"") property(name="syslogfacility-text")
  constant(value="\\", \\"time\\": \\"") property(name="timereported" dateFormat="rfc3339")
  constant(value="\\", \\"said\\": ") property(name="$!")
  constant(value="}\\n")
}
action(type="mmjsonparse")
action(type="omfile" file="{folder}/seen" template="seen")
"""


@dataclass
class Rsyslog:
    folder: Path
    port: int
    rules: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "log"

    def seen(self, count: int) -> list[dict[str, Any]]:
        """The first lines that it took, as soon as there are so many; `said` is the JSON of the message."""
        return [json.loads(line) for line in self.lines("seen", count)]

    def lines(self, name: str, count: int) -> list[str]:
        """Of a file that it writes, as soon as there are so many."""
        file, lines = self.folder / name, list[str]()
        for _ in range(3000):
            lines = file.read_text("utf-8").splitlines() if file.exists() else []
            if len(lines) >= count:
                return lines
            time.sleep(0.02)
        raise AssertionError(f"{len(lines)} lines and not {count}: {lines}")

    def start(self) -> None:
        config = self.folder / "rsyslog.conf"
        inputs = INPUTS.format(folder=self.folder, port=self.port)
        config.write_text(inputs + self.rules.replace("{folder}", str(self.folder)), "utf-8")
        self.process = subprocess.Popen(
            [program("rsyslogd"), "-n", "-f", config, "-i", self.folder / "pid"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for _ in range(3000):
            if self.process.poll() is not None:
                raise RuntimeError(f"rsyslogd ended: {self.process.communicate()[1].decode(errors='replace')}")
            if self.socket.exists() and _bound(self.port):
                return
            time.sleep(0.02)
        self.stop()
        raise RuntimeError("rsyslogd does not listen")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None
            self.socket.unlink(missing_ok=True)


def _bound(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


@contextmanager
def rsyslog(folder: Path, rules: str = RULES) -> Iterator[Rsyslog]:
    """Runs until the block ends. `folder` is short: a socket's path has 107 bytes at most."""
    require("rsyslogd")
    server = Rsyslog(folder, free_port(), rules)
    server.start()
    try:
        yield server
    finally:
        server.stop()
