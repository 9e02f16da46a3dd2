"""Bad days of a directory, with a real slapd: no member is lost, and the message says what to do."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.acceptance.inside import Inside
from tests.acceptance.site import DOCENTI, TECNICI, Site
from tests.servers import cannot, free_port
from tests.servers.slapd import SUFFIX, Slapd, ldif_record, person, slapd


def campus(professors: int = 12, technicians: int = 11, others: int = 80) -> str:
    return "".join(
        [
            *(person(f"prof{n}", employeeType="PO", l="Modena") for n in range(professors)),
            *(person(f"tec{n}", employeeType="PTA", l="Reggio Emilia") for n in range(technicians)),
            *(person(f"altro{n}", employeeType="AR") for n in range(others)),
        ]
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Slapd]:
    with slapd(tmp_path / "slapd", campus()) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, server: Slapd) -> Site:
    """Three good runs on record."""
    site = Inside(tmp_path)
    site.on(server)
    first = site.run_job("sympa-lists")
    assert first.code == 0, first.err
    for _ in range(2):
        assert site.run_job("sympa-lists").code == 0
    assert len(site.members("docenti")) == 12
    return site


def unchanged(site: Site) -> None:
    assert (len(site.members("docenti")), len(site.members("tecnici"))) == (12, 11)


def delete(*uids: str) -> str:
    return "".join(f"dn: uid={uid},ou=people,{SUFFIX}\nchangetype: delete\n\n" for uid in uids)


def test_a_directory_that_is_down_fails_the_run_and_keeps_every_member(site: Site, server: Slapd) -> None:
    server.stop()
    done = site.run_job("sympa-lists")
    assert (done.code, done.json["state"], done.json["sources"][0]["verdict"]) == (1, "failed", "incomplete")
    assert done.json["sources"][0]["connector"] == "people"
    assert "localhost" in done.json["sources"][0]["reason"]
    unchanged(site)
    server.start()
    assert site.run_job("sympa-lists").json["state"] == "in-sync"


def test_a_refused_bind_fails_the_run_without_telling_the_password(site: Site, server: Slapd) -> None:
    site.on(server, password="wrong-Passw0rd")
    done = site.run_job("sympa-lists")
    assert (done.code, done.json["state"]) == (1, "failed")
    assert "wrong-Passw0rd" not in done.out + done.err
    unchanged(site)


def test_a_reader_that_sees_nobody_holds_everything(site: Site, server: Slapd) -> None:
    site.on(server, base=f"ou=services,{SUFFIX}")
    done = site.run_job("sympa-lists")
    assert (done.code, done.json["state"]) == (3, "held")
    assert done.json["sources"][0] == {
        "connector": "people", "verdict": "suspicious", "entries": 0, "reason": "nobody was found at all",
    }  # fmt: skip
    unchanged(site)


def test_a_base_that_does_not_exist_fails_the_run(site: Site, server: Slapd) -> None:
    site.on(server, base=f"ou=peple,{SUFFIX}")
    done = site.run_job("sympa-lists")
    assert done.code == 1
    assert "ou=peple" in done.json["sources"][0]["reason"]
    unchanged(site)


def test_a_bind_that_sees_only_500_entries_by_size_limit_fails_the_run(tmp_path: Path) -> None:
    with slapd(tmp_path / "slapd", campus(others=600)) as server:
        site = Inside(tmp_path)
        site.on(server)
        assert site.run_job("sympa-lists").code == 0
        server.modify(
            f"dn: cn=limited,ou=services,{SUFFIX}\nchangetype: add\nobjectClass: organizationalRole\n"
            "objectClass: simpleSecurityObject\ncn: limited\nuserPassword: x\n\n"
        )
        site.on(server, bind=f"cn=limited,ou=services,{SUFFIX}", password="x")
        done = site.run_job("sympa-lists")
        assert (done.code, done.json["state"]) == (1, "failed")
        assert "sizeLimitExceeded" in done.json["sources"][0]["reason"]
        assert "rights.md" in done.json["sources"][0]["reason"]
        unchanged(site)


def test_an_acl_that_hides_a_branch_is_suspicious(site: Site, server: Slapd, tmp_path: Path) -> None:
    server.stop()
    config = tmp_path / "slapd" / "slapd.conf"
    hidden = 'access to dn.regex="^uid=(prof|altro)[0-9]+,ou=people,dc=unimore,dc=it$" by * none\n'
    config.write_text(
        config.read_text().replace("access to attrs=userPassword", f"{hidden}access to attrs=userPassword")
    )
    server.start()
    done = site.run_job("sympa-lists")
    assert (done.code, done.json["sources"][0]["verdict"]) == (3, "suspicious")
    unchanged(site)


@pytest.mark.parametrize("attribute", ["employeeType", "unimoreMail"])
def test_an_acl_that_hides_an_attribute_holds_what_it_would_empty(
    site: Site, server: Slapd, tmp_path: Path, attribute: str
) -> None:
    server.stop()
    config = tmp_path / "slapd" / "slapd.conf"
    hidden = f"access to attrs={attribute} by * none\n"
    config.write_text(
        config.read_text().replace("access to attrs=userPassword", f"{hidden}access to attrs=userPassword")
    )
    server.start()
    done = site.run_job("sympa-lists")
    assert done.code == 3
    assert "find nobody" in done.subject("docenti")["held"]["reason"]
    unchanged(site)


def test_a_whole_class_of_people_under_a_tenth_of_the_directory_is_held(site: Site, server: Slapd) -> None:
    server.modify(delete(*(f"tec{n}" for n in range(11))))
    done = site.run_job("sympa-lists")
    assert done.code == 3
    assert done.subject("tecnici")["held"]["remove"] == 11
    unchanged(site)


def test_eight_of_eleven_are_held_and_two_of_twelve_wait_for_nobody(site: Site, server: Slapd) -> None:
    server.modify(delete(*(f"tec{n}" for n in range(8)), "prof0"))
    server.modify(person("prof99", employeeType="PO").replace("\n", "\nchangetype: add\n", 1))
    done = site.run_job("sympa-lists")
    assert done.code == 3
    assert (done.subject("tecnici")["held"]["remove"], done.subject("tecnici")["applied"]["remove"]) == (8, 0)
    assert done.subject("docenti")["applied"]["add"] == 1
    approved = site.run_job("sympa-lists", "--approve", done.json["fingerprint"], "--reason", "they left")
    assert (approved.code, len(site.members("tecnici"))) == (0, 3)


def test_addresses_that_differ_by_case_plan_nothing(site: Site, server: Slapd) -> None:
    server.modify(
        f"dn: uid=prof0,ou=people,{SUFFIX}\nchangetype: modify\nreplace: unimoreMail\nunimoreMail: PROF0@Unimore.IT\n"
    )
    assert site.run_job("sympa-lists").json["state"] == "in-sync"


def test_who_moves_from_one_list_to_another_is_in_exactly_one(site: Site, server: Slapd) -> None:
    server.modify(f"dn: uid=tec0,ou=people,{SUFFIX}\nchangetype: modify\nreplace: employeeType\nemployeeType: PO\n")
    done = site.run_job("sympa-lists")
    assert done.code == 0
    assert "tec0@unimore.it" in site.members("docenti")
    assert "tec0@unimore.it" not in site.members("tecnici")
    assert site.run_job("sympa-lists").json["state"] == "in-sync"


def test_strange_entries_are_findings_and_the_rest_goes_on(tmp_path: Path) -> None:
    strange = [
        person("nl", employeeType="PO", description="a\nb"),
        person("nul", employeeType="PO", description=b"a\x00b"),
        person("big", employeeType="PO", description="x" * 10_000_000),
        person("comma", employeeType="PO", unimoreMail="a,b@unimore.it"),
        person("quote", employeeType="PO", unimoreMail='"a b"@unimore.it'),
        person("newline", employeeType="PO", unimoreMail="a\nb@unimore.it"),
        ldif_record(f"ou=../x,{SUFFIX}", {"objectClass": "organizationalUnit", "ou": ["../x"], "description": "D"}),
    ]
    site = Inside(tmp_path)
    with slapd(tmp_path / "slapd", campus() + "".join(strange)) as server:
        searched = (
            '      - {name: "{p.ou}", for-each: {p: (description=D)}, members: "(l=Modena)"}\n'
            "      - {name: described, members: (description=a*)}"
        )
        site.on(server, DOCENTI, TECNICI, searched)
        done = site.run_job("sympa-lists")
    assert done.code == 0, done.err
    assert len(site.members("docenti")) == 15
    codes = {f["code"] for f in done.json["findings"] if f["subject"] == "docenti"}
    assert codes == {"bad-address"}
    assert {p.name for p in (tmp_path / "lists").iterdir()} <= {
        "docenti",
        "tecnici",
        "described",
        "x",
        "..-x",
        ".collima",
    }
    assert not (tmp_path / "x").exists()
    assert site.members("described") == ["nl@unimore.it", "nul@unimore.it"]


def fill(file: Path) -> None:
    """Until the disk is full."""
    with suppress(OSError), file.open("wb", buffering=0) as ballast:
        while True:
            ballast.write(b"x" * 4096)


def test_a_full_disk_fails_its_lists_and_leaves_them_whole(site: Site, server: Slapd) -> None:
    lists = site.folder / "lists"
    saved = {p.name: p.read_bytes() for p in lists.iterdir()}
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(lists)], capture_output=True, check=False
    )
    if mounted.returncode:
        cannot("mounting is forbidden here")
    try:
        for name, content in saved.items():
            (lists / name).write_bytes(content)
        fill(lists / "ballast")
        server.modify(person("prof99", employeeType="PO").replace("\n", "\nchangetype: add\n", 1))
        done = site.run_job("sympa-lists")
        assert done.code in (1, 4)
        assert "No space left on device" in done.out
        unchanged(site)
        (lists / "ballast").unlink()
        assert site.run_job("sympa-lists").code == 0
        assert len(site.members("docenti")) == 13
    finally:
        subprocess.run(["umount", str(lists)], check=True)


def test_one_list_that_cannot_be_written_does_not_stop_the_others(site: Site, server: Slapd) -> None:
    (site.folder / "lists" / "docenti").unlink()
    (site.folder / "lists" / "docenti").mkdir()
    server.modify(delete("tec0"))
    done = site.run_job("sympa-lists")
    assert (done.code, done.json["state"]) == (4, "partial")
    assert len(site.members("tecnici")) == 10


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_waits_for_a_hanging_server_stops_when_it_is_told_to(
    site: Site, server: Slapd, by: signal.Signals
) -> None:
    site.on(server, url=f"[{server.url}, {server.ldaps}]", timeout="30 seconds")
    assert server.process
    server.process.send_signal(signal.SIGSTOP)
    try:
        run = subprocess.Popen(
            site.command("run_job", "sympa-lists"), cwd=site.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        while not any(
            entry["run"]["state"] == "running" for entry in json.loads(site.collima("history", "--json").out)
        ):
            time.sleep(0.1)
        run.send_signal(by)
        run.communicate(timeout=20)
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert run.returncode == 75
    newest = json.loads(site.collima("history", "--json").out)[0]["run"]
    assert (newest["state"], newest["transient"]) == ("failed", True)
    assert by.name in newest["cause"]
    unchanged(site)


def test_a_wrong_port_is_told_at_once(site: Site, server: Slapd) -> None:
    site.on(server, url=f"ldap://127.0.0.1:{free_port()}")
    done = site.run_job("sympa-lists")
    assert done.code == 1
    unchanged(site)


def test_what_a_person_reads_on_a_bad_day_says_what_to_do(site: Site, server: Slapd) -> None:
    server.modify(delete(*(f"tec{n}" for n in range(8))))
    done = site.run_job("sympa-lists", json=False)
    fingerprint = site.collima("holds").out
    assert "8 of 11 would go (72 %, limit 10 %)" in done.out
    approve = next(line for line in done.out.splitlines() if "--approve" in line)
    assert approve.split("--approve ")[1].split()[0] in fingerprint


def test_a_replica_that_is_older_than_the_last_good_run_is_suspicious(site: Site, server: Slapd) -> None:
    database = server.folder / "db"
    server.stop()
    subprocess.run(["cp", "-r", database, server.folder / "older"], check=True)  # of 8 GB, nearly all are holes
    server.start()
    server.modify(person("prof99", employeeType="PO").replace("\n", "\nchangetype: add\n", 1))
    assert site.run_job("sympa-lists").subject("docenti")["applied"]["add"] == 1
    server.stop()
    shutil.rmtree(database)
    shutil.move(server.folder / "older", database)
    server.start()
    done = site.run_job("sympa-lists")
    assert (done.code, done.json["sources"][0]["verdict"]) == (3, "suspicious")
    assert "older than the last good run" in done.json["sources"][0]["reason"]
    assert "prof99@unimore.it" in site.members("docenti")
