"""`collima status`: what is OK, a warning, critical, unknown, on a state that runs and services have filled."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from collima.app.result_json import stored
from collima.app.status import Level, Status, judge
from collima.core.model import Finding, State
from collima.state.pauses import EVERY_JOB, Pause
from tests.app import results
from tests.app.watched import DUE, SCHEDULE, Watched, watched
from tests.servers.mariadb import PASSWORD, MariaDB, mariadb_server

__all__ = ["mariadb_server"]

DAY = timedelta(days=1)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Watched]:
    with watched(tmp_path) as one:
        yield one


# ---- runs


def test_runs_that_went_well_are_ok_and_the_first_line_counts_what_is_in_order(site: Watched) -> None:
    site.run()
    status = site.status()

    assert status.level is Level.OK
    assert str(status).splitlines()[0] == (
        "COLLIMA OK - 2 jobs in order | jobs=2;;;0 failed=0;;0;0 partial=0;0;;0 paused=0;;;0 held=0;;;0 "
        "hold_age=0s;86400;;0 mails=0;;;0 mail_age=0s;3600;;0 mails_failed=0;0;;0"
    )
    assert str(status).splitlines()[1:] == [
        "[OK] scheduler: there is none: only runs are judged",
        "[OK] job lists: changed 2026-11-24 05:35",
        "[OK] job by-hand: never run, only by hand",
        "[OK] mail: 0 to go",
    ]


@pytest.mark.parametrize(
    ("state", "level", "said"),
    [
        ("in-sync", Level.OK, "in sync 2026-11-24 05:35"),
        ("held", Level.OK, "held 2026-11-24 05:35"),
        ("partial", Level.WARNING, "partial 2026-11-24 05:35 (people: no answer)"),
        ("failed", Level.CRITICAL, "failed 2026-11-24 05:35 (people: no answer), the last good one 2026-11-24 05:35"),
    ],
)
def test_a_job_is_judged_by_its_last_run(site: Watched, state: str, level: Level, said: str) -> None:
    site.run()
    site.run(state=state, cause="people: no answer" if state in ("partial", "failed") else "")
    assert (site.line("job", "lists").level, site.line("job", "lists").text) == (level, said)


def test_a_failure_that_a_run_by_hand_made_good_is_over(site: Watched) -> None:
    site.run(state="failed", slot=DUE)
    site.run()
    assert site.status().level is Level.OK


def test_a_run_of_single_lists_or_an_undo_says_nothing_about_the_job(site: Watched) -> None:
    site.run(state="failed")
    site.run(kind="only")
    site.run(kind="undo")
    assert site.line("job", "lists").level is Level.CRITICAL


def test_a_run_under_way_is_told_beside_the_last_one(site: Watched) -> None:
    site.run(state="failed")
    with site.journal.begin("lists", "", slot=None, kind="run", config="c0") as record:
        told = site.line("job", "lists")
        record.end("changed", {}, transient=False, cause="")
    assert told.level is Level.CRITICAL
    assert told.text.startswith("failed 2026-11-24 05:35, running since 2026-11-24 05:35")


def test_a_run_that_died_has_failed(site: Watched) -> None:
    code = (
        "import os, sys; from datetime import UTC, datetime; from collima.state import open_state\n"
        "journal = open_state(sys.argv[1], now=lambda: datetime(2026, 11, 24, 5, tzinfo=UTC), host='here')\n"
        "run = journal.begin('lists', '', slot=None, kind='run', config=''); run.__enter__(); os._exit(9)"
    )
    site.run()
    died = subprocess.run([sys.executable, "-c", code, site.config.state], check=False, capture_output=True)
    assert died.returncode == 9, died.stderr
    site.later(hours=1)
    told = site.line("job", "lists")
    assert told.level is Level.CRITICAL
    assert told.text.startswith("failed 2026-11-24 06:00 (killed)")


def test_a_failure_that_will_be_tried_again_is_a_warning_until_then(site: Watched) -> None:
    site.service()
    row = site.slot("waiting")
    site.journal.slots.start([row], "s1")
    run = site.run(state="failed", cause="no answer", transient=True, slot=DUE)
    running = site.journal.slots.of("lists", DUE)
    assert running is not None
    site.journal.slots.note_run(running, run)
    site.journal.slots.wait(running, site.now + timedelta(minutes=10), cause="tried again", run=run, tries=1)
    assert site.line("job", "lists").level is Level.WARNING
    assert "is tried again" in site.line("job", "lists").text

    waiting = site.journal.slots.of("lists", DUE)
    assert waiting is not None
    site.journal.slots.end(waiting, "ended", cause="")
    assert site.line("job", "lists").level is Level.CRITICAL


# ---- jobs that have never run


def test_a_job_that_never_ran_is_a_warning_where_there_is_no_scheduler(site: Watched) -> None:
    told = site.line("job", "lists")
    assert (told.level, told.text) == (Level.WARNING, "never run, and there is no scheduler")


def test_a_job_that_never_ran_is_ok_while_a_scheduler_waits_for_its_first_slot(site: Watched) -> None:
    site.service()
    told = site.line("job", "lists")
    assert (told.level, told.text) == (Level.OK, "never run yet, first 2026-11-25 05:30")


def test_a_job_of_another_machine_is_ok_where_this_state_knows_nothing_of_it(tmp_path: Path) -> None:
    with watched(tmp_path, "runs-on: [elsewhere]") as site:
        told = site.line("job", "lists")
    assert (told.level, told.text) == (Level.OK, "never run with this state, runs on elsewhere")


# ---- the scheduler


def test_a_scheduler_that_decides_is_ok(site: Watched) -> None:
    site.service()
    site.later(seconds=20)
    told = site.line("scheduler")
    assert (told.level, told.text) == (Level.OK, "last decision 20 seconds ago on here")
    assert str(site.status()).split(" | ")[1].startswith("tick_age=20s;;300;0 jobs=2")


def test_a_scheduler_that_has_not_ticked_for_five_minutes_is_critical(site: Watched) -> None:
    site.run()
    site.service()
    site.later(minutes=5)
    assert site.line("scheduler").level is Level.OK
    site.later(seconds=1)
    told = site.line("scheduler")
    assert told.level is Level.CRITICAL
    assert told.text == "is silent, its last decision was 5 minutes ago on here: no run is started"
    assert judge(site.standing(), silence=timedelta(minutes=15)).level is Level.OK


def test_a_scheduler_that_was_stopped_is_critical_too_and_said_to_be(site: Watched) -> None:
    site.service()
    site.journal.services.end("s1")
    site.later(hours=3)
    assert site.line("scheduler").text.startswith("was stopped, its last decision was 3 hours ago")


def test_a_scheduler_that_was_just_stopped_is_a_warning_unless_it_comes_seldom_or_another_lives(site: Watched) -> None:
    site.run()
    site.service()
    site.journal.services.end("s1")
    site.later(seconds=20)
    told = site.line("scheduler")
    assert (told.level, told.text) == (Level.WARNING, "was stopped 20 seconds ago on here: no run is started")
    assert judge(site.standing(), silence=timedelta(minutes=10)).level is Level.OK
    site.service("s2")
    assert site.line("scheduler").level is Level.OK


def test_a_job_that_the_file_does_not_have_any_more_and_whose_run_waits_is_named(site: Watched) -> None:
    site.service()
    site.slot("waiting", job="gone")
    told = site.line("scheduler")
    assert (told.level, "does not have gone any more, of which a run still waits" in told.text) == (Level.OK, True)


def test_a_scheduler_that_was_given_up_for_cron_is_not_asked_for(site: Watched) -> None:
    site.service()
    site.slot("waiting")
    site.later(days=3)
    site.run()
    assert site.status().level is Level.CRITICAL
    assert judge(site.standing(), cron=True).level is Level.OK


def test_a_clock_that_was_set_back_is_no_silence_once_the_service_has_decided_again(site: Watched) -> None:
    site.service()
    site.later(hours=-1)
    told = site.line("scheduler")
    assert told.level is Level.CRITICAL
    assert told.text == "its last decision is of 2026-11-24 05:35, which is to come: is the clock right on here?"
    assert str(site.status()).split(" | ")[1].startswith("tick_age=3600s;;300;0")
    site.journal.services.tick("s1")
    assert site.line("scheduler").level is Level.OK


def test_a_service_that_was_stopped_while_the_clock_was_ahead_hides_no_silence(site: Watched) -> None:
    site.later(days=1)
    site.service("s1")
    site.journal.services.end("s1")
    site.later(days=-1)
    site.service("s2")
    assert site.line("scheduler").level is Level.OK
    site.later(minutes=6)
    assert site.line("scheduler").text.startswith("is silent, its last decision was 6 minutes ago")


def test_two_services_with_different_schedules_are_a_warning(site: Watched) -> None:
    site.service("s1")
    site.service("s2", host="there")
    assert (site.line("scheduler").level, "2 services" in site.line("scheduler").text) == (Level.OK, True)
    site.service("s3", host="yonder", config="another")
    told = site.line("scheduler")
    assert told.level is Level.WARNING
    assert told.text == "3 services have different schedules (here, there, yonder): collima reload on each"


def test_a_schedule_that_was_not_taken_is_a_warning(site: Watched) -> None:
    site.service()
    site.journal.services.loaded("s1", config=site.config.hash, fault="schedules.yaml:3:1: unknown key 'jbos'")
    told = site.line("scheduler")
    assert (told.level, "unknown key 'jbos'" in told.text) == (Level.WARNING, True)


def test_a_file_that_no_service_has_loaded_yet_is_said(site: Watched) -> None:
    site.service(config="older")
    told = site.line("scheduler")
    assert (told.level, told.text.endswith("does not run this schedules.yaml: collima reload")) == (Level.OK, True)


# ---- slots


def seen_earlier(site: Watched) -> None:
    """A service has had the schedule since before the slot."""
    site.later(days=-1)
    site.journal.slots.first_seen({"lists": "30 5 * * *", "by-hand": ""})
    site.run()
    site.later(days=1)
    site.service()


def test_a_slot_that_waits_is_late_after_an_hour(site: Watched) -> None:
    seen_earlier(site)
    site.slot("waiting", cause="waits for backup")
    told = site.line("job", "lists")
    assert (told.level, "due 2026-11-24 05:30, waits" in told.text) == (Level.OK, True)
    site.later(hours=1)
    told = site.line("job", "lists")
    assert told.level is Level.WARNING
    assert told.text.endswith("late, due 2026-11-24 05:30 (waits for backup)")


def test_a_slot_that_no_service_took_notice_of_is_late_after_an_hour(site: Watched) -> None:
    seen_earlier(site)
    assert site.line("job", "lists").level is Level.OK
    site.later(hours=1)
    assert site.line("job", "lists").text.endswith("late, due 2026-11-24 05:30")


def test_the_jitter_of_a_job_is_not_lateness(tmp_path: Path) -> None:
    with watched(tmp_path, "jitter: 6 hours") as site:
        seen_earlier(site)
        site.later(minutes=56)
        assert site.line("job", "lists").level is Level.OK
        site.later(hours=6)
        assert site.line("job", "lists").level is Level.WARNING


def test_a_missed_run_is_critical_until_a_run_makes_up_for_it(site: Watched) -> None:
    seen_earlier(site)
    site.slot("missed", cause="no service ran when it was due")
    told = site.line("job", "lists")
    assert told.level is Level.CRITICAL
    assert told.text.endswith("missed the run of 2026-11-24 05:30 (no service ran when it was due)")
    site.run()
    assert site.line("job", "lists").level is Level.OK


def test_a_job_whose_slots_are_all_replaced_by_newer_ones_is_late_too(site: Watched) -> None:
    seen_earlier(site)
    for minutes in range(0, 60, 15):
        site.slot("skipped", DUE + timedelta(minutes=minutes), cause="a newer one came while it waited")
    site.later(hours=1)
    site.slot("waiting", DUE + timedelta(hours=1), cause="it waits for backup")
    told = site.line("job", "lists")
    assert told.level is Level.WARNING
    assert told.text.endswith("late, due 2026-11-24 05:30 (it waits for backup)")
    site.run()
    assert site.line("job", "lists").level is Level.OK


def test_a_missed_run_stays_critical_while_the_next_ones_only_wait(site: Watched) -> None:
    seen_earlier(site)
    site.slot("missed", cause="it waits for backup")
    site.later(minutes=15)
    site.slot("waiting", DUE + timedelta(minutes=15))
    assert site.line("job", "lists").level is Level.CRITICAL
    site.run()
    assert site.line("job", "lists").level is Level.OK


@pytest.mark.parametrize("state", ["ended", "skipped", "paused"])
def test_a_slot_that_is_over_says_nothing(site: Watched, state: str) -> None:
    seen_earlier(site)
    site.slot(state)
    site.later(hours=6)
    assert site.line("job", "lists").level is Level.OK


# ---- holds, pauses


def test_a_hold_is_a_warning_when_it_is_older_than_a_day(site: Watched) -> None:
    site.run(state="held", held=43)
    told = site.line("job", "lists")
    assert (told.level, told.text) == (Level.OK, "held 2026-11-24 05:35; 43 changes held since 2026-11-24 05:35")
    site.later(days=1, seconds=-3)
    assert site.line("job", "lists").level is Level.OK
    site.later(seconds=1)
    assert site.line("job", "lists").level is Level.WARNING
    assert "held=43;;;0 hold_age=86401s;86400;;0" in str(site.status())


@pytest.mark.parametrize("job", ["lists", EVERY_JOB])
def test_a_job_that_is_paused_is_ok_and_said_to_be(site: Watched, job: str) -> None:
    site.run(state="failed", held=1)
    site.journal.pauses.set(Pause(job, site.now, site.now + 2 * DAY, "ask maria.rossi@example.org", "me"))
    site.later(days=1, hours=6)
    told = site.line("job", "lists")
    assert told.level is Level.OK
    assert told.text.startswith("paused until 2026-11-26 05:35 (ask …@example.org); failed")
    site.later(days=1)
    assert site.line("job", "lists").level is Level.CRITICAL


# ---- volumes


def snapshots(*findings: Finding, state: State = "in-sync", mode: str = "apply") -> dict[str, object]:
    names = [replace(results.subject(name, size=6), wanted=7) for name in ("home", "mail")]
    names[0] = replace(names[0], state=state, mode=mode)
    return stored(replace(results.result("changed", *names, findings=findings), verbs=()))


@pytest.mark.parametrize(
    ("level", "verdict"), [("info", Level.OK), ("warning", Level.WARNING), ("critical", Level.CRITICAL)]
)
def test_each_volume_has_a_line_with_its_worst_finding(site: Watched, level: str, verdict: Level) -> None:
    findings = [Finding("info", "home", "few", "few"), Finding(level, "home", "late", "the last is of Monday")]  # type: ignore[arg-type]
    site.run(document=snapshots(*findings))
    told = site.line("volume", "home")
    assert told.level is verdict
    assert told.text == ("few" if level == "info" else "the last is of Monday")
    assert site.line("volume", "mail").text == "6 of 7 snapshots"
    assert str(told).startswith("volume home: ")
    assert told.job == "lists"


def test_a_volume_that_failed_is_critical_and_a_watched_one_is_not(site: Watched) -> None:
    site.run(document=snapshots(state="failed"))
    assert site.line("volume", "home").level is Level.CRITICAL
    site.run(document=snapshots(state="failed", mode="watch"))
    assert site.line("volume", "home").level is Level.OK


def test_the_subjects_of_a_job_that_changes_something_have_no_lines(site: Watched) -> None:
    site.run(document=stored(results.held()))
    assert not [line for line in site.status().lines if line.what == "volume"]


# ---- mails


def test_a_mail_that_waits_for_an_hour_is_a_warning(site: Watched) -> None:
    site.run()
    site.mail("sent")
    site.mail("planned", attempts=3, not_before=site.now + timedelta(hours=3))
    site.later(minutes=60)
    assert site.line("mail").level is Level.OK
    site.later(seconds=1)
    told = site.line("mail")
    assert (told.level, told.text) == (Level.WARNING, "1 to go, the oldest since 2026-11-24 05:35")


def test_mails_to_many_wait_for_the_rate_of_the_relay_and_are_a_warning_after_a_day(site: Watched) -> None:
    site.mail("planned", again=False)
    site.later(hours=24)
    assert (site.line("mail").level, site.line("mail").text) == (Level.OK, "1 to go")
    site.later(seconds=1)
    assert site.line("mail").level is Level.WARNING


def test_a_mail_that_is_planned_for_later_is_none(site: Watched) -> None:
    site.mail("planned", not_before=site.now + DAY)
    site.later(hours=3)
    assert site.line("mail").level is Level.OK


@pytest.mark.parametrize(("state", "said"), [("failed", "1 failed"), ("unknown", "1 perhaps not delivered")])
def test_a_mail_that_failed_is_a_warning_for_a_day(site: Watched, state: str, said: str) -> None:
    site.mail(state)
    told = site.line("mail")
    assert (told.level, told.text) == (Level.WARNING, f"0 to go; in the last day {said}")
    site.later(days=1, seconds=1)
    assert site.line("mail").level is Level.OK


# ---- what a plugin prints


def test_what_is_worst_comes_first_and_three_are_named(tmp_path: Path) -> None:
    more = "".join(
        f"  more{n}: {{kind: roster-sync, when: manual, source: people, target: lists, among: (a=b), address: mail, "
        f"rosters: [{{name: more{n}, members: (l=x)}}]}}\n"
        for n in range(3)
    )
    text = SCHEDULE + more.replace("{", "{{").replace("}", "}}")
    with watched(tmp_path, text=text) as site:
        site.run()
        for job, state in (("more0", "partial"), ("more1", "failed"), ("more2", "failed"), ("by-hand", "partial")):
            site.run(job, state)
        status = site.status()
    assert status.level is Level.CRITICAL
    assert re.fullmatch(
        r"job more1: failed \S+ \S+ - job more2: failed \S+ \S+ - job by-hand: partial \S+ \S+ - and 1 more",
        status.summary,
    )


def test_nothing_but_perfdata_comes_after_a_bar_and_nobody_is_named(site: Watched) -> None:
    site.run(state="failed", cause="a | b\nof maria.rossi@example.org " + "x" * 1000)
    lines = str(site.status()).splitlines()
    assert [line.count("|") for line in lines] == [1, 0, 0, 0, 0]
    assert not any("maria" in line for line in lines)
    assert max(map(len, lines)) < 600
    for figure in lines[0].split(" | ")[1].split():
        assert re.fullmatch(r"\w+=\d+s?;\d*;\d*;0", figure)


# ---- the command, as it is typed


def collima(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "collima", "status", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, env=environment or None)


def test_the_exit_code_is_the_verdict(site: Watched) -> None:
    for state, code, word in (("changed", 0, "OK"), ("partial", 1, "WARNING"), ("failed", 2, "CRITICAL")):
        site.run(state=state)
        done = collima("--config", site.config.path)
        assert (done.returncode, done.stdout.split(" - ")[0], done.stderr) == (code, f"COLLIMA {word}", "")


def test_programs_are_told_the_same_as_json(site: Watched) -> None:
    site.run(state="partial")
    done = collima("--config", site.config.path, "--json")
    told = json.loads(done.stdout)
    assert done.returncode == told["exit_code"] == 1
    assert (told["level"], told["figures"]["partial"]) == ("warning", 1)
    assert [(line["what"], line["name"], line["level"]) for line in told["lines"]][:2] == [
        ("scheduler", "", "ok"),
        ("job", "lists", "warning"),
    ]


def test_a_configuration_that_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    done = collima("--config", tmp_path / "none.yaml")
    assert done.returncode == 3
    assert done.stdout == f"COLLIMA UNKNOWN - {tmp_path}/none.yaml: cannot be read: No such file or directory\n"


def test_a_state_that_is_broken_is_critical_for_no_run_can_use_it(site: Watched) -> None:
    (site.config.path.parent / "state.db").write_bytes(b"this is no database" * 100)
    done = collima("--config", site.config.path)
    assert (done.returncode, done.stdout.split(" - ")[0]) == (2, "COLLIMA CRITICAL")


def test_a_state_on_a_mariadb_is_judged_and_critical_while_that_is_down(
    tmp_path: Path, mariadb_server: MariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = mariadb_server.url(mariadb_server.database())
    text = SCHEDULE.replace("connectors:", "state-password: {{env: DB}}\nconnectors:", 1)
    monkeypatch.setenv("DB", PASSWORD)
    with watched(tmp_path, text=text, state=url, password=PASSWORD) as site:
        site.journal.migrate()
        site.run(state="held", held=2)
        site.mail("planned")
        site.mail("failed")
        site.slot("missed", DUE - DAY)
        site.later(hours=2)
        status: Status = site.status()
        assert status.level is Level.WARNING
        assert dict(site.standing().missed) == {"lists": 1}
        assert {figure.name: figure.value for figure in status.figures} | {"hold_age": 0} == {
            **dict.fromkeys(("failed", "partial", "paused", "hold_age"), 0),
            "jobs": 2,
            "held": 2,
            "mails": 1,
            "mail_age": 7200,
            "mails_failed": 1,
        }
        path = site.config.path
        path.write_text(path.read_text("ascii").replace(f":{mariadb_server.port}/", ":1/"), "ascii")
        done = collima("--config", path)
    assert done.returncode == 2
    assert re.match(r"COLLIMA CRITICAL - the state \(127.0.0.1/\w+\) cannot be reached", done.stdout)


def test_a_password_that_is_not_there_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DB", raising=False)
    path = tmp_path / "schedules.yaml"
    text = SCHEDULE.replace("connectors:", "state-password: {{env: DB}}\nconnectors:", 1)
    path.write_text(text.format(of_lists="", state="mysql+pymysql://me@127.0.0.1:1/none"), "ascii")
    assert collima("--config", path).returncode == 3


def test_a_verdict_that_cannot_be_written_is_unknown(site: Watched) -> None:
    main = "import sys; from collima.app.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", main, "status", "--config", str(site.config.path)]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, b"cannot be written" in done.stderr) == (3, True), done.stderr
