"""A private, real munin-node with plugins of ours, asked over its port and by `munin-run`."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import SBIN, free_port, program, require

CONFIG = """\
log_level 4
log_file {folder}/node.log
pid_file {folder}/node.pid
background 0
setsid 0
user {user}
group {group}
host_name here
allow ^127\\.0\\.0\\.1$
host 127.0.0.1
port {port}
timeout 60
"""


@dataclass
class Node:
    folder: Path
    port: int = field(default_factory=free_port)

    def ask(self, *words: str) -> list[str]:
        """What a Munin master is answered to each of these, without the final dots."""
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection,
            connection.makefile("rw", encoding="utf-8", newline="\n") as stream,
        ):
            assert stream.readline().startswith("# munin node at ")
            answers = []
            for word in words:
                stream.write(f"{word}\n")
                stream.flush()
                lines = [stream.readline()]
                while word.split()[0] in ("config", "fetch") and lines[-1] not in (".\n", ""):
                    lines.append(stream.readline())
                answers.append("".join(lines).removesuffix(".\n"))
            return answers

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """As `munin-run PLUGIN [WORD]`."""
        command = [program("munin-run"), "--config", self.folder / "munin-node.conf", "--ignore-systemd-properties"]
        return subprocess.run(
            [*command, *words], capture_output=True, encoding="utf-8", check=False, env=self.environment
        )

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": SBIN, "LC_ALL": "C", "PERL5LIB": str(self.folder / "perl")}


@contextmanager
def munin_node(folder: Path, plugin: Path, env: Mapping[str, str]) -> Iterator[Node]:
    """Runs with one plugin, under its own name, with this environment, until the block ends."""
    require("munin-node", "munin-run")
    node = Node(folder)
    (folder / "plugins").mkdir(parents=True)
    (folder / "plugins" / plugin.name).symlink_to(plugin)
    (folder / "plugin-conf.d").mkdir()
    settings = [f"[{plugin.name}]", f"user {os.geteuid()}", *(f"env.{name} {value}" for name, value in env.items())]
    (folder / "plugin-conf.d" / plugin.name).write_text("\n".join(settings) + "\n", "utf-8")
    text = CONFIG.format(folder=folder, port=node.port, user=os.geteuid(), group=os.getegid())
    (folder / "munin-node.conf").write_text(text, "utf-8")
    _move(folder)
    with (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [program("munin-node"), "--config", folder / "munin-node.conf", "--foreground"],
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            env=node.environment,
        )
    try:
        for _ in range(3000):
            if process.poll() is not None:
                raise RuntimeError(f"munin-node ended: {(folder / 'stderr').read_text('utf-8', 'replace')}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", node.port)) == 0:
                    break
            time.sleep(0.02)
        yield node
    finally:
        process.terminate()
        process.wait(30)


def _move(folder: Path) -> None:
    """Where munin-node has its folders is fixed when it is packaged: a module in front of that one moves them."""
    found = subprocess.run(
        ["perl", "-MMunin::Common::Defaults", "-e", "print $INC{'Munin/Common/Defaults.pm'}"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    module = folder / "perl/Munin/Common/Defaults.pm"
    module.parent.mkdir(parents=True)
    module.write_text(
        f"""\
package Munin::Common::Defaults;
do '{found}' or die "no defaults";
our $MUNIN_CONFDIR = '{folder}';
our $MUNIN_PLUGSTATE = '{folder}/state';
our $MUNIN_STATEDIR = '{folder}';
1;
""",
        "utf-8",
    )
    (folder / "state").mkdir()


COLLIMA = Path(sys.executable).parent / "collima"
"""The program, for the plugin's environment."""
