from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from collima.app.service.bell import Bell
from collima.app.service.timer import Timer, Trigger
from collima.app.when import following, when

ROME = ZoneInfo("Europe/Rome")
AT = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)  # 05:30 in Rome
DAY = timedelta(days=1)


def test_the_trigger_is_a_pure_function_of_now_wherever_the_clock_was_before() -> None:
    trigger = Trigger(when("daily at 05:30"), ROME)
    for previous in (None, AT - DAY, AT, AT + 5 * DAY):  # the last: the clock was set back
        assert trigger.get_next_fire_time(previous, AT - timedelta(seconds=1)) == AT
        assert trigger.get_next_fire_time(previous, AT) == AT + DAY
    assert Trigger(when("manual"), ROME).get_next_fire_time(None, AT) is None


def test_jobs_that_are_due_together_wake_once_and_a_new_schedule_replaces_the_old_one() -> None:
    bell = Bell()
    timer = Timer(bell.ring)
    with timer.running():
        timer.schedule([when("daily at 05:30"), when("30 5 * * *"), when("manual"), when("every 15 minutes")], ROME)
        planned = {job.id: job.next_run_time for job in timer._scheduler.get_jobs()}
        now = datetime.now(UTC)
        assert planned == {text: following(when(text), ROME, now) for text in ("30 5 * * *", "*/15 * * * *")}
        timer.schedule([when("every 6 hours")], ROME)
        assert [job.id for job in timer._scheduler.get_jobs()] == ["0 */6 * * *"]
    bell.close()


def test_a_bell_that_rings_often_is_heard_once_and_one_that_is_full_does_not_block() -> None:
    bell = Bell()
    for _ in range(100_000):
        bell.ring()
    bell.wait(60)
    bell.wait(0)
    bell.close()
