"""The pace of calls: never more than the rate, half of it after a refusal, and back within a minute."""

import pytest

from connectors.google.bucket import RECOVERY, Bucket
from tests.connectors.google_place import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def bucket(clock: Clock) -> Bucket:
    return Bucket(40.0, 50, clock, clock.sleep)


def test_a_burst_goes_at_once_and_what_follows_is_spaced(clock: Clock) -> None:
    pace, begun = bucket(clock), clock.now
    for _ in range(30):
        pace.take(50)
    assert clock.now - begun == pytest.approx(29 * 50 / 40)


def test_a_pause_saves_no_more_than_a_burst(clock: Clock) -> None:
    pace = bucket(clock)
    clock.now += 1000
    begun = clock.now
    for _ in range(3):
        pace.take(50)
    assert clock.now - begun == pytest.approx(2 * 50 / 40)


def test_a_refusal_halves_the_speed_and_a_minute_gives_it_back(clock: Clock) -> None:
    pace = bucket(clock)
    for _ in range(50):  # a whole batch that is refused is one cause
        pace.refused()
    assert pace.speed == 20
    clock.now += RECOVERY / 2
    pace.take(1)
    assert pace.speed == 40


def test_refusals_without_an_end_leave_a_sixteenth(clock: Clock) -> None:
    pace = bucket(clock)
    for _ in range(100):
        pace.refused()
        clock.now += 1.0
    pace.refused()
    assert 40 / 16 <= pace.speed <= 4
