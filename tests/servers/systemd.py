"""A real systemd as process 1 of namespaces of its own, with our unit and nothing else. Needs root.

/etc, /usr/local and /var/lib are overlays: what is installed there is seen by this systemd only. /run and the cgroups
are its own, /tmp and the network those of the machine. When it is killed, all of its processes are.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.servers import cannot, program, require

PROJECT = Path(__file__).resolve().parents[2]
PROGRAMS = (Path(sys.base_prefix), PROJECT)
SYSTEMD = Path("/lib/systemd/systemd")
CGROUPS = next(
    (p for p in map(Path, ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")) if (p / "cgroup.procs").exists()), None
)
USER, UID = "collima", 64990
OVERLAID = ("etc", "usr/local", "var/lib")
UNITS = Path("etc/systemd/system")

_BOOT = """\
set -e
echo $$ >{cgroup}/cgroup.procs
exec unshare --mount --pid --fork --kill-child --mount-proc --cgroup --uts --ipc sh -c '
  set -e
  mount --make-rprivate /
  for place in {overlaid}; do
    mount -t overlay -o lowerdir=/$place,upperdir={folder}/upper/$place,workdir={folder}/spare/$place overlay /$place
  done
{opened}  umount -R /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir /run/systemd
  exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_UNIT_PATH=/{units} \\
    {systemd} --system --unit=tests.target --log-target=console --show-status=no
'
"""

_OPEN = """\
  mkdir -p {folder}/kept
  mount --bind {path} {folder}/kept
  mount -t tmpfs -o mode=755 tmpfs {closed}
  mkdir -p {path}
  mount --move {folder}/kept {path}
"""

_TARGET = "[Unit]\nDefaultDependencies=no\n"


@dataclass
class Machine:
    folder: Path
    pid: int = 0  # of its process 1; 0: not started

    def file(self, path: str) -> Path:
        """A file of the machine, seen from outside; before its start, one below /etc, /usr/local or /var/lib."""
        root = Path(f"/proc/{self.pid}/root") if self.pid else self.folder / "upper"
        return root / path.lstrip("/")

    def write(self, path: str, text: str, *, mode: int = 0o644, owner: int = 0) -> None:
        where = self.file(path)
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)
        where.chmod(mode)
        os.chown(where, owner, owner)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command on it, as root."""
        inside = [program("nsenter"), f"--target={self.pid}", "--mount", "--pid", "--uts", "--ipc", "--cgroup"]
        env = {**os.environ, "PATH": f"/usr/local/bin:{os.environ['PATH']}"}
        done = subprocess.run([*inside, *command], capture_output=True, text=True, timeout=100, check=False, env=env)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def systemctl(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("systemctl", "--no-pager", *words, check=check)

    def shows(self, name: str, unit: str = "collima.service") -> str:
        return self.systemctl("show", "--value", f"--property={name}", unit).stdout.strip()

    def wait(self, name: str, *values: str) -> str:
        """Until a property of the service is one of these."""
        for _ in range(600):
            if (value := self.shows(name)) in values:
                return value
            time.sleep(0.1)
        raise AssertionError(f"{name} is {value}, and not {' or '.join(values)}: {self.log()}")

    def log(self) -> str:
        file = self.folder / "log"
        return file.read_text("utf-8", "replace") if file.exists() else ""

    def probe(self, script: str, *drop_ins: str, unit: str) -> subprocess.CompletedProcess[str]:
        """What a shell script says that is run with the hardening of `unit`, instead of the service."""
        self.write(f"{UNITS}/probe.service", _as_probe(unit))
        folder = self.file(f"{UNITS}/probe.service.d")
        shutil.rmtree(folder, ignore_errors=True)
        for number, text in enumerate(drop_ins):
            self.write(f"{UNITS}/probe.service.d/{number}.conf", text)
        self.write("usr/local/bin/probe", f"#!/bin/sh\n{script}\n", mode=0o755)
        said = self.folder / "probed"
        said.unlink(missing_ok=True)
        self.write(f"{UNITS}/probe.service.d/output.conf", _output(said))
        self.systemctl("daemon-reload")
        self.systemctl("start", "probe.service", check=False)
        code = self.shows("ExecMainStatus", "probe.service")
        result = self.shows("Result", "probe.service")
        text = said.read_text() if said.exists() else ""
        return subprocess.CompletedProcess(
            script, int(code) if result in ("success", "exit-code") else -1, text, result
        )


def _as_probe(unit: str) -> str:
    gone = ("Type=", "NotifyAccess=", "ExecStart=", "ExecReload=", "WatchdogSec=", "Restart", "OOMPolicy=")
    lines = [line for line in unit.splitlines() if not line.startswith(gone)]
    return "\n".join(lines).replace("[Service]", "[Service]\nType=oneshot\nExecStart=/usr/local/bin/probe")


def _output(file: Path) -> str:
    """Where the service says what it says; and, where PrivateTmp would hide this checkout, a view of it."""
    hidden = [path for path in PROGRAMS if path.is_relative_to("/tmp") or path.is_relative_to("/var/tmp")]
    shown = "".join(f"BindReadOnlyPaths={path}\n" for path in hidden)
    return f"[Service]\nStandardOutput=append:{file}\nStandardError=append:{file}\n{shown}"


@contextmanager
def machine(units: Sequence[Path], commands: Sequence[Path]) -> Iterator[Machine]:
    """`units`: files for /etc/systemd/system, drop-ins not included; `commands`: what /usr/local/bin leads to."""
    require("unshare", "nsenter", "systemctl", "mount")
    if os.geteuid() != 0 or CGROUPS is None or not SYSTEMD.exists():
        cannot("a systemd of its own needs root, systemd and cgroups")
    folder = Path(tempfile.mkdtemp(prefix="collima-systemd-", dir="/var/tmp"))
    folder.chmod(0o755)
    cgroup = CGROUPS / folder.name
    made = Machine(folder)
    for place in OVERLAID:
        for half in ("upper", "spare"):
            (folder / half / place).mkdir(parents=True)
        shutil.copystat(f"/{place}", folder / "upper" / place)
    for name in ("passwd", "group"):
        line = f"{USER}:x:{UID}:{UID}::/var/lib/collima:/bin/sh\n" if name == "passwd" else f"{USER}:x:{UID}:\n"
        made.write(f"etc/{name}", Path(f"/etc/{name}").read_text() + line)
    made.write("etc/shadow", f"root:*:19000::::::\n{USER}:!:19000::::::\n", mode=0o600)
    for command in commands:
        link = made.file(f"usr/local/bin/{command.name}")
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(command)
    for target in ("tests", "sysinit", "basic", "shutdown", "multi-user"):
        made.write(f"{UNITS}/{target}.target", _TARGET)
    for unit in units:
        made.write(f"{UNITS}/{unit.name}", unit.read_text())
        made.write(f"{UNITS}/{unit.name}.d/output.conf", _output(folder / "log"))
    cgroup.mkdir()
    boot = _BOOT.format(
        cgroup=cgroup,
        folder=folder,
        overlaid=" ".join(OVERLAID),
        opened="".join(_opened(folder, path) for path in PROGRAMS),
        units=UNITS,
        systemd=SYSTEMD,
    )
    with (folder / "boot").open("wb") as log:
        process = subprocess.Popen(["sh", "-c", boot], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            made.pid = _booted(process, made)
            yield made
        finally:
            os.kill(made.pid or process.pid, signal.SIGKILL)
            process.wait(30)
            _remove(cgroup)
            shutil.rmtree(folder, ignore_errors=True)


def _opened(folder: Path, path: Path) -> str:
    """What lets every user reach a path below a folder that only its owner may enter, like /root."""
    closed = next((p for p in reversed(path.parents) if not p.stat().st_mode & 0o001), None)
    return _OPEN.format(folder=folder, path=path, closed=closed) if closed else ""


def _booted(process: subprocess.Popen[bytes], made: Machine) -> int:
    """The pid of its process 1, once it answers."""
    for _ in range(600):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if process.poll() is not None:
            break
        with suppress(OSError, IndexError):
            made.pid = int(children.read_text().split()[0])
            if made.systemctl("is-active", "tests.target", check=False).stdout == "active\n":
                return made.pid
        time.sleep(0.1)
    said = (made.folder / "boot").read_text()[-1500:]
    return cannot(f"a systemd of its own does not start here: {said}")


def _remove(cgroup: Path) -> None:
    for _ in range(600):
        with suppress(OSError):
            for folder, _names, _files in os.walk(cgroup, topdown=False):
                Path(folder).rmdir()
            return
        time.sleep(0.05)
