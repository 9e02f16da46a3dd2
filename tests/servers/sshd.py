"""A private, real sshd on 127.0.0.1 with one key that may run one command. Needs root, as sshd does to change users."""

import getpass
import os
import shlex
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers import cannot, free_port, program, require, shared

_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
PrintMotd no
LogLevel VERBOSE
"""


@dataclass
class Sshd:
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"{getpass.getuser()}@127.0.0.1"

    @property
    def command(self) -> tuple[str, ...]:
        """`ssh` with what finds this server, knows its key and bears ours; nothing of the user's own configuration."""
        options = {
            "Port": self.port,
            "IdentityFile": self.folder / "key",
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.folder / "known_hosts",
            "GlobalKnownHostsFile": "/dev/null",
        }
        return ("ssh", "-F", "none", *(f"-o{name}={value}" for name, value in options.items()))

    def allow(self, command: Sequence[str]) -> None:
        """From now on the key runs this command, whatever it asks for."""
        quoted = shlex.join(command).replace('"', '\\"')
        public = (self.folder / "key.pub").read_text()
        (self.folder / "authorized_keys").write_text(f'command="{quoted}",restrict {public}')

    def shell(self) -> None:
        """From now on the key may run anything, as a key without a forced command does."""
        (self.folder / "authorized_keys").write_text((self.folder / "key.pub").read_text())

    def forget_host(self) -> None:
        (self.folder / "known_hosts").write_text("")

    def know_host(self) -> None:
        kind, key, *_ = (self.folder / "host_key.pub").read_text().split()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [program("sshd"), "-D", "-e", "-f", self.folder / "sshd_config"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        for _ in range(3000):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"sshd does not answer: {(self.folder / 'log').read_text()[-1000:]}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None


@contextmanager
def sshd() -> Iterator[Sshd]:
    require("sshd", "ssh", "ssh-keygen")
    if os.geteuid() != 0:
        cannot("sshd needs root")
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it keeps its unprivileged half: not to be chosen
    with tempfile.TemporaryDirectory(prefix="collima-sshd-") as place:
        folder = Path(place)
        folder.chmod(0o755)
        for name in ("key", "host_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        server = Sshd(folder, free_port())
        (folder / "sshd_config").write_text(_CONFIG.format(port=server.port, folder=folder))
        server.allow(["false"])
        server.know_host()
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def ssh_server(request: pytest.FixtureRequest) -> Sshd:
    return shared(request.config, "sshd", sshd)
