"""What a service decides, tick by tick. The clock starts at 05:30:12 UTC, which is 06:30:12 in Rome."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, text, update

from collima.app.service.loop import Service
from collima.core.errors import StateError
from collima.state.pauses import Pause
from collima.state.tables import locks, services
from tests.app.service.stage import DEAD, Stage, utc
from tests.state.conftest import State

DAILY = "  a: {kind: script, when: daily at 08:00}"  # 07:00 UTC
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
A_DAY = DAY // timedelta(microseconds=1)


@pytest.fixture
def stage(state: State, tmp_path: Path) -> Stage:
    return Stage(state, tmp_path)


@pytest.fixture
def lone(lite: State, tmp_path: Path) -> Stage:
    """On SQLite only: what is tested is not the database."""
    return Stage(lite, tmp_path)


def execute(service: Service, statement: str) -> None:
    with service.journal.database.write() as connection:
        connection.execute(text(statement))


def fails(*_: object) -> None:
    raise StateError("the state is away", transient=True)


def test_a_job_runs_when_it_is_due_and_once(stage: Stage) -> None:
    stage.write(DAILY)
    service = stage.service()
    service.tick()
    assert stage.played == []
    stage.at("07:00")
    for _ in range(3):
        service.tick()
    (run,) = stage.played
    assert (run.job, run.slot) == ("a", utc("2026-11-24T07:00"))
    assert stage.slot("a").state == "running"
    run.ends()
    service.tick()
    service.tick()
    slot = stage.slot("a")
    assert (slot.state, slot.run, slot.cause) == ("ended", next(stage.state.open().archive.history()).id, "")
    assert len(stage.played) == 1


def test_a_job_first_seen_or_whose_when_changed_has_no_past(lone: Stage) -> None:
    lone.write("  a: {kind: script, when: daily at 06:00}\n  b: {kind: script, when: daily at 06:00}")
    service = lone.service()
    service.tick()
    lone.write("  a: {kind: script, when: daily at 06:15}\n  b: {kind: script, when: daily at 06:00}")
    service.reload()
    service.tick()
    assert lone.played == []


def test_after_an_absence_the_last_slot_is_run_once_and_an_older_one_is_missed(stage: Stage) -> None:
    stage.write(
        "  a: {kind: script, when: daily at 08:00}\n"
        "  b: {kind: script, when: daily at 08:00, catch-up: 1 hour}\n"
        "  c: {kind: script, when: daily at 08:00, catch-up: never}\n"
        "  d: {kind: script, when: weekly on tuesday at 08:00, catch-up: 4 days}"
    )
    stage.service().tick()
    stage.state.later(days=3, hours=4)
    service = stage.service()
    service.tick()
    service.tick()
    assert sorted((run.job, run.slot) for run in stage.played) == [
        ("a", utc("2026-11-27T07:00")),
        ("d", utc("2026-11-24T07:00")),
    ]
    assert stage.states() == {"a": "running", "b": "missed", "c": "missed", "d": "running"}
    assert [(row.job, row.told) for row in stage.state.open().slots.missed_untold()] == [("b", None), ("c", None)]


def test_a_clock_set_back_an_hour_runs_nothing_twice_and_one_set_forward_a_day_runs_the_last_slot_once(
    stage: Stage,
) -> None:
    stage.write("  a: {kind: script, when: every 15 minutes}")
    service = stage.service()
    service.tick()
    for minute in ("05:45", "06:00", "06:15", "06:30"):
        stage.at(minute)
        service.tick()
        stage.played[-1].ends()
        service.tick()
    assert len(stage.played) == 4
    stage.set_clock(-HOUR)
    for minute in ("05:45", "06:00", "06:15", "06:30"):
        service.tick()
        stage.at(minute)
    service.tick()
    assert len(stage.played) == 4
    stage.set_clock(DAY)
    service.tick()
    service.tick()
    assert [run.slot for run in stage.played[4:]] == [utc("2026-11-25T06:30")]


def test_a_clock_that_is_a_day_ahead_takes_nothing_from_other_machines(maria: State, tmp_path: Path) -> None:
    stage = Stage(maria, tmp_path)
    stage.write(DAILY)
    there, here = stage.service("there"), stage.service("here")
    there.tick()
    here.tick()
    stage.at("07:00")
    there.tick()
    stage.played[0].begins()
    stage.set_clock(DAY)  # of one machine: the other renews its lease a day behind
    here.tick()
    assert stage.state.open().slots.of("a", utc("2026-11-24T07:00")).service == there.name  # type: ignore[union-attr]


def test_a_slot_that_a_clock_ahead_has_claimed_replaces_none_of_today(lone: Stage) -> None:
    lone.write(DAILY)
    service, by_hand = lone.service(), lone.state.open()
    service.tick()
    lone.at("06:50")
    with by_hand.begin("a", "", slot=None, kind="run", config="c0") as record:
        lone.set_clock(DAY + HOUR)
        service.tick()
        lone.set_clock(-DAY - HOUR)
        lone.at("07:00")
        service.tick()
        record.end("changed", {}, transient=False, cause="")
    service.tick()
    assert [run.slot for run in lone.played] == [utc("2026-11-24T07:00")]


def test_a_dead_machine_whose_clock_was_a_day_ahead_is_dead_after_the_lease(maria: State, tmp_path: Path) -> None:
    stage = Stage(maria, tmp_path)
    stage.write(DAILY)
    there, here = stage.service("there"), stage.service("here")
    there.tick()
    here.tick()
    stage.at("07:00")
    there.tick()
    run = stage.played[0].begins()
    with stage.state.open().database.write() as connection:
        connection.execute(update(services).where(services.c.id == there.name).values(lease=services.c.lease + A_DAY))
        connection.execute(update(locks).where(locks.c.run == run).values(lease=locks.c.lease + A_DAY))
    for _ in range(15):
        here.tick()
        stage.state.later(seconds=15)
    assert len(stage.played) == 2
    stage.played[1].ends()  # its own process takes the lock, too
    here.tick()
    assert stage.slot("a").state == "ended"


def test_a_transient_failure_is_tried_again_as_often_as_retry_says(stage: Stage) -> None:
    stage.write("  a: {kind: script, when: daily at 08:00, retry: {times: 2, every: 10 minutes}}")
    service = stage.service()
    service.tick()
    stage.at("07:00")
    for attempt in range(3):
        service.tick()
        assert len(stage.played) == attempt + 1
        stage.played[-1].ends("failed", transient=True, cause="the directory does not answer")
        service.tick()
        stage.state.later(minutes=9)
        service.tick()
        stage.state.later(minutes=1)
    service.tick()
    slot = stage.slot("a")
    assert (len(stage.played), slot.state, slot.tries, slot.cause) == (3, "ended", 2, "the directory does not answer")
    assert [row.attempt for row in stage.state.open().archive.history()] == [3, 2, 1]


def test_what_is_not_transient_or_has_no_retry_is_not_tried_again(lone: Stage) -> None:
    lone.write(
        "  a: {kind: script, when: daily at 08:00, retry: {times: 2, every: 10 minutes}}\n"
        "  b: {kind: script, when: daily at 08:00}"
    )
    service = lone.service()
    service.tick()
    lone.at("07:00")
    service.tick()
    for run in lone.played:
        run.ends("failed", transient=run.job == "b", cause="no")
    service.tick()
    lone.at("09:00")
    service.tick()
    assert lone.states() == {"a": "ended", "b": "ended"}


def test_a_run_that_died_is_started_again_once(stage: Stage) -> None:
    stage.write(DAILY)
    service = stage.service()
    service.tick()
    stage.at("07:00")
    service.tick()
    stage.played[0].dies()
    service.tick()
    service.tick()
    assert len(stage.played) == 2
    stage.played[1].dies()
    service.tick()
    service.tick()
    slot = stage.slot("a")
    assert (len(stage.played), slot.state, slot.takeovers) == (2, "ended", 1)
    assert slot.cause.endswith("died, as the one before")
    assert [(row.state, row.cause) for row in stage.state.open().archive.history()] == [("failed", "killed")] * 2


def test_a_run_over_its_time_limit_has_failed_by_it_and_is_not_tried_again(lone: Stage) -> None:
    lone.write("  a: {kind: script, when: daily at 08:00, time-limit: 5 minutes, retry: {times: 3, every: 1 minute}}")
    service = lone.service()
    service.tick()
    lone.at("07:00")
    service.tick()
    lone.played[0].end("limit")
    service.tick()
    lone.at("08:00")
    service.tick()
    slot, (run,) = lone.slot("a"), list(lone.state.open().archive.history())
    assert (len(lone.played), slot.state, slot.cause) == (1, "ended", "stopped after its time-limit of 5 minutes")
    assert (run.state, run.cause, run.transient) == ("failed", "stopped after its time-limit of 5 minutes", False)


def test_what_could_not_begin_is_in_the_history(lone: Stage) -> None:
    lone.write(DAILY)
    service = lone.service()
    service.tick()
    lone.at("07:00")
    service.tick()
    lone.played[0].output.add(b"run-job: no such file: /etc/x\n")
    lone.played[0].code = 2
    service.tick()
    (run,) = lone.state.open().archive.history()
    assert (run.state, run.cause, lone.slot("a").run) == ("failed", "run-job: no such file: /etc/x", run.id)
    log = lone.state.open().logs.of(run.id)
    assert log is not None
    assert log.text == "run-job: no such file: /etc/x\n"


def test_a_crash_before_the_beginning_is_tried_again_once(lone: Stage) -> None:
    lone.write(DAILY)
    service = lone.service()
    service.tick()
    lone.at("07:00")
    for _ in range(2):
        service.tick()
        lone.played[-1].code = -11
        service.tick()
        lone.state.later(minutes=2)
    service.tick()
    assert (len(lone.played), lone.slot("a").state) == (2, "ended")
    assert lone.slot("a").cause == "killed by signal 11"


def test_while_a_person_runs_the_job_its_slot_waits_until_catch_up_is_over(stage: Stage) -> None:
    stage.write("  a: {kind: script, when: daily at 08:00, catch-up: 1 hour}")
    service, by_hand = stage.service(), stage.state.open()
    service.tick()
    stage.at("07:00")
    with by_hand.begin("a", "", slot=None, kind="run", config="c0") as record:
        service.tick()
        stage.state.later(minutes=59)
        service.tick()
        assert (stage.played, stage.slot("a").state) == ([], "waiting")
        stage.state.later(minutes=2)
        service.tick()
        record.end("changed", {}, transient=False, cause="")
    slot = stage.slot("a")
    assert (stage.played, slot.state, slot.cause) == ([], "missed", "another run has the job, or its target")


def test_a_person_who_is_faster_by_a_second_only_delays_the_run(lone: Stage) -> None:
    lone.write(DAILY)
    service = lone.service()
    service.tick()
    lone.at("07:00")
    service.tick()
    lone.played[0].code = 75
    service.tick()
    assert lone.slot("a").state == "waiting"
    lone.state.later(minutes=1)
    service.tick()
    assert (len(lone.played), lone.slot("a").state, lone.slot("a").tries) == (2, "running", 0)


def test_a_person_in_the_way_of_another_try_costs_no_try(lone: Stage) -> None:
    lone.write("  a: {kind: script, when: daily at 08:00, retry: {times: 1, every: 10 minutes}}")
    service = lone.service()
    service.tick()
    lone.at("07:00")
    service.tick()
    lone.played[0].ends("failed", transient=True, cause="no answer")
    service.tick()
    lone.state.later(minutes=10)
    service.tick()
    lone.played[1].pid, lone.played[1].code = DEAD, 75
    service.tick()
    assert (lone.slot("a").state, lone.slot("a").tries) == ("waiting", 1)
    lone.state.later(minutes=1)
    service.tick()
    lone.played[2].ends()
    service.tick()
    assert (lone.slot("a").state, lone.slot("a").tries, lone.slot("a").cause) == ("ended", 1, "")


def test_a_newer_slot_replaces_one_that_still_waits(lone: Stage) -> None:
    lone.write("  a: {kind: script, when: every 15 minutes}")
    service, by_hand = lone.service(), lone.state.open()
    service.tick()
    with by_hand.begin("a", "", slot=None, kind="run", config="c0") as record:
        for minute in ("05:45", "06:00"):
            lone.at(minute)
            service.tick()
        record.end("changed", {}, transient=False, cause="")
    service.tick()
    assert [run.slot for run in lone.played] == [utc("2026-11-24T06:00")]
    before = lone.state.open().slots.of("a", utc("2026-11-24T05:45"))
    assert before is not None
    assert before.state == "skipped"


def test_a_row_of_slots_of_which_none_could_start_is_missed_once_each_time_that_catch_up_is_over(lone: Stage) -> None:
    lone.write(
        "  a: {kind: script, when: daily at 06:40}\n  b: {kind: script, when: every 15 minutes, catch-up: 1 hour}",
        "workers: 1",
    )
    service = lone.service()
    service.tick()
    lone.at("05:40")
    service.tick()
    lone.played[0].begins()  # and hangs
    lone.at("05:45")
    for _ in range(13):
        service.tick()
        lone.state.later(minutes=1)
        service.tick()
        lone.state.later(minutes=14)
    assert [run.job for run in lone.played] == ["a"]
    missed = lone.state.open().slots.missed_untold()
    assert [(f"{row.due:%H:%M}", row.cause) for row in missed] == [
        ("06:45", "none was run since that of 2026-11-24 06:45: no worker was free"),
        ("08:00", "none was run since that of 2026-11-24 08:00: no worker was free"),
    ]
    assert lone.slot("b").cause == "no worker was free"


def test_no_more_than_workers_run_at_once_the_oldest_first(lone: Stage) -> None:
    names = ("a", "b", "c", "d")
    lone.write("\n".join(f"  {name}: {{kind: script, when: daily at 08:00}}" for name in names), "workers: 2")
    service = lone.service()
    service.tick()
    lone.at("07:00")
    service.tick()
    assert [run.job for run in lone.played] == ["a", "b"]
    lone.played[1].ends()
    service.tick()
    assert [run.job for run in lone.played] == ["a", "b", "c"]
    assert lone.states() == {"a": "running", "b": "ended", "c": "running", "d": "waiting"}


def test_two_jobs_with_one_target_run_one_after_the_other(lone: Stage) -> None:
    lone.write(
        "  a: {kind: script, when: daily at 08:00, target: lists}\n"
        "  b: {kind: script, when: daily at 08:00, target: lists}"
    )
    service = lone.service()
    service.tick()
    lone.at("07:00")
    service.tick()
    service.tick()
    assert [run.job for run in lone.played] == ["a"]
    lone.played[0].ends()
    service.tick()
    assert [run.job for run in lone.played] == ["a", "b"]


def test_a_job_waits_for_the_same_days_run_of_another(lone: Stage) -> None:
    lone.write(
        "  a: {kind: script, when: daily at 08:00}\n"
        "  b: {kind: script, when: daily at 08:00, waits-for: a, catch-up: 2 hours}"
    )
    service = lone.service()
    service.tick()
    lone.at("07:00")
    service.tick()
    lone.played[0].ends("failed", cause="no")
    lone.at("08:30")
    service.tick()
    assert lone.states() == {"a": "ended", "b": "waiting"}
    with lone.state.open().begin("a", "", slot=None, kind="run", config="c0") as record:  # a person tries it again
        record.end("held", {}, transient=False, cause="")
    service.tick()
    assert [run.job for run in lone.played] == ["a", "b"]


def test_a_job_that_waited_in_vain_is_missed_and_says_for_whom(lone: Stage) -> None:
    lone.write(
        "  a: {kind: script, when: daily at 08:00}\n"
        "  b: {kind: script, when: daily at 08:00, waits-for: a, catch-up: 2 hours}"
    )
    service = lone.service()
    service.tick()
    lone.at("07:00")
    service.tick()
    lone.at("09:01")
    service.tick()
    assert (lone.slot("b").state, lone.slot("b").cause) == ("missed", "it waits for a")


def test_a_paused_job_is_not_run_now_and_not_later(lone: Stage) -> None:
    lone.write(DAILY)
    service, journal = lone.service(), lone.state.open()
    service.tick()
    journal.pauses.set(Pause("a", lone.state.now, utc("2026-11-24T09:00"), "the mail server moves", "rossi"))
    lone.at("07:00")
    service.tick()
    assert (lone.slot("a").state, lone.slot("a").cause) == ("paused", "the mail server moves")
    lone.at("10:00")
    service.tick()
    assert lone.played == []
    lone.at("07:00")
    service.tick()
    assert [run.slot for run in lone.played] == [utc("2026-11-25T07:00")]


def test_another_try_does_not_start_in_a_pause_but_after_it(lone: Stage) -> None:
    lone.write("  a: {kind: script, when: daily at 08:00, retry: {times: 2, every: 10 minutes}}")
    service, journal = lone.service(), lone.state.open()
    service.tick()
    lone.at("07:00")
    service.tick()
    lone.played[0].ends("failed", transient=True, cause="no answer")
    service.tick()
    journal.pauses.set(Pause("a", lone.state.now, utc("2026-11-24T09:00"), "the mail server moves", "rossi"))
    lone.at("08:00")
    service.tick()
    assert (len(lone.played), lone.slot("a").state) == (1, "waiting")
    lone.at("09:01")
    service.tick()
    assert len(lone.played) == 2


def test_another_try_of_a_job_whose_machine_does_not_come_back_is_missed(stage: Stage) -> None:
    stage.write(
        "  a: {kind: script, when: weekly on tuesday at 08:00, runs-on: there, catch-up: 1 hour, "
        "retry: {times: 2, every: 10 minutes}}"
    )
    there, here = stage.service("there"), stage.service("here")
    there.tick()
    here.tick()
    stage.at("07:00")
    there.tick()
    stage.played[0].ends("failed", transient=True, cause="no answer")
    there.tick()
    stage.at("08:14")
    here.tick()
    assert stage.slot("a").state == "waiting"
    stage.at("08:16")
    here.tick()
    assert (stage.slot("a").state, stage.slot("a").cause) == ("missed", "none of the machines that may run it took it")


def test_another_try_has_waited_for_other_jobs_already(lone: Stage) -> None:
    lone.write(
        "  a: {kind: script, when: daily at 06:45}\n"
        "  b: {kind: script, when: weekly on tuesday at 08:00, waits-for: a, retry: {times: 1, every: 3 days}}"
    )
    service = lone.service()
    service.tick()
    lone.at("07:00")
    service.tick()
    lone.played[0].ends()
    service.tick()
    lone.played[1].ends("failed", transient=True, cause="no answer")
    service.tick()
    lone.state.later(days=3)
    service.tick()
    assert [run.job for run in lone.played if run.job == "b"] == ["b", "b"]


def test_what_waits_for_a_job_that_the_schedule_has_no_more_is_let_go_after_half_a_day(lone: Stage) -> None:
    lone.write("  a: {kind: script, when: daily at 08:00}\n  b: {kind: script, when: daily at 08:00}", "workers: 1")
    service = lone.service()
    service.tick()
    lone.at("07:00")
    service.tick()
    lone.write(DAILY)
    service.reload()
    service.tick()
    assert lone.states() == {"a": "running", "b": "waiting"}
    lone.state.later(hours=13)
    service.tick()
    assert (lone.slot("b").state, lone.slot("b").cause) == ("skipped", "the schedule does not have this job any more")


def test_jitter_delays_a_run_by_the_same_on_every_machine(lone: Stage) -> None:
    lone.write("  a: {kind: script, when: daily at 08:00, jitter: 30 minutes}")
    service = lone.service()
    service.tick()
    lone.at("07:00")
    service.tick()
    begins = lone.slot("a").not_before
    assert begins is not None
    assert utc("2026-11-24T07:00") < begins < utc("2026-11-24T07:30")
    assert lone.played == []
    lone.state.now = begins
    service.tick()
    assert len(lone.played) == 1


def test_runs_on_is_honoured_and_an_absent_machine_is_reported(stage: Stage) -> None:
    stage.write("  a: {kind: script, when: daily at 08:00, runs-on: there, catch-up: 1 hour}")
    here = stage.service("here")
    here.tick()
    stage.at("08:04")
    here.tick()
    assert stage.states() == {}
    stage.state.later(minutes=2)
    here.tick()
    assert (stage.slot("a").state, stage.slot("a").cause) == ("missed", "none of the machines that may run it took it")
    there = stage.service("there")
    there.tick()
    assert stage.played == []
    stage.at("07:00")
    here.tick()
    there.tick()
    assert len(stage.played) == 1


def test_services_share_the_work_and_no_slot_runs_twice(stage: Stage) -> None:
    names = ("a", "b", "c", "d")
    stage.write("\n".join(f"  {name}: {{kind: script, when: daily at 08:00}}" for name in names), "workers: 2")
    services = [stage.service(host) for host in ("one", "two", "three")]
    for service in services:
        service.tick()
    stage.at("07:00")
    for service in services:
        service.tick()
    assert sorted(run.job for run in stage.played) == list(names)
    assert [len(service.runs.running) for service in services] == [2, 2, 0]


def test_a_run_of_a_dead_service_is_watched_while_it_lives_and_settled_when_it_ends(stage: Stage) -> None:
    stage.write(DAILY)
    there, here = stage.service("there"), stage.service("here")
    there.tick()
    here.tick()
    stage.at("07:00")
    there.tick()
    run = stage.played[0]
    with run.journal.begin("a", "", slot=int(run.slot.timestamp() * 1e6), kind="run", config="c0") as record:
        for _ in range(12):  # the service there is dead, its run renews its lease
            stage.state.later(seconds=15)
            run.journal.renew(record)
            here.tick()
        assert stage.slot("a").service == here.name
        record.end("changed", {}, transient=False, cause="")
    here.tick()
    assert (len(stage.played), stage.slot("a").state, stage.slot("a").run) == (1, "ended", record.run)


def test_a_run_of_a_dead_machine_is_taken_over_after_the_lease_and_once(stage: Stage) -> None:
    stage.write(DAILY)
    there, here, third = stage.service("there"), stage.service("here"), stage.service("third")
    for service in (there, here, third):
        service.tick()
    stage.at("07:00")
    there.tick()
    stage.played[0].begins()
    took = 0
    while len(stage.played) == 1:
        here.tick()
        third.tick()
        stage.state.later(seconds=15)
        took += 15
        assert took < 180
    assert took > 90
    for service in (here, third, here, third):
        service.tick()
    assert len(stage.played) == 2
    slot = stage.slot("a")
    assert (slot.state, slot.takeovers) == ("running", 1)
    stage.played[1].ends()
    (here if slot.service == here.name else third).tick()
    assert stage.slot("a").state == "ended"
    there.tick()  # it comes back: its run has failed, and it may not touch the slot
    assert stage.slot("a").state == "ended"
    assert [row.state for row in stage.state.open().archive.history()] == ["changed", "failed"]


def test_a_service_that_died_between_claim_and_start_loses_nothing(stage: Stage) -> None:
    stage.write(DAILY)
    there, here = stage.service("there"), stage.service("here")
    there.tick()
    here.tick()
    stage.at("07:00")
    there.tick()  # it dies before its run-job has written anything
    for _ in range(20):
        here.tick()
        stage.state.later(seconds=15)
    assert (len(stage.played), stage.slot("a").takeovers) == (2, 0)


def test_a_service_that_stops_gives_back_what_it_was_told_to_stop(stage: Stage) -> None:
    stage.write("  a: {kind: script, when: daily at 08:00}\n  b: {kind: script, when: daily at 08:00}", "workers: 1")
    there = stage.service("there")
    there.tick()
    stage.at("07:00")
    there.tick()
    there.stopping = True
    there.runs.stop()
    there.tick()
    there.end()
    assert stage.states() == {"a": "waiting", "b": "waiting"}
    here = stage.service("here")
    here.tick()
    stage.played[1].ends()
    here.tick()
    stage.played[2].ends()
    here.tick()
    assert stage.states() == {"a": "ended", "b": "ended"}
    assert (stage.slot("a").tries, stage.slot("a").takeovers) == (0, 0)
    stopped = [row for row in stage.state.open().archive.history() if row.state == "failed"]
    assert [row.cause for row in stopped] == ["stopped with the service, which takes it up again when it starts"]


def test_a_reload_takes_a_good_file_and_refuses_a_bad_one_as_a_whole(lone: Stage) -> None:
    lone.write(DAILY)
    service = lone.service()
    service.tick()
    first = service.config.hash
    lone.write("  a: {kind: script, when: daily at 08:00}\n  b: {kind: script, when: dayly at 08:00}")
    service.tick()
    assert service.config.hash == first  # never because it merely changed
    service.reload()
    service.tick()
    (row,) = lone.state.open().services.open()
    assert row.config == first
    assert "jobs.b.when" in row.fault
    ((about, cause),) = lone.told
    assert about == "reload"
    assert "jobs.b.when" in cause
    lone.write("  a: {kind: script, when: daily at 08:00}\n  b: {kind: script, when: daily at 08:00}")
    service.reload()
    service.tick()
    (row,) = lone.state.open().services.open()
    assert (row.config, row.fault, lone.told[1:]) == (service.config.hash, "", [("reload", "")])
    assert row.config != first
    lone.file.unlink()
    service.reload()
    service.tick()
    lone.at("07:00")
    service.tick()
    assert lone.states() == {"a": "running", "b": "running"}
    assert "cannot be read" in lone.told[-1][1]


def test_another_state_is_not_taken_by_a_reload(lone: Stage) -> None:
    lone.write(DAILY)
    service = lone.service()
    service.tick()
    lone.file.write_text(lone.file.read_text().replace("x.db", "y.db"))
    service.reload()
    assert service.fault.endswith("another `state` is taken by a restart only")


def test_two_services_with_different_schedules_are_reported_once_and_so_is_the_end_of_it(stage: Stage) -> None:
    stage.write(DAILY)
    here = stage.service("here")
    stage.write("  a: {kind: script, when: daily at 09:00}")
    there = stage.service("there")
    here.tick()
    there.tick()
    for _ in range(10):
        stage.state.later(seconds=15)
        here.tick()
        there.tick()
    ours, theirs = here.config.hash[:16], there.config.hash[:16]
    assert stage.told == [("schedules", f"services have different schedules: here runs {ours}, there runs {theirs}")]
    here.reload()
    for _ in range(2):
        here.tick()
        there.tick()
    assert stage.told[1:] == [("schedules", "")]


def test_of_many_services_with_different_schedules_each_says_the_same(lone: Stage) -> None:
    lone.write(DAILY)
    services = [lone.service("a")]
    lone.write("  a: {kind: script, when: daily at 09:00}")
    services += [lone.service("b"), lone.service("c")]
    for _ in range(10):
        for service in services:
            service.tick()
        lone.state.later(seconds=15)
    one, two = services[0].config.hash[:16], services[1].config.hash[:16]
    every = f"a runs {one}, b runs {two}, c runs {two}"
    assert lone.told == [("schedules", f"services have different schedules: {every}")]


def test_trouble_with_schedules_is_over_also_when_whoever_told_of_it_is_gone(lone: Stage) -> None:
    lone.write(DAILY)
    here = lone.service("here")
    lone.write("  a: {kind: script, when: daily at 09:00}")
    there = lone.service("there")
    for _ in range(10):
        here.tick()
        there.tick()
        lone.state.later(seconds=15)
    assert [about for about, _ in lone.told] == ["schedules"]
    here.end()
    there.end()
    again = lone.service("here")
    again.tick()
    assert lone.told[1:] == [("schedules", "")]


def test_a_service_that_restarts_with_a_different_schedule_does_not_say_that_all_is_well(lone: Stage) -> None:
    lone.write(DAILY)
    here = lone.service("here")
    lone.write("  a: {kind: script, when: daily at 09:00}")
    there = lone.service("there")
    for turn in range(20):
        here.tick()
        there.tick()
        lone.state.later(seconds=15)
        if turn == 10:
            there.end()
            there = lone.service("there")
            there.tick()
    assert [about for about, _ in lone.told] == ["schedules"]


def test_a_bad_file_that_was_mended_and_read_by_a_restart_is_over(lone: Stage) -> None:
    lone.write(DAILY)
    service, other = lone.service(), lone.service("there")
    service.tick()
    other.tick()
    lone.write("  a: {kind: script, when: dayly at 08:00}")
    service.reload()
    service.tick()
    assert [about for about, _ in lone.told] == ["reload"]
    lone.write(DAILY)
    other.reload()
    other.tick()
    assert lone.told[1:] == []  # that one has what it should have, this one has not
    service.end()
    lone.service().tick()
    assert lone.told[1:] == [("reload", "")]


def test_trouble_that_an_earlier_service_could_not_close_is_closed_by_the_next(lone: Stage) -> None:
    lone.tell("state", "it could not be used for 0:02:00: the state failed")
    lone.tell("program", "a fault of this program (KeyError): see its log")
    lone.write(DAILY)
    lone.service().tick()
    assert sorted(lone.told[2:]) == [("program", ""), ("state", "")]


def test_a_file_with_thousands_of_faults_stops_nothing(stage: Stage) -> None:
    stage.write(DAILY)
    service = stage.service()
    service.tick()
    stage.write("\n".join(f"  j{number}: {{kind: script, when: dayly at 08:00}}" for number in range(2_000)))
    service.reload()
    service.tick()
    (row,) = stage.state.open().services.open()
    assert row.fault.splitlines()[-1] == "and 1980 more"
    stage.at("07:00")
    service.tick()
    assert len(stage.played) == 1


def test_what_could_not_be_claimed_for_a_fault_of_the_state_is_claimed_later(lone: Stage) -> None:
    lone.write(DAILY)
    service = lone.service()
    service.tick()
    lone.at("07:00")
    execute(service, "CREATE TRIGGER full BEFORE INSERT ON slots BEGIN SELECT RAISE(ABORT, 'full'); END")
    service.tick()
    assert service.away
    execute(service, "DROP TRIGGER full")
    service.tick()
    assert (len(lone.played), service.away) == (1, False)


def test_a_state_file_that_was_moved_away_or_replaced_is_not_used_on(lone: Stage, tmp_path: Path) -> None:
    lone.write(DAILY)
    service = lone.service()
    service.tick()
    file = service.journal.database.file
    assert file is not None
    lone.at("07:00")
    file.rename(tmp_path / "aside.db")
    service.tick()
    assert (service.away, lone.played) == (True, [])
    with pytest.raises(StateError, match="is gone"):
        lone.state.open().database.demand()
    file.write_bytes((tmp_path / "aside.db").read_bytes())
    service.tick()
    assert (service.away, lone.played) == (True, [])
    (tmp_path / "aside.db").replace(file)
    service.tick()
    assert (service.away, [run.job for run in lone.played]) == (False, ["a"])


def test_an_absence_of_the_state_that_could_not_be_said_to_be_over_is_over_at_the_next_tick(lone: Stage) -> None:
    lone.write(DAILY)
    service = lone.service()
    service.tick()
    lone.at("07:00")
    execute(service, "CREATE TRIGGER full BEFORE INSERT ON slots BEGIN SELECT RAISE(ABORT, 'full'); END")
    service.tick()
    execute(service, "DROP TRIGGER full")
    lone.state.later(minutes=2)
    well = service.seams.well
    service.seams = replace(service.seams, well=fails)
    service.tick()
    service.seams = replace(service.seams, well=well)
    assert [about for about, cause in lone.told if cause] == ["state"]
    service.tick()
    assert lone.told[1:] == [("state", "")]


def test_an_answer_to_a_reload_that_the_state_refuses_keeps_no_job_from_running(lone: Stage) -> None:
    lone.write(DAILY)
    service = lone.service()
    service.tick()
    execute(service, "CREATE TRIGGER no BEFORE UPDATE OF fault ON services BEGIN SELECT RAISE(ABORT, 'no'); END")
    service.reload()
    lone.at("07:00")
    service.tick()
    assert len(lone.played) == 1


def test_a_fault_of_this_program_is_told_once_and_ends_nothing(lone: Stage, caplog: pytest.LogCaptureFixture) -> None:
    lone.write(DAILY)
    service = lone.service()
    service.tick()
    lone.at("07:00")
    lone.odd = [RuntimeError("can't start new thread"), RuntimeError("can't start new thread")]
    for _ in range(6):
        service.tick()
        lone.state.later(minutes=1)
    assert (len(lone.odd), len(lone.played)) == (0, 1)
    assert lone.told == [("program", "a fault of this program (RuntimeError): see its log")]
    assert "can't start new thread" in caplog.text
    lone.state.later(hours=2)
    service.tick()
    assert lone.told[1:] == [("program", "")]


def test_who_waits_for_one_tick_gets_its_fault(lone: Stage) -> None:
    lone.write(DAILY)
    service = lone.service(patient=False)
    service.tick()
    lone.at("07:00")
    lone.odd = [RuntimeError("can't start new thread")]
    with pytest.raises(RuntimeError):
        service.tick()


def test_a_different_schedule_of_another_service_does_not_move_our_past(stage: Stage) -> None:
    stage.write(DAILY)
    here = stage.service("here")
    stage.write("  a: {kind: script, when: daily at 09:00}")
    there = stage.service("there")
    for _ in range(3):
        here.tick()
        there.tick()
    stage.at("07:00")
    there.tick()
    here.tick()
    assert [run.slot for run in stage.played] == [utc("2026-11-24T07:00")]


def test_a_restart_with_an_older_file_takes_no_past_from_jobs_of_the_newer_one(stage: Stage) -> None:
    stage.write(DAILY)
    old = stage.service("old")
    stage.write(f"{DAILY}\n  b: {{kind: script, when: daily at 08:00}}")
    new, next_one = stage.service("new"), stage.service("new")
    new.tick()
    old.tick()
    stage.at("07:01")
    new.end()
    next_one.tick()
    assert sorted(run.job for run in stage.played) == ["a", "b"]


def test_a_service_that_comes_while_another_one_looks_keeps_what_it_starts(lone: Stage) -> None:
    lone.write(DAILY)
    here, there = lone.service("here"), lone.service("there")
    here.tick()
    lone.at("07:00")
    here.stopping = True

    def meanwhile(*what: object) -> None:
        if not there._registered and "FROM slots" in str(what[2]) and "slots.state IN" in str(what[2]):
            there.tick()

    event.listen(here.journal.database._engine, "before_cursor_execute", meanwhile)
    here.tick()
    assert (len(lone.played), lone.slot("a").service) == (1, there.name)


def test_the_log_of_a_run_is_there_while_it_runs(lone: Stage) -> None:
    lone.write(DAILY)
    service, journal = lone.service(), lone.state.open()
    service.tick()
    lone.at("07:00")
    service.tick()
    run = lone.played[0].begins()
    lone.played[0].output.add(b"reading anna@unimore.it\n")
    service.tick()
    log = journal.logs.of(run)
    assert log is not None
    assert (log.text, log.size, lone.slot("a").run) == ("reading …@unimore.it\n", 24, run)
    lone.played[0].output.add(b"more\n")
    service.tick()
    lone.state.later(seconds=45)
    lone.set_clock(HOUR)
    service.tick()
    assert journal.logs.of(run) == log  # not at every tick, whatever the clock on the wall does
    lone.state.later(seconds=15)
    service.tick()
    log = journal.logs.of(run)
    assert log is not None
    assert log.text.endswith("more\n")


@pytest.mark.parametrize("due", [False, True])
def test_a_tick_asks_the_same_few_questions_whatever_the_number_of_jobs(lite: State, tmp_path: Path, due: bool) -> None:
    asked = []
    for count in (1, 50):
        stage = Stage(State(f"sqlite:///{tmp_path}/{count}.db", stack=lite.stack), tmp_path)
        jobs = (f"  j{number}: {{kind: script, when: daily at 08:00}}" for number in range(count))
        stage.write("\n".join(jobs), "workers: 1")
        service = stage.service()
        service.tick()
        if due:
            stage.at("07:00")
        statements: list[str] = []
        engine = service.journal.database._engine
        event.listen(engine, "before_cursor_execute", lambda *what, said=statements: said.append(what[2]))
        service.tick()
        assert len(stage.played) == due
        asked.append(len([said for said in statements if not said.startswith("BEGIN")]))
    assert asked == ([12, 12] if due else [3, 3])
