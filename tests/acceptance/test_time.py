"""`collima next`, `pause` and `resume` as a person types them."""

import re
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
jobs:
  nightly: {when: "daily at 02:30", jitter: 10 minutes, <<: &job {
    kind: roster-sync, source: people, target: lists, among: (unimoreStatus=active), address: unimoreMail,
    own-domains: [unimore.it], rosters: [{name: docenti, members: (employeeType=PO)}]}}
  often: {when: every 15 minutes, waits-for: nightly, runs-on: elsewhere, <<: *job}
  sundays: {when: "30 2 * * 0", <<: *job}
  by-hand: {when: manual, <<: *job}
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Inside(tmp_path)
    (site.folder / "people.ldif").write_text(
        "".join([*staff(10, employeeType="PO"), *staff(60, 100, employeeType="X")])
    )
    site.write(SCHEDULE)
    return site


def test_the_next_runs_are_told_in_local_time_and_in_utc_in_order_of_time(site: Site) -> None:
    done = site.collima("next", "--json", "--from", "2026-10-25 01:50")
    assert done.code == 0
    assert done.json == [
        {"job": "often", "local": "2026-10-25T02:00:00+02:00", "utc": "2026-10-25T00:00:00+00:00"},
        {"job": "nightly", "local": "2026-10-25T02:30:00+02:00", "utc": "2026-10-25T00:30:00+00:00"},
        {"job": "sundays", "local": "2026-10-25T02:30:00+02:00", "utc": "2026-10-25T00:30:00+00:00"},
    ]


def test_the_night_in_which_the_clocks_go_forward_has_its_run(site: Site) -> None:
    done = site.collima("next", "nightly", "--json", "--from", "2026-03-28", "--count", "3")
    assert [run["local"] for run in done.json] == [
        "2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00",
    ]  # fmt: skip


def test_a_run_at_the_very_moment_counts_and_a_moment_may_have_an_offset(site: Site) -> None:
    for start in ("2026-10-25T02:30+02:00", "2026-10-25T00:30:00Z", "2026-10-25 02:30"):
        assert site.collima("next", "sundays", "--json", "--from", start).json[0]["utc"] == "2026-10-25T00:30:00+00:00"


def test_a_table_notes_what_may_come_between(site: Site) -> None:
    assert site.collima("pause", "sundays", "--until", "400 days", "--reason", "no need").code == 0
    done = site.collima("next")
    assert done.code == 0
    lines = {line.split()[0]: line for line in done.out.splitlines()}
    assert re.search(r"\w{3} \d{4}-\d\d-\d\d 02:30 .*daily at 02:30 +up to 10 minutes later$", lines["nightly"])
    assert lines["often"].endswith("after nightly, on elsewhere")
    assert "not run: paused until" in lines["sundays"]
    assert lines["by-hand"] == "by-hand is run by hand"
    assert "later" not in lines


def test_a_table_needs_no_state(site: Site) -> None:
    assert site.collima("next").code == 0
    assert not (site.folder / "collima.db").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["next", "night"], "did you mean 'nightly'?"),
        (["next", "--from", "tomorrow"], "'tomorrow' is no moment"),
        (["next", "--count", "0"], "write a number"),
        (["pause", "night", "--until", "2 days", "--reason", "x"], "did you mean 'nightly'?"),
        (["pause", "nightly", "--until", "2020-01-01", "--reason", "x"], "2020-01-01 is in the past"),
        (["pause", "nightly", "--until", "2 days", "--reason", " "], "--reason is empty"),
        (["pause", "nightly", "--until", "2 days"], "--reason"),
        (["pause", "nightly", "--reason", "x"], "--until"),
        (["resume", "night"], "did you mean 'nightly'?"),
    ],
)
def test_what_cannot_be_meant_is_refused(site: Site, arguments: list[str], told: str) -> None:
    done = site.collima(*arguments)
    assert done.code == 2
    assert told in done.err


def test_a_pause_is_recorded_with_who_and_why_and_ended_by_resume(site: Site) -> None:
    site.env = {"SUDO_USER": "anna"}
    assert site.collima("next", "by-hand", "--json").json == []
    made = site.collima("pause", "nightly", "--until", "2 days", "--reason", "the disk is being changed")
    assert made.code == 0
    assert re.match(r"nightly is paused until \d{4}-\d\d-\d\d \d\d:\d\d: the disk is being changed\n", made.out)
    longer = site.collima("pause", "nightly", "--until", "2999-12-31", "--reason", "longer", "--json").json
    assert (longer["job"], longer["until"], longer["who"]) == ("nightly", "2999-12-31T23:00:00+00:00", "anna")
    every = site.collima("pause", "--until", "3 days", "--reason", "holidays")
    assert every.out.startswith("every job is paused until ")
    ended = site.collima("resume", "nightly")
    assert ended.out.splitlines()[0] == "nightly goes on; anna had paused it until 3000-01-01 00:00: longer"
    assert re.fullmatch(r"every job is still paused until \S+ \S+: collima resume", ended.out.splitlines()[1])
    assert site.collima("resume").out.startswith("every job goes on; anna had paused it until ")


def test_resuming_what_is_not_paused_says_so_and_what_is(site: Site) -> None:
    nothing = site.collima("resume", "nightly")
    assert (nothing.code, nothing.out) == (0, "nightly was not paused\n")
    site.collima("pause", "nightly", "--until", "2 days", "--reason", "x")
    done = site.collima("resume")
    assert done.out.splitlines()[0] == "there was no pause of every job"
    assert re.fullmatch(r"nightly is still paused until \S+ \S+: collima resume nightly", done.out.splitlines()[1])


def test_a_paused_job_can_be_run_by_hand(site: Site) -> None:
    site.collima("pause", "nightly", "--until", "2 days", "--reason", "x")
    assert site.run_job("nightly").code == 0
