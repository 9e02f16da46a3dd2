"""run-job and collima as a person types them, on people from an LDIF: words, files, exit codes."""

import email
import email.policy
import json
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.acceptance.inside import Inside
from tests.acceptance.site import Site
from tests.jobs.campus import person, staff
from tests.servers.mariadb import PASSWORD, MariaDB
from tests.servers.smtpd import PASSWORD as RELAY_PASSWORD
from tests.servers.smtpd import USER as RELAY_USER
from tests.servers.smtpd import relay

SCHEDULE = """
version: 1
timezone: Europe/Rome
site: unimore.it
state: {state}
connectors:
  people: {{kind: ldif, file: people.ldif}}
  lists: {{kind: list-files, directory: lists}}
  mail: {mail}
reports: {{from: collima@unimore.it, to: [posta@unimore.it], via: mail, language: it}}
jobs:
  sympa-lists:
    kind: roster-sync
    when: daily at 05:30
    source: people
    target: lists
    among: (unimoreStatus=active)
    address: unimoreMail
    own-domains: [unimore.it]
    rosters:
      - {{name: docenti, members: (employeeType=PO)}}
      - {{name: tecnici, members: (employeeType=PTA)}}
"""


def people(site: Site, professors: int = 20, technicians: int = 20) -> None:
    records = [
        *staff(professors, employeeType="PO"),
        *staff(technicians, 1000, employeeType="PTA"),
        *staff(80, 5000, employeeType="X"),
        person("gone", status="alumn"),
    ]
    (site.folder / "people.ldif").write_text("".join(records))


def schedule(site: Site, state: str = "sqlite:///collima.db", mail: str = "{kind: maildir, directory: mail}") -> None:
    site.write(SCHEDULE.format(state=state, mail=mail))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Inside(tmp_path)
    people(site)
    schedule(site)
    return site


@pytest.fixture
def typed(site: Site) -> Site:
    """The same; each command is a process of its own, as when a person types it."""
    return Site(site.folder)


@pytest.fixture
def held(site: Site) -> tuple[Site, str]:
    """A site with 5 of 20 professors held, and the fingerprint."""
    assert site.run_job("sympa-lists").code == 0
    people(site, professors=15)
    done = site.run_job("sympa-lists")
    assert done.code == 3
    fingerprint: str = done.json["fingerprint"]
    return site, fingerprint


def test_one_json_object_with_the_words_of_the_contract(typed: Site) -> None:
    done = typed.run_job("sympa-lists", "--plan")
    assert done.code == 0
    answer = done.json
    assert list(answer) == ["job", "run", "state", "fingerprint", "sources", "subjects", "findings", "seconds"]
    assert (answer["job"], answer["run"], answer["state"], answer["fingerprint"]) == ("sympa-lists", "", "planned", "")
    assert answer["sources"] == [{"connector": "people", "verdict": "complete", "entries": 120, "reason": ""}]
    subject = done.subject("docenti")
    assert list(subject) == [
        "name", "size", "wanted", "add", "remove", "held", "mode", "waiting", "applied", "failed",
    ]  # fmt: skip
    assert subject["held"] == {"add": 0, "remove": 0, "reason": "", "fingerprint": ""}
    assert (len(subject["add"]), subject["remove"], subject["applied"]) == (20, [], {"add": 0, "remove": 0})
    assert set(answer["seconds"]) == {"read", "plan", "apply"}


def test_a_plan_leaves_no_trace(site: Site) -> None:
    before = sorted(p.name for p in site.folder.iterdir())
    assert site.run_job("sympa-lists", "--plan").code == 0
    assert sorted(p.name for p in site.folder.iterdir()) == before


def test_state_files_are_their_owners_alone(site: Site) -> None:
    site.run_job("sympa-lists")
    for file in site.folder.glob("collima.db*"):
        assert not file.stat().st_mode & 0o077


def test_approval_needs_a_reason_and_a_known_fingerprint(held: tuple[Site, str]) -> None:
    site, fingerprint = held
    without = site.run_job("sympa-lists", "--approve", fingerprint)
    assert without.code == 2
    assert "--reason" in without.err
    assert site.run_job("sympa-lists", "--approve", "0123456789abcdef", "--reason", "x").code == 2
    assert len(site.members("docenti")) == 20
    done = site.run_job("sympa-lists", "--approve", fingerprint, "--reason", "they left")
    assert (done.code, len(site.members("docenti"))) == (0, 15)
    shown = site.collima("show", fingerprint)
    assert "they left" in shown.out


def test_holds_and_show_give_the_line_that_approves(held: tuple[Site, str]) -> None:
    site, fingerprint = held
    assert f"run-job sympa-lists --approve {fingerprint} --reason" in site.collima("holds").out
    hold = json.loads(site.collima("show", fingerprint, "--json").out)
    assert [key["what"] for key in hold["keys"]] == sorted(f"p{n}@unimore.it" for n in range(15, 20))


def test_history_and_show_tell_a_run(held: tuple[Site, str]) -> None:
    site, _ = held
    runs = json.loads(site.collima("history", "sympa-lists", "--json").out)
    assert [entry["run"]["state"] for entry in runs] == ["held", "changed"]
    first = runs[-1]["run"]["id"]
    shown = site.collima("show", first)
    assert "p7@unimore.it" in shown.out
    assert json.loads(site.collima("show", first, "--json").out)["run"]["job"] == "sympa-lists"
    nobody = site.collima("show", "nothing")
    assert nobody.code == 2
    assert "collima history" in nobody.err


def test_undo_takes_a_run_back(site: Site) -> None:
    for _ in range(3):
        site.run_job("sympa-lists")
    people(site, professors=18)
    run = site.run_job("sympa-lists").json["run"]
    assert len(site.members("docenti")) == 18
    done = site.collima("undo", run, "--json")
    assert (done.code, done.json["state"], len(site.members("docenti"))) == (0, "changed", 20)
    assert site.run_job("sympa-lists").subject("docenti")["held"]["remove"] == 2


def test_explain_tells_each_roster_in_or_out(held: tuple[Site, str]) -> None:
    site, _ = held
    told = {row["told"]["roster"]: row for row in json.loads(site.collima("explain", "p19@unimore.it", "--json").out)}
    assert told["docenti"]["told"]["state"] == "held: to be removed"
    assert told["docenti"]["run"]
    assert told["tecnici"]["told"]["state"] == "out"
    text = site.collima("explain", "P1@unimore.it").out
    assert "the filter finds this person" in text
    assert "(employeeType=PO)" in text
    assert site.collima("explain", "nobody").code == 2


def test_only_names_subjects_that_exist(site: Site) -> None:
    done = site.run_job("sympa-lists", "--only", "docenti")
    assert (done.code, site.members("tecnici"), len(site.members("docenti"))) == (0, [], 20)
    assert site.run_job("sympa-lists", "--only", "docent").code == 2


def test_check_connect_looks_at_everything(site: Site) -> None:
    done = site.collima("check", "--connect")
    assert done.code == 0, done.out
    for word in ("people", "lists", "mail", "state", "120 entries"):
        assert word in done.out


def test_check_loads_no_heavy_client(site: Site) -> None:
    site.write((Path(__file__).parents[2] / "examples/unimore.yaml").read_text())
    program = (
        "import sys; from collima.app.cli import main; code = main(['check']);"
        "print(code, sorted({'ldap3', 'googleapiclient', 'pymysql', 'alembic', 'apscheduler'} & set(sys.modules)))"
    )
    site_python = site.command("main")[0]
    done = subprocess.run([site_python, "-c", program], cwd=site.folder, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "0 []", done.stderr


def test_every_fault_of_the_file_is_told_at_once(site: Site) -> None:
    text = SCHEDULE.format(state="sqlite:///collima.db", mail="{kind: maildir, directory: mail}")
    site.write(text.replace("address: unimoreMail", "adress: unimoreMail").replace("target: lists", "target: list"))
    for done in (site.run_job("sympa-lists"), site.collima("check")):
        assert done.code == 2
        assert "did you mean 'address'" in done.err
        assert "did you mean 'lists'" in done.err
        assert done.err.count("schedules.yaml:") >= 2


@pytest.mark.parametrize("arguments", [["nosuchjob"], ["sympa-lists", "--nosuch"], [], ["sympa-lists", "--only"]])
def test_usage_is_2(typed: Site, arguments: list[str]) -> None:
    assert typed.run_job(*arguments).code == 2


def test_a_missing_file_is_told_with_where_it_was_looked_for(site: Site) -> None:
    (site.folder / "schedules.yaml").unlink()
    done = site.run_job("sympa-lists")
    assert done.code == 2
    assert "--config" in done.err


def test_retire_lets_another_job_take_over(site: Site) -> None:
    site.run_job("sympa-lists")
    early = site.collima("retire", "docenti")
    assert early.code == 2
    text = (site.folder / "schedules.yaml").read_text()
    site.write(text.replace("      - {name: docenti, members: (employeeType=PO)}\n", ""))
    frozen = site.run_job("sympa-lists")
    assert [f["code"] for f in frozen.json["findings"]] == ["frozen"]
    assert "collima retire docenti" in frozen.json["findings"][0]["text"]
    assert site.collima("retire", "docenti").code == 0
    assert site.run_job("sympa-lists").json["findings"] == []
    assert len(site.members("docenti")) == 20


def test_person_exports_and_forgets(site: Site) -> None:
    site.run_job("sympa-lists")
    exported = json.loads(site.collima("person", "p3@unimore.it", "--export").out)
    assert [change["key"]["subject"] for change in exported["changes"]] == ["docenti"]
    assert site.collima("person", "p3@unimore.it", "--forget").code == 0
    assert json.loads(site.collima("person", "p3@unimore.it", "--export").out)["changes"] == []
    assert b"p3@unimore.it" not in b"".join(
        line for line in site.collima("history", "--json").out.encode().splitlines()
    )


def test_purge_and_migrate_say_what_they_did(site: Site) -> None:
    site.run_job("sympa-lists")
    assert "0 changes" in site.collima("purge").out
    assert "schema" in site.collima("migrate").out


def test_accept_state_trusts_a_state_that_was_lost(site: Site) -> None:
    site.run_job("sympa-lists")
    for file in site.folder.glob("collima.db*"):
        file.unlink()
    people(site, professors=19)
    lost = site.run_job("sympa-lists")
    assert (lost.code, len(site.members("docenti"))) == (3, 20)
    assert "--accept-state" in lost.json["findings"][0]["text"]
    assert site.collima("check", "--accept-state").code == 0
    assert (site.run_job("sympa-lists").code, len(site.members("docenti"))) == (0, 19)


def test_a_report_lands_in_the_maildir_in_the_readers_language(held: tuple[Site, str]) -> None:
    site, fingerprint = held
    assert site.run_job("sympa-lists", "--mail").code == 3
    (file,) = (site.folder / "mail" / "new").iterdir()
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert message["Subject"] == "[collima] HELD sympa-lists: 5 of 5 removals" or "HELD" in message["Subject"]
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["References"] == "<job.sympa-lists@unimore.it>"
    text = message.get_body(("plain",))
    assert text is not None
    assert fingerprint in text.get_content()
    assert "p19@" not in text.get_content()


def test_a_report_goes_through_a_real_relay_with_tls_and_login(typed: Site) -> None:
    (typed.folder / "relay").mkdir()
    (typed.folder / "smtp-password").write_text(RELAY_PASSWORD)
    (typed.folder / "smtp-password").chmod(0o600)
    with relay(typed.folder / "relay", login=True) as server:
        options = f"host: localhost, port: {server.port}, ca-file: relay/ca.pem, rate: 2000 per hour"
        schedule(typed, mail=f"{{kind: smtp, {options}, user: {RELAY_USER}, password: {{file: smtp-password}}}}")
        done = typed.run_job("sympa-lists", "--mail")
        assert (done.code, "not sent" in done.err) == (0, False), done.err
        (mail,) = server.mails
        assert (mail.sender, mail.to, mail.secured) == ("<>", ("posta@unimore.it",), True)
        schedule(typed, mail=f"{{kind: smtp, {options}}}")  # without the login that this relay wants
        refused = typed.run_job("sympa-lists", "--mail")
        assert refused.code == 0
        assert "the report was not sent" in refused.err


def test_a_report_that_cannot_be_sent_does_not_change_the_run(typed: Site) -> None:
    schedule(typed, mail="{kind: smtp, host: localhost, port: 1, tls: none}")
    done = typed.run_job("sympa-lists", "--mail")
    assert (done.code, done.json["state"]) == (0, "changed")
    assert "the report was not sent: it waits in the outbox: " in done.err


def test_mail_without_reports_is_told_before_anything_is_done(site: Site) -> None:
    text = (site.folder / "schedules.yaml").read_text()
    site.write("\n".join(line for line in text.splitlines() if not line.startswith("reports:")))
    done = site.run_job("sympa-lists", "--mail")
    assert done.code == 2
    assert not site.members("docenti")


@pytest.mark.usefixtures("held")
def test_logs_name_no_address(typed: Site) -> None:
    done = typed.run_job("sympa-lists")
    assert "subject=docenti verb=remove planned=5 applied=0 held=5" in done.err
    assert "@unimore.it" not in done.err


def slow(site: Site) -> subprocess.Popen[str]:
    """A run that waits for its people: the LDIF is a pipe that nobody writes to yet."""
    (site.folder / "people.ldif").unlink()
    os.mkfifo(site.folder / "people.ldif")
    process = subprocess.Popen(
        site.command("run_job", "sympa-lists", "--json"),
        cwd=site.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(3000):
        if json.loads(site.collima("history", "--json").out)[0]["run"]["state"] == "running":
            return process
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"the run did not start: {process.communicate()}")


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_an_overlapping_run_is_locked_out_and_a_stopped_one_lets_go(site: Site, by: signal.Signals) -> None:
    site.run_job("sympa-lists")
    process = slow(site)
    busy = site.run_job("sympa-lists")
    assert (busy.code, busy.json["state"]) == (75, "busy")
    process.send_signal(by)
    process.communicate(timeout=30)
    assert process.returncode == (75 if by == signal.SIGTERM else -signal.SIGKILL)
    (site.folder / "people.ldif").unlink()
    people(site)
    assert site.run_job("sympa-lists").code == 0
    states = [entry["run"]["state"] for entry in json.loads(site.collima("history", "--json").out)]
    assert states == ["in-sync", "failed", "changed"]


def test_a_job_of_another_machine_is_refused(site: Site) -> None:
    text = (site.folder / "schedules.yaml").read_text()
    site.write(text.replace("    when: daily at 05:30\n", "    when: daily at 05:30\n    runs-on: [elsewhere]\n"))
    done = site.run_job("sympa-lists")
    assert done.code == 2
    assert "elsewhere" in done.err
    assert site.run_job("sympa-lists", "--plan").code == 0


def test_on_a_frozen_day_removals_wait(site: Site) -> None:
    for _ in range(3):
        site.run_job("sympa-lists")
    people(site, professors=19)
    text = (site.folder / "schedules.yaml").read_text()
    frozen = "    freeze: {dates: [2000-01-01 to 2999-12-31]}\n"
    site.write(text.replace("    when: daily at 05:30\n", f"    when: daily at 05:30\n{frozen}"))
    done = site.run_job("sympa-lists")
    assert (done.code, done.subject("docenti")["waiting"], len(site.members("docenti"))) == (0, 1, 20)


def test_the_lists_of_a_job_that_left_the_file_can_be_retired_and_taken_over(site: Site) -> None:
    site.run_job("sympa-lists")
    text = (site.folder / "schedules.yaml").read_text()
    site.write(text.replace("  sympa-lists:", "  new-name:"))
    assert site.run_job("new-name").code == 1
    assert site.collima("retire", "docenti").code == 0
    assert site.collima("retire", "tecnici").code == 0
    assert site.run_job("new-name").json["state"] == "in-sync"


def test_a_file_that_was_cut_in_its_last_line_removes_nobody(site: Site) -> None:
    for _ in range(3):
        site.run_job("sympa-lists")
    people(site, professors=19)
    file = site.folder / "people.ldif"
    file.write_bytes(file.read_bytes()[:-2])
    done = site.run_job("sympa-lists")
    assert (done.code, done.json["sources"][0]["verdict"]) == (3, "suspicious")
    assert "cut" in done.json["sources"][0]["reason"]
    assert len(site.members("docenti")) == 20


@pytest.mark.parametrize("redirect", [">/dev/full", ">&-", "2>&-", "| head -0"])
def test_an_output_that_nobody_hears_changes_neither_the_run_nor_its_exit_code(typed: Site, redirect: str) -> None:
    command = " ".join(shlex.quote(word) for word in typed.command("run_job", "sympa-lists", "--json"))
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} {redirect}"],
        cwd=typed.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert len(typed.members("docenti")) == 20


def test_only_approves_what_it_names(site: Site) -> None:
    site.run_job("sympa-lists")
    people(site, professors=15, technicians=15)
    fingerprint = site.run_job("sympa-lists").json["fingerprint"]
    done = site.run_job("sympa-lists", "--only", "docenti", "--approve", fingerprint, "--reason", "x")
    assert (done.code, len(site.members("docenti")), len(site.members("tecnici"))) == (0, 15, 20)
    assert site.run_job("sympa-lists").code == 3
    assert len(site.members("tecnici")) == 20


def test_two_connectors_on_one_folder_are_a_fault(site: Site) -> None:
    text = (site.folder / "schedules.yaml").read_text()
    site.write(text.replace("  mail: {", "  again: {kind: list-files, directory: lists/../lists}\n  mail: {", 1))
    done = site.collima("check")
    assert done.code == 2
    assert "is the folder of the connector lists, too" in done.err


def test_the_state_can_be_a_mariadb(site: Site, mariadb_server: MariaDB) -> None:
    text = SCHEDULE.format(
        state=mariadb_server.url(mariadb_server.database()) + "\nstate-password: {file: password}",
        mail="{kind: maildir, directory: mail}",
    )
    site.write(text, password=PASSWORD)
    assert site.run_job("sympa-lists").code == 0
    people(site, professors=15)
    held = site.run_job("sympa-lists")
    assert held.code == 3
    approved = site.run_job("sympa-lists", "--approve", held.json["fingerprint"], "--reason", "x")
    assert (approved.code, len(site.members("docenti"))) == (0, 15)
    assert "schema" in site.collima("migrate").out
    assert len(json.loads(site.collima("history", "--json").out)) == 3


def test_a_database_that_does_not_answer_is_told_without_its_password(typed: Site) -> None:
    text = SCHEDULE.format(
        state="mysql+pymysql://collima@127.0.0.1:1/collima\nstate-password: {file: password}",
        mail="{kind: maildir, directory: mail}",
    )
    typed.write(text, password="geheim")
    done = typed.run_job("sympa-lists")
    assert done.code == 1
    assert "geheim" not in done.err
    assert not typed.members("docenti")
