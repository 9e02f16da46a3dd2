"""`collima members`: today at the target, earlier days by what the record takes back."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.acceptance.inside import Inside
from tests.acceptance.site import Done, Site
from tests.jobs.campus import staff

ROME = ZoneInfo("Europe/Rome")
SCHEDULE = """
version: 1
timezone: Europe/Rome
state: sqlite:///collima.db
connectors:
  people: {kind: ldif, file: people.ldif}
  lists: {kind: list-files, directory: lists}
jobs:
  sympa-lists:
    kind: roster-sync
    when: daily at 05:30
    source: people
    target: lists
    among: (unimoreStatus=active)
    address: unimoreMail
    rosters:
      - {name: docenti, members: (employeeType=PO)}
"""


def people(site: Site, professors: int = 20) -> None:
    records = [*staff(professors, employeeType="PO"), *staff(80, 5000, employeeType="X")]
    (site.folder / "people.ldif").write_text("".join(records))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Inside(tmp_path)
    people(site)
    site.write(SCHEDULE)
    return site


def day(ago: int) -> str:
    return str(datetime.now(ROME).date() - timedelta(days=ago))


def pass_days(site: Site, days: int) -> None:
    """As if all that is on record had happened so many days earlier."""
    span = days * 86_400_000_000
    with sqlite3.connect(site.folder / "collima.db") as state:
        for table, column in (
            *(("runs", "started"), ("runs", "ended"), ("changes", "intended"), ("changes", "settled")),
            ("rosters", "since"),
        ):
            state.execute(f"UPDATE {table} SET {column} = {column} - {span}")
    state.close()


def test_who_is_in_now_is_read_at_the_target_one_address_a_line(site: Site) -> None:
    site.run_job("sympa-lists")
    with (site.folder / "lists" / "docenti").open("a") as file:
        file.write("ospite@example.org\n")
    done = site.collima("members", "docenti")
    assert (done.code, len(done.out.splitlines())) == (0, 21)
    assert "ospite@example.org" in done.out.splitlines()
    assert "21 in docenti of lists" in done.err


def test_who_was_in_on_an_earlier_day(site: Site) -> None:
    site.run_job("sympa-lists")
    pass_days(site, 2)
    people(site, professors=19)
    site.run_job("sympa-lists")
    people(site, professors=22)
    pass_days(site, 2)
    site.run_job("sympa-lists")

    def members(*arguments: str) -> set[str]:
        return set(site.collima("members", "docenti", "--json", *arguments).json["members"])

    now = members()
    assert len(now) == 22
    assert members("--at", day(0)) == now
    assert len(members("--at", day(1))) == len(members("--at", day(2))) == 19
    assert len(members("--at", day(3))) == len(members("--at", day(4))) == 20
    answer = site.collima("members", "docenti", "--at", day(1), "--json").json
    assert {"list": "docenti", "target": "lists", "manual": []}.items() <= answer.items()
    assert datetime.fromisoformat(answer["at"]) == datetime.fromisoformat(f"{day(0)}T00:00").replace(tzinfo=ROME)


def test_a_day_that_is_not_on_record_is_refused_with_when_the_record_begins(site: Site) -> None:
    site.run_job("sympa-lists")
    pass_days(site, 3)
    known, before = (
        site.collima("members", "docenti", "--at", day(3)),
        site.collima("members", "docenti", "--at", day(4)),
    )
    assert (known.code, len(known.out.splitlines())) == (0, 20)
    assert (before.code, before.out) == (2, "")
    assert f"it begins on {day(3)}" in before.err


def test_a_day_whose_changes_were_purged_is_refused(site: Site) -> None:
    site.run_job("sympa-lists")
    pass_days(site, 10)
    people(site, professors=19)
    site.run_job("sympa-lists")
    pass_days(site, 10)
    text = (site.folder / "schedules.yaml").read_text()
    site.write(f"{text}keep: {{changes: 15 days}}\n")
    assert site.collima("purge").code == 0
    assert site.collima("members", "docenti", "--at", day(12)).code == 0
    assert site.collima("members", "docenti", "--at", day(10)).code == 0
    assert site.collima("members", "docenti", "--at", day(21)).code == 2


def test_across_a_rename_the_new_name_has_the_history_and_the_old_one_points_to_it(site: Site) -> None:
    site.run_job("sympa-lists")
    pass_days(site, 2)
    text = (site.folder / "schedules.yaml").read_text().replace("name: docenti", "name: professori")
    site.write(text.replace("    rosters:", "    renamed: {docenti: professori}\n    rosters:"))
    lists = site.folder / "lists"
    (lists / "docenti").rename(lists / "professori")
    people(site, professors=21)
    site.run_job("sympa-lists")
    assert len(site.collima("members", "professori").out.splitlines()) == 21
    assert len(site.collima("members", "professori", "--at", day(1)).out.splitlines()) == 20
    old = site.collima("members", "docenti")
    assert (old.code, "ask for professori" in old.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("docenti", "--at", "2999-01-01"), "has not come yet"),
        (("docenti", "--at", "24.11.2026"), "write a date like"),
        (("docneti",), "lists has no docneti"),
        (("docenti", "--target", "people"), "people holds no rosters: lists does"),
        (("docenti", "--target", "nowhere"), "no connector 'nowhere'"),
    ],
)
def test_what_cannot_be_meant_is_refused(site: Site, arguments: tuple[str, ...], told: str) -> None:
    done = site.collima("members", *arguments)
    assert (done.code, done.out) == (2, "")
    assert told in done.err


def test_a_list_that_may_be_at_two_targets_needs_its_target(site: Site) -> None:
    site.run_job("sympa-lists")
    text = (site.folder / "schedules.yaml").read_text()
    site.write(text.replace("connectors:", "connectors:\n  others: {kind: list-files, directory: others}"))
    assert site.collima("members", "docenti").code == 0  # a job manages it at one of them
    (site.folder / "others").mkdir()
    (site.folder / "others" / "amici").write_text("ada@example.org\n")
    both = site.collima("members", "amici")
    assert (both.code, "--target" in both.err) == (2, True)
    assert site.collima("members", "amici", "--target", "others").out == "ada@example.org\n"


def test_it_stores_nothing(site: Site) -> None:
    (site.folder / "lists").mkdir()
    (site.folder / "lists" / "docenti").write_text("ada@unimore.it\n")
    assert site.collima("members", "docenti").out == "ada@unimore.it\n"
    refused: Done = site.collima("members", "docenti", "--at", day(1))
    assert (refused.code, "there is none" in refused.err) == (2, True)
    assert not (site.folder / "collima.db").exists()
    assert json.loads(site.collima("members", "docenti", "--json").out)["manual"] == []
    assert datetime.fromisoformat(site.collima("members", "docenti", "--json").json["at"]) <= datetime.now(UTC)
