"""A site: a folder with a schedules.yaml, and the two programs run in it as a person runs them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers.slapd import READER, READER_PASSWORD, SUFFIX, Slapd

LDAP = """
version: 1
timezone: Europe/Rome
state: {state}
connectors:
  people:
    kind: ldap
    url: {url}
    base: "{base}"
    bind: "{bind}"
    password: {{file: password}}
    insecure: true
    timeout: {timeout}
  lists: {{kind: list-files, directory: lists}}
  mail: {{kind: maildir, directory: mail}}
reports: {{from: collima@unimore.it, to: [posta@unimore.it], via: mail}}
jobs:
  sympa-lists:
    kind: roster-sync
    when: daily at 05:30
    source: people
    target: lists
    among: (&(objectClass=unimorePerson)(unimoreStatus=active))
    address: unimoreMail
    own-domains: [unimore.it]
{options}
    rosters:
{rosters}
"""

DOCENTI = "      - {name: docenti, members: (employeeType=PO)}"
TECNICI = "      - {name: tecnici, members: (employeeType=PTA)}"


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.out)
        return answer

    def subject(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(s for s in self.json["subjects"] if s["name"] == name)
        return found


@dataclass
class Site:
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def write(self, text: str, password: str = READER_PASSWORD) -> None:
        (self.folder / "schedules.yaml").write_text(text)
        secret = self.folder / "password"
        secret.write_text(password)
        secret.chmod(0o600)

    def on(self, server: Slapd, *rosters: str, options: str = "", **more: str) -> None:
        """A schedule that reads the people of this server."""
        known = {
            "state": "sqlite:///collima.db",
            "url": server.url,
            "base": SUFFIX,
            "bind": READER,
            "timeout": "5 seconds",
            "password": READER_PASSWORD,
        }
        given = known | more
        self.write(
            LDAP.format(**given, options=options, rosters="\n".join(rosters or (DOCENTI, TECNICI))), given["password"]
        )

    def run_job(self, *arguments: str, json: bool = True) -> Done:
        return self._run("run_job", *arguments, *(["--json"] if json else []))

    def collima(self, *arguments: str) -> Done:
        return self._run("main", *arguments)

    def command(self, function: str, *arguments: str) -> list[str]:
        program = f"import sys; from collima.app.cli import {function}; sys.exit({function}(sys.argv[1:]))"
        return [sys.executable, "-c", program, *arguments]

    def _run(self, function: str, *arguments: str) -> Done:
        done = subprocess.run(
            self.command(function, *arguments),
            cwd=self.folder,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def killed(self, job: str, times: int, wait: Callable[[], float]) -> int:
        """Starts a run so often, and kills each that is not over after `wait()` seconds. Returns how many that were."""
        kills = 0
        for _ in range(times):
            process = subprocess.Popen(
                self.command("run_job", job),
                cwd=self.folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                process.wait(wait())
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
        return kills

    def members(self, roster: str) -> list[str]:
        file = self.folder / "lists" / roster
        return file.read_text().split() if file.exists() else []
