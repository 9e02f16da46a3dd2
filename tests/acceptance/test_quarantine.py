"""quarantine-digest from the file to the mailbox: what a person types, real servers, kill -9 at any moment."""

import json
import random
from collections import defaultdict
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.acceptance.inside import Inside
from tests.acceptance.site import Site
from tests.jobs.held import part, person
from tests.servers.mariadb import PASSWORD, MariaDB
from tests.servers.slapd import READER, READER_PASSWORD, SUFFIX, slapd

SCHEDULE = """
version: 1
timezone: Europe/Rome
site: unimore.it
state: sqlite:///collima.db
reports: {from: posta@unimore.it, to: [posta@unimore.it], via: mail, language: it}
connectors:
  people: {kind: ldif, file: people.ldif}
  quarantine: {kind: sqlite-quarantine, file: quarantine.db, released: released, sample: sample.json}
  mail: {kind: maildir, directory: mail}
jobs:
  quarantine-digest:
    kind: quarantine-digest
    when: daily at 06:30
    source: people
    quarantine: quarantine
    via: mail
    who: (unimoreDigest=TRUE)
    addresses: [mail, unimoreMail]
    from: quarantena@unimore.it
    actions: {url: "https://posta.unimore.it/quarantena", secret: {file: secret}}
"""


def sample(site: Site, *messages: tuple[float, str, str]) -> None:
    """(hours, recipients, subject) of a new quarantine."""
    told = [
        {
            "hours": hours,
            "to": [f"{name}@unimore.it" for name in to.split()],
            "sender": "x@evil.example",
            "author": "X <x@evil.example>",
            "subject": subject,
            "score": 7.5,
        }
        for hours, to, subject in messages
    ]
    (site.folder / "sample.json").write_text(json.dumps({"messages": told}))


def prepared(site: Site) -> Site:
    site.write(SCHEDULE)
    secret(site, "secret", "0123456789abcdef0123456789abcdef")
    return site


def secret(site: Site, name: str, text: str) -> None:
    (site.folder / name).write_text(text)
    (site.folder / name).chmod(0o600)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return prepared(Inside(tmp_path))


def people(site: Site, *records: str) -> None:
    (site.folder / "people.ldif").write_text("".join(records))


def mails(site: Site) -> dict[str, list[EmailMessage]]:
    """By recipient, in the order in which they came: names of files of one second have none."""
    found: dict[str, list[EmailMessage]] = defaultdict(list)
    folder = site.folder / "mail/new"
    came = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns) if folder.exists() else ()
    for path in came:
        mail = message_from_bytes(path.read_bytes(), policy=policy.default)
        assert isinstance(mail, EmailMessage)
        found[str(mail["To"])].append(mail)
    return dict(found)


def test_a_first_run_sends_a_day_holds_the_rest_and_sends_it_when_approved(site: Site) -> None:
    people(site, person("anna", "a.rossi@unimore.it"), person("bruno", language="en"), person("carla", asks=False))
    sample(
        site,
        (3, "anna a.rossi", "Offerta"),
        (5, "bruno", "Offer"),
        (30, "anna", "Vecchio"),
        (2, "carla", "x"),
        (2, "nessuno", "x"),
    )
    planned = site.run_job("quarantine-digest", "--plan")
    assert (planned.code, planned.json["state"], mails(site)) == (3, "held", {})
    done = site.run_job("quarantine-digest")
    subject = done.subject("digests")
    assert done.code == 3
    assert subject["send"] == ["anna@unimore.it", "anna@unimore.it (older)", "bruno@unimore.it"]
    assert subject["held"]["send"] == 1
    assert subject["held"]["reason"] == "from before the first digest"
    assert (subject["size"], subject["applied"], subject["failed"]) == (2, {"send": 2}, [])
    assert {f["code"] for f in done.json["findings"]} == {"no-owner", "not-asked"}
    sent = mails(site)
    assert {to: len(several) for to, several in sent.items()} == {"anna@unimore.it": 1, "bruno@unimore.it": 1}
    assert str(sent["anna@unimore.it"][0]["Subject"]).startswith("Quarantena: 2 messaggi trattenuti (")
    assert str(sent["bruno@unimore.it"][0]["Subject"]).startswith("Quarantine: one message held (")
    assert "evil.example" not in part(sent["bruno@unimore.it"][0]) + part(sent["bruno@unimore.it"][0], "html")
    (raw,) = [p.read_bytes() for p in (site.folder / "mail/new").iterdir() if b"To: anna@" in p.read_bytes()]
    assert b"\nList-Unsubscribe: <https://posta.unimore.it/quarantena/" in raw
    assert raw.startswith(b"Return-Path: <>\n")
    told = json.loads(site.collima("holds", "--json").out)
    assert [hold["fingerprint"] for hold in told] == [subject["held"]["fingerprint"]]
    approved = site.run_job("quarantine-digest", "--approve", done.json["fingerprint"], "--reason", "they may know")
    assert (approved.code, approved.json["state"]) == (0, "changed")
    assert "Vecchio" in part(mails(site)["anna@unimore.it"][1])
    again = site.run_job("quarantine-digest")
    assert (again.code, again.json["state"]) == (0, "in-sync")
    undone = site.collima("undo", done.json["run"], "--json")
    assert "no-way-back" in undone.out


def test_only_the_state_knows_what_was_told(site: Site) -> None:
    people(site, person("anna"))
    sample(site, (3, "anna", "Offerta"))
    assert site.run_job("quarantine-digest").code == 0
    for path in site.folder.glob("collima.db*"):
        path.unlink()
    again = site.run_job("quarantine-digest")  # a new state tells a day anew, and holds what is older
    assert (again.code, again.subject("digests")["applied"]["send"]) == (0, 1)


def test_a_schedule_with_a_fault_names_each(site: Site) -> None:
    text = SCHEDULE.replace("addresses: [mail, unimoreMail]", "addresses: []").replace("https://posta", "http://posta")
    site.write(text.replace("quarantine: quarantine\n", "quarantine: mail\n"))
    told = site.collima("check").out + site.collima("check").err
    assert "jobs.quarantine-digest.addresses: no attribute" in told
    assert "jobs.quarantine-digest.actions.url: https" in told
    assert "which offers no quarantine; quarantine would do" in told


LDAP = """
  people:
    kind: ldap
    url: {url}
    base: "{base}"
    bind: "{bind}"
    password: {{file: password}}
    insecure: true
"""


def test_with_a_real_directory_and_a_state_on_mariadb(site: Site, mariadb_server: MariaDB) -> None:
    people(site, *(person(f"p{n}", f"alias.{n}@unimore.it") for n in range(40)), person("carla", asks=False))
    sample(site, *((2 + n % 20, f"p{n} alias.{n}", f"Offerta {n}") for n in range(40)), (2, "carla", "x"))
    with slapd(site.folder / "slapd", site.folder / "people.ldif") as server:
        ldap = LDAP.format(url=server.url, base=SUFFIX, bind=READER)
        state = f"{mariadb_server.url(mariadb_server.database())}\nstate-password: {{file: state-password}}"
        text = SCHEDULE.replace("\n  people: {kind: ldif, file: people.ldif}\n", ldap)
        site.write(text.replace("sqlite:///collima.db", state), READER_PASSWORD)
        secret(site, "state-password", PASSWORD)
        done = site.run_job("quarantine-digest")
        assert (done.code, done.subject("digests")["applied"]["send"]) == (0, 40), done.err
        assert done.subject("digests")["size"] == 40
        assert {to: len(several) for to, several in mails(site).items()} == {f"p{n}@unimore.it": 1 for n in range(40)}
        assert part(mails(site)["p7@unimore.it"][0]).count("Offerta 7\n") == 2
        again = site.run_job("quarantine-digest")
        assert (again.code, again.json["state"]) == (0, "in-sync")


PEOPLE = 60


@pytest.mark.soak
def test_killed_again_and_again_every_message_is_told_and_no_mail_is_another(tmp_path: Path) -> None:
    """With real processes. A mail that was on its way when its sender died may come twice, under one Message-ID."""
    site = prepared(Site(tmp_path))
    people(site, *(person(f"p{n}") for n in range(PEOPLE)))
    sample(site, *((1 + n % 20, f"p{n % PEOPLE}", f"Offerta {n}.") for n in range(PEOPLE * 2)))
    rng = random.Random(7)
    kills = site.killed("quarantine-digest", 4, lambda: rng.uniform(0.5, 1.8))
    for _ in range(2):
        done = site.run_job("quarantine-digest")
    assert (done.code, done.json["state"]) == (0, "in-sync")
    sent = mails(site)
    assert sorted(sent) == sorted(f"p{n}@unimore.it" for n in range(PEOPLE))
    assert all(len({str(mail["Message-ID"]) for mail in several}) == 1 for several in sent.values())
    assert sum(len(several) - 1 for several in sent.values()) <= kills
    for n in range(PEOPLE * 2):
        assert f"Offerta {n}." in part(sent[f"p{n % PEOPLE}@unimore.it"][0])
