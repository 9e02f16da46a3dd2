"""Copies of mail, typed as a person types it."""

import json
from pathlib import Path

import pytest

from tests.acceptance.site import Site
from tests.servers import require
from tests.servers.maildirs import SENTINEL, mail_store

SCHEDULE = f"""
version: 1
timezone: Europe/Rome
state: sqlite:///collima.db
connectors:
  store: {{kind: rsync, from: mail, to: copies, sentinel: {SENTINEL}}}
jobs:
  mailbox-copy:
    kind: mailbox-copy
    when: weekly on saturday at 22:00
    store: store
    generations: 2
    guard: {{max-removals: 10%, small-change: 20, max-mailboxes-gone: 1%}}
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    require("rsync")
    (tmp_path / "schedules.yaml").write_text(SCHEDULE)
    (tmp_path / "copies").mkdir()
    return Site(tmp_path, {"TZ": "UTC"})


def test_a_copy_is_checked_planned_and_made_and_its_log_names_nobody(site: Site) -> None:
    store = mail_store(site.folder / "mail", users=5, messages=80)
    checked = site.collima("check", "--connect")
    assert checked.code == 0, checked.out + checked.err
    planned = site.run_job("mailbox-copy", "--plan")
    assert (planned.code, planned.json["state"]) == (0, "planned")
    assert list((site.folder / "copies").iterdir()) == []
    made = site.run_job("mailbox-copy")
    assert (made.code, made.json["state"]) == (0, "changed")
    first = made.subject(store.users[0])
    assert first["copy"] > 0
    assert (first["remove"], first["applied"]["copy"]) == (0, first["copy"])
    assert "subjects=6 verb=copy" in made.err
    assert not any(user in made.err for user in store.users)
    (generation,) = (site.folder / "copies").iterdir()
    assert sum(1 for path in generation.rglob("*/cur/*")) == sum(1 for path in store.root.rglob("*/cur/*"))
    assert site.run_job("mailbox-copy").json["state"] == "in-sync"
    assert json.loads(site.collima("history", "mailbox-copy", "--json").out)


def test_a_store_that_is_not_mounted_fails_and_says_what_to_look_at(site: Site) -> None:
    (site.folder / "mail").mkdir()
    failed = site.run_job("mailbox-copy")
    assert (failed.code, failed.json["state"]) == (1, "failed")
    assert f"there is no {SENTINEL}: the mail store is not mounted here" in failed.out
