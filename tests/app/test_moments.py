from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from collima.app.moments import beginning, end
from collima.core.errors import ConfigError

ROME = ZoneInfo("Europe/Rome")
NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24", "2026-11-23T23:00:00+00:00"),
        ("2026-07-01", "2026-06-30T22:00:00+00:00"),
        ("2026-11-24 05:30", "2026-11-24T04:30:00+00:00"),
        (" 2026-11-24T05:30:10 ", "2026-11-24T04:30:10+00:00"),
        ("2026-11-24T05:30+05:30", "2026-11-24T00:00:00+00:00"),
        ("2026-11-24T05:30:00Z", "2026-11-24T05:30:00+00:00"),
        ("2026-03-29 02:30", "2026-03-29T01:30:00+00:00"),  # is skipped
        ("2026-10-25 02:30", "2026-10-25T00:30:00+00:00"),  # comes twice: the first
    ],
)
def test_a_moment_is_local_unless_it_says_otherwise(text: str, moment: str) -> None:
    assert beginning(text, ROME).isoformat() == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24", "2026-11-24T23:00:00+00:00"),  # with its whole day
        ("2026-12-31", "2026-12-31T23:00:00+00:00"),
        ("2026-11-24 12:00", "2026-11-24T11:00:00+00:00"),
        ("3 days", "2026-11-27T10:30:00+00:00"),
        ("1  hour", "2026-11-24T11:30:00+00:00"),
        ("5 months", "2027-04-24T09:30:00+00:00"),  # by the calendar: 11:30 in summer, too
    ],
)
def test_the_end_of_a_pause_is_a_date_a_moment_or_a_duration(text: str, moment: str) -> None:
    assert end(text, ROME, NOW).astimezone(UTC).isoformat() == moment


@pytest.mark.parametrize("text", ["2026-11-23", "2026-11-24 11:30", "0 days", "2026-11-24T10:30:00Z"])
def test_what_is_past_is_no_end(text: str) -> None:
    with pytest.raises(ConfigError, match="is in the past"):
        end(text, ROME, NOW)


@pytest.mark.parametrize("text", ["", "tomorrow", "3 days ago", "2026-02-30", "05:30", "99999999 days", "9999 years"])
def test_what_is_no_moment_is_refused_with_the_cure(text: str) -> None:
    with pytest.raises(ConfigError, match=r"2026-11-24|too long"):
        end(text, ROME, NOW)


@pytest.mark.parametrize("text", ["9999-12-31", "9999-12-31 23:59", "0001-01-01T00:00+14:00"])
def test_the_ends_of_the_calendar_are_not_meant(text: str) -> None:
    with pytest.raises(ConfigError, match="a year from 1970 to 8999 is meant"):
        end(text, ROME, NOW)
    with pytest.raises(ConfigError, match="a year from 1970 to 8999 is meant"):
        beginning(text, ROME)
