"""account-expiry from the file to the account, with real processes: kill -9 at any moment, and what a person types."""

import json
import random
from collections import Counter
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from examples import alumni
from examples.alumni import three_years_before
from tests.acceptance.inside import Inside
from tests.acceptance.site import Site
from tests.jobs.alumni import DOMAIN, entry
from tests.servers.slapd import READER, SUFFIX, slapd

SCHEDULE = """
version: 1
timezone: Europe/Rome
site: unimore.it
state: sqlite:///collima.db
reports: {from: posta@unimore.it, to: [posta@unimore.it], via: mail, language: it}
connectors:
  people: {kind: ldif, file: people.ldif}
  accounts: {kind: accounts-file, file: accounts.json}
  mail: {kind: maildir, directory: mail}
jobs:
  alumni-expiry:
    kind: account-expiry
    when: daily at 03:00
    source: people
    target: accounts
    via: mail
    who: (unimoreStatus=alumn)
    account: mail
    person: schacPersonalUniqueID
    since: unimoreGraduationDate
    expires-after: 3 years
    unless: (unimoreStatus=active)
    notify: [90 days, 30 days]
    min-notice: 0 days
    mode: MODE
    guard: {max-suspensions: 1000, max-removals-total: 100%, small-change: 1000}
"""
"""A notice counts at once: the clock of a process cannot be turned."""
PEOPLE = 120


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Inside(tmp_path)
    site.write(SCHEDULE.replace("MODE", "apply"))
    today = datetime.now(ZoneInfo("Europe/Rome")).date()
    gone = three_years_before(today - timedelta(days=10))
    records = [entry(n, gone) for n in range(PEOPLE)] + [entry(900_000, today - timedelta(days=30))]
    (tmp_path / "people.ldif").write_text("".join(records))
    numbers = [*range(PEOPLE), 900_000]
    accounts = [{"id": f"id-{n}", "address": f"{n}@{DOMAIN}", "state": "active"} for n in numbers]
    (tmp_path / "accounts.json").write_text(json.dumps({"accounts": accounts}))
    return site


def mails(site: Site) -> Counter[str]:
    """How many mails each recipient has."""
    folder = site.folder / "mail/new"
    paths = folder.iterdir() if folder.exists() else ()
    return Counter(str(message_from_bytes(path.read_bytes(), policy=policy.default)["To"]) for path in paths)


def states(site: Site) -> Counter[str]:
    return Counter(one["state"] for one in json.loads((site.folder / "accounts.json").read_text())["accounts"])


@pytest.mark.soak
def test_killed_again_and_again_it_converges_and_tells_nobody_twice(site: Site) -> None:
    rng = random.Random(11)
    kills = site.killed("alumni-expiry", 8, lambda: rng.uniform(0.6, 2.5))
    for _ in range(3):
        done = site.run_job("alumni-expiry")
    assert (done.code, done.json["state"]) == (0, "in-sync")
    told = mails(site)
    assert set(told.values()) == {1}
    # of a mail that was on its way when its sender was killed nobody knows: it does not count
    doubtful = PEOPLE - states(site)["suspended"]
    assert 0 <= doubtful <= kills
    assert len(told) >= PEOPLE - doubtful
    assert ("notice-lost" in {f["code"] for f in done.json["findings"]}) == bool(doubtful)


def test_watch_hold_approve_undo_export_and_forget(site: Site) -> None:
    site.write(SCHEDULE.replace("MODE", "watch"))
    done = site.run_job("alumni-expiry")
    assert (done.code, done.subject("accounts")["mode"], len(done.subject("accounts")["notify"])) == (0, "watch", 120)
    assert mails(site) == {}
    (told,) = json.loads(site.collima("explain", f"7@{DOMAIN}", "--json").out)
    assert (told["told"]["state"], told["told"]["due"]) == ("active", "notify")
    site.write(SCHEDULE.replace("MODE", "apply").replace("max-suspensions: 1000", "max-suspensions: 100"))
    assert site.run_job("alumni-expiry").subject("accounts")["applied"]["notify"] == PEOPLE
    held = site.run_job("alumni-expiry")
    assert (held.code, held.subject("accounts")["held"]["suspend"]) == (3, PEOPLE)
    approved = site.run_job("alumni-expiry", "--approve", held.json["fingerprint"], "--reason", "they were told")
    assert (approved.code, states(site)["suspended"]) == (0, PEOPLE)
    exported = json.loads(site.collima("person", f"7@{DOMAIN}", "--export").out)
    assert [(one["account"], one["stage"]) for one in exported["notices"]] == [("id-7", "30 days")]
    assert [(one["account"], one["turn"]) for one in exported["closures"]] == [("id-7", "suspend")]
    assert site.collima("person", f"7@{DOMAIN}", "--forget").code == 0
    assert json.loads(site.collima("person", f"7@{DOMAIN}", "--export").out)["closures"] == []
    assert site.run_job("alumni-expiry").json["state"] == "in-sync"
    undone = site.collima("undo", approved.json["run"], "--json")
    assert states(site)["suspended"] in (0, 1), undone.err
    held = site.run_job("alumni-expiry")
    assert (held.code, "undone by" in held.subject("accounts")["held"]["reason"]) == (3, True)


LDAP = """
  people:
    kind: ldap
    url: {url}
    base: "{base}"
    bind: "{bind}"
    password: {{file: password}}
    insecure: true
    verify: 3
"""


def test_a_real_directory_gives_the_same_plan_as_its_file(site: Site) -> None:
    alumni.main([str(site.folder)])
    (site.folder / "alumni.ldif").rename(site.folder / "people.ldif")
    watching = SCHEDULE.replace("MODE", "watch")
    site.write(watching)
    from_file = site.run_job("alumni-expiry", "--plan").json
    with slapd(site.folder / "slapd", site.folder / "people.ldif") as server:
        ldap = LDAP.format(url=server.url, base=SUFFIX, bind=READER)
        site.write(watching.replace("\n  people: {kind: ldif, file: people.ldif}\n", ldap))
        from_server = site.run_job("alumni-expiry", "--plan").json
    assert len(from_server["subjects"][0]["notify"]) > 5
    assert from_server["subjects"] == from_file["subjects"]
    assert from_server["findings"] == from_file["findings"]
