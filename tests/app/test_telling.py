"""Who is told of what, and when: never the same thing twice."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from collima.app.telling import tell, trouble, well
from collima.state.alerts import AlertRow, Decided
from collima.state.pauses import Pause
from collima.state.slot_rows import SlotRow
from collima.state.tables import runs
from tests.app.told import Site, jobs, site

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def campus(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        yield made


def body(mail: object) -> str:
    return str(mail.get_body(("plain",)).get_content()).replace("\r\n", "\n")  # type: ignore[attr-defined]


@pytest.mark.parametrize("services", [1, 2])
@pytest.mark.soak
def test_a_job_that_fails_every_night_for_a_month_is_one_mail_a_reminder_a_day_and_one_recovery(
    tmp_path: Path, services: int
) -> None:
    with site(tmp_path, services=services) as campus:
        night = campus.clock.now
        for _ in range(31):
            campus.clock.now = night
            campus.run("failed", "people: the directory did not answer")
            campus.until(night := night + DAY)
        campus.clock.now = night
        campus.run("changed")
        campus.until(night + 3 * DAY)
        told = campus.told()
        words = Counter(subject.split(" lists")[0] for subject in told)
        assert told[0] == "FAILED lists: people: the directory did not answer"
        assert told[-1] == "RECOVERED lists: after 31 days, 31 runs failed"
        assert words == {"FAILED": 1, "STILL FAILED": 30, "RECOVERED": 1}
        assert told[1].startswith("STILL FAILED lists: since 2026-11-24 05:30, ")
        assert campus.journal.alerts.open() == ()


@pytest.mark.soak
def test_a_job_that_fails_every_hour_is_told_no_more_often(tmp_path: Path) -> None:
    with site(tmp_path, jobs=jobs(lists="every 1 hour")) as campus:
        began = hour = campus.clock.now
        while hour < began + 3 * DAY:
            campus.clock.now = hour
            campus.run("failed", "no answer")
            hour += HOUR
            campus.until(hour)
        assert Counter(subject.split(" lists")[0] for subject in campus.told()) == {"FAILED": 1, "STILL FAILED": 2}


def test_what_is_well_is_not_told_at_once(campus: Site) -> None:
    campus.run("in-sync")
    campus.run("changed")
    assert campus.told() == []
    with campus.journal.database.read() as connection:
        assert [row.told is None for row in connection.execute(runs.select())] == [False, False]


def test_worse_is_new_and_better_is_not(campus: Site) -> None:
    for state in ("partial", "partial", "failed", "partial", "failed"):
        campus.run(state, "disk full")
        campus.clock.later(hours=1)
    assert [subject.split(" lists")[0] for subject in campus.told()] == ["PARTIAL", "FAILED"]


def test_after_a_recovery_a_failure_is_a_first_one_again(campus: Site) -> None:
    for state in ("failed", "in-sync", "failed"):
        campus.run(state, "no answer")
        campus.clock.later(hours=1)
    assert [subject.split(" lists")[0] for subject in campus.told()] == ["FAILED", "RECOVERED", "FAILED"]


# ---- holds


def test_a_hold_is_told_with_what_would_be_lost_why_and_the_lines_to_paste(campus: Site) -> None:
    run = campus.run("held", holds={"docenti": 43})
    (mail,) = campus.mails()
    assert mail["Subject"] == "[collima] HELD lists: 43 of 43 removals"
    assert mail["References"] == "<job.lists@unimore.it>"
    told = body(mail)
    (hold,) = campus.journal.archive.open_holds()
    assert "43 of 311 would go (13 %, limit 10 %)" in told
    config = f"--config {campus.config.path}"
    assert f"collima show {run} {config}\n" in told
    assert f"run-job lists --approve {hold.fingerprint} {config} --reason '…'\n" in told
    assert f"collima pause lists --until '2 days' {config} --reason '…'\n" in told


def test_a_hold_is_told_again_when_it_is_of_another_list_or_of_other_changes_and_not_fewer(campus: Site) -> None:
    held = [
        ({"docenti": 43}, True),
        ({"docenti": 43}, False),  # the same
        ({"docenti": 40}, False),  # fewer
        ({"docenti": 41}, True),  # more than those now known
        ({"docenti": 41, "tecnici": 9}, True),
        ({"tecnici": 9}, False),
        ({"tecnici": 9, "docenti": 5}, True),
    ]
    for holds, new in held:
        campus.clock.later(minutes=10)
        campus.run("held", holds=holds)
        told = [subject for subject in campus.told() if not subject.startswith("SELF")]
        assert bool(told) is new, holds


def test_a_hold_that_corrected_itself_is_told(campus: Site) -> None:
    campus.run("held", holds={"docenti": 43, "tecnici": 9})
    campus.clock.later(days=1)
    campus.run("held", holds={"docenti": 43})
    campus.clock.later(hours=1)
    campus.run("in-sync", by_hand=True)
    held, one, reminder, other = campus.mails()
    assert held["Subject"] == "[collima] HELD lists: 52 of 52 removals"
    assert one["Subject"] == "[collima] SELF-CORRECTED lists: tecnici"
    assert "1 other still waits." in body(one)
    assert reminder["Subject"] == "[collima] STILL HELD lists: since 2026-11-24 05:30, 43 changes"
    assert other["Subject"] == "[collima] SELF-CORRECTED lists: docenti"
    assert campus.journal.alerts.open() == ()


def test_a_hold_that_waits_is_told_once_a_day_with_the_line_that_approves_it(campus: Site) -> None:
    began = campus.clock.now
    campus.run("held", holds={"docenti": 43})
    campus.until(began + 3 * DAY + HOUR)
    _, *reminders = campus.mails()
    assert [mail["Subject"] for mail in reminders] == [
        "[collima] STILL HELD lists: since 2026-11-24 05:30, 43 changes"
    ] * 3
    assert len({mail["Message-ID"] for mail in reminders}) == 3
    (hold,) = campus.journal.archive.open_holds()
    assert f"run-job lists --approve {hold.fingerprint} " in body(reminders[0])
    assert "43 changes of docenti have waited for a person for 1 day." in body(reminders[0])


def test_a_hold_that_somebody_approved_is_over_without_a_word(campus: Site) -> None:
    began = campus.clock.now
    campus.run("held", holds={"docenti": 43})
    campus.told()
    (hold,) = campus.journal.archive.open_holds()
    with campus.journal.begin("lists", "lists", slot=None, kind="run", config="") as record:
        keys = record.known(hold.fingerprint) or frozenset()
        record.approve(hold.fingerprint, keys, "RT 4711", "rossi")
        record.hold([], "", keys, concerns=lambda _: True, complete=True)
        record.end("changed", {}, transient=False, cause="")
    campus.until(began + 2 * DAY)
    assert campus.told() == []


# ---- by hand


def test_a_run_by_hand_opens_nothing_and_closes_what_is_open(campus: Site) -> None:
    campus.run("failed", "a typo", by_hand=True)
    campus.run("held", holds={"docenti": 43}, by_hand=True)
    assert campus.told() == []
    campus.clock.later(hours=1)
    campus.run("held", holds={"docenti": 43})
    campus.run("failed", "no answer")
    campus.clock.later(hours=1)
    campus.run("failed", "no answer", by_hand=True)
    campus.run("held", holds={"docenti": 43}, kind="only", by_hand=True)
    assert [subject.split(" lists")[0] for subject in campus.told()] == ["HELD", "FAILED"]
    campus.run("held", holds={"docenti": 43}, by_hand=True)
    assert campus.told() == ["RECOVERED lists: after 1 hour 1 minute, 1 run failed"]


# ---- slots


def test_a_run_whose_slot_waits_for_another_try_has_not_failed_yet(campus: Site) -> None:
    due = campus.clock.now
    row = SlotRow("lists", due, "waiting")
    campus.journal.slots.claim([row])
    slot = int(due.timestamp() * 1_000_000)
    for state in ("failed", "failed"):
        with campus.journal.begin("lists", "lists", slot=slot, kind="run", config="") as record:
            record.end(state, {}, transient=True, cause="no answer")
        campus.tick()
        campus.clock.later(minutes=10)
    assert campus.told() == []
    campus.journal.slots.end(row, "ended", cause="", run=record.run)
    campus.tick()
    assert campus.told() == ["FAILED lists: no answer"]
    campus.tick()
    assert campus.told() == []


def test_a_run_that_was_tried_again_and_ended_well_is_not_told(campus: Site) -> None:
    row = SlotRow("lists", campus.clock.now, "waiting")
    campus.journal.slots.claim([row])
    slot = int(campus.clock.now.timestamp() * 1_000_000)
    for state in ("failed", "in-sync"):
        with campus.journal.begin("lists", "lists", slot=slot, kind="run", config="") as record:
            record.end(state, {}, transient=True, cause="")
        campus.tick()
    campus.journal.slots.end(row, "ended", cause="", run=record.run)
    campus.tick()
    assert campus.told() == []


def test_a_run_that_took_over_from_a_dead_machine_says_so(campus: Site) -> None:
    slot = int(campus.clock.now.timestamp() * 1_000_000)
    with campus.journal.begin("lists", "lists", slot=slot, kind="run", config="") as record:
        campus.journal.slots.bury(record.run, "killed", transient=True)
        record.lost = True
    with campus.journal.begin("lists", "lists", slot=slot, kind="run", config="") as record:
        document = {"job": "lists", "run": record.run, "state": "failed", "verbs": [], "exit_code": 1}
        rest = {"sources": [], "subjects": [], "findings": [], "seconds": {}}
        record.end("failed", {**document, **rest}, transient=False, cause="no answer")
    campus.tick()
    (mail,) = campus.mails()
    assert "info taken-over\n    the run before it died on host0; this one was started in its place\n" in body(mail)


def test_a_missed_run_is_told_at_once_and_no_more_than_once_a_day(campus: Site) -> None:
    for _ in range(30):
        slot = SlotRow("lists", campus.clock.now, "missed", cause="it waits for people-copy")
        campus.journal.slots.claim([slot])
        campus.tick()
        campus.clock.later(hours=1)
    first, second = campus.mails()
    assert first["Subject"] == "[collima] MISSED lists: 2026-11-24 05:30"
    assert "It was due on 2026-11-24 05:30 and did not run: it waits for people-copy." in body(first)
    assert "run-job lists" in body(first)
    assert "25 runs were missed since 2026-11-24 05:30." in body(second)
    campus.run("changed")
    assert campus.told() == ["RECOVERED lists: after 1 day 6 hours, 30 runs were missed"]


def test_a_run_that_failed_after_a_missed_one_is_the_news(campus: Site) -> None:
    campus.journal.slots.claim([SlotRow("lists", campus.clock.now, "missed", cause="no worker was free")])
    campus.tick()
    campus.clock.later(days=1)
    campus.run("failed", "no answer")
    campus.clock.later(days=1)
    campus.run("in-sync")
    assert [subject.split(" lists")[0] for subject in campus.told()] == [
        "MISSED",
        "FAILED",
        "RECOVERED",
    ]


def test_a_missed_run_is_told_once_a_day_until_the_job_runs_again(campus: Site) -> None:
    campus.journal.slots.claim([SlotRow("lists", campus.clock.now, "missed", cause="no worker was free")])
    campus.tick()
    campus.until(campus.clock.now + 2 * DAY + HOUR)
    _, reminder, _ = campus.mails()
    assert reminder["Subject"] == "[collima] STILL MISSED lists: since 2026-11-24 05:30, 1 run"
    assert "1 run was missed since 2026-11-24 05:30.\nThe last time: no worker was free\n" in body(reminder)
    campus.run("changed")
    campus.until(campus.clock.now + 2 * DAY)
    assert campus.told() == ["RECOVERED lists: after 2 days 1 hour, 1 run was missed"]


@pytest.mark.parametrize("services", [1, 3])
def test_many_jobs_that_an_outage_missed_are_one_mail(tmp_path: Path, services: int) -> None:
    names = [f"lists{number:02}" for number in range(40)]
    with site(tmp_path, jobs=jobs(**dict.fromkeys(names, "daily at 05:30")), services=services) as campus:
        campus.journal.slots.claim(
            [SlotRow(name, campus.clock.now, "missed", cause="no worker was free") for name in names]
        )
        campus.tick()
        campus.tick()
        (mail,) = campus.mails()
        assert mail["Subject"] == "[collima] MISSED 40 jobs: lists00, lists01, lists02 and 37 more"
        assert body(mail).count(": 2026-11-24 05:30: no worker was free\n") == 40
        campus.run("changed", job="lists07")
        assert campus.told() == ["RECOVERED lists07: after 1 minute, 1 run was missed"]
        campus.journal.slots.claim([SlotRow(name, campus.clock.now, "missed") for name in names[:6]])
        campus.tick()
        assert campus.told() == []


# ---- what comes at once, and what cannot be told


def poison(campus: Site, job: str = "lists") -> str:
    slot = int(campus.clock.now.timestamp() * 1_000_000)
    with campus.journal.begin(job, "lists", slot=slot, kind="run", config="") as record:
        record.end("failed", {"state": "failed"}, transient=False, cause="no answer")
    return record.run


def test_a_run_whose_report_cannot_be_drawn_is_told_barely_and_silences_no_other(tmp_path: Path) -> None:
    with site(tmp_path, jobs=jobs(lists="daily at 05:30", others="daily at 05:30")) as campus:
        run = poison(campus)
        campus.run("failed", "no answer", job="others")
        campus.tick()
        bare, other = campus.mails()
        assert bare["Subject"] == "[collima] FAILED lists: its report cannot be drawn"
        assert f"collima show {run} " in body(bare)
        assert other["Subject"] == "[collima] FAILED others: no answer"
        campus.clock.later(hours=1)
        poison(campus)
        campus.clock.later(minutes=1)
        campus.run("in-sync")
        assert campus.told() == ["RECOVERED lists: after 1 hour 2 minutes, 2 runs failed"]


def test_a_run_after_an_alert_that_cannot_be_read_is_told_barely(campus: Site) -> None:
    spoilt = AlertRow("lists", "failed", campus.clock.now, campus.clock.now)
    campus.journal.alerts.settle("lists", lambda _: Decided([spoilt]))
    campus.run("failed", "no answer")
    assert campus.told() == ["FAILED lists: its report cannot be drawn"]


def test_what_cannot_be_told_of_a_slot_or_after_a_day_is_told_barely_and_silences_no_other(tmp_path: Path) -> None:
    with site(tmp_path, jobs=jobs(lists="daily at 05:30", others="daily at 05:30")) as campus:
        began = campus.clock.now
        for about in ("missed", "failed"):
            spoilt = AlertRow("lists", about, began, began)  # without what was told
            campus.journal.alerts.settle("lists", lambda _, row=spoilt: Decided([row]))  # type: ignore[misc]
        campus.clock.later(minutes=1)
        campus.journal.slots.claim([SlotRow(job, campus.clock.now, "missed") for job in ("lists", "others")])
        campus.tick()
        assert [subject.split(":")[0] for subject in campus.told()] == ["MISSED lists", "MISSED others"]
        campus.until(began + DAY + HOUR)
        assert [subject.split(":")[0] for subject in campus.told()] == [
            "STILL FAILED lists",
            "STILL MISSED lists",
            "STILL MISSED others",
        ]


def test_two_recoveries_in_one_tick_are_two_mails(campus: Site) -> None:
    for state in ("failed", "in-sync", "failed", "in-sync"):
        campus.run(state, tick=False)
        campus.clock.later(minutes=1)
    campus.tick()
    assert [subject.split(" lists")[0] for subject in campus.told()] == ["FAILED", "RECOVERED", "FAILED", "RECOVERED"]


# ---- people who do not want to hear


def test_a_job_that_is_paused_reminds_nobody(campus: Site) -> None:
    began = campus.clock.now
    campus.run("failed", "no answer")
    campus.journal.pauses.set(Pause("lists", began, began + 5 * DAY, "the directory moves", "rossi"))
    campus.until(began + 4 * DAY)
    assert len(campus.told()) == 1
    campus.until(began + 5 * DAY + HOUR)
    assert campus.told() == ["STILL FAILED lists: since 2026-11-24 05:30, 1 run"]


def test_a_job_that_is_taken_out_of_the_file_is_forgotten(campus: Site) -> None:
    began = campus.clock.now
    campus.run("failed", "no answer")
    campus.config = replace(campus.config, jobs={})
    campus.until(began + 2 * DAY)
    assert len(campus.told()) == 1
    assert campus.journal.alerts.open() == ()


def test_without_reports_nothing_is_told_and_what_happened_is_not_told_later(campus: Site) -> None:
    silent = replace(campus.config, reports=None)
    loud, campus.config = campus.config, silent
    campus.run("failed", "no answer")
    campus.run("held", holds={"docenti": 43})
    campus.journal.slots.claim([SlotRow("lists", campus.clock.now, "missed")])
    trouble(silent, campus.journal, "reload", "a fault", campus.clock.now)
    campus.until(campus.clock.now + 2 * DAY)
    assert campus.told() == []
    campus.config = loud
    campus.tick()
    assert campus.told() == []


def test_a_reminder_waits_for_the_run_that_is_under_way(campus: Site) -> None:
    began = campus.clock.now
    campus.run("failed", "no answer")
    campus.clock.now = began + DAY
    row = SlotRow("lists", campus.clock.now, "waiting")
    campus.journal.slots.claim([row])
    campus.journal.slots.start([row], "s1")
    campus.until(began + DAY + HOUR)
    assert len(campus.told()) == 1
    campus.until(began + DAY + 3 * HOUR)
    assert campus.told() == ["STILL FAILED lists: since 2026-11-24 05:30, 1 run"]


# ---- the service itself


def test_trouble_of_the_service_is_told_when_it_is_new_then_daily_and_when_it_is_over(campus: Site) -> None:
    began = campus.clock.now

    def bad(cause: str) -> None:
        trouble(campus.config, campus.journal, "reload", cause, campus.clock.now)

    bad("schedules.yaml:6:15: jobs.lists.when: this is no schedule")
    bad("schedules.yaml:6:15: jobs.lists.when: this is no schedule")
    campus.clock.later(minutes=5)
    bad("schedules.yaml:9:1: unknown key 'jbos'")
    campus.until(began + DAY + HOUR)
    well(campus.config, campus.journal, "reload", campus.clock.now)
    well(campus.config, campus.journal, "reload", campus.clock.now)
    assert campus.told() == [
        "TROUBLE reload: schedules.yaml:6:15: jobs.lists.when: this is no schedule",
        "TROUBLE reload: schedules.yaml:9:1: unknown key 'jbos'",
        "TROUBLE reload: schedules.yaml:9:1: unknown key 'jbos'",
        "RECOVERED reload: after 1 day 1 hour",
    ]


def test_trouble_that_is_over_when_it_is_told_is_one_mail(campus: Site) -> None:
    now = campus.clock.now
    trouble(campus.config, campus.journal, "state", "it could not be used for 1:02:00: the state is away", now)
    well(campus.config, campus.journal, "state", now)
    assert [subject.split(":")[0] for subject in campus.told()] == ["TROUBLE state"]
    campus.until(now + 2 * DAY)
    assert campus.told() == []


def test_an_italian_is_told_in_italian(tmp_path: Path) -> None:
    with site(tmp_path, language="it") as campus:
        campus.journal.slots.claim([SlotRow("lists", campus.clock.now, "missed", cause="no worker was free")])
        campus.tick()
        campus.clock.later(hours=26)
        campus.run("in-sync")
        missed, recovered = campus.mails()
        assert "Era previsto per 2026-11-24 05:30 e non è stato eseguito: nessun posto era libero." in body(missed)
        assert recovered["Subject"] == "[collima] RECOVERED lists: dopo 1 giorno 2 ore, 1 esecuzione mancata"


def test_the_mails_name_no_address_but_those_of_their_headers(campus: Site) -> None:
    campus.run("held", holds={"docenti": 43})
    campus.clock.later(days=1)
    campus.run("failed", "rossi@unimore.it: mailbox is gone")
    campus.run("in-sync")
    for mail in campus.mails():
        html = str(mail.get_body(("html",)).get_content())  # type: ignore[union-attr]
        for part in (body(mail), html):
            assert "@unimore.it" not in part.replace("…@unimore.it", "")
        assert len(mail.as_bytes()) < 100_000


def test_two_services_that_tell_at_the_same_moment_tell_once(tmp_path: Path) -> None:
    with site(tmp_path, services=3) as campus:
        campus.run("failed", "no answer")
        for journal in (campus.journal, *campus.others):
            tell(campus.config, journal, campus.clock.now + DAY)
        assert [subject.split(" lists")[0] for subject in campus.told()] == ["FAILED", "STILL FAILED"]
