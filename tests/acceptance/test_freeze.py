"""`freeze: {calendar: FILE}` from the file to the list: removals wait on its days, and on no others."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.acceptance.inside import Inside
from tests.acceptance.site import Site
from tests.jobs.campus import staff

SCHEDULE = """
version: 1
timezone: Europe/Rome
state: sqlite:///collima.db
connectors:
  people: {kind: ldif, file: people.ldif}
  lists: {kind: list-files, directory: lists}
defaults: {freeze: {calendar: holidays.ics}}
jobs:
  sympa-lists:
    kind: roster-sync
    when: daily at 05:30
    source: people
    target: lists
    among: (unimoreStatus=active)
    address: unimoreMail
    own-domains: [unimore.it]
    rosters: [{name: docenti, members: (employeeType=PO)}]
"""
FAR = timedelta(days=100)  # a test that runs across midnight means the days around it, too


def people(site: Site, first: int) -> None:
    records = [*staff(20, first, employeeType="PO"), *staff(80, 5000, employeeType="X")]
    (site.folder / "people.ldif").write_text("".join(records))


def holidays(site: Site, first: date) -> None:
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example//EN", "BEGIN:VEVENT", "UID:1", "DTSTAMP:20260101T000000Z",
        f"DTSTART;VALUE=DATE:{first:%Y%m%d}", "DURATION:P3D", "END:VEVENT", "END:VCALENDAR",
    ]  # fmt: skip
    (site.folder / "holidays.ics").write_text("".join(f"{line}\r\n" for line in lines))


def yesterday() -> date:
    return date.today() - timedelta(days=1)  # noqa: DTZ011 - three days from then hold today, in every zone


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with 20 professors on the list, of whom one has left and one has come since."""
    site = Inside(tmp_path)
    site.write(SCHEDULE)
    people(site, 0)
    holidays(site, yesterday() - FAR)
    for _ in range(3):
        assert site.run_job("sympa-lists").code == 0
    people(site, 1)
    return site


def test_on_a_day_of_the_calendar_removals_wait_and_the_rest_goes_on(site: Site) -> None:
    holidays(site, yesterday())
    assert site.run_job("sympa-lists", "--plan").subject("docenti")["waiting"] == 1
    done = site.run_job("sympa-lists")
    assert (done.code, done.json["state"], done.subject("docenti")["waiting"]) == (0, "changed", 1)
    assert len(site.members("docenti")) == 21
    assert "today removals wait" in site.collima("check").out


def test_the_file_is_read_anew_at_each_run(site: Site) -> None:
    holidays(site, yesterday())
    assert site.run_job("sympa-lists").subject("docenti")["waiting"] == 1
    holidays(site, yesterday() + FAR)
    assert site.run_job("sympa-lists").subject("docenti")["waiting"] == 0
    assert len(site.members("docenti")) == 20


@pytest.mark.parametrize(
    ("text", "why"), [(None, "No such file"), ("", "it is cut, or empty"), ("<html>", "no calendar")]
)
def test_with_a_calendar_that_cannot_be_read_nothing_runs_and_check_says_so(
    site: Site, text: str | None, why: str
) -> None:
    file = site.folder / "holidays.ics"
    file.unlink() if text is None else file.write_text(text)
    for arguments in ([], ["--plan"]):
        done = site.run_job("sympa-lists", *arguments)
        assert done.code == 2
        assert "jobs.sympa-lists.freeze.calendar: " in done.err
        assert why in done.err
    assert len(site.members("docenti")) == 20
    for arguments in ([], ["--connect"]):
        checked = site.collima("check", *arguments)
        assert checked.code == 1
        assert why in checked.out
