"""A private, real slapd with the entries of an LDIF.

It serves ldap (with StartTLS), ldaps and ldapi. Anybody may read at most 500 entries; `READER` has no size limit;
`ADMIN` reads all, and is who SASL EXTERNAL over ldapi becomes. `unimoreNote` and `userPassword` are hidden from others.
"""

import base64
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tests.servers import free_port, program, require
from tests.servers.certificates import authority

SUFFIX = "dc=unimore,dc=it"
ADMIN, ADMIN_PASSWORD = f"cn=admin,{SUFFIX}", "adminpw"
READER, READER_PASSWORD = f"cn=reader,ou=services,{SUFFIX}", "readerpw"

_CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include {schema}
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
loglevel none
threads 4
sizelimit 500
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
TLSCACertificateFile {folder}/ca.pem
authz-regexp "gidNumber={gid}\\\\+uidNumber={uid},cn=peercred,cn=external,cn=auth" "{admin}"
{settings}
database mdb
suffix {suffix}
rootdn {admin}
rootpw {admin_password}
directory {folder}/db
maxsize 8589934592
dbnosync
index objectClass eq
index uid,unimoreDepartment,unimoreRole,unimoreStatus,unimoreActive eq
index mail,unimoreMail eq,pres,sub
index sn,givenName,cn eq,sub
index unimoreGraduationDate eq,pres
index entryCSN,entryUUID eq
{database}
limits dn.exact="{reader}" size.soft=unlimited size.hard=unlimited size.prtotal=unlimited
access to attrs=userPassword by anonymous auth by * none
{access}
access to attrs=unimoreNote by * none
access to * by * read
overlay syncprov
syncprov-checkpoint 1000 5
syncprov-sessionlog 5000
"""

Values = str | bytes | Sequence[str | bytes]


@dataclass
class Slapd:
    folder: Path
    port: int = field(default_factory=free_port)
    tls_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"ldap://localhost:{self.port}"

    @property
    def ldaps(self) -> str:
        return f"ldaps://localhost:{self.tls_port}"

    @property
    def ldapi(self) -> str:
        return f"ldapi://{quote(str(self.folder / 'ldapi'), safe='')}"

    @property
    def ca(self) -> Path:
        """The certificate of the authority that signed the server's, which is for `localhost` and 127.0.0.1."""
        return self.folder / "ca.pem"

    def start(self, *, tries: int = 3000) -> None:
        """Starts it, and waits until it takes connections."""
        urls = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port} {self.ldapi}"
        self.process = subprocess.Popen([program("slapd"), "-d", "0", "-f", self.folder / "slapd.conf", "-h", urls])
        for _ in range(tries):
            if self.process.poll() is not None:
                raise RuntimeError(f"slapd ended with {self.process.returncode}: slapd -d config -f {self.folder}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        self.kill()
        raise RuntimeError("slapd does not answer")

    def stop(self) -> None:
        self._end("terminate")

    def kill(self) -> None:
        """As if the machine had lost power: kill -9. `start` brings it back on the same ports."""
        self._end("kill")

    def _end(self, signal: str) -> None:
        if self.process is not None:
            getattr(self.process, signal)()
            self.process.wait(30)
            self.process = None

    def modify(self, ldif: str) -> None:
        """Changes its entries, as the administrator, by an LDIF of change records."""
        self._client("ldapmodify", ldif)

    def search(self, *arguments: str) -> str:
        """What ldapsearch, as the reader, prints as LDIF without comments and folding."""
        return self._client("ldapsearch", "", "-LLL", "-o", "ldif-wrap=no", *arguments, who=READER, pw=READER_PASSWORD)

    def _client(self, name: str, given: str, *rest: str, who: str = ADMIN, pw: str = ADMIN_PASSWORD) -> str:
        command = [program(name), "-x", "-H", f"ldap://127.0.0.1:{self.port}", "-D", who, "-w", pw]
        if name == "ldapsearch":
            command += ["-b", SUFFIX]
        done = subprocess.run([*command, *rest], input=given.encode(), capture_output=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr.decode()}")
        return done.stdout.decode()


@contextmanager
def slapd(
    folder: Path,
    ldif: str | Path,
    *,
    settings: Iterable[str] = (),
    database: Iterable[str] = (),
    access: Iterable[str] = (),
    frame: bool = True,
) -> Iterator[Slapd]:
    """Runs a slapd in `folder` (an empty or new one) with the entries of `ldif` (text, or a file).

    `settings` are more lines of slapd.conf for all, `database` for the database, `access` rules that come before the
    general ones. With `frame`, the suffix, `ou=people`, `ou=services` and the reader are added first: leave them out of
    the LDIF then.
    """
    require("slapd", "slapadd", "ldapmodify", "ldapsearch")
    (folder / "db").mkdir(parents=True)
    authority().issue(folder)
    config = _CONFIG.format(
        folder=folder,
        schema=Path(__file__).with_name("campus.schema"),
        gid=os.getgid(),
        uid=os.getuid(),
        suffix=SUFFIX,
        admin=ADMIN,
        admin_password=ADMIN_PASSWORD,
        reader=READER,
        settings="\n".join(settings),
        database="\n".join(database),
        access="\n".join(access),
    )
    (folder / "slapd.conf").write_text(config, "utf-8")
    with (folder / "data.ldif").open("wb") as data:
        if frame:
            data.write("".join(ldif_record(dn, attributes) for dn, attributes in FRAME.items()).encode())
        if isinstance(ldif, Path):
            with ldif.open("rb") as given:
                shutil.copyfileobj(given, data)
        else:
            data.write(ldif.encode())
    loaded = subprocess.run(
        [program("slapadd"), "-q", "-f", folder / "slapd.conf", "-l", folder / "data.ldif"],
        capture_output=True,
        check=False,
        timeout=600,
    )
    if loaded.returncode:
        raise RuntimeError(f"slapadd: {loaded.stderr.decode(errors='replace')[-2000:]}")
    server = Slapd(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


FRAME: Mapping[str, Mapping[str, Values]] = {
    SUFFIX: {"objectClass": ["top", "dcObject", "organization"], "dc": "unimore", "o": "Unimore"},
    f"ou=people,{SUFFIX}": {"objectClass": ["top", "organizationalUnit"], "ou": "people"},
    f"ou=services,{SUFFIX}": {"objectClass": ["top", "organizationalUnit"], "ou": "services"},
    READER: {
        "objectClass": ["top", "organizationalRole", "simpleSecurityObject"],
        "cn": "reader",
        "userPassword": READER_PASSWORD,
    },
}


def person(uid: str, **attributes: Values) -> str:
    """The LDIF record of an invented person below ou=people; attributes given replace the invented ones."""
    invented: dict[str, Values] = {
        "objectClass": ["top", "person", "organizationalPerson", "inetOrgPerson", "unimorePerson"],
        "cn": f"Prova {uid}",
        "sn": uid,
        "unimoreMail": f"{uid}@unimore.it",
        "unimoreStatus": "active",
    }
    return ldif_record(f"uid={uid},ou=people,{SUFFIX}", {**invented, "uid": uid, **attributes})


def ldif_record(dn: str, attributes: Mapping[str, Values]) -> str:
    """One content record of RFC 2849, every value that is not plain ASCII in base64, followed by an empty line."""
    lines = [_line("dn", dn)]
    for name, values in attributes.items():
        lines += [_line(name, value) for value in ([values] if isinstance(values, str | bytes) else values)]
    return "\n".join(lines) + "\n\n"


def _line(name: str, value: str | bytes) -> str:
    raw = value.encode() if isinstance(value, str) else value
    if raw.isascii() and raw.decode().isprintable() and raw[:1] not in (b" ", b":", b"<") and raw[-1:] != b" ":
        return f"{name}: {raw.decode()}"
    return f"{name}:: {base64.b64encode(raw).decode()}"
